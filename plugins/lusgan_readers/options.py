"""What a .mat file does not say about its clip, for a person to declare."""

from __future__ import annotations

from pydantic import Field, field_validator

from lusgan_core.api import Options

ORDERS = ("HWN", "HWC", "HWCN")
"""Letters that an order of axes consists of: height, width, channels, frames."""


class MatOptions(Options):
    """Declared by whoever knows the files; what is not declared is found out, or refused."""

    axes: str | None = Field(
        None,
        description="Order of a clip's axes as MATLAB shows them, e.g. NHW (frames, height, width)",
    )
    variable: str | None = Field(
        None,
        description=(
            "Name of the variable that holds the frames, where a file has several; a cell, or "
            "struct.field of a struct, such as mov.cdata of a movie"
        ),
    )
    grey_range: tuple[float, float] | None = Field(
        None,
        description="Stored values that are black and white, e.g. [0, 4095] or [-60, 0] (dB)",
    )

    @field_validator("axes")
    @classmethod
    def _letters(cls, axes: str | None) -> str | None:
        if axes is None:
            return None
        if sorted(axes.upper()) not in [sorted(order) for order in ORDERS]:
            raise ValueError(
                f"{axes} is no order of axes; expected H, W and N (frames), with C (channels) "
                "where there are any, each once: HWN, NHW, HWCN, NHWC ..."
            )
        return axes.upper()

    @field_validator("grey_range")
    @classmethod
    def _rising(cls, limits: tuple[float, float] | None) -> tuple[float, float] | None:
        if limits is not None and not limits[0] < limits[1]:
            raise ValueError(f"{limits} is no range; expected two numbers, the smaller first")
        return limits
