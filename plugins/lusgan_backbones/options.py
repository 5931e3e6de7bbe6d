"""What the built-in backbones can be told, and how sizes become layers."""

from __future__ import annotations

from pydantic import Field

from lusgan_core.api import NetworkSpec, Options


class GeneratorOptions(Options):
    """What every built-in generator can be told."""

    dropout: float = Field(
        0.0,
        ge=0,
        lt=1,
        description="Share of channels dropped after each block of the generator, in training only",
    )
    noise: float = Field(
        0.0,
        ge=0,
        le=1,
        description="Standard deviation of the Gaussian noise added after each block of the "
        "generator, in training only",
    )


def doublings(spec: NetworkSpec, start: int = 4) -> int:
    """Number of factor-two steps between ``start`` pixels and the side of the image."""
    return (spec.image_size // start).bit_length() - 1
