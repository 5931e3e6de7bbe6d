"""The report's section on a score's training."""

from __future__ import annotations

import csv
import io
import re

import numpy as np
from numpy.typing import NDArray

from lusgan_core.calls.call import data_of
from lusgan_core.calls.provenance import Manifest
from lusgan_core.calls.records import whole
from lusgan_core.calls.section import (
    Animation,
    Callout,
    Curves,
    Group,
    Section,
    Series,
    Strip,
    StripPicture,
    Table,
)
from lusgan_core.store import Store
from lusgan_core.training.options import TrainingOptions
from lusgan_core.training.stage import ModelRecord

PREVIEWS = 8
"""Previews that are shown of all."""
HISTORY_POINTS = 400
"""Points of a curve; each is the mean over a stretch of iterations."""
LARGEST_PREVIEW = 160
"""Pixels: four frames of a preview's sheet are shown where they fit, otherwise one."""


def training_section(manifest: Manifest, store: Store) -> Section:
    """Make the section of a training from its manifest and its history.

    Args:
        manifest: Manifest of the training stage.
        store: Store with the history and the previews.

    Returns:
        Facts, warnings, previews and curves of losses and learning rates.

    Raises:
        MissingArtifactError: The history is missing from the store.
        DamagedError: It is damaged, and was set aside.
    """
    model = data_of(manifest, ModelRecord)
    options = TrainingOptions.model_validate(manifest.options)
    return Section(
        name="training",
        title="Training",
        callouts=tuple(Callout(state="warn", text=text) for text in model.warnings),
        facts=(
            ("Iterations", model.iterations),
            ("Images seen", model.images_seen),
            ("Training frames", model.training_frames),
            ("Clips", model.training_clips),
            ("Patients", model.training_patients),
            *_validation(model),
            ("Seconds", round(manifest.timings_s["training"], 1)),
            *_speed(model),
        ),
        text=f"Model {model.name}, trained on {manifest.device}.",
        values=model.values,
        groups=(
            *_monitor(model),
            Group(title="Progress", figures=_progress(store, model, manifest)),
            Group(
                title="Losses and learning rates",
                figures=_history(store, manifest, options),
                text="" if "history" in manifest.artifacts else "They were lost.",
                caption="Losses are means over short stretches, in a band from the smallest to the "
                "largest value (the outermost half per cent is cut off). Neither has to fall: look "
                "for a discriminator loss that goes to zero, or for curves that run away.",
            ),
        ),
    )


def _validation(model: ModelRecord) -> tuple[tuple[str, float], ...]:
    """Facts on the frames that the training looked at, and on what came of that."""
    found: list[tuple[str, float]] = []
    if model.validation_frames:
        found.append(("Validation frames", model.validation_frames))
        found.append(("Validation patients", model.validation_patients))
    if model.best_iteration:
        found.append(("Weights of iteration", model.best_iteration))
    return tuple(found)


def _speed(model: ModelRecord) -> tuple[tuple[str, float], ...]:
    if not model.images_per_s:  # trained before it was measured
        return ()
    return (
        ("Images a second", round(model.images_per_s, 1)),
        ("Peak memory, MB", round(model.peak_memory_mb)),
    )


def _monitor(model: ModelRecord) -> tuple[Group, ...]:
    """What the monitor did and found, in order; nothing where it had nothing to say."""
    if not model.events:
        return ()
    rows = tuple((f"{event.iteration:,}", event.kind, event.text) for event in model.events)
    table = Table(
        title="What the monitor did and found",
        name="monitor",
        columns=("After iteration", "What", "Because"),
        rows=rows,
        caption="The training is looked at at fixed iterations. Held-out patients play no part.",
    )
    return (Group(title="Monitor", figures=(table,)),)


def _progress(
    store: Store, model: ModelRecord, manifest: Manifest
) -> tuple[Strip | Animation, ...]:
    """A strip of previews at about equal distances, the last included, and the animation.

    The first preview is left out where there are others: it shows what weights are before training.
    """
    keys = [item.key for item in store.list(f"{model.folder}/previews/")]
    keys = keys[1:] or keys
    chosen = np.linspace(0, len(keys) - 1, min(PREVIEWS, len(keys))).round().astype(int)
    size = model.generator.image_size
    pictures = []
    for key in (keys[number] for number in dict.fromkeys(chosen.tolist())):
        number = re.search(r"(\d+)\.png$", key)
        if number:
            pictures.append(StripPicture(key=key, caption=f"{int(number[1]):,}"))
    return (
        Strip(
            title=f"Progress of score {model.score}",
            pictures=tuple(pictures),
            side=2 * size if 2 * size <= LARGEST_PREVIEW else size,
            caption="What the same noise became after so many iterations, left to right.",
        ),
        Animation(
            title=f"Animation of the training of score {model.score}",
            key=f"{model.folder}/progress.gif",
            caption="The same as an animation.",
        ),
    )


def _history(store: Store, manifest: Manifest, options: TrainingOptions) -> tuple[Curves, ...]:
    """Curves of a training; none where its history was lost with its checkpoints."""
    history = manifest.artifacts.get("history")
    return _curves(whole(store, history), options) if history else ()


def _curves(history: bytes, options: TrainingOptions) -> tuple[Curves, ...]:
    """Losses, learning rates and augmentation over iterations, each point the mean of a stretch."""
    rows = list(csv.DictReader(io.StringIO(history.decode())))
    stretches = np.array_split(np.arange(len(rows)), min(HISTORY_POINTS, len(rows)))

    def column(name: str) -> tuple[float | None, ...]:
        values = np.array([float(row[name]) for row in rows])
        return _plain(np.array([values[stretch].mean() for stretch in stretches]))

    iterations = tuple(value or 0.0 for value in column("iteration"))
    images = options.discriminator_steps * options.batch_size
    seen = tuple(iteration * images for iteration in iterations)
    curves = tuple(
        Curves(
            title=title,
            label=label,
            iterations=iterations,
            images_seen=seen,
            series=(
                Series(name="discriminator", kind="b", values=column(f"{start}_discriminator")),
                Series(name="generator", kind="a", values=column(f"{start}_generator")),
            ),
        )
        for title, label, start in (
            ("Training losses", "loss", "loss"),
            ("Learning rates", "learning rate", "lr"),
        )
    )
    if not options.augmentations:
        return curves
    strength = Curves(
        title="Strength of augmentation",
        label="probability of each change",
        iterations=iterations,
        images_seen=seen,
        series=(Series(name="augmentation", kind="b", values=column("augmentation")),),
    )
    return (*curves, strength)


def _plain(values: NDArray[np.float64]) -> tuple[float | None, ...]:
    return tuple(value if np.isfinite(value) else None for value in values.tolist())
