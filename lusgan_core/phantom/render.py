"""From a scene to frames: speckle, log compression, scan conversion.

A scanner sees the sum of echoes from countless scatterers smaller than its pulse. That sum is a
complex random number whose amplitude is Rayleigh distributed (Wagner et al., "Statistics of speckle
in ultrasound B-scans", IEEE Trans Sonics Ultrason 30 (1983) 156): speckle. Here it is complex
white noise, blurred to the size of the pulse and the beam on the polar grid, and weighted with the
amplitudes of ``echoes``. The envelope is then log-compressed and scan-converted, as scanners do.

Shapes: N frames, D depth samples, B beams, H height, W width.
"""

from __future__ import annotations

from collections.abc import Sequence

import cv2
import numpy as np
from numpy.typing import ArrayLike, NDArray

from lusgan_core.domain import SCORES
from lusgan_core.errors import ConfigError
from lusgan_core.phantom.echoes import Echoes, breathe, db, echo_amplitudes
from lusgan_core.phantom.scanner import Scanner, burned_in, draw_scanner, scan_convert
from lusgan_core.phantom.scene import Scene, draw_scene

Floats = NDArray[np.float32]

BLOCK_FRAMES = 8
"""Frames rendered at a time: bounds memory to some 100 MB at 800 x 1068."""
NOISE_DB = -58.0
"""Level of the receiver's noise, relative to the pleural line."""
MARGIN = 24
"""Samples of speckle beyond each side of the grid, for motion."""
FADE_FRAMES = 5
"""Frames over which artefacts come or go when the score changes; odd, to be centred on it."""


def draw_wall_mm(rng: np.random.Generator) -> float:
    """Draw a patient's pleural depth, 14 to 27 mm: from a thin to a heavy chest wall."""
    return rng.uniform(14, 27)


def render_clip(
    rng: np.random.Generator,
    scanner: Scanner,
    scores: Sequence[int],
    *,
    wall_mm: float | None = None,
    annotated: bool = True,
) -> NDArray[np.uint8]:
    """Render a clip whose frames show the patterns of the given scores.

    Args:
        rng: Source of all random numbers of the clip.
        scanner: The scanner as set for the exam.
        scores: N scores, 0..3; where they change, artefacts come or go over some frames.
        wall_mm: The patient's pleural depth, mm; None draws one.
        annotated: Whether text and a depth ruler are burned in.

    Returns:
        (N, H, W) uint8.

    Raises:
        ConfigError: There are no scores, or one is not in 0..3.
    """
    if not len(scores) or not set(scores) <= set(SCORES):
        raise ConfigError(
            f"cannot render a clip with scores {sorted(set(scores))}: "
            f"expected one or more of {', '.join(map(str, SCORES))}"
        )
    scene = draw_scene(rng, scanner, draw_wall_mm(rng) if wall_mm is None else wall_mm)
    still, moving, noise = (speckle(rng, scanner) for _ in range(3))
    severity = _fade(scores)
    polar = np.empty((len(scores), scanner.samples, scanner.beams), np.uint8)
    for start in range(0, len(scores), BLOCK_FRAMES):
        frames = np.arange(start, min(start + BLOCK_FRAMES, len(scores)))
        echoes = echo_amplitudes(scene, scanner, severity[frames], frames)
        signal = _sum_echoes(rng, scene, scanner, echoes, frames, (still, moving, noise))
        polar[frames] = _compress(signal, scanner)
    images = scan_convert(polar, scanner)
    if annotated:
        np.maximum(images, burned_in(scanner), out=images)
    return images


def render_frames(score: int, count: int, size: int, seed: int) -> NDArray[np.uint8]:
    """Render single frames of one score, each of another patient and scanner, without text.

    Frame i depends on (score, size, seed, i) alone.

    Args:
        score: Severity score, 0..3.
        count: Number of frames.
        size: Side of the square frames, pixels.
        seed: Seed of the frames.

    Returns:
        (count, size, size) uint8.

    Raises:
        ConfigError: The score is not in 0..3.
    """
    frames = np.empty((count, size, size), np.uint8)
    native = max(size, 192)  # coarser grids cannot hold speckle: render, then shrink
    for i, frame in enumerate(frames):
        rng = np.random.default_rng((seed, i + 1, score + 1))
        scanner = draw_scanner(rng, native, square=True)
        image = render_clip(rng, scanner, [score], annotated=False)[0]
        frame[:] = cv2.resize(image, (size, size), interpolation=cv2.INTER_AREA)
    return frames


