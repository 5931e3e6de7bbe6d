"""Detects common failures of a GAN's training and describes them in words.

Whether a training diverged or collapsed is for the gates (``promotion.gates``) to decide, from the
values that are measured here and in the evaluation.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn

from lusgan_core.calls.section import Measured, find
from lusgan_core.training.looks import Watch
from lusgan_core.training.options import TrainingOptions
from lusgan_core.training.recipe import Recipe
from lusgan_core.training.state import HISTORY

WINDOW = 100
"""Iterations that the values at the start and at the end are averaged over."""
OVERFIT_SIGN = 0.8
"""Above this E[sign(D(real) - D(fake))], nearly all real frames are told from synthetic ones."""


def find_nonfinite(rows: NDArray[np.float32]) -> str | None:
    """Name of the first history column that holds NaN or infinity, if any."""
    bad = ~np.isfinite(rows)
    return HISTORY[int(np.argwhere(bad)[0][1])] if bad.any() else None


def find_nonfinite_weights(networks: Mapping[str, nn.Module]) -> str | None:
    """Name of the first network with a weight or a batch statistic that is NaN or infinite."""
    for name, network in networks.items():
        fine = [value.isfinite().all() for value in network.state_dict().values()]
        if not torch.stack(fine).all():
            return name
    return None


def without(history: NDArray[np.float32], lost: Sequence[tuple[int, int]]) -> NDArray[np.float32]:
    """Leave the iterations out whose steps were undone; all are kept if none would be left.

    Args:
        history: (iterations, columns).
        lost: First and end of each stretch, iterations from 0.

    Returns:
        The rows that led to the weights.
    """
    kept = np.ones(len(history), np.bool_)
    for first, end in lost:
        kept[first:end] = False
    return history[kept] if kept.any() else history


def end_values(history: NDArray[np.float32]) -> tuple[Measured, ...]:
    """How a training ended, from its history (iterations, columns).

    The losses' values are None if any of them was NaN or infinite.
    """
    column = dict(zip(HISTORY, history.T.astype(np.float64), strict=True))
    window = min(WINDOW, len(history))
    generator, discriminator = (
        np.abs(column[name]) for name in ("loss_generator", "loss_discriminator")
    )
    finite = bool(np.isfinite(generator).all() and np.isfinite(discriminator).all())
    start = float(discriminator[:window].mean())
    share = float(discriminator[-window:].mean()) / start if start > 0 else 0.0
    return (
        Measured(
            metric="generator_loss",
            title="Generator's loss",
            statistic="end",
            value=float(generator[-window:].mean()) if finite else None,
            number=window,
        ),
        Measured(
            metric="discriminator_loss",
            title="Discriminator's loss, as a share of its start",
            statistic="end",
            value=share if finite else None,
            number=window,
        ),
        Measured(
            metric="sign",
            title="Real frames told from synthetic ones, -1 to 1",
            statistic="end",
            value=float(column["sign"][-window:].mean()) if finite else None,
            number=window,
        ),
    )


def warnings(
    options: TrainingOptions,
    made: Recipe,
    values: Sequence[Measured],
    torch_versions: Sequence[str] = (),
    watch: Watch | None = None,
    validation: object = None,
) -> tuple[str, ...]:
    """Warn of problems of a finished training that no gate looks at.

    Args:
        options: Options of the training.
        made: The plugins that were used.
        values: How the training ended, see ``end_values``.
        torch_versions: PyTorch's versions that trained it, in order.
        watch: What the monitor did; None if nobody looked.
        validation: The frames that it could look at; None or empty if there were none.

    Returns:
        Warnings, a sentence each; empty if there is nothing to say.
    """
    said = []
    ignored = sorted(options.touched_targets - made.loss.targets)
    if ignored:
        said.append(
            f"{made.loss.name} does not read the labels of {' or '.join(ignored)} images: "
            "smoothing or flipping those had no effect"
        )
    sign = find(values, "sign", statistic="end")
    if sign and sign.value is not None and sign.value > OVERFIT_SIGN:
        said.append(
            "the discriminator tells real from synthetic nearly always (sign "
            f"{sign.value:.2f}): it may have learnt the training frames by heart; train less, or "
            "on more patients"
        )
    said += _of_monitor(options, watch, validation)
    if len(torch_versions) > 1:
        said.append(
            f"trained by PyTorch {' and then '.join(torch_versions)}: it was resumed by another "
            "version, and ends in other weights than with one alone"
        )
    return tuple(said)


def _of_monitor(options: TrainingOptions, watch: Watch | None, validation: object) -> list[str]:
    """What a reader has to know of what the monitor did and could not do."""
    if watch is None or not options.monitor.every:
        return []
    said = [event.text for event in watch.roll_backs]
    if watch.collapsed:
        best = f"; it has the weights of iteration {watch.best_iteration:,}" if watch.best else ""
        said.append(f"it ended collapsed: synthetic frames are all alike{best}")
    wants = options.monitor.keep_best or options.monitor.patience
    if wants and validation is None:
        said.append(
            "there were no validation frames, so the last weights were kept: that takes "
            "selection.validation above 0 and four training patients or more"
        )
    return said
