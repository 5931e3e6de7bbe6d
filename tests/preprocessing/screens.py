"""Synthetic screens: a speckled fan of known geometry among text, a ruler and a grey bar."""

import math
from typing import NamedTuple

import cv2
import numpy as np

from lusgan_core.domain import Fan


class Screen(NamedTuple):
    frames: np.ndarray  # (N, H, W) uint8
    truth: np.ndarray  # (H, W) bool: the fan's pixels
    fan: Fan


def sector(fan, height, width):
    """The fan's pixels by cross products with its two sides: (H, W) bool, no arctangent."""
    y, x = np.mgrid[:height, :width].astype(float)
    dx, dy = x - fan.apex_x, y - fan.apex_y
    radius2 = dx**2 + dy**2
    inside = (radius2 >= fan.radius_near**2) & (radius2 <= fan.radius_far**2)
    for angle, side in ((fan.angle_left, 1), (fan.angle_right, -1)):
        inside &= side * (dx * math.cos(angle) - dy * math.sin(angle)) >= 0
    return inside


def make_screen(fan, height, width, *, frames=6, gain=1.0, screen=0, shadow=False, clutter=True):
    """Rayleigh speckle that darkens with depth inside the fan; ``screen`` is the grey around it."""
    rng = np.random.default_rng(7)
    truth = sector(fan, height, width)
    y, x = np.mgrid[:height, :width]
    radius = np.hypot(x - fan.apex_x, y - fan.apex_y)
    depth = np.clip((radius - fan.radius_near) / (fan.radius_far - fan.radius_near), 0, 1)
    angle = np.arctan2(x - fan.apex_x, y - fan.apex_y)
    middle = (fan.angle_left + fan.angle_right) / 2
    brightness = gain * 45 * (1.3 - depth)
    if shadow:
        brightness = np.where((abs(angle - middle) < 0.06) & (depth > 0.2), 0, brightness)
    stack = np.full((frames, height, width), screen, np.uint8)
    for frame in stack:
        speckle = cv2.GaussianBlur(rng.rayleigh(1.0, truth.shape), (3, 3), 0)
        frame[truth] = np.clip(speckle * brightness, 0, 255)[truth]
        if clutter:
            outside = np.zeros_like(frame)
            cv2.putText(outside, "LUNG 5.0MHz", (4, 16), cv2.FONT_HERSHEY_SIMPLEX, 0.45, 220, 1)
            cv2.putText(outside, "MI 0.7", (4, height - 8), cv2.FONT_HERSHEY_SIMPLEX, 0.7, 255, 2)
            outside[20:-20:12, -8:-2] = 200
            bar = slice(height // 3, 2 * height // 3)
            outside[bar, 3:9] = np.linspace(255, 30, bar.stop - bar.start)[:, None]
            frame[~truth] = np.maximum(frame, outside)[~truth]
    return Screen(stack, truth, fan)


FANS = {
    "centred": (Fan(apex_x=160, apex_y=-40, radius_near=70, radius_far=290,
                    angle_left=-0.5, angle_right=0.5), 280, 330),
    "off centre": (Fan(apex_x=235, apex_y=20, radius_near=40, radius_far=240,
                       angle_left=-0.55, angle_right=0.55), 300, 420),
    "wide": (Fan(apex_x=210, apex_y=-10, radius_near=60, radius_far=250,
                 angle_left=-0.78, angle_right=0.78), 270, 440),
    "narrow": (Fan(apex_x=150, apex_y=-260, radius_near=290, radius_far=560,
                   angle_left=-0.19, angle_right=0.19), 330, 320),
    "steered": (Fan(apex_x=140, apex_y=-20, radius_near=60, radius_far=300,
                    angle_left=-0.3, angle_right=0.6), 300, 350),
    "full screen": (Fan(apex_x=520, apex_y=-130, radius_near=210, radius_far=890,
                        angle_left=-0.52, angle_right=0.52), 800, 1068),
}  # fmt: skip
"""Fans that lie wholly on the screen: name -> (fan, height, width)."""
