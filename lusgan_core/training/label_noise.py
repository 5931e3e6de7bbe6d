"""Targets of the discriminator: labels smoothed, flipped one by one, or flipped for a batch."""

from __future__ import annotations

import torch
from torch import Tensor

from lusgan_core.api import Targets
from lusgan_core.training.options import TrainingOptions


def plain(real_logits: Tensor, fake_logits: Tensor) -> Targets:
    """Targets without smoothing or flipping: 1 for real and 0 for synthetic inputs.

    Args:
        real_logits: Logits of real inputs, (N, L).
        fake_logits: Logits of synthetic inputs, (N, L).

    Returns:
        Targets with the shape, dtype and device of the logits.
    """
    return Targets(torch.ones_like(real_logits), torch.zeros_like(fake_logits))


def drawn(
    real_logits: Tensor, fake_logits: Tensor, options: TrainingOptions, rng: torch.Generator
) -> Targets:
    """Draw the targets of one discriminator step (report, section 4.3).

    Each label is drawn from its smoothing interval and flipped with the probability
    ``options.flip_labels``; all labels of the step are flipped with ``options.flip_batch``.

    Args:
        real_logits: Logits of real inputs, (N, L).
        fake_logits: Logits of synthetic inputs, (N, L), as many as real ones.
        options: Smoothing intervals (None: no smoothing) and probabilities.
        rng: Random generator on the CPU, so that a GPU gets the same labels.

    Returns:
        Targets with the shape, dtype and device of the logits.
    """
    real = _smoothed(real_logits, options.smooth_real, 1.0, rng)
    fake = _smoothed(fake_logits, options.smooth_fake, 0.0, rng)
    if options.flip_labels:
        flip_real, flip_fake = torch.rand((2, *real.shape), generator=rng) < options.flip_labels
        real, fake = torch.where(flip_real, fake, real), torch.where(flip_fake, real, fake)
    if options.flip_batch and torch.rand((), generator=rng).item() < options.flip_batch:
        real, fake = fake, real
    return Targets(real.to(real_logits), fake.to(fake_logits))


def _smoothed(
    logits: Tensor, interval: tuple[float, float] | None, value: float, rng: torch.Generator
) -> Tensor:
    if interval is None:
        return torch.full(logits.shape, value)
    low, high = interval
    return low + (high - low) * torch.rand(logits.shape, generator=rng)
