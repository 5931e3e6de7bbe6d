"""Puts the fan of every clip onto one common fan: beam by beam, depth by depth.

Scanners differ in depth and in how large the fan is on the screen. Here a source pixel is named by
its beam (angle about the fan's apex) and its depth (from the near arc, 0, to the far one, 1), and
drawn where the common fan has that beam and depth: skin lines and far edges of all clips coincide.
Beams keep their angle, so that a fan of which a mask cuts off a side stays cut rather than being
stretched; beams beyond `HALF_ANGLE` are left out.

The common fan is about the median of real convex probes. Images remain pictures of a fan: nothing
downstream needs to know of it.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from lusgan_core.domain import Fan
from lusgan_core.preprocessing.fan import polar
from lusgan_core.preprocessing.geometry import IDENTITY, Box

HALF_ANGLE = math.radians(35)
"""From the middle of the common fan to either side."""
NEAR = 0.35
"""Radius of its near arc, as a share of that of the far one."""
MOST_SAMPLES = 8
"""Samples along a side of an image's pixel that are averaged, at most."""


def common_fan(size: int, margin: float) -> Fan:
    """The common fan in the middle of a square image, which it fills from left to right.

    Args:
        size: Side of the image, pixels.
        margin: Share of the side left free at the left and the right.

    Returns:
        The fan, in pixels of the image.
    """
    far = size * (1 - 2 * margin) / (2 * math.sin(HALF_ANGLE))
    top, bottom = far * NEAR * math.cos(HALF_ANGLE), far
    middle = (size - 1) / 2
    return Fan(
        apex_x=middle,
        apex_y=middle - (top + bottom) / 2,
        radius_near=far * NEAR,
        radius_far=far,
        angle_left=-HALF_ANGLE,
        angle_right=HALF_ANGLE,
    )


@dataclass(frozen=True)
class CommonFanMap:
    """Where each sample of an image lies in a clip's frames."""

    x: NDArray[np.float32]
    """(K S, K S): column in the source frame; far outside of it where the image is black."""
    y: NDArray[np.float32]
    """(K S, K S): row in the source frame."""
    size: int
    """S, side of the images, pixels."""

    @classmethod
    def of(cls, fan: Fan, size: int, margin: float) -> CommonFanMap:
        """Make the map of one clip.

        Args:
            fan: The clip's fan, in pixels of its frames.
            size: Side of the images, pixels.
            margin: Share of the side left free at the left and the right.

        Returns:
            The map, with about a sample for each pixel of the source.
        """
        target = common_fan(size, margin)
        depth = fan.radius_far - fan.radius_near
        samples = math.ceil(depth / (target.radius_far - target.radius_near))
        samples = min(max(samples, 1), MOST_SAMPLES)
        fine = common_fan(size * samples, margin)
        radius, angle = polar(
            IDENTITY, fine.apex_x, fine.apex_y, Box(0, 0, size * samples, size * samples)
        )
        share = (radius - fine.radius_near) / (fine.radius_far - fine.radius_near)
        painted = (share >= 0) & (share <= 1)
        painted &= (angle >= max(fan.angle_left, -HALF_ANGLE)) & (
            angle <= min(fan.angle_right, HALF_ANGLE)
        )
        radius = fan.radius_near + share * depth
        outside = -2.0
        x = np.where(painted, fan.apex_x + radius * np.sin(angle), outside)
        y = np.where(painted, fan.apex_y + radius * np.cos(angle), outside)
        return cls(x.astype(np.float32), y.astype(np.float32), size)

    def draw(self, frame: NDArray[np.uint8]) -> NDArray[np.uint8]:
        """Draw a frame onto the common fan, black around it.

        Args:
            frame: (H, W) uint8.

        Returns:
            (S, S) uint8: samples by linear interpolation, averaged over each pixel.
        """
        fine = cv2.remap(frame, self.x, self.y, cv2.INTER_LINEAR, borderValue=0)
        image = cv2.resize(fine, (self.size, self.size), interpolation=cv2.INTER_AREA)
        return np.asarray(image, np.uint8)
