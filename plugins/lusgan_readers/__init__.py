"""The reader that comes with lusgan: .mat files in the hospital's layout."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import AbstractContextManager

from lusgan_core.api import Clip, ClipObjects, FoundClip, Listing, Reader, Refused, hookimpl
from lusgan_readers.layout import EXPECTED, find
from lusgan_readers.options import MatOptions

LUSGAN_API = 2


def find_mat_clips(listing: Listing, options: MatOptions) -> Iterator[FoundClip | Refused]:
    """Find clips by the names of files.

    Args:
        listing: All objects of the source.
        options: What is declared of contents, which does not matter here.

    Returns:
        Clips, and what is refused.
    """
    del options
    return find(listing)


def open_mat_clip(objects: ClipObjects, options: MatOptions) -> AbstractContextManager[Clip]:
    """Open a clip; what that takes is imported when the first one is.

    Args:
        objects: The clip, with its scores and mask.
        options: What is declared of its contents.

    Returns:
        A context with the open clip.
    """
    from lusgan_readers.clip import open_clip

    return open_clip(objects, options)


MAT = Reader(
    name="mat",
    description="MATLAB clips (v5, v7.3) with score matrices, in the hospital's folders",
    layout=EXPECTED,
    find=find_mat_clips,
    open=open_mat_clip,
    options=MatOptions,
    version="2",
)


@hookimpl
def register_readers() -> Sequence[Reader]:
    """Offer the built-in reader."""
    return [MAT]
