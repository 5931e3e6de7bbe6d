"""Watches a training for what goes wrong with GANs, and says so in words.

The thresholds are rules of thumb; a warning is a reason to look, not a verdict.
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn

from lusgan_core.training.options import TrainingOptions
from lusgan_core.training.recipe import Recipe
from lusgan_core.training.state import HISTORY

WINDOW = 100
"""Iterations at the end that a judgement averages over."""
TOO_EASY = 0.05
"""A discriminator loss below this share of its start means it has won."""
OVERFIT_SIGN = 0.8
"""Above this E[sign(D(real) - D(fake))] the discriminator tells nearly all apart."""
COLLAPSED = 0.35
"""Spread between synthetic frames, as a share of that between real ones, that means collapse."""


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


def spread(frames: NDArray[np.uint8]) -> float:
    """How much frames (B, H, W[, 3]) differ: a pixel's standard deviation over frames, averaged."""
    return float(frames.astype(np.float32).std(axis=0).mean())


def warnings(
    options: TrainingOptions,
    made: Recipe,
    history: NDArray[np.float32],
    synthetic: NDArray[np.uint8],
    real: NDArray[np.uint8],
) -> list[str]:
    """What a person should know of a finished training.

    Args: history (iterations, columns), and equally many synthetic and real frames (B, H, W[, 3]).
    """
    said = []
    ignored = sorted(options.touched_targets - made.loss.targets)
    if ignored:
        said.append(
            f"{made.loss.name} does not read the labels of {' or '.join(ignored)} images: "
            "smoothing or flipping those had no effect"
        )
    column = dict(zip(HISTORY, history.T, strict=True))
    last = slice(-min(WINDOW, len(history)), None)
    start = float(np.abs(column["loss_discriminator"][:WINDOW]).mean())
    end = float(np.abs(column["loss_discriminator"][last]).mean())
    if end < TOO_EASY * start:
        said.append(
            f"the discriminator has won: its loss fell from {start:.3g} to {end:.3g}; lower "
            "training.lr_discriminator or add a penalty"
        )
    sign = float(column["sign"][last].mean())
    if sign > OVERFIT_SIGN:
        said.append(
            f"the discriminator tells real from synthetic nearly always (sign {sign:.2f}): it may "
            "have learnt the training frames by heart; train less, or on more patients"
        )
    if np.abs(column["loss_generator"][last]).mean() > 50:
        said.append("the generator's loss has run away: training has diverged")
    share = spread(synthetic) / max(spread(real), 1e-6)
    if share < COLLAPSED and len(synthetic) > 1:
        said.append(
            f"mode collapse: synthetic frames differ from each other {share:.0%} as much as real "
            "frames do"
        )
    return said
