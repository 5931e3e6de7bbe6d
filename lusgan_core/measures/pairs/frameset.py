"""A set of frames to compare: anything with a length and slices, with its names and groups."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from lusgan_core.errors import ConfigError


class Frames(Protocol):
    """Where frames come from: an array, a memory map, or a reader of files.

    A slice gives an (n, H, W) or (n, H, W, 3) uint8 array; frames are only ever read in slices,
    a block at a time.
    """

    def __len__(self) -> int:
        """Number of frames."""

    def __getitem__(self, block: slice) -> NDArray[np.uint8]:
        """The frames of a block."""


@dataclass(frozen=True)
class FrameSet:
    """N frames of one size, all grey or all RGB.

    ``groups`` are labels, one a frame, of what the frames have in common, usually the clip (or
    patient) they come from; ``names`` say which frame is which. Both may be left out.
    """

    frames: Frames
    groups: Sequence[Any] | NDArray[Any] | None = None
    names: Sequence[str] | None = None

    def __post_init__(self) -> None:
        for what, labels in (("groups", self.groups), ("names", self.names)):
            if labels is not None and len(labels) != len(self.frames):
                raise ConfigError(
                    f"a frame set of {len(self.frames)} frames has {len(labels)} {what}: "
                    "give one a frame, or none"
                )

    def __len__(self) -> int:
        return len(self.frames)

    @property
    def shape(self) -> tuple[int, int, int]:
        """Height, width and channels (1 or 3) of every frame."""
        if not len(self):
            raise ConfigError("a frame set without a frame has nothing to compare")
        return self.block(0, 1).shape[1:]

    def block(self, start: int, stop: int) -> NDArray[np.uint8]:
        """Read a block of frames.

        Args:
            start: First frame, from 0.
            stop: Frame after the last one.

        Returns:
            C-contiguous (stop - start, H, W, C) uint8, C 1 or 3.

        Raises:
            ConfigError: The frames are not uint8, neither grey nor RGB, or too few.
        """
        frames = np.asarray(self.frames[start:stop])
        if frames.dtype != np.uint8:
            raise ConfigError(f"frames are {frames.dtype}, expected uint8, grey levels 0..255")
        if frames.ndim == 3:
            frames = frames[..., None]
        if frames.ndim != 4 or frames.shape[3] not in (1, 3) or len(frames) != stop - start:
            raise ConfigError(
                f"{stop - start} frames came as an array shaped {frames.shape}, expected "
                "(N, H, W) grey or (N, H, W, 3) RGB"
            )
        return np.ascontiguousarray(frames)


def group_codes(a: FrameSet, b: FrameSet) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Number the groups of two sets; equal labels have equal numbers.

    Args:
        a: A set with groups.
        b: Another set with groups, or the same.

    Returns:
        Codes of the frames of ``a`` and of ``b``, (len(a),) and (len(b),) int64.

    Raises:
        ConfigError: A set has no groups.
    """
    seen: dict[Any, int] = {}
    codes = []
    for frames in (a, b):
        if frames.groups is None:
            raise ConfigError(
                "leaving out pairs of the same group needs groups for both frame sets, "
                "e.g. the clip that each frame comes from"
            )
        labels = (seen.setdefault(label, len(seen)) for label in frames.groups)
        codes.append(np.fromiter(labels, np.int64, len(frames)))
    return codes[0], codes[1]
