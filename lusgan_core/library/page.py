"""One page on a model: its training, its frames, and how they compare with real ones."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from lusgan_core.config import RunConfig, describe, resolve
from lusgan_core.errors import InputError
from lusgan_core.library.comparison import evaluation_options
from lusgan_core.library.inputs import FrameSource, check_frames, check_number
from lusgan_core.library.models import HISTORY, MOST, WEIGHTS, Model
from lusgan_core.library.progress import shown
from lusgan_core.library.scratch_store import scratch_store
from lusgan_core.presets import DEFAULT_PRESET
from lusgan_core.registry import installed
from lusgan_core.reporting.stage import RunDescription

TOLD = ("training.", "generation.", "evaluation.", "report.")
"""Sections of options that a page of the library's shows: those that were used."""


def report(
    model: Model,
    real: FrameSource,
    path: str | Path | None = None,
    *,
    number: int = 100,
    seed: int = 7,
    metrics: str | Sequence[str] | None = None,
    groups: Sequence[Any] | NDArray[Any] | None = None,
    held_out: Sequence[bool] | NDArray[np.bool_] | None = None,
    preset: str = DEFAULT_PRESET,
    title: str = "Synthetic lung-ultrasound frames",
    device: str = "auto",
    threads: int | None = None,
    progress: bool = True,
    **options: Any,
) -> str:
    """Make a page on a model, the same that a pipeline run makes: it works offline.

    Args:
        model: A model from ``train``, or loaded from a folder.
        real: Real frames to compare with, (N, S, S) or (N, S, S, 3) uint8, at least 2.
        path: File to write the page to; None writes nothing.
        number: Number of synthetic frames that are generated and compared, at least 2.
        seed: Seed of their noise.
        metrics: Metrics by name; None: every one that is installed and applies.
        groups: (N,) labels, of which patient each real frame is; they are not shown.
        held_out: (N,) bool, true for real frames that the model was not trained on.
        preset: Preset beside which the training's options are shown.
        title: Title of the page.
        device: ``cpu``, ``cuda`` ...; ``auto`` takes a GPU if there is one.
        threads: CPU threads; None for the usual number.
        progress: Whether to show the progress on stderr.
        **options: Options of the evaluation by name: ``among_frames``, ``real_frames`` ...

    Returns:
        The page: HTML, with all its pictures inside.

    Raises:
        InputError: The frames do not fit the model, labels do not fit the frames, or the model has
            no history.
        ConfigError: An option is unknown or out of bounds.
        OSError: The file cannot be written.
    """
    given = _fitting(check_frames(real, "real", 2), model)
    count = check_number(number, "number", 2, MOST)
    config = _config(model, count, check_number(seed, "seed", 0, 2**63 - 1), title)
    config = config.model_copy(update={"evaluation": evaluation_options(metrics, options)})
    with shown(progress), scratch_store(device, threads) as stages:
        page = _page(stages, model, given, (groups, held_out), config, preset)
    if path is not None:
        Path(path).expanduser().write_text(page, encoding="utf-8")
    return page


def _fitting(real: NDArray[np.uint8], model: Model) -> NDArray[np.uint8]:
    """The frames, checked to be of the model's size; raises InputError."""
    channels = 3 if real.ndim == 4 else 1
    size = model.image_size
    if real.shape[1:3] != (size, size) or channels != model.generator.channels:
        raise InputError(
            f"real frames are shaped {real.shape}, and the model makes frames of {size} x {size} "
            f"pixels with {model.generator.channels} channels: bring them to its size"
        )
    if model.manifest is None or HISTORY not in model.files:
        raise InputError(
            "the model was loaded from a single file, which does not tell of its training: save it "
            "to a folder after training, and load that"
        )
    return real


def _config(model: Model, count: int, seed: int, title: str) -> RunConfig:
    """The options of a run that made this model."""
    from lusgan_core.training.options import TrainingOptions

    config = resolve(DEFAULT_PRESET, installed())
    trained = TrainingOptions.model_validate(model.manifest.options if model.manifest else {})
    sampled = config.generation.model_copy(
        update={"count": count, "seed": seed, "formats": (), "format_options": {}}
    )
    shown_as = config.report.model_copy(update={"title": title})
    update = {"training": trained, "generation": sampled, "report": shown_as}
    return config.model_copy(update=update)


def _page(
    stages: Any, model: Model, real: NDArray[np.uint8], labels: Any, config: RunConfig, preset: str
) -> str:
    """Make the stages' calls from generation to the report; returns the page."""
    from lusgan_core.evaluation import stage as evaluate
    from lusgan_core.generation import stage as generate
    from lusgan_core.reporting import stage as reporting

    assert model.manifest is not None
    registry, score = installed(), model.score or 0
    selected, shards = stages.real(real, score, *labels)
    stages.model(model.manifest, {**model.files, WEIGHTS: model.weights})
    generated = stages.one(generate.call(model.manifest, config.generation, registry))
    evaluated = stages.one(evaluate.call(selected, generated, config.evaluation, registry))
    ingested, preprocessed = stages.exams(shards)
    made = {
        "select": selected, "train": model.manifest, "generate": generated, "evaluate": evaluated
    }  # fmt: skip
    call = reporting.call(
        config.report,
        _description(config, preset),
        ingested=ingested,
        preprocessed=preprocessed,
        scores={score: made},
        failures={},
        rejected=(),
        registry=registry,
    )
    page: bytes = stages.context.store.get(stages.one(call).artifacts["page"].key)
    return page.decode()


def _description(config: RunConfig, preset: str) -> RunDescription:
    """Describe the options that were used, and the call that trains such a model."""
    described = describe(config, preset, installed())
    told = tuple(o for o in described.options if o["name"].startswith(TOLD))
    changed = [
        f"{o['name'].removeprefix('training.')}={json.loads(o['value'])!r}"
        for o in told
        if o["name"].startswith("training.") and o["value"] != o["preset"]
    ]
    command = f"lusgan_core.train({', '.join(['frames', f'preset={preset!r}', *changed])})"
    return described.model_copy(update={"options": told, "command": command})
