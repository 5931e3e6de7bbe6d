"""A simulated ultrasound scanner: where the fan lies in the frame, and what surrounds it.

A convex probe sends beams from a curved face, so echoes arrive on a *polar* grid: a column for each
beam (an angle), a row for each depth. The scanner turns that grid into a fan in a rectangular frame
(scan conversion) and burns text and a depth ruler in around it. Hospitals own several scanners, so
size, angle, position, gain and dynamic range differ from exam to exam.

Shapes: N frames, D depth samples, B beams, H height, W width.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from lusgan_core.domain import Fan


@dataclass(frozen=True)
class ScannerModel:
    """A type of scanner, before an exam sets its depth and gain."""

    label: str
    """Burned into the frame."""
    scale: float
    """Frame height, as a multiple of the size asked for."""
    aspect: float
    """Frame width over height."""
    half_angle_deg: float
    spread: float
    """Largest width of the fan over the frame's; above 1 the frame cuts off the fan's sides."""
    probe_radius_mm: float
    """Radius of the probe's face."""
    dynamic_range_db: float
    """Span of echo levels between black and white."""
    axial_mm: float
    """Full width at half maximum of the pulse, along a beam."""
    lateral_deg: float
    """Full width at half maximum of the beam, across."""
    ruler: str
    """Side of the depth ruler: left, right, fan (ticks along the fan's right edge) or none."""


MODELS = (
    ScannerModel("C5-1", 1.0, 1.335, 31.0, 0.94, 55.0, 62.0, 0.8, 1.6, "right"),
    ScannerModel("CX60", 1.06, 1.25, 27.0, 0.92, 60.0, 68.0, 0.9, 1.9, "left"),
    ScannerModel("4C", 0.94, 1.0, 30.0, 1.2, 50.0, 58.0, 1.1, 2.1, "none"),
    ScannerModel("CA1-7", 1.14, 1.12, 29.0, 1.05, 60.0, 66.0, 0.7, 1.7, "right"),
    ScannerModel("SC6", 1.0, 1.2, 26.0, 0.92, 40.0, 60.0, 1.0, 2.2, "fan"),
)
"""Invented, in the range of real convex abdominal probes (40-60 mm radius, 2-7 MHz)."""


@dataclass(frozen=True)
class Scanner:
    """A scanner as set for one exam. The fan is in pixels of the frame, as in the domain."""

    model: ScannerModel
    height: int
    width: int
    fan: Fan
    depth_mm: float
    """From the probe's face to the bottom of the fan."""
    gain_db: float
    depth_gain_db: float
    """Further gain at the bottom of the fan (what the depth-gain sliders leave uncorrected)."""
    grey_gamma: float
    """Exponent of the grey map; above 1 darkens the middle."""

    @property
    def samples(self) -> int:
        """D, depth samples along a beam: about one per pixel."""
        return max(48, round(self.fan.radius_far - self.fan.radius_near))

    @property
    def beams(self) -> int:
        """B, beams in the fan."""
        return int(np.clip(0.64 * self.height, 96, 256))

    @property
    def samples_a_mm(self) -> float:
        """Depth samples per millimetre."""
        return self.samples / self.depth_mm

    @property
    def beams_a_degree(self) -> float:
        """Beams per degree of the fan."""
        return self.beams / math.degrees(self.fan.angle_right - self.fan.angle_left)

    def depths_mm(self) -> NDArray[np.float32]:
        """(D,) depth of each sample below the probe's face."""
        return np.linspace(0, self.depth_mm, self.samples, dtype=np.float32)

    def angles_deg(self) -> NDArray[np.float32]:
        """(B,) angle of each beam from the downward vertical, positive to the right."""
        left, right = math.degrees(self.fan.angle_left), math.degrees(self.fan.angle_right)
        return np.linspace(left, right, self.beams, dtype=np.float32)


def draw_scanner(
    rng: np.random.Generator, size: int, *, square: bool = False, model: ScannerModel | None = None
) -> Scanner:
    """Draw a scanner and its settings for an exam.

    Args:
        rng: Source of the random numbers.
        size: Nominal frame height, pixels. Types of scanner differ from it by up to 15 %, except
            the first of ``MODELS`` (800 gives 800 x 1068).
        square: Whether frames are exactly ``size`` x ``size``.
        model: Type of scanner; None draws one of ``MODELS``.

    Returns:
        The scanner, with depth, gain and the fan's geometry.
    """
    drawn = MODELS[int(rng.integers(len(MODELS)))]
    model = model or drawn
    height = size if square else round(size * model.scale)
    width = size if square else round(height * model.aspect)
    depth_mm = float(rng.choice([90.0, 110.0, 130.0, 150.0]))
    half = math.radians(model.half_angle_deg + rng.uniform(-1.5, 1.5))
    top = round(height * rng.uniform(0.02, 0.06))
    ratio = model.probe_radius_mm / (model.probe_radius_mm + depth_mm)  # near over far radius
    far = min(
        (height - top) * rng.uniform(0.93, 0.98) / (1 - ratio * math.cos(half)),
        width * model.spread / (2 * math.sin(half)),
    )
    room = max(0.02 * width, width / 2 - far * math.sin(half) - 2)
    fan = Fan(
        apex_x=(width - 1) / 2 + room * rng.uniform(-0.9, 0.9),
        apex_y=top - far * ratio * math.cos(half),
        radius_near=far * ratio,
        radius_far=far,
        angle_left=-half,
        angle_right=half,
    )
    return Scanner(
        model, height, width, fan, depth_mm,
        gain_db=rng.uniform(-4, 5),
        depth_gain_db=rng.uniform(-4, 5),
        grey_gamma=rng.uniform(0.95, 1.25),
    )  # fmt: skip


