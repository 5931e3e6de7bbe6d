"""Losses made of squares: LSGAN and RaLSGAN.

Write a for the logits of real inputs, b for those of fake ones, both (N, L), a' and b' for their
means over the whole batch; squares are averaged over all logits.

==========  ============================================  ==========================
loss        discriminator                                 generator
==========  ============================================  ==========================
LSGAN       (a - 1)^2 + b^2                               (b - 1)^2
RaLSGAN     [(a - b' - 1)^2 + (b - a' + 1)^2] / 2         the same, signs swapped
==========  ============================================  ==========================

In the discriminator the targets stand in: LSGAN's 1 is the target of a real input and its 0 that
of a fake one; both ones of RaLSGAN are the target of a real input. In the generator they are 1
and 0.

Sources: Mao et al., arXiv 1611.04076 (LSGAN, without its factor 1/2); Jolicoeur-Martineau, arXiv
1807.00734, appendix (RaLSGAN).
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from lusgan_core.api import Loss, NoOptions, Targets

if TYPE_CHECKING:
    from torch import Tensor


def lsgan_discriminator(real: Tensor, fake: Tensor, targets: Targets, options: NoOptions) -> Tensor:
    """(a - y)^2 + (b - y0)^2 for targets y and y0."""
    return (real - targets.real).square().mean() + (fake - targets.fake).square().mean()


def lsgan_generator(real: Tensor, fake: Tensor, targets: Targets, options: NoOptions) -> Tensor:
    """(b - 1)^2: real logits play no part."""
    return (fake - 1).square().mean()


def ralsgan_discriminator(
    real: Tensor, fake: Tensor, targets: Targets, options: NoOptions
) -> Tensor:
    """[(a - b' - y)^2 + (b - a' + y)^2] / 2; needs as many fake inputs as real ones."""
    real_above = (real - fake.mean() - targets.real).square().mean()
    fake_below = (fake - real.mean() + targets.real).square().mean()
    return (real_above + fake_below) / 2


def ralsgan_generator(real: Tensor, fake: Tensor, targets: Targets, options: NoOptions) -> Tensor:
    """[(a - b' + 1)^2 + (b - a' - 1)^2] / 2."""
    real_below = (real - fake.mean() + 1).square().mean()
    fake_above = (fake - real.mean() - 1).square().mean()
    return (real_below + fake_above) / 2


LSGAN = Loss(
    name="LSGAN",
    version="1",
    description="Least squares GAN",
    discriminator=lsgan_discriminator,
    generator=lsgan_generator,
    generator_needs_real=False,
)

RALSGAN = Loss(
    name="RaLSGAN",
    version="1",
    description="Relativistic average least squares GAN",
    discriminator=ralsgan_discriminator,
    generator=ralsgan_generator,
    targets=frozenset({"real"}),
)
