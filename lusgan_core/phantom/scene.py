"""The anatomy under the probe in one clip: chest wall, ribs, pleura, lung, and how they breathe.

All random properties are drawn here, once for each clip, whatever its scores: severity only decides
how much of them shows (see ``echoes``). A clip whose score changes therefore stays the same chest,
and artefacts fade in where they always were.

Lateral positions are angles in degrees, depths are millimetres, time is counted in frames. Shapes:
K rows of the wall texture, B beams, D depth samples, G points of a lateral grid.
"""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from lusgan_core.phantom.scanner import Scanner

WALL_ROWS = 160
"""K, resolution of the chest wall's texture between skin and pleura."""

GRID_STEP_DEG = 0.25
GRID_DEG = np.arange(-60.0, 60.0 + GRID_STEP_DEG, GRID_STEP_DEG)
"""Angles at which lateral profiles are tabulated; wider than any fan, so that lung can slide in."""

Floats = NDArray[np.float32]


@dataclass(frozen=True)
class Rib:
    """A rib across the beams: a bright cap above the pleura, and a shadow below."""

    angle_deg: float
    half_width_deg: float
    rise_mm: float
    """Height of the cap's top above the pleura."""


@dataclass(frozen=True)
class BLine:
    """A vertical artefact that starts at the pleura and reaches the bottom of the fan."""

    angle_deg: float
    width_deg: float
    level_db: float
    onset: float
    """Severity at which it has half its strength."""
    flicker: float
    """Phase of its slow change in brightness, radians."""


@dataclass(frozen=True)
class Consolidation:
    """Airless lung below the pleura: dark or tissue-like, ragged below, with bright air in it."""

    angle_deg: float
    half_width_deg: float
    depth_mm: float
    level_db: float
    ragged: Floats
    """(G,) relative depth of its lower border."""


@dataclass(frozen=True)
class Scene:
    """One clip's anatomy and motion."""

    wall: Floats
    """(K, B) echo amplitude of the chest wall, from skin to pleura."""
    haze: Floats
    """(K, B) the same, blurred: the look of its reverberations."""
    wall_mm: float
    tilt: float
    bend: float
    """Pleural depth is wall_mm x (1 + tilt x + bend x^2), x from -1 to 1 across the fan."""
    roughness: Floats
    """(G,) shape of an irregular pleura, unit deviation; moves with the lung."""
    strength: Floats
    """(G,) how well the pleura reflects, unit deviation; moves with the lung."""
    specular: Floats
    """(B,) 0..1, where the pleura faces the probe, and reverberations can arise."""
    patches: Floats
    """(G,) uneven brightness of white lung, unit deviation; moves with the lung."""
    mottle: Floats
    """(D, G) blotches below the pleura, unit deviation; move with the lung."""
    fading: float
    """Nepers that reverberations in the lung lose over the depth of the fan."""
    contact: Floats
    """(B,) 0..1, acoustic contact of the probe's face."""
    ribs: tuple[Rib, ...]
    b_lines: tuple[BLine, ...]
    consolidations: tuple[Consolidation, ...]
    period: float
    """Frames per breath."""
    phase: float
    """Phase of the breath in frame 0, radians."""
    slide_deg: float
    """Amplitude of the lung's lateral sliding."""
    lift_mm: float
    """Amplitude of the pleura's movement in depth."""


def smooth_noise(
    rng: np.random.Generator, shape: tuple[int, int], rows: float, columns: float
) -> Floats:
    """Draw Gaussian noise, blurred, with mean 0 and standard deviation 1.

    Args:
        rng: Source of the random numbers.
        shape: (rows, columns) of the result.
        rows: Standard deviation of the blur along a column, in cells.
        columns: Standard deviation of the blur along a row, in cells.

    Returns:
        float32 of that shape.
    """
    white = rng.standard_normal(shape, dtype=np.float32)
    noise = cv2.GaussianBlur(white, (0, 0), sigmaX=columns, sigmaY=rows).reshape(shape)
    return np.asarray((noise - noise.mean()) / noise.std(), np.float32)


def lateral_noise(rng: np.random.Generator, sigma_deg: float) -> Floats:
    """Draw smooth noise over the lateral grid ``GRID_DEG``, with mean 0 and standard deviation 1.

    Args:
        rng: Source of the random numbers.
        sigma_deg: Standard deviation of the blur, degrees.

    Returns:
        (G,) float32.
    """
    noise: Floats = smooth_noise(rng, (1, len(GRID_DEG)), 1, sigma_deg / GRID_STEP_DEG)[0]
    return noise