def polar_maps(scanner: Scanner) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """Where each pixel of the frame lies in the polar grid: (beam, sample), each (H, W) float32.

    Outside the fan the coordinates are outside the grid.
    """
    fan = scanner.fan
    y, x = np.mgrid[0 : scanner.height, 0 : scanner.width].astype(np.float32)
    x -= np.float32(fan.apex_x)
    y -= np.float32(fan.apex_y)
    angle = np.arctan2(x, y)
    radius = np.hypot(x, y)
    beam = (angle - fan.angle_left) * ((scanner.beams - 1) / (fan.angle_right - fan.angle_left))
    sample = (radius - fan.radius_near) * (
        (scanner.samples - 1) / (fan.radius_far - fan.radius_near)
    )
    return beam.astype(np.float32), sample.astype(np.float32)


def fan_mask(scanner: Scanner) -> NDArray[np.bool_]:
    """(H, W) bool: the pixels that the probe paints."""
    beam, sample = polar_maps(scanner)
    across = (beam >= 0) & (beam <= scanner.beams - 1)
    return across & (sample >= 0) & (sample <= scanner.samples - 1)


def scan_convert(polar: NDArray[np.uint8], scanner: Scanner) -> NDArray[np.uint8]:
    """Turn the polar grid into frames, black outside the fan.

    Args:
        polar: (N, D, B) uint8 grey levels.
        scanner: Gives the fan and the size of the frame.

    Returns:
        (N, H, W) uint8.
    """
    beam, sample = polar_maps(scanner)
    outside = ~fan_mask(scanner)
    fixed = cv2.convertMaps(beam, sample, cv2.CV_16SC2)  # integer maps: twice as fast
    frames = np.empty((len(polar), scanner.height, scanner.width), np.uint8)
    for frame, grid in zip(frames, polar, strict=True):
        cv2.remap(grid, *fixed, cv2.INTER_LINEAR, dst=frame, borderMode=cv2.BORDER_REPLICATE)
        frame[outside] = 0
    return frames


def burned_in(scanner: Scanner) -> NDArray[np.uint8]:
    """(H, W) uint8: burned-in text and depth ruler, all outside the fan; black elsewhere."""
    canvas = np.zeros((scanner.height, scanner.width), np.uint8)
    font, scale = cv2.FONT_HERSHEY_SIMPLEX, scanner.height / 640
    line = max(9, round(scanner.height / 22))
    margin = max(2, scanner.width // 60)
    indent = margin + (scanner.width // 30 if scanner.model.ruler == "left" else 0)
    text = ["PHANTOM", scanner.model.label, f"{scanner.depth_mm / 10:.0f} cm"]
    for row, words in enumerate(text):
        cv2.putText(canvas, words, (indent, line * (row + 1)), font, scale, 170, 1, cv2.LINE_AA)
    gain = f"G {60 + scanner.gain_db:.0f}%  DR {scanner.model.dynamic_range_db:.0f}"
    (extent, _), _ = cv2.getTextSize(gain, font, scale, 1)
    right = scanner.width - extent - margin
    cv2.putText(canvas, gain, (right, line), font, scale, 150, 1, cv2.LINE_AA)
    _draw_ruler(canvas, scanner)
    canvas[cv2.dilate(fan_mask(scanner).astype(np.uint8), np.ones((3, 3), np.uint8)) > 0] = 0
    return canvas


def _draw_ruler(canvas: NDArray[np.uint8], scanner: Scanner) -> None:
    """Draw a tick for every centimetre of depth, a longer one for every fifth, into the canvas."""
    fan = scanner.fan
    pixels_a_mm = (fan.radius_far - fan.radius_near) / scanner.depth_mm
    if scanner.model.ruler == "none":
        return
    tick = max(2, scanner.width // 90)
    for centimetre in range(int(scanner.depth_mm // 10) + 1):
        radius = fan.radius_near + 10 * centimetre * pixels_a_mm
        length = tick * (2 if centimetre % 5 == 0 else 1)
        if scanner.model.ruler == "fan":
            x = fan.apex_x + (radius * math.sin(fan.angle_right)) + 4
            y = fan.apex_y + radius * math.cos(fan.angle_right)
        else:
            y = fan.apex_y + radius
            x = 2.0 if scanner.model.ruler == "left" else scanner.width - 3.0 - length
        start = (round(x), round(y))
        cv2.line(canvas, start, (start[0] + length, start[1]), 200, max(1, scanner.height // 400))
