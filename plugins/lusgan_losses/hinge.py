"""Losses made of hinges: Hinge and RaHinge. They read no targets: labels cannot be smoothed.

Write a for the logits of real inputs, b for those of fake ones, both (N, L), a' and b' for their
means over the whole batch; hinges are averaged over all logits.

=======  ======================================================  =======================
loss     discriminator                                           generator
=======  ======================================================  =======================
Hinge    relu(1 - a) + relu(1 + b)                               -b
RaHinge  [relu(1 - (a - b')) + relu(1 + (b - a'))] / 2           the same, signs swapped
=======  ======================================================  =======================

Sources: Lim and Ye, arXiv 1705.02894; Miyato et al., arXiv 1802.05957 (Hinge); Jolicoeur-Martineau,
arXiv 1807.00734, appendix (RaHinge).
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from lusgan_core.api import Loss, NoOptions, Targets

if TYPE_CHECKING:
    from torch import Tensor


def hinge_discriminator(real: Tensor, fake: Tensor, targets: Targets, options: NoOptions) -> Tensor:
    """relu(1 - a) + relu(1 + b).

    Args:
        real: Logits of real inputs, (N, L).
        fake: Logits of fake inputs, (N, L).
        targets: Not used.
        options: Not used.

    Returns:
        The loss, averaged over all logits: a scalar to minimise.
    """
    return (1 - real).relu().mean() + (1 + fake).relu().mean()


def hinge_generator(real: Tensor, fake: Tensor, targets: Targets, options: NoOptions) -> Tensor:
    """-b.

    Args:
        real: Not used.
        fake: Logits of fake inputs, (N, L).
        targets: Not used.
        options: Not used.

    Returns:
        The loss, averaged over all logits: a scalar to minimise.
    """
    return -fake.mean()


def rahinge_discriminator(
    real: Tensor, fake: Tensor, targets: Targets, options: NoOptions
) -> Tensor:
    """[relu(1 - (a - b')) + relu(1 + (b - a'))] / 2.

    Args:
        real: Logits of real inputs, (N, L).
        fake: Logits of fake inputs, (N, L).
        targets: Not used.
        options: Not used.

    Returns:
        The loss, averaged over all logits: a scalar to minimise.
    """
    real_above = (1 - (real - fake.mean())).relu().mean()
    fake_below = (1 + (fake - real.mean())).relu().mean()
    return (real_above + fake_below) / 2


def rahinge_generator(real: Tensor, fake: Tensor, targets: Targets, options: NoOptions) -> Tensor:
    """[relu(1 + (a - b')) + relu(1 - (b - a'))] / 2.

    Args:
        real: Logits of real inputs, (N, L).
        fake: Logits of fake inputs, (N, L).
        targets: Not used.
        options: Not used.

    Returns:
        The loss, averaged over all logits: a scalar to minimise.
    """
    real_below = (1 + (real - fake.mean())).relu().mean()
    fake_above = (1 - (fake - real.mean())).relu().mean()
    return (real_below + fake_above) / 2


HINGE = Loss(
    name="Hinge",
    version="1",
    description="Hinge loss; ignores labels",
    discriminator=hinge_discriminator,
    generator=hinge_generator,
    targets=frozenset(),
    generator_needs_real=False,
)

RAHINGE = Loss(
    name="RaHinge",
    version="1",
    description="Relativistic average hinge loss; ignores labels",
    discriminator=rahinge_discriminator,
    generator=rahinge_generator,
    targets=frozenset(),
)
