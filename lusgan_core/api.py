"""Everything that a plugin may import; nothing else is guaranteed to stay.

A plugin is a module (or package) that an entry point of the group ``lusgan`` names. It holds one
or more functions marked ``@hookimpl``, each returning records of one kind::

    from lusgan_core.api import Loss, hookimpl

    @hookimpl
    def register_losses():
        return [Loss(name="my_loss", description="...", discriminator=..., generator=...)]

``lusgan_core.hookspecs`` shows a whole example for every hook. A plugin may state the version of
this boundary it was written for as ``LUSGAN_API = 1``.

Shapes: B batch (images), C channels, H height, W width, D latent size, L logits per input,
P pack (images that a discriminator sees at once).
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Literal

import pluggy
from pydantic import BaseModel, ConfigDict, Field

from lusgan_core.errors import ConfigError, LusganError

if TYPE_CHECKING:
    import numpy as np
    import torch
    from numpy.typing import NDArray
    from torch import Tensor, nn

    Frame = NDArray[np.uint8]
    """(H, W) grey or (H, W, 3) colour, 0..255."""

__all__ = [
    "API_VERSION",
    "Backbone",
    "ConfigError",
    "Loss",
    "LusganError",
    "Metric",
    "NetworkSpec",
    "NoOptions",
    "Options",
    "PairMetric",
    "Penalty",
    "PenaltyOptions",
    "SetMetric",
    "Step",
    "Targets",
    "hookimpl",
]

API_VERSION = 1
"""Version of the plugin boundary; a plugin of another version is refused."""

hookimpl = pluggy.HookimplMarker("lusgan")
"""Marks a function of a plugin as the implementation of the hook of the same name."""


class Options(BaseModel):
    """Base of every options model: frozen, closed, and with a description for each field."""

    model_config = ConfigDict(frozen=True, extra="forbid", defer_build=True)


class NoOptions(Options):
    """For plugins without options."""


@dataclass(frozen=True)
class NetworkSpec:
    """Sizes that a network must fit; the run decides them, not the backbone.

    Raises ConfigError for a size that backbones need not support.
    """

    image_size: int
    """Side of the square images, a power of two from 32 to 512."""
    channels: int
    """1 for grey, 3 for RGB."""
    latent_size: int
    """D, the length of a noise vector."""
    pack: int
    """Images the discriminator sees at once, stacked as channels (PacGAN); 1 is the usual GAN."""
    scores: int = 0
    """Number of scores that a conditional backbone tells apart; 0 for all other backbones."""

    def __post_init__(self) -> None:
        size = self.image_size
        if not 32 <= size <= 512 or size & (size - 1):
            raise ConfigError(f"image size {size}: expected a power of two from 32 to 512")
        if self.channels not in (1, 3):
            raise ConfigError(f"{self.channels} channels: expected 1 (grey) or 3 (RGB)")
        if self.latent_size < 1 or self.pack < 1:
            raise ConfigError(
                f"latent size {self.latent_size}, pack {self.pack}: expected at least 1 of each"
            )
        if self.scores < 0:
            raise ConfigError(f"{self.scores} scores: expected 0 (not conditional) or more")


@dataclass(frozen=True)
class Backbone:
    """A pair of networks.

    ``generator(spec, options)`` returns a module from noise (B, D), standard normal, to images
    (B, C, H, W) in the model's range. ``discriminator(spec, options)`` returns a module from
    packed images (B / P, C x P, H, W) to raw logits (B / P, L).

    Those of a *conditional* backbone take scores as well: the generator noise (B, D) and scores
    (B,), the discriminator packed images and one score a pack (B / P,), for the images of a pack
    have one score. Scores are int64, 0 to ``spec.scores`` - 1.

    All that a network carries from one step to the next is in its weights and buffers: checkpoints
    hold nothing else. Weights built with ``requires_grad`` off stay as they are; two names may
    share a weight.
    """

    name: str
    description: str
    generator: Callable[[NetworkSpec, Any], nn.Module]
    discriminator: Callable[[NetworkSpec, Any], nn.Module]
    options: type[Options] = NoOptions
    pack: int = 1
    """The default of ``training.pack``."""
    conditional: bool = field(default=False, kw_only=True)
    """Whether both networks take scores. A pipeline trains each score by itself and refuses such a
    backbone for now; ``lusgan_core.training`` can train it."""
    version: str = ""
    """Goes up when the same options would give another result. A cache key holds it; where it is
    empty, the key holds a digest of all files of the distribution's packages instead, so that any
    change of these counts."""


@dataclass(frozen=True)
class Targets:
    """The discriminator's targets for real and fake inputs, each of the shape of its logits.

    1 and 0 unless label smoothing or flipping changed them; for a generator step always 1 and 0.
    """

    real: Tensor
    fake: Tensor


@dataclass(frozen=True)
class Step:
    """What a loss is given of a step beside logits; what its ``reads`` does not name is None.

    Several processes that share a batch are each given all of it, in its order, and compute the
    same loss; gradients reach the weights through a process's own part, and are summed.
    """

    real: Tensor | None = None
    """``images``: real inputs of the discriminator, (B / P, C x P, H, W) in the model's range; None
    in a generator step where ``generator_needs_real`` is false."""
    fake: Tensor | None = None
    """``images``: synthetic ones of the same shape; in a generator step they have a gradient."""
    noise: Tensor | None = None
    """``noise``: (B, D), what ``fake`` was made from; vectors i P to i P + P - 1 made input i."""
    iteration: int | None = None
    """``iteration``: iterations done before this one, from 0."""


LossFunction = Callable[..., "Tensor"]
"""(real_logits, fake_logits, targets, options) or, where a loss reads more than that,
(real_logits, fake_logits, targets, step, options)."""


@dataclass(frozen=True)
class Loss:
    """An adversarial loss on raw logits of the whole global batch.

    ``discriminator`` and ``generator`` take (real_logits, fake_logits, targets, options), logits
    shaped (N, L), and return a scalar to minimise. ``targets`` names those it reads, of ``real``
    and ``fake``: smoothing or flipping labels that a loss ignores is refused. Where ``reads``
    names anything, both functions take (real_logits, fake_logits, targets, step, options), step
    being a ``Step``.
    """

    name: str
    description: str
    discriminator: LossFunction
    generator: LossFunction
    options: type[Options] = NoOptions
    targets: frozenset[Literal["real", "fake"]] = frozenset({"real", "fake"})
    generator_needs_real: bool = True
    """Whether the generator's loss reads real logits (relativistic losses do)."""
    reads: frozenset[Literal["images", "noise", "iteration"]] = field(
        default=frozenset(), kw_only=True
    )
    """What the functions read beside logits and targets."""
    version: str = ""
    """Goes up when the same options would give another result; see ``Backbone.version``."""


