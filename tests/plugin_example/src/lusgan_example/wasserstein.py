"""The Wasserstein critic's loss (Arjovsky et al., arXiv 1701.07875), for use with a penalty.

Discriminator: b' - a' (+ drift x mean a^2, as in ProGAN, arXiv 1710.10196); generator: -b', where a
and b are the logits of real and fake inputs, (N, L), and a', b' their means. It reads no targets.
"""

from __future__ import annotations

from pydantic import Field
from torch import Tensor

from lusgan_core.api import Loss, Options, Targets


class WassersteinOptions(Options):
    """Options of the Wasserstein loss."""

    drift: float = Field(
        0.001, ge=0, le=1, description="Pull of real logits towards zero; 0 switches it off"
    )


def critic(real: Tensor, fake: Tensor, targets: Targets, options: WassersteinOptions) -> Tensor:
    """Return the critic's loss."""
    return fake.mean() - real.mean() + options.drift * real.square().mean()


def generator(real: Tensor, fake: Tensor, targets: Targets, options: WassersteinOptions) -> Tensor:
    """Return the generator's loss."""
    return -fake.mean()


WASSERSTEIN = Loss(
    name="Wasserstein",
    description="Wasserstein critic; needs a gradient penalty beside it",
    discriminator=critic,
    generator=generator,
    options=WassersteinOptions,
    targets=frozenset(),
    generator_needs_real=False,
)
