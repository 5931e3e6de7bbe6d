"""Gradient penalties: gp on mixtures of real and fake inputs, r1 on real ones, r2 on fake ones.

========  ==================================  =======================================
penalty   value                               source
========  ==================================  =======================================
gp        (|grad D(mixture)| - 1)^2           Gulrajani et al., arXiv 1704.00028
r1        |grad D(real)|^2 / 2                Mescheder et al., arXiv 1801.04406
r2        |grad D(fake)|^2 / 2                the same; with r1 and RSGAN it is R3GAN
========  ==================================  =======================================

Values are averaged over the N inputs of the batch. D(x) is the mean of the L logits of an input,
as in the losses, so that a discriminator's value does not depend on how many it gives.

Gradients are those of the whole batch's sum. With batch norm an input's logits depend on the other
inputs too, and the penalty includes that path; without it each input counts by itself.

The value keeps its graph (double backward), so ``backward`` reaches the discriminator's weights.
torch.compile cannot do that: leave a discriminator uncompiled where a penalty is used.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from pydantic import Field

from lusgan_core.api import Penalty, PenaltyOptions

if TYPE_CHECKING:
    import torch
    from torch import Tensor, nn


class GpOptions(PenaltyOptions):
    """Options of gp."""

    weight: float = Field(10.0, ge=0, description="Factor of the penalty; 10 in its paper")


class ZeroCentredOptions(PenaltyOptions):
    """Options of r1 and of r2."""

    weight: float = Field(
        1.0, ge=0, description="Gamma: factor of the penalty, 1 to 30 for small images"
    )


def input_gradients(discriminator: nn.Module, inputs: Tensor) -> Tensor:
    """Compute the gradient of each input's mean logit with respect to that input.

    Args:
        discriminator: A module from inputs to logits (N, L).
        inputs: (N, C x P, H, W), packed images in the model's range.

    Returns:
        (N, C x P x H x W), with its graph kept, so that it can be differentiated again.
    """
    import torch

    inputs = inputs.detach().requires_grad_(True)
    scores = discriminator(inputs).mean(dim=1)
    (gradients,) = torch.autograd.grad(scores.sum(), inputs, create_graph=True)
    return gradients.flatten(1)


def gp_value(
    discriminator: nn.Module, real: Tensor, fake: Tensor, rng: torch.Generator, options: GpOptions
) -> Tensor:
    """Mean of (|grad D| - 1)^2 at a random point between each real input and its fake one.

    Args:
        discriminator: A module from packed images to logits (N, L).
        real: Packed real images, (N, C x P, H, W), in the model's range.
        fake: As many packed fake images, of the same shape.
        rng: Draws the place of each point, uniformly; it may be on another device.
        options: Not used; the training loop applies ``weight`` and ``every``.

    Returns:
        The unweighted penalty, a scalar with its graph kept.
    """
    import torch

    share = torch.rand(len(real), 1, 1, 1, generator=rng, device=rng.device).to(real)
    gradients = input_gradients(discriminator, torch.lerp(fake, real, share))
    norms: Tensor = torch.linalg.vector_norm(gradients, dim=1)
    return (norms - 1).square().mean()


def r1_value(
    discriminator: nn.Module,
    real: Tensor,
    fake: Tensor,
    rng: torch.Generator,
    options: ZeroCentredOptions,
) -> Tensor:
    """Half the mean squared gradient norm on real inputs.

    Args:
        discriminator: A module from packed images to logits (N, L).
        real: Packed real images, (N, C x P, H, W), in the model's range.
        fake: Not used.
        rng: Not used.
        options: Not used; the training loop applies ``weight`` and ``every``.

    Returns:
        The unweighted penalty, a scalar with its graph kept.
    """
    return input_gradients(discriminator, real).square().sum(dim=1).mean() / 2


def r2_value(
    discriminator: nn.Module,
    real: Tensor,
    fake: Tensor,
    rng: torch.Generator,
    options: ZeroCentredOptions,
) -> Tensor:
    """Half the mean squared gradient norm on fake inputs.

    Args:
        discriminator: A module from packed images to logits (N, L).
        real: Not used.
        fake: Packed fake images, (N, C x P, H, W), in the model's range.
        rng: Not used.
        options: Not used; the training loop applies ``weight`` and ``every``.

    Returns:
        The unweighted penalty, a scalar with its graph kept.
    """
    return input_gradients(discriminator, fake).square().sum(dim=1).mean() / 2


GP = Penalty(
    name="gp",
    version="1",
    description="WGAN-GP: gradient norm 1 between real and fake images",
    value=gp_value,
    options=GpOptions,
)

R1 = Penalty(
    name="r1",
    version="1",
    description="Small gradients on real images",
    value=r1_value,
    options=ZeroCentredOptions,
)

R2 = Penalty(
    name="r2",
    version="1",
    description="Small gradients on fake images",
    value=r2_value,
    options=ZeroCentredOptions,
)
