"""How strongly each point of the polar grid echoes, given the severity: the four score patterns.

Air reflects nearly everything, so nothing seen below the pleura is anatomy. It is reverberation:

- score 0: sound bounces between pleura and probe, and the chest wall is seen again and again, with
  the pleural line at each multiple of its depth (A-lines);
- score 1: a few spots of fluid below a slightly irregular pleura ring like bells: narrow vertical
  artefacts (B-lines) that reach the bottom and wipe out the A-lines they cross;
- score 2: these are broad and run together, the pleura is broken and thickened;
- score 3: white lung, and lung without air (consolidations) that is seen as it is, ragged below.

After Soldati et al., "Proposal for international standardization of the use of lung ultrasound for
patients with COVID-19", J Ultrasound Med 39 (2020) 1413, doi:10.1002/jum.15285.

Amplitudes are linear, 1 being the pleural line's (0 dB). Shapes: N frames, D depth samples, B
beams, G points of the lateral grid.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from lusgan_core.phantom.scanner import Scanner
from lusgan_core.phantom.scene import GRID_DEG, GRID_STEP_DEG, WALL_ROWS, Consolidation, Scene

Floats = NDArray[np.float32]

ORDERS = 7
"""Reverberations further down than this many pleural depths are lost in noise."""


@dataclass(frozen=True)
class Echoes:
    """Amplitudes (N, D, B) by look: speckle that stays still, speckle that moves, smooth lines."""

    wall: Floats
    """Speckle that stays with the chest wall, its reverberations included."""
    lung: Floats
    """Speckle that slides with the lung."""
    mirror: Floats
    """Smooth interfaces: pleura, A-lines, ribs."""


@dataclass(frozen=True)
class Motion:
    """The lung's displacement in each frame, (N,) float32 each."""

    slide_deg: Floats
    lift_mm: Floats


def breathe(scene: Scene, frames: NDArray[np.int64]) -> Motion:
    """Compute the lung's displacement over a breath.

    Args:
        scene: The clip's anatomy, with amplitude, period and phase of the breath.
        frames: (N,) numbers of the frames in the clip, from 0.

    Returns:
        Lateral displacement in degrees and depth displacement in millimetres, (N,) each.
    """
    phase = scene.phase + 2 * np.pi * frames / scene.period
    slide = scene.slide_deg * np.sin(phase)
    lift = scene.lift_mm * np.sin(phase + 0.6)  # depth lags behind sliding
    return Motion(slide.astype(np.float32), lift.astype(np.float32))


def rise(values: NDArray[np.floating], start: float, end: float) -> Floats:
    """Smooth step from 0 to 1: 3t^2 - 2t^3.

    Args:
        values: Numbers of any shape.
        start: Value at and before which the step is 0.
        end: Value at and beyond which it is 1; smaller than ``start`` for a falling step.

    Returns:
        0..1, float32, of the shape of ``values``.
    """
    t = np.clip((values - start) / (end - start), 0, 1)
    return np.asarray(t * t * (3 - 2 * t), np.float32)


def db(level: float | Floats) -> Floats:
    """Linear amplitude of a level in dB; 0 dB is 1."""
    return np.power(10.0, np.asarray(level, np.float32) / 20, dtype=np.float32)


