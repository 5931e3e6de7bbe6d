"""The options of preprocessing."""

from __future__ import annotations

from typing import Literal

from pydantic import Field, field_validator

from lusgan_core.api import Options
from lusgan_core.domain import Record


class Canvas(Record):
    """The largest height and width of a frame in the whole dataset, all scores together."""

    height: int = Field(gt=0)
    width: int = Field(gt=0)


class PreprocessingOptions(Options):
    """How frames become the square images that networks see."""

    image_size: int = Field(
        256, ge=32, le=512, description="Side of the square images, pixels: a power of two"
    )
    channels: Literal[1, 3] = Field(
        1, description="Channels of the images: 1 for grey, 3 for RGB (three equal channels)"
    )
    geometry: Literal["paper", "fit", "polar"] = Field(
        "paper",
        description=(
            "How the fan is placed. paper: pad to the largest frame of the dataset, centre the "
            "mask, stretch to the square. fit: crop the fan, centre it, keep its aspect ratio. "
            "polar: beam by beam and depth by depth onto one fan that all clips share"
        ),
    )
    fit_margin: float = Field(
        0.02,
        ge=0,
        le=0.25,
        description="Geometry fit and polar: share of the side left black around the fan",
    )
    intensity: Literal["none", "percentile", "clahe"] = Field(
        "none",
        description=(
            "How grey levels inside the fan are evened out between clips. none: as they are. "
            "percentile: one linear stretch a clip. clahe: local contrast, frame by frame"
        ),
    )
    percentile_low: float = Field(
        1.0, ge=0, le=20, description="Intensity percentile: percent of fan pixels that turn black"
    )
    percentile_high: float = Field(
        99.5,
        ge=80,
        le=100,
        description="Intensity percentile: percent of fan pixels below white",
    )
    clahe_clip: float = Field(
        2.0, gt=0, le=40, description="Intensity clahe: contrast limit, times a flat histogram"
    )
    clahe_tiles: int = Field(
        8, ge=1, le=32, description="Intensity clahe: tiles along each side of the fan's box"
    )

    @field_validator("image_size")
    @classmethod
    def _power_of_two(cls, size: int) -> int:
        if size & (size - 1):
            raise ValueError(f"{size} is not a power of two; choose 32, 64, 128, 256 or 512")
        return size
