"""Plans and writes a tree of phantom exams in the hospital's layout.

The plan comes first and renders nothing: which areas, which score in which frame, which files.
Random numbers of a clip depend on (seed, patient, exam, area) alone, and those that its exam and
patient share on (seed, patient, exam) and (seed, patient): more patients, exams or clips leave the
existing ones unchanged, byte for byte.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from lusgan_core.domain import AREAS, SCORES, Record
from lusgan_core.errors import ConfigError
from lusgan_core.phantom.files import (
    write_clip,
    write_mask,
    write_movie_decoy,
    write_scores,
    write_table_decoy,
)
from lusgan_core.phantom.options import PhantomOptions
from lusgan_core.phantom.render import draw_wall_mm, render_clip
from lusgan_core.phantom.scanner import Scanner, draw_scanner

CLIP_VARIABLES = ("frames", "Frames", "video", "cine")
SCORE_VARIABLES = ("Score_matrix", "score", "labels")
FIRST_PATIENT = 9001
"""Codes of phantom patients count up from here."""

# Purposes of random streams, the last number of their seeds: never 0, numpy pads with zeros.
_ANATOMY, _PLAN, _PIXELS = 1, 2, 3


class PhantomTree(Record):
    """Numbers of what was written."""

    patients: int
    exams: int
    clips: int
    frames: int
    by_score: dict[int, int]
    """Labelled frames of each score."""
    unlabelled: int
    """Frames that nobody scored, beyond the score matrix of their clip."""
    masks: int


@dataclass(frozen=True)
class ClipPlan:
    """One clip before it is rendered."""

    patient: int
    exam: int
    area: int
    severities: tuple[int, ...]
    """Severity that each frame shows, 0..3, whether or not it is labelled."""
    labelled: int
    """Number of frames that have a score, counted from the first."""
    variable: str
    score_variable: str
    v73: bool
    wide_chunks: bool
    mask: Literal["box", "fan"] | None
    movie: bool

    @property
    def name(self) -> str:
        """The clip's name, e.g. ``convex_9001_1_12``."""
        return f"convex_{self.patient}_{self.exam}_{self.area}"


def plan_clips(options: PhantomOptions) -> Iterator[ClipPlan]:
    """The clips that ``write_phantoms`` would write, in its order."""
    for patient in range(FIRST_PATIENT, FIRST_PATIENT + options.patients):
        rng = np.random.default_rng((options.seed, patient, _PLAN))
        order = rng.permutation(SCORES)
        mean = rng.uniform(-0.6, 3.0)  # of the patient's severity: rather mild than severe
        for exam in range(1, options.exams_per_patient + 1):
            rng = np.random.default_rng((options.seed, patient, exam, _PLAN))
            areas = rng.permutation(AREAS)[: options.clips_per_exam]
            for rank, area in enumerate(areas):
                yield _plan_clip(options, patient, exam, int(area), rank, order, mean)


def _plan_clip(
    options: PhantomOptions, patient: int, exam: int, area: int, rank: int,
    order: NDArray[np.int64], mean: float,
) -> ClipPlan:  # fmt: skip
    """Plan one clip; everything is drawn, and in the same order, whatever the options."""
    rng = np.random.default_rng((options.seed, patient, exam, area, _PLAN))
    usual = int(np.clip(round(rng.normal(mean, 0.9)), 0, 3))
    # The first four clips show one score each; exams start elsewhere, for when they have fewer.
    start = int(order[(rank + (0, 2, 1, 3)[(exam - 1) % 4]) % 4]) if rank < 4 else usual
    count = options.frames_per_clip
    changes, at, up = rng.random(), rng.uniform(0.5, 0.75), rng.random() < 0.5
    severities = [start] * count
    if changes < options.changing_share:
        step = 1 if start == 0 or (up and start < 3) else -1
        first = round(at * count)
        severities[first:] = [start + step] * (count - first)
    tail, unscored = rng.random(), rng.uniform(0.1, 0.3)
    cut = round(unscored * count) if tail < options.unlabelled_share else 0
    masked, boxed = rng.random() < options.mask_share, rng.random() < options.box_share
    return ClipPlan(
        patient, exam, area, tuple(severities),
        labelled=max(1, count - cut),
        variable=str(rng.choice(CLIP_VARIABLES)),
        score_variable=str(rng.choice(SCORE_VARIABLES)),
        v73=bool(rng.random() < options.v73_share),
        wide_chunks=bool(rng.random() < 0.5),
        mask=("box" if boxed else "fan") if masked else None,
        movie=bool(rng.random() < 0.3),
    )  # fmt: skip


