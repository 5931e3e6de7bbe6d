"""Phantom exams for studies of usefulness: one score is rare, or labels mean nothing."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from lusgan_core.phantom.files import write_clip, write_scores
from lusgan_core.phantom.render import draw_wall_mm, render_clip
from lusgan_core.phantom.scanner import draw_scanner

COMMON, RARE = 0, 3
"""Scores that patients show: many frames of the one, few of the other."""

RENDERED = 8
"""Different frames of a clip; then they are repeated, as a frozen picture is."""


def write_study(
    out: Path, patients: int, common: int, rare: int, *, shuffled: bool = False, seed: int = 7
) -> Path:
    """Write exams of patients who each have two clips, one a score.

    Args:
        out: Folder to write to.
        patients: Number of patients.
        common: Frames of the clip with the common score.
        rare: Frames of the clip with the rare score.
        shuffled: Whether the labels have nothing to do with what frames show.
        seed: Seed of everything.

    Returns:
        The folder.
    """
    for number in range(patients):
        code, exam = 9001 + number, np.random.default_rng((seed, number, 1))
        scanner, wall = draw_scanner(exam, 64), draw_wall_mm(exam)
        shown = [COMMON, RARE]
        if shuffled and exam.random() < 0.5:
            shown.reverse()
        folder = out / str(code) / "1"
        folder.mkdir(parents=True)
        for area, (label, seen, count) in enumerate(
            zip((COMMON, RARE), shown, (common, rare), strict=True), start=1
        ):
            pixels = np.random.default_rng((seed, number, area, 2))
            frames = render_clip(pixels, scanner, [seen] * min(count, RENDERED), wall_mm=wall)
            frames = np.resize(frames, (count, *frames.shape[1:]))
            name = folder / f"convex_{code}_1_{area}"
            write_clip(name.with_suffix(".mat"), frames, "frames", v73=False, wide_chunks=False)
            write_scores(Path(f"{name}_score.mat"), [label] * count, "scores", v73=False)
    return out
