"""Synthetic frames as PNG files, one a frame: ``png/frame-000000.png`` and so on."""

from __future__ import annotations

import io
from typing import TYPE_CHECKING
from xml.sax.saxutils import quoteattr

from pydantic import Field

from lusgan_core.api import MODEL_MADE, Exporter, ExportFolder, Options, Samples

if TYPE_CHECKING:
    from lusgan_core.api import Frame

XMP = """\
<?xpacket begin="\ufeff" id="W5M0MpCehiHzreSzNTczkc9d"?>
<x:xmpmeta xmlns:x="adobe:ns:meta/">
 <rdf:RDF xmlns:rdf="http://www.w3.org/1999/02/22-rdf-syntax-ns#">
  <rdf:Description rdf:about=""
   xmlns:Iptc4xmpExt="http://iptc.org/std/Iptc4xmpExt/2008-02-29/"
   xmlns:lusgan="urn:lusgan:frame"
   Iptc4xmpExt:DigitalSourceType="{source}"
   {facts}/>
 </rdf:RDF>
</x:xmpmeta>
<?xpacket end="r"?>"""
"""A packet of metadata, as ISO 16684-1 has it; the source type is IPTC's."""
IN_XMP = ("score", "model", "weights", "seed", "number", "digest")
"""Facts of a frame that the packet holds."""


class PngOptions(Options):
    """Options of PNG files."""

    say_synthetic: bool = Field(
        True,
        description="Write into each file, as a text chunk and as XMP, that its frame is "
        "synthetic, and of which score, model and seed",
    )


class PngExport:
    """A set of frames on its way into PNG files."""

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
        number = len(self._names)
        data = png_bytes(frame, self._samples, number, said=self._options.say_synthetic)
        self._names.append(f"frame-{number:06d}.png")
        self._folder.put(self._names[-1], data)

    def finish(self) -> list[str]:
        """Return the names of all files: each is written as its frame comes."""
        return self._names


def png_bytes(frame: Frame, samples: Samples, number: int, *, said: bool = True) -> bytes:
    """Make the PNG file of one frame.

    Args:
        frame: (H, W) or (H, W, 3) uint8.
        samples: The set that it is of.
        number: Its place in that set, from 0.
        said: Whether to write into it what it is.

    Returns:
        The file's content; a synthetic frame has a packet of XMP beside the text.
    """
    from PIL import Image, PngImagePlugin

    text = PngImagePlugin.PngInfo()
    if said:
        text.add_text("Description", samples.statement)
    if said and samples.synthetic:
        facts = samples.facts(number, frame)
        told = "\n   ".join(f"lusgan:{name}={quoteattr(str(facts[name]))}" for name in IN_XMP)
        text.add_itxt("XML:com.adobe.xmp", XMP.format(source=MODEL_MADE, facts=told))
    out = io.BytesIO()
    Image.fromarray(frame).save(out, "PNG", pnginfo=text)
    return out.getvalue()


EXPORTER = Exporter(
    name="png",
    version="3",
    description="PNG, a file a frame, with a list of their digests",
    open=PngExport,
    options=PngOptions,
    file_per_frame=True,
)