def echo_amplitudes(
    scene: Scene, scanner: Scanner, severity: Floats, frames: NDArray[np.int64]
) -> Echoes:
    """Compute the amplitudes of all points of the polar grid.

    Args:
        scene: The clip's anatomy and motion.
        scanner: Gives the grid of depths and angles, and the depth gain.
        severity: (N,) float32, severity of each frame, 0..3; fractions blend two scores.
        frames: (N,) numbers of the frames in the clip, from 0.

    Returns:
        Linear amplitudes (N, D, B) float32, 1 being the pleural line's.
    """
    motion = breathe(scene, frames)
    angle = scanner.angles_deg()
    moved = angle[None, :] - motion.slide_deg[:, None]  # (N, B): the lung's own coordinates
    depth = scanner.depths_mm()[None, :, None]
    base, bumps = _pleural_depth(scene, scanner, severity, moved, motion)  # (N, B) each
    pleura = (base + bumps)[:, None, :]
    below = depth - pleura
    ratio = (depth - bumps[:, None, :]) / base[:, None, :]  # 1 at the pleura, 2 at an A-line, ...
    sheet = _b_line_sheet(scene, severity, moved, frames)  # (N, B)
    clear = np.exp(-sheet / db(-32.0))  # what is left of A-lines where B-lines ring

    wall = _wall_and_haze(scene, depth / base[:, None, :], clear)
    mirror = _pleura_and_a_lines(scene, ratio, base, severity, moved, clear)
    row = np.clip(below * scanner.samples_a_mm, 0, scanner.samples - 1)
    column = np.clip((moved - GRID_DEG[0]) / GRID_STEP_DEG, 0, len(GRID_DEG) - 1)
    mottle = scene.mottle[row.astype(np.int32), column.astype(np.int32)[:, None, :]]
    decay = np.exp(np.clip(below, 0, None) * (-scene.fading / scanner.depth_mm) + 0.2 * mottle)
    lung = sheet[:, None, :] * decay * rise(below, 0.0, 1.5)
    for patch in scene.consolidations:
        gate = rise(severity, 2.2, 2.9)
        if gate.any():
            _consolidate(patch, scene, gate, below, moved, mottle, wall, lung, mirror)
    _cast_ribs(scene, angle, motion, pleura, depth, wall, lung, mirror)

    gain = scene.contact * db(depth[0] * (scanner.depth_gain_db / scanner.depth_mm))
    for part in (wall, lung, mirror):
        part *= gain
    return Echoes(wall, lung, mirror)


def _at(profile: Floats, angle: Floats) -> Floats:
    """A lateral profile (G,) at the given angles."""
    return np.interp(angle, GRID_DEG, profile).astype(np.float32)


def _pleural_depth(
    scene: Scene, scanner: Scanner, severity: Floats, moved: Floats, motion: Motion
) -> tuple[Floats, Floats]:
    """(N, B) its smooth course and the bumps on it, millimetres; irregular from score 1 on."""
    across = scanner.angles_deg() / np.float32(scanner.model.half_angle_deg)
    shape = scene.wall_mm * (1 + scene.tilt * across + scene.bend * across**2)
    jagged = 0.1 + 0.25 * rise(severity, 0.3, 1) + 0.45 * rise(severity, 1.2, 2)
    base = np.maximum(shape + motion.lift_mm[:, None], 6.0).astype(np.float32)
    return base, jagged[:, None] * _at(scene.roughness, moved)


def _wall_and_haze(scene: Scene, ratio: Floats, clear: Floats) -> Floats:
    """The chest wall, and below the pleura its fading repetitions (haze)."""
    fraction, whole = np.modf(np.clip(ratio, 0, ORDERS))
    order, row = whole.astype(np.int32), (fraction * WALL_ROWS).astype(np.int32)
    beam = np.arange(ratio.shape[2])
    wall = np.where(order == 0, scene.wall[row, beam], scene.haze[row, beam])
    fading = db(np.array([0.0, *(-10.0 - 4.5 * k for k in range(ORDERS))], np.float32))
    haze = np.where(order > 0, 0.35 + 0.65 * clear[:, None, :], np.float32(1))
    return np.asarray(wall * fading[order] * haze, np.float32)


