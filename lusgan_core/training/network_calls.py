"""Calls the networks of a backbone, a loss or a penalty, and checks what comes back.

Whatever goes wrong in a plugin's code is told with the plugin's name; see ``inside_plugin``.

Shapes: B batch, C channels, H height, W width, D latent size, P pack, L logits an input.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from lusgan_core.api import Loss, NetworkSpec, Penalty, Step, Targets
from lusgan_core.errors import PluginError
from lusgan_core.networks.generator import GeneratorRecord
from lusgan_core.plugin_guard import inside_plugin
from lusgan_core.training.recipe import Recipe


class Bound(nn.Module):
    """A conditional discriminator with the scores of its inputs filled in, for penalties.

    Args:
        network: A discriminator of packed images and scores.
        scores: The scores of a batch, one a pack.
    """

    def __init__(self, network: nn.Module, scores: Tensor) -> None:
        super().__init__()
        self.network = network
        self.scores = scores

    def forward(self, packs: Tensor) -> Tensor:
        """Logits of packs, as many as there are scores or a multiple of that."""
        logits: Tensor = self.network(packs, self.scores.repeat(len(packs) // len(self.scores)))
        return logits


@dataclass(frozen=True)
class NetworkCalls:
    """Calls both networks of a backbone; what does not fit the sizes asked for is refused."""

    backbone: str
    spec: NetworkSpec

    @classmethod
    def of(cls, record: GeneratorRecord) -> NetworkCalls:
        """The calls for the networks of a record."""
        return cls(record.backbone, record.spec)

    def images(self, generator: nn.Module, noise_BD: Tensor, scores: Tensor | None) -> Tensor:
        """Generate images.

        Args:
            generator: The backbone's generator.
            noise_BD: Noise vectors.
            scores: Their scores, (B,) int64; None where the backbone is not conditional.

        Returns:
            Images (B, C, H, W).

        Raises:
            PluginError: The generator fails, or its output has another shape.
        """
        with inside_plugin("backbone", self.backbone, "its generator"):
            images: Tensor = generator(noise_BD, *_given(scores))
        side = self.spec.image_size
        expected = (len(noise_BD), self.spec.channels, side, side)
        if not _is_float(images) or images.shape != expected:
            raise PluginError(
                f"backbone {self.backbone!r}: its generator made {_what(images)} of noise "
                f"{tuple(noise_BD.shape)}, expected floats {expected} "
                "(batch, channels, height, width): build it by the sizes of its NetworkSpec"
            )
        return images

    def logits(self, discriminator: nn.Module, packs: Tensor, scores: Tensor | None) -> Tensor:
        """Judge packed images.

        Args:
            discriminator: The backbone's discriminator.
            packs: Packed images, (B / P, C x P, H, W).
            scores: Their scores, (B / P,) int64; None where the backbone is not conditional.

        Returns:
            Logits (B / P, L).

        Raises:
            PluginError: The discriminator fails, or its output has another shape.
        """
        with inside_plugin("backbone", self.backbone, "its discriminator"):
            logits: Tensor = discriminator(packs, *_given(scores))
        fits = _is_float(logits) and logits.ndim == 2 and len(logits) == len(packs)
        if not fits or not logits.shape[1]:
            raise PluginError(
                f"backbone {self.backbone!r}: its discriminator made {_what(logits)} of packs "
                f"{tuple(packs.shape)}, expected floats ({len(packs)}, L), a row of L logits a pack"
            )
        return logits


def loss_of(
    side: str, made: Recipe, real: Tensor, fake: Tensor, targets: Targets, step: Step | None
) -> Tensor:
    """Compute a side's adversarial loss.

    Args:
        side: ``discriminator`` or ``generator``.
        made: Gives the loss and its options.
        real: Logits of real inputs, (N, L).
        fake: Logits of synthetic inputs, (N, L).
        targets: The discriminator's targets.
        step: What the loss reads beside these; None where it reads nothing.

    Returns:
        A scalar.

    Raises:
        PluginError: The loss fails, or is no scalar.
    """
    loss: Loss = made.loss
    function = loss.discriminator if side == "discriminator" else loss.generator
    more = () if step is None else (step,)
    with inside_plugin("loss", loss.name, f"its {side} loss"):
        value = function(real, fake, targets, *more, made.loss_options)
    return _scalar("loss", loss.name, f"its {side} loss", value)


def penalty_of(
    penalty: Penalty,
    discriminator: nn.Module,
    batch: Sequence[Tensor],
    rng: torch.Generator,
    options: object,
) -> Tensor:
    """Compute the unweighted value of a penalty.

    Args:
        penalty: The penalty.
        discriminator: From packed images to logits.
        batch: Packed real and synthetic images.
        rng: For what the penalty draws by chance.
        options: The penalty's options.

    Returns:
        A scalar.

    Raises:
        PluginError: The penalty fails, or is no scalar.
    """
    real, fake = batch
    with inside_plugin("penalty", penalty.name, "its value"):
        value = penalty.value(discriminator, real, fake, rng, options)
    return _scalar("penalty", penalty.name, "its value", value)


def backward(made: Recipe, value: Tensor) -> None:
    """Run a backward pass.

    Args:
        made: The plugins that it goes through, for messages.
        value: The scalar to differentiate.

    Raises:
        PluginError: It fails; the message names the backbone, the loss and the penalties.
    """
    others = [f"loss {made.loss.name!r}", *(f"penalty {p.name!r}" for p, _ in made.penalties)]
    through = f"the backward pass through it and {', '.join(others)}"
    with inside_plugin("backbone", made.record.backbone, through):
        value.backward()  # type: ignore[no-untyped-call]


def _given(scores: Tensor | None) -> tuple[Tensor, ...]:
    return () if scores is None else (scores,)


def _scalar(kind: str, name: str, title: str, value: object) -> Tensor:
    if not isinstance(value, Tensor) or value.shape != ():
        raise PluginError(
            f"{kind} {name!r}: {title} is {_what(value)}, expected a scalar tensor, shape ()"
        )
    return value


def _is_float(value: object) -> bool:
    return isinstance(value, Tensor) and value.is_floating_point()


def _what(value: object) -> str:
    if isinstance(value, Tensor):
        return f"{str(value.dtype).removeprefix('torch.')} {tuple(value.shape)}"
    return f"a {type(value).__name__}"
