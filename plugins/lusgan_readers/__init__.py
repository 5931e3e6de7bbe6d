"""Readers that come with lusgan: .mat files in the hospital's layout, videos and DICOM objects."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import AbstractContextManager

from lusgan_core.api import Clip, ClipObjects, Reader, hookimpl
from lusgan_readers import dicom, video
from lusgan_readers.layout import EXPECTED, find

LUSGAN_API = 2


def open_mat_clip(objects: ClipObjects) -> AbstractContextManager[Clip]:
    """Open a clip; h5py, which takes its time to import, is loaded when the first one is."""
    from lusgan_readers.clip import open_clip

    return open_clip(objects)


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
    find=find,
    open=open_mat_clip,
    version="1",
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
