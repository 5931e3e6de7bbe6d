"""Losses made of squares: LSGAN and RaLSGAN.

Write a for the logits of real inputs, b for those of fake ones, both (N, L), a' and b' for their
means over the whole batch; squares are averaged over all logits.

==========  ============================================  ==========================
loss        discriminator                                 generator
==========  ============================================  ==========================
LSGAN       (a - 1)^2 + b^2                               (b - 1)^2
RaLSGAN     [(a - b' - 1)^2 + (b - a' + 1)^2] / 2         the same, signs swapped
==========  ============================================  ==========================

In the discriminator the targets replace these numbers: LSGAN's 1 is the target of a real input and
its 0 that of a fake one; both ones of RaLSGAN are the target of a real input. In the generator they
are 1 and 0.

Sources: Mao et al., arXiv 1611.04076 (LSGAN, without its factor 1/2); Jolicoeur-Martineau, arXiv
1807.00734, appendix (RaLSGAN).
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from lusgan_core.api import Loss, NoOptions, Targets

if TYPE_CHECKING:
    from torch import Tensor


def lsgan_discriminator(real: Tensor, fake: Tensor, targets: Targets, options: NoOptions) -> Tensor:
    """(a - y)^2 + (b - y0)^2 for targets y (real) and y0 (fake).

    Args:
        real: Logits of real inputs, (N, L).
        fake: Logits of fake inputs, (N, L).
        targets: y and y0, each of the shape of its logits.
        options: Not used.

    Returns:
        The loss, averaged over all logits: a scalar to minimise.
    """
    return (real - targets.real).square().mean() + (fake - targets.fake).square().mean()


def lsgan_generator(real: Tensor, fake: Tensor, targets: Targets, options: NoOptions) -> Tensor:
    """(b - 1)^2.

    Args:
        real: Not used.
        fake: Logits of fake inputs, (N, L).
        targets: Not used.
        options: Not used.

    Returns:
        The loss, averaged over all logits: a scalar to minimise.
    """
    return (fake - 1).square().mean()


def ralsgan_discriminator(
    real: Tensor, fake: Tensor, targets: Targets, options: NoOptions
) -> Tensor:
    """[(a - b' - y)^2 + (b - a' + y)^2] / 2 for the target y (real).

    Args:
        real: Logits of real inputs, (N, L).
        fake: Logits of as many fake inputs, (N, L).
        targets: y, of the shape of the logits; y0 is not used.
        options: Not used.

    Returns:
        The loss, averaged over all logits: a scalar to minimise.
    """
    real_above = (real - fake.mean() - targets.real).square().mean()
    fake_below = (fake - real.mean() + targets.real).square().mean()
    return (real_above + fake_below) / 2


def ralsgan_generator(real: Tensor, fake: Tensor, targets: Targets, options: NoOptions) -> Tensor:
    """[(a - b' + 1)^2 + (b - a' - 1)^2] / 2.

    Args:
        real: Logits of real inputs, (N, L).
        fake: Logits of fake inputs, (N, L).
        targets: Not used.
        options: Not used.

    Returns:
        The loss, averaged over all logits: a scalar to minimise.
    """
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
