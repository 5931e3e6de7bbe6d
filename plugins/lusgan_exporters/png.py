"""Synthetic frames as PNG files, one a frame: ``png/frame-000000.png`` and so on."""

from __future__ import annotations

import io
from typing import TYPE_CHECKING

from pydantic import Field

from lusgan_core.api import Exporter, ExportFolder, Options, Samples

if TYPE_CHECKING:
    from lusgan_core.api import Frame


class PngOptions(Options):
    """Options of PNG files."""

    say_synthetic: bool = Field(
        True,
        description="Write into each file, as a text chunk, that its frame is synthetic, and of "
        "which score, model and seed",
    )


class PngExport:
    """A sample set on its way into PNG files."""

    def __init__(self, folder: ExportFolder, samples: Samples, options: PngOptions) -> None:
        """Start without a frame.

        Args:
            folder: Where the files go.
            samples: Whose frames they are.
            options: Options of the files.
        """
        self._folder, self._samples, self._options = folder, samples, options
        self._names: list[str] = []

    def add(self, frame: Frame) -> None:
        """Write the next frame, (H, W) or (H, W, 3) uint8."""
        from PIL import Image, PngImagePlugin

        text = PngImagePlugin.PngInfo()
        if self._options.say_synthetic:
            text.add_text("Description", self._samples.statement)
        out = io.BytesIO()
        Image.fromarray(frame).save(out, "PNG", pnginfo=text)
        self._names.append(f"frame-{len(self._names):06d}.png")
        self._folder.put(self._names[-1], out.getvalue())

    def finish(self) -> list[str]:
        """Return the names of all files: each is written as its frame comes."""
        return self._names


EXPORTER = Exporter(
    name="png",
    version="2",
    description="PNG, a file a frame, with a list of their digests",
    open=PngExport,
    options=PngOptions,
    file_per_frame=True,
)
