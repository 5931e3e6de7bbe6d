"""Options of the built-in backbones, and how sizes become layers."""

from __future__ import annotations

from pydantic import Field

from lusgan_core.api import NetworkSpec, Options


class GeneratorOptions(Options):
    """Options of every built-in generator."""

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
    """Count the factor-two steps from a smaller side to the side of the image.

    Args:
        spec: Gives the image size, a power of two.
        start: The smaller side, pixels, a power of two.

    Returns:
        The number of steps, e.g. 6 from 4 to 256 pixels.
    """
    return (spec.image_size // start).bit_length() - 1
