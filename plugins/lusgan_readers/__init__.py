"""Readers that come with lusgan: .mat files in the hospital's layout, videos and DICOM objects."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import AbstractContextManager

from lusgan_core.api import Clip, ClipObjects, FoundClip, Listing, Reader, Refused, hookimpl
from lusgan_readers import dicom, video
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
    from lusgan_readers.mat_clip import open_clip

    return open_clip(objects, options)


def open_video_clip(
    objects: ClipObjects, options: video.VideoOptions
) -> AbstractContextManager[Clip]:
    """Open a video; OpenCV is loaded when the first one is.

    Args:
        objects: The clip.
        options: Which rater's scores count.

    Returns:
        A context with the open clip.
    """
    from lusgan_readers.video_clip import open_video

    return open_video(objects, options)


def open_dicom_object(
    objects: ClipObjects, options: dicom.DicomOptions
) -> AbstractContextManager[Clip]:
    """Open a DICOM object; pydicom is loaded when the first one is found.

    Args:
        objects: The clip.
        options: Which rater's scores count.

    Returns:
        A context with the open clip.
    """
    from lusgan_readers.dicom_clip import open_dicom

    return open_dicom(objects, options)


MAT = Reader(
    name="mat",
    description="MATLAB clips (v5, v7.3) with score matrices, in the hospital's folders",
    layout=EXPECTED,
    find=find_mat_clips,
    open=open_mat_clip,
    options=MatOptions,
    version="2",
)

VIDEO = Reader(
    name="video",
    description="Videos (mp4, avi, mov, mpeg, gif) with a table of labels",
    layout=video.EXPECTED,
    find=video.find,
    open=open_video_clip,
    options=video.VideoOptions,
    version="1",
)

DICOM = Reader(
    name="dicom",
    description="DICOM ultrasound images and cines with a table of labels; needs `lusgan[dicom]`",
    layout=dicom.EXPECTED,
    find=dicom.find,
    open=open_dicom_object,
    options=dicom.DicomOptions,
    version="1",
)


@hookimpl
def register_readers() -> Sequence[Reader]:
    """Offer the built-in readers."""
    return [MAT, VIDEO, DICOM]