class PenaltyOptions(Options):
    """Options of every penalty."""

    weight: float = Field(1.0, ge=0, description="Factor of the penalty in the discriminator loss")
    every: int = Field(
        1, ge=1, description="Apply it every so many discriminator steps, that much stronger"
    )


@dataclass(frozen=True)
class Penalty:
    """A gradient penalty, added to any discriminator loss.

    ``value(discriminator, real, fake, rng, options)`` takes packed images (B / P, C x P, H, W) in
    the model's range and a ``torch.Generator`` for whatever is drawn by chance; it returns the
    unweighted scalar, which the training loop multiplies by ``weight``. A conditional
    discriminator comes bound to the scores of the batch, so it is called with images alone: as many
    packs as in ``real``, in the same order, or a multiple of that (``real`` and ``fake`` together).
    """

    name: str
    description: str
    value: Callable[[nn.Module, Tensor, Tensor, torch.Generator, Any], Tensor]
    options: type[PenaltyOptions] = PenaltyOptions
    version: str = ""
    """Goes up when the same options would give another result; see ``Backbone.version``."""


@dataclass(frozen=True)
class PairMetric:
    """A measure of how alike two frames are.

    ``value(a, b)`` on two uint8 frames of equal shape is enough. A metric that can share work
    between pairs also gives ``prepare`` (frames (N, H, W) or (N, H, W, 3) uint8 -> anything) and
    ``compare`` (two prepared sets -> (N, M) float64); the built-in ones name a ``kernel`` of the
    all-pairs engine instead, which must give what ``value`` gives.
    """

    name: str
    title: str
    """As shown in tables, e.g. ``MS-SSIM``."""
    description: str
    better: Literal["higher", "lower"]
    """Which direction means more alike."""
    identical: float
    """Its value for two identical frames; NaN where that depends on the frame."""
    value: Callable[[Frame, Frame], float]
    unit: str = ""
    bounds: tuple[float, float] = (float("-inf"), float("inf"))
    symmetric: bool = True
    min_size: int = 1
    """Smallest side of a frame, pixels; below, the metric is absent."""
    channels: frozenset[int] = frozenset({1, 3})
    """Channel counts it applies to."""
    prepare: Callable[[NDArray[np.uint8]], Any] | None = None
    compare: Callable[[Any, Any], NDArray[np.float64]] | None = None
    kernel: str | None = None
    version: str = ""
    """Goes up when the same options would give another result; see ``Backbone.version``."""


@dataclass(frozen=True)
class SetMetric:
    """A measure of how alike two sets of frames are, from their features.

    ``value(features_a, features_b)`` takes (N, D) and (M, D) float64 arrays.
    """

    name: str
    title: str
    description: str
    better: Literal["higher", "lower"]
    identical: float
    value: Callable[[NDArray[np.float64], NDArray[np.float64]], float]
    unit: str = ""
    bounds: tuple[float, float] = (float("-inf"), float("inf"))
    version: str = ""
    """Goes up when the same options would give another result; see ``Backbone.version``."""


Metric = PairMetric | SetMetric
