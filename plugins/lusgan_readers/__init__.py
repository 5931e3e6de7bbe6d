"""The reader that comes with lusgan: .mat files in the hospital's layout."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import AbstractContextManager

from lusgan_core.api import Clip, ClipObjects, Reader, hookimpl
from lusgan_readers.layout import EXPECTED, find

LUSGAN_API = 2


def open_mat_clip(objects: ClipObjects) -> AbstractContextManager[Clip]:
    """Open a clip; h5py, which takes its time to import, is loaded when the first one is."""
    from lusgan_readers.clip import open_clip

    return open_clip(objects)


MAT = Reader(
    name="mat",
    description="MATLAB clips (v5, v7.3) with score matrices, in the hospital's folders",
    layout=EXPECTED,
    find=find,
    open=open_mat_clip,
    version="1",
)


@hookimpl
def register_readers() -> Sequence[Reader]:
    """Offer the built-in reader."""
    return [MAT]