def _fade(scores: ArrayLike) -> Floats:
    """(N,) severity as a smooth course: scores averaged over ``FADE_FRAMES``."""
    padded = np.pad(np.asarray(scores, np.float32), FADE_FRAMES // 2, mode="edge")
    kernel = np.full(FADE_FRAMES, 1 / FADE_FRAMES, np.float32)
    return np.convolve(padded, kernel, mode="valid")


def speckle(rng: np.random.Generator, scanner: Scanner) -> Floats:
    """Draw a field of speckle, larger than the polar grid by ``MARGIN`` samples on each side.

    Args:
        rng: Source of the random numbers.
        scanner: Gives the grid, and the size of pulse and beam, to which the noise is blurred.

    Returns:
        (D + 2 MARGIN, B + 2 MARGIN, 2) float32: real and imaginary part, of mean power 1.
    """
    fwhm = 2.355  # full width at half maximum, in standard deviations
    axial = scanner.model.axial_mm / fwhm * scanner.samples_a_mm
    lateral = scanner.model.lateral_deg / fwhm * scanner.beams_a_degree
    shape = (scanner.samples + 2 * MARGIN, scanner.beams + 2 * MARGIN, 2)
    noise = rng.standard_normal(shape, dtype=np.float32)
    field = cv2.GaussianBlur(noise, (0, 0), sigmaX=max(lateral, 0.3), sigmaY=max(axial, 0.3))
    power = float(np.mean(np.square(field))) * 2
    return np.asarray(field / np.sqrt(power), np.float32)


def _view(field: Floats, scanner: Scanner, down: float, right: float) -> Floats:
    """(D, B, 2) window of a speckle field whose content has moved by (down, right) samples."""
    down, right = (float(np.clip(v, -MARGIN, MARGIN)) for v in (down, right))
    matrix = np.array([[1, 0, MARGIN - right], [0, 1, MARGIN - down]])
    size = (scanner.beams, scanner.samples)
    window = cv2.warpAffine(field, matrix, size, flags=cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP)
    return np.asarray(window, np.float32)


def _sum_echoes(
    rng: np.random.Generator,
    scene: Scene,
    scanner: Scanner,
    echoes: Echoes,
    frames: NDArray[np.int64],
    fields: tuple[Floats, Floats, Floats],
) -> Floats:
    """(N, D, B) envelope of the received signal."""
    motion = breathe(scene, frames)
    still, moving, noise = fields
    envelope = np.empty_like(echoes.wall)
    for i in range(len(frames)):
        down = float(motion.lift_mm[i]) * scanner.samples_a_mm
        right = float(motion.slide_deg[i]) * scanner.beams_a_degree
        jump = rng.uniform(-MARGIN, MARGIN, 2)  # the receiver's noise is new in every frame
        lung = _view(moving, scanner, down, right)
        signal = echoes.wall[i][..., None] * _view(still, scanner, down / 2, 0)
        signal += echoes.lung[i][..., None] * lung
        signal += echoes.mirror[i][..., None] * (0.35 * lung + np.array([1, 0], np.float32))
        signal += db(NOISE_DB) * _view(noise, scanner, *jump)
        envelope[i] = np.hypot(signal[..., 0], signal[..., 1])
    return envelope


def _compress(envelope: Floats, scanner: Scanner) -> NDArray[np.uint8]:
    """Log-compress an envelope to grey levels (N, D, B) uint8, slightly smoothed."""
    level = 20 * np.log10(np.maximum(envelope, 1e-6)) + scanner.gain_db
    grey = np.clip(1 + level / scanner.model.dynamic_range_db, 0, 1) ** scanner.grey_gamma
    smooth = [cv2.GaussianBlur(g, (0, 0), sigmaX=0.9, sigmaY=0.5) for g in grey]
    return np.asarray(np.rint(255 * np.stack(smooth)), np.uint8)
