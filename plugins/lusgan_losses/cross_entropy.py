"""Losses made of binary cross-entropy: SGAN, RSGAN and RaSGAN.

Write a for the logits of real inputs, b for those of fake ones, both (N, L), a' and b' for their
means over the whole batch, and L(x, y) for the cross-entropy of sigmoid(x) with target y, averaged
over all logits.

==========  ===================================  ===================================
loss        discriminator                        generator
==========  ===================================  ===================================
SGAN        L(a, 1) + L(b, 0)                    L(b, 1)
RSGAN       L(a - b, 1)                          L(b - a, 1)
RaSGAN      [L(a - b', 1) + L(b - a', 0)] / 2    [L(a - b', 0) + L(b - a', 1)] / 2
==========  ===================================  ===================================

In the discriminator the 1 of a real and the 0 of a fake input are replaced by the targets, which
the run may smooth or flip; RSGAN has only the former. In the generator they are 1 and 0.

Sources: Goodfellow et al., arXiv 1406.2661 (SGAN, non-saturating); Jolicoeur-Martineau, arXiv
1807.00734, section 4 and algorithms 1 and 2 (the relativistic two). RSGAN is the RpGAN of R3GAN
(NeurIPS 2024).
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from lusgan_core.api import Loss, NoOptions, Targets

if TYPE_CHECKING:
    from torch import Tensor

# L(x, 1) = softplus(-x) and L(x, 0) = softplus(x): generators need no tensor of targets.


def cross_entropy(logits: Tensor, targets: Tensor) -> Tensor:
    """L(x, y), averaged over all logits.

    Args:
        logits: x, any shape.
        targets: y, 0..1 or, with label smoothing, beyond; of the shape of the logits.

    Returns:
        The average, a scalar.
    """
    from torch.nn.functional import binary_cross_entropy_with_logits

    return binary_cross_entropy_with_logits(logits, targets)


def softplus(logits: Tensor) -> Tensor:
    """log(1 + exp(x)), element by element."""
    from torch.nn import functional

    return functional.softplus(logits)


def sgan_discriminator(real: Tensor, fake: Tensor, targets: Targets, options: NoOptions) -> Tensor:
    """L(a, y) + L(b, y0) for targets y (real) and y0 (fake).

    Args:
        real: Logits of real inputs, (N, L).
        fake: Logits of fake inputs, (N, L).
        targets: y and y0, each of the shape of its logits.
        options: Not used.

    Returns:
        The loss, averaged over all logits: a scalar to minimise.
    """
    return cross_entropy(real, targets.real) + cross_entropy(fake, targets.fake)


def sgan_generator(real: Tensor, fake: Tensor, targets: Targets, options: NoOptions) -> Tensor:
    """L(b, 1).

    Args:
        real: Not used.
        fake: Logits of fake inputs, (N, L).
        targets: Not used.
        options: Not used.

    Returns:
        The loss, averaged over all logits: a scalar to minimise.
    """
    return softplus(-fake).mean()


def rsgan_discriminator(real: Tensor, fake: Tensor, targets: Targets, options: NoOptions) -> Tensor:
    """L(a - b, y) for the target y (real): each real input beside one fake input.

    Args:
        real: Logits of real inputs, (N, L).
        fake: Logits of as many fake inputs, (N, L).
        targets: y, of the shape of the logits; y0 is not used.
        options: Not used.

    Returns:
        The loss, averaged over all logits: a scalar to minimise.
    """
    return cross_entropy(real - fake, targets.real)


def rsgan_generator(real: Tensor, fake: Tensor, targets: Targets, options: NoOptions) -> Tensor:
    """L(b - a, 1): each fake input beside one real input.

    Args:
        real: Logits of real inputs, (N, L).
        fake: Logits of as many fake inputs, (N, L).
        targets: Not used.
        options: Not used.

    Returns:
        The loss, averaged over all logits: a scalar to minimise.
    """
    return softplus(real - fake).mean()


def rasgan_discriminator(
    real: Tensor, fake: Tensor, targets: Targets, options: NoOptions
) -> Tensor:
    """[L(a - b', y) + L(b - a', y0)] / 2 for targets y (real) and y0 (fake).

    Each input is set beside the average of the other kind.

    Args:
        real: Logits of real inputs, (N, L).
        fake: Logits of fake inputs, (N, L).
        targets: y and y0, each of the shape of its logits.
        options: Not used.

    Returns:
        The loss, averaged over all logits: a scalar to minimise.
    """
    real_above = cross_entropy(real - fake.mean(), targets.real)
    fake_above = cross_entropy(fake - real.mean(), targets.fake)
    return (real_above + fake_above) / 2


def rasgan_generator(real: Tensor, fake: Tensor, targets: Targets, options: NoOptions) -> Tensor:
    """[L(a - b', 0) + L(b - a', 1)] / 2.

    Args:
        real: Logits of real inputs, (N, L).
        fake: Logits of fake inputs, (N, L).
        targets: Not used.
        options: Not used.

    Returns:
        The loss, averaged over all logits: a scalar to minimise.
    """
    return (softplus(real - fake.mean()).mean() + softplus(real.mean() - fake).mean()) / 2


SGAN = Loss(
    name="SGAN",
    version="1",
    description="Standard GAN, non-saturating cross-entropy",
    discriminator=sgan_discriminator,
    generator=sgan_generator,
    generator_needs_real=False,
)

RSGAN = Loss(
    name="RSGAN",
    version="1",
    description="Relativistic standard GAN (RpGAN): each real input against one fake input",
    discriminator=rsgan_discriminator,
    generator=rsgan_generator,
    targets=frozenset({"real"}),
)

RASGAN = Loss(
    name="RaSGAN",
    version="1",
    description="Relativistic average standard GAN: each input against the average of the others",
    discriminator=rasgan_discriminator,
    generator=rasgan_generator,
)
