"""Masks that lie elsewhere, or are called otherwise, than masks of clips do.

A mask may hide a patient's name that is burnt into the frames. So none is passed over: each that
fits no clip is refused by name, and so is the clip that it seems to belong to, until the mask is
put in its place or taken away.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field

from lusgan_core.api import FoundClip, Refused, SourceStat

PICTURES = (".png", ".jpg", ".jpeg", ".bmp", ".tif", ".tiff", ".gif", ".pgm")
PLACE = "Binary-Masks/convex_PATIENT_EXAM_AREA_mask.png"


def plain(text: str) -> str:
    """A name without accents' spellings and capitals, for comparisons."""
    return unicodedata.normalize("NFC", text).lower()


@dataclass
class StrayMasks:
    """Pictures that look like masks and are not where masks of clips are."""

    found: list[tuple[SourceStat, str]] = field(default_factory=list)
    """Each with the name of the clip that it seems to belong to; maybe of none."""

    def look(self, stat: SourceStat, prefix: str) -> None:
        """Note an object if it looks like a mask.

        Args:
            stat: Any object that is no mask in its place.
            prefix: What names of clips begin with.
        """
        *folders, name = plain(stat.key).split("/")
        stem, dot, suffix = name.rpartition(".")
        if dot + suffix not in PICTURES:
            return
        in_masks = any(re.search(r"masks?\b|mask(?=[_-])", folder) for folder in folders)
        owner = re.sub(r"[-_. ]*(binary)?[-_. ]*masks?[-_. ]*", "", stem)
        if in_masks or (owner != stem and owner.startswith(prefix)):
            self.found.append((stat, owner))

    def refused(self, clips: Mapping[str, FoundClip]) -> Iterator[Refused]:
        """Refuse each, together with the clip that it seems to belong to.

        Args:
            clips: All clips that were found, by plain name.

        Returns:
            The refusals.
        """
        for stat, owner in self.found:
            clip = clips.get(owner)
            if clip is None:
                why = f"a mask that fits no clip: expected {PLACE}, for a clip that is there"
                yield Refused(stat, why, is_clip=False)
                continue
            second = " a second one" if clip.mask is not None else ""
            why = f"looks like{second or ' the mask'} of a clip and is not at {PLACE}: "
            yield Refused(stat, f"{why}move or remove it", clip.patient, clip.exam, is_clip=False)

    def owners(self, clips: Mapping[str, FoundClip]) -> set[str]:
        """Names of the clips that a stray mask seems to belong to, and that have no other."""
        return {o for _, o in self.found if o in clips and clips[o].mask is None}