def _pleura_and_a_lines(
    scene: Scene, ratio: Floats, base: Floats, severity: Floats, moved: Floats, clear: Floats
) -> Floats:
    """The pleural line (order 1) and its reverberations at each multiple of its depth."""
    order = np.clip(np.rint(ratio), 0, ORDERS)
    thickness = 0.55 + 0.35 * rise(severity, 1.2, 2)  # mm, standard deviation
    offset = (ratio - order) * (base / thickness[:, None])[:, None, :]
    lines = np.exp(np.float32(-0.5) * offset * offset)

    strength = _at(scene.strength, moved)
    broken = 0.8 * rise(severity, 1.2, 2)[:, None] * rise(-strength, 0.0, 0.7)
    pleural = db(-10.0 + 4.0 * strength) * (1 - broken)
    a_lines = (1 - 0.35 * rise(severity, 0.4, 1) - 0.65 * rise(severity, 1.2, 1.9))[:, None]
    a_lines = a_lines * scene.specular * clear
    levels = np.zeros((len(severity), ORDERS + 1, moved.shape[1]), np.float32)
    levels[:, 1] = pleural
    for k in range(2, ORDERS):
        levels[:, k] = a_lines * db(-21.0 - 7.0 * (k - 2) + 3.0 * strength)
    amplitudes: Floats = np.take_along_axis(levels, order.astype(np.int64), axis=1)
    return np.asarray(lines * amplitudes, np.float32)


def _b_line_sheet(
    scene: Scene, severity: Floats, moved: Floats, frames: NDArray[np.int64]
) -> Floats:
    """(N, B) amplitude, just below the pleura, of all that rings: B-lines and white lung."""
    sheet = np.full_like(moved, db(-70.0))
    for line in scene.b_lines:
        gate = rise(severity, line.onset - 0.35, line.onset + 0.35)
        flicker = 1 + 0.2 * np.sin(line.flicker + frames * (2 * np.pi / 11)).astype(np.float32)
        offset = (moved - line.angle_deg) / line.width_deg
        across = np.exp(np.float32(-0.5) * offset * offset)
        sheet += (gate * flicker * db(line.level_db))[:, None] * across
    white = rise(severity, 2.2, 3)[:, None] * db(-26.0 + 4.0 * _at(scene.patches, moved))
    return np.asarray(np.hypot(sheet, white), np.float32)


def _consolidate(
    patch: Consolidation, scene: Scene, gate: Floats, below: Floats, moved: Floats,
    mottle: Floats, wall: Floats, lung: Floats, mirror: Floats,
) -> None:  # fmt: skip
    """Put a consolidation into the amplitudes, in place."""
    x = (moved - patch.angle_deg) / patch.half_width_deg
    floor = patch.depth_mm * np.sqrt(np.clip(1 - x * x, 0, None)) * _at(patch.ragged, moved)
    floor = floor[:, None, :] * (1 + 0.22 * mottle)
    inside = rise(floor - below, 0.0, 2.0) * rise(below, 0.5, 2.0) * gate[:, None, None]
    content = db(patch.level_db + 20 * rise(mottle, 1.2, 1.9))  # bright: air in the bronchi
    border = np.exp(-np.square((below - floor) / 1.3)) * rise(floor, 3.0, 9.0)
    shred = gate[:, None, None] * border * db(-20.0)
    wall *= 1 - 0.9 * inside
    mirror *= 1 - 0.85 * inside
    lung *= 1 - inside
    lung += inside * content + shred


def _cast_ribs(
    scene: Scene, angle: Floats, motion: Motion, pleura: Floats, depth: Floats,
    wall: Floats, lung: Floats, mirror: Floats,
) -> None:  # fmt: skip
    """Put ribs into the amplitudes, in place: a bright cap, and a shadow over all below it."""
    for rib in scene.ribs:
        centre = rib.angle_deg + 0.15 * motion.slide_deg[:, None]  # the wall moves little
        x = np.abs(angle[None, :] - centre) / rib.half_width_deg
        cap = pleura - (rib.rise_mm * (1 - x * x))[:, None, :]
        under = depth - cap
        width = (1 - rise(x, 0.8, 1.1))[:, None, :]
        shadow = 1 - 0.97 * width * rise(under, 0.0, 2.0)
        for part in (wall, lung, mirror):
            part *= shadow
        mirror += db(-17.0) * width * np.exp(-np.square(under / 0.9))