def draw_scene(rng: np.random.Generator, scanner: Scanner, wall_mm: float) -> Scene:
    """Draw a clip's anatomy and motion.

    Args:
        rng: Source of the random numbers.
        scanner: Gives the grid of depths and angles.
        wall_mm: The patient's pleural depth, mm; the clip's varies by some 13 % around it.

    Returns:
        The scene.
    """
    half = scanner.model.half_angle_deg
    across = scanner.angles_deg() / np.float32(half)
    facing = rng.uniform(-0.3, 0.3)
    wall = _draw_wall(rng, scanner.beams)
    return Scene(
        wall=wall,
        haze=np.asarray(
            cv2.GaussianBlur(wall, (0, 0), sigmaX=scanner.beams / 40, sigmaY=7), np.float32
        ),
        wall_mm=wall_mm * rng.uniform(0.88, 1.14),
        tilt=rng.uniform(-0.12, 0.12),
        bend=rng.uniform(-0.06, 0.14),
        roughness=lateral_noise(rng, 1.1),
        strength=lateral_noise(rng, 3.0),
        specular=np.exp(-(((across - np.float32(facing)) / rng.uniform(0.25, 0.55)) ** 2)),
        patches=lateral_noise(rng, 3.0),
        mottle=smooth_noise(rng, (scanner.samples, len(GRID_DEG)), 2.0 * scanner.samples_a_mm, 5.0),
        fading=rng.uniform(0.4, 2.0),
        contact=_draw_contact(rng, across),
        ribs=_draw_ribs(rng, half),
        b_lines=_draw_b_lines(rng, half),
        consolidations=_draw_consolidations(rng, half),
        period=rng.uniform(18, 48),
        phase=rng.uniform(0, 2 * np.pi),
        slide_deg=rng.uniform(1.8, 4.5),
        lift_mm=rng.uniform(0.5, 1.3),
    )


def _draw_wall(rng: np.random.Generator, beams: int) -> Floats:
    """(K, B) amplitude: skin, fat with septa, fascia, muscle with striations.

    Levels are in dB below the pleura's; layers are wavy, since they follow tissue, not the probe.
    """
    depth = np.linspace(0, 1, WALL_ROWS, dtype=np.float32)[:, None]
    depth = depth + 0.03 * smooth_noise(rng, (WALL_ROWS, beams), 40, beams / 6)
    skin, fascia = rng.uniform(0.05, 0.1), rng.uniform(0.35, 0.6)
    fat_db, muscle_db = rng.uniform(-47, -40), rng.uniform(-42, -34)
    level = np.where(depth < fascia, fat_db, muscle_db)
    level = np.where(depth < skin, -22.0, level)
    streaks = smooth_noise(rng, (WALL_ROWS, beams), 2.4, beams / 11)
    level = level + 7.0 * streaks
    for position in (fascia, *rng.uniform(skin, 0.95, size=3)):
        broken = np.clip(0.6 + 0.6 * smooth_noise(rng, (1, beams), 1, beams / 12), 0, 1)
        line = np.exp(-(((depth - position) / 0.018) ** 2)) * broken
        level = level + rng.uniform(10, 18) * line
    return np.asarray(np.power(10.0, level / 20), np.float32)


def _draw_contact(rng: np.random.Generator, across: Floats) -> Floats:
    """(B,) contact: full in the middle, often lost towards one side of the probe's face."""
    edge, side = rng.uniform(0.75, 1.6), rng.choice([-1.0, 1.0])
    lost = 1 / (1 + np.exp((across * side - edge) / 0.06))
    rim = 1 - 0.45 * np.abs(across) ** 6  # outermost beams use fewer elements
    return np.asarray(lost * rim, np.float32)


def _draw_ribs(rng: np.random.Generator, half: float) -> tuple[Rib, ...]:
    """No rib, one at a side, or the two of the "bat sign" with an intercostal space between."""
    count = int(rng.choice([0, 1, 2], p=[0.35, 0.35, 0.3]))
    sides = rng.permutation([-1.0, 1.0])[:count]
    return tuple(
        Rib(
            angle_deg=float(side * half * rng.uniform(0.55, 0.8)),
            half_width_deg=rng.uniform(5.0, 9.0),
            rise_mm=rng.uniform(3.0, 6.0),
        )
        for side in sides
    )


def _draw_b_lines(rng: np.random.Generator, half: float) -> tuple[BLine, ...]:
    """Two or three narrow B-lines that appear at score 1, and as many broad ones at score 2."""
    lines = []
    for onset, width, level in ((0.55, (0.5, 1.1), -23.0), (1.5, (3.0, 6.0), -25.0)):
        count = int(rng.integers(2, 4))
        places = (np.arange(count) + rng.uniform(0.25, 0.75, count)) / count * 1.5 - 0.75
        lines += [
            BLine(
                angle_deg=float(place * half),
                width_deg=rng.uniform(*width),
                level_db=level + rng.uniform(-3, 3),
                onset=onset + rng.uniform(-0.15, 0.15),
                flicker=rng.uniform(0, 2 * np.pi),
            )
            for place in places
        ]
    return tuple(lines)


def _draw_consolidations(rng: np.random.Generator, half: float) -> tuple[Consolidation, ...]:
    """One to three consolidations, dark or tissue-like; the first is large."""
    count = int(rng.integers(1, 4))
    places = rng.permutation((np.arange(count) + 0.5) / count * 1.3 - 0.65)
    return tuple(
        Consolidation(
            angle_deg=float(place * half + rng.uniform(-2, 2)),
            half_width_deg=rng.uniform(8, 13) if rank == 0 else rng.uniform(3, 6),
            depth_mm=rng.uniform(18, 36) if rank == 0 else rng.uniform(6, 14),
            level_db=float(rng.choice([-52.0, -38.0]) + rng.uniform(-2, 2)),
            ragged=np.clip(1 + 0.25 * lateral_noise(rng, 2.0), 0.3, 1.8),
        )
        for rank, place in enumerate(places)
    )