def write_phantoms(
    out: Path, options: PhantomOptions, progress: Callable[[int, int], None] | None = None
) -> PhantomTree:
    """Write phantom exams in the hospital's layout.

    The files::

        PATIENT/EXAM/convex_PATIENT_EXAM_AREA.mat         H x W x 3 x N uint8
        PATIENT/EXAM/convex_PATIENT_EXAM_AREA_score.mat   3 x M doubles, M <= N
        PATIENT/EXAM/convex_PATIENT_EXAM_AREA.avi         beside some; no movie
        Binary-Masks/convex_PATIENT_EXAM_AREA_mask.png    for most
        SanMatteo.mat                                     no clip either

    Args:
        out: Folder to write to; it must be empty or not exist.
        options: Number, size and kind of the exams, and the seed.
        progress: Called after each clip with (clips done, clips in all).

    Returns:
        Numbers of patients, exams, clips, frames, labels and masks.

    Raises:
        ConfigError: ``out`` is a file, or a folder that is not empty.
        OSError: It cannot be written.
    """
    if out.exists() and (not out.is_dir() or any(out.iterdir())):
        raise ConfigError(
            f"will not write phantom exams to {out}: it is not an empty folder; "
            "name a new folder or empty this one"
        )
    plans = list(plan_clips(options))
    masks = out / "Binary-Masks"
    masks.mkdir(parents=True, exist_ok=True)
    write_table_decoy(out / "SanMatteo.mat")
    for done, plan in enumerate(plans, start=1):
        _write_clip(out / str(plan.patient) / str(plan.exam), masks, plan, options)
        if progress:
            progress(done, len(plans))
    labels = [score for plan in plans for score in plan.severities[: plan.labelled]]
    frames = sum(len(plan.severities) for plan in plans)
    return PhantomTree(
        patients=options.patients,
        exams=options.patients * options.exams_per_patient,
        clips=len(plans),
        frames=frames,
        by_score={score: labels.count(score) for score in SCORES},
        unlabelled=frames - len(labels),
        masks=sum(plan.mask is not None for plan in plans),
    )


def _write_clip(folder: Path, masks: Path, plan: ClipPlan, options: PhantomOptions) -> None:
    """Render one clip and write its files."""
    patient = np.random.default_rng((options.seed, plan.patient, _ANATOMY))
    rng = np.random.default_rng((options.seed, plan.patient, plan.exam, plan.area, _PIXELS))
    scanner = _exam_scanner(options, plan)
    frames = render_clip(rng, scanner, plan.severities, wall_mm=draw_wall_mm(patient))
    folder.mkdir(parents=True, exist_ok=True)
    write_clip(
        folder / f"{plan.name}.mat", frames, plan.variable, v73=plan.v73,
        wide_chunks=plan.wide_chunks,
    )  # fmt: skip
    labels = list(plan.severities[: plan.labelled])
    write_scores(folder / f"{plan.name}_score.mat", labels, plan.score_variable, v73=plan.v73)
    if plan.mask:
        write_mask(masks / f"{plan.name}_mask.png", scanner, plan.mask)
    if plan.movie:
        write_movie_decoy(folder / f"{plan.name}.avi")


def _exam_scanner(options: PhantomOptions, plan: ClipPlan) -> Scanner:
    """The scanner that all clips of an exam are recorded with."""
    rng = np.random.default_rng((options.seed, plan.patient, plan.exam, _ANATOMY))
    return draw_scanner(rng, options.size)
