"""Phantom exams: the layout on disk, the bytes, and whether the pictures show what they claim."""

from __future__ import annotations

import hashlib
from pathlib import Path

import cv2
import h5py
import numpy as np
import pytest
import scipy.io
from numpy.typing import NDArray
from pydantic import ValidationError

from lusgan_core.domain import AREAS, SCORES
from lusgan_core.errors import ConfigError
from lusgan_core.phantom.options import PhantomOptions
from lusgan_core.phantom.render import render_clip, render_frames, speckle
from lusgan_core.phantom.scanner import MODELS, Scanner, draw_scanner, fan_mask
from lusgan_core.phantom.tree import plan_clips, write_phantoms

SMALL = PhantomOptions(patients=2, clips_per_exam=4, frames_per_clip=5, size=80, seed=3)


@pytest.fixture(scope="module")
def tree(tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("phantoms") / "exams"
    write_phantoms(out, SMALL)
    return out


def digests(root: Path) -> dict[str, str]:
    """The sha256 of every file by its path below root."""
    return {
        path.relative_to(root).as_posix(): hashlib.sha256(path.read_bytes()).hexdigest()
        for path in root.rglob("*")
        if path.is_file()
    }


def load(path: Path) -> NDArray[np.generic]:
    """The one variable of a .mat file, as MATLAB would show it, by scipy or h5py alone."""
    if h5py.is_hdf5(path):
        with h5py.File(path) as file:
            (name,) = file.keys()
            assert file[name].attrs["MATLAB_class"] in (b"uint8", b"double")
            return file[name][()].T
    content = scipy.io.loadmat(path)
    (name,) = (key for key in content if not key.startswith("__"))
    return content[name]


def unrolled(frame: NDArray[np.uint8], scanner: Scanner) -> NDArray[np.float32]:
    """A frame's fan as (200 depths, 100 angles), computed from the fan's definition."""
    fan = scanner.fan
    radius = np.linspace(fan.radius_near, fan.radius_far, 200)[:, None]
    angle = np.linspace(fan.angle_left, fan.angle_right, 100)[None, :]
    x = (fan.apex_x + radius * np.sin(angle)).astype(np.float32)
    y = (fan.apex_y + radius * np.cos(angle)).astype(np.float32)
    return cv2.remap(frame, x, y, cv2.INTER_LINEAR).astype(np.float32)


def test_same_seed_same_bytes(tree: Path, tmp_path: Path) -> None:
    """Writing the same options twice gives the same files, byte for byte; another seed does not."""
    write_phantoms(tmp_path / "again", SMALL)
    assert digests(tmp_path / "again") == digests(tree)
    write_phantoms(tmp_path / "other", SMALL.model_copy(update={"seed": 4}))
    common = digests(tmp_path / "other").keys() & digests(tree).keys()
    clips = [p for p in common if p.endswith(".mat") and "_score" not in p and "/" in p]
    assert all(digests(tmp_path / "other")[p] != digests(tree)[p] for p in clips)


def test_more_leaves_the_rest_alone(tree: Path, tmp_path: Path) -> None:
    """A further patient, a further exam and a further clip leave every earlier file as it was."""
    more = SMALL.model_copy(update={"patients": 3, "clips_per_exam": 5, "exams_per_patient": 2})
    write_phantoms(tmp_path / "more", more)
    before, after = digests(tree), digests(tmp_path / "more")
    assert len(after) > len(before)
    assert {path: after.get(path) for path in before} == before


def test_layout(tree: Path) -> None:
    """Every clip is in its exam's folder with its scores, masks are apart, decoys are there."""
    plans = list(plan_clips(SMALL))
    expected = {"SanMatteo.mat"}
    for plan in plans:
        assert plan.area in AREAS
        stem = f"{plan.patient}/{plan.exam}/convex_{plan.patient}_{plan.exam}_{plan.area}"
        expected |= {f"{stem}.mat", f"{stem}_score.mat"}
        expected |= {f"{stem}.avi"} if plan.movie else set()
        expected |= {f"Binary-Masks/{plan.name}_mask.png"} if plan.mask else set()
    assert digests(tree).keys() == expected
    assert len({(p.patient, p.exam, p.area) for p in plans}) == len(plans) == 8


@pytest.mark.parametrize("v73", [0.0, 1.0])
def test_files_hold_what_was_planned(tmp_path: Path, v73: float) -> None:
    """scipy and h5py read H x W x 3 x N uint8 with equal channels, and the very scores planned."""
    options = PhantomOptions(
        patients=1, frames_per_clip=7, size=64, unlabelled_share=0.6, changing_share=0.6,
        v73_share=v73,
    )  # fmt: skip
    summary = write_phantoms(tmp_path / "x", options)
    labels: list[int] = []
    for plan in plan_clips(options):
        folder = tmp_path / "x" / str(plan.patient) / str(plan.exam)
        clip = load(folder / f"{plan.name}.mat")
        assert h5py.is_hdf5(folder / f"{plan.name}.mat") == bool(v73)
        assert clip.dtype == np.uint8
        assert clip.shape[2:] == (3, 7)
        assert (clip == clip[:, :, :1]).all()
        assert clip.max() > 150
        matrix = load(folder / f"{plan.name}_score.mat")
        assert matrix.dtype == np.float64
        assert matrix.shape == (3, plan.labelled)
        assert (np.diff(matrix, axis=0) <= 0).all(), "indicators are cumulative: 000 100 110 111"
        assert matrix.sum(axis=0).tolist() == list(plan.severities[: plan.labelled])
        labels += matrix.sum(axis=0).astype(int).tolist()
    assert summary.by_score == {score: labels.count(score) for score in SCORES}
    assert summary.clips == 5
    assert summary.unlabelled == summary.frames - len(labels) > 0


def test_v5_header_has_no_date_of_today(tree: Path) -> None:
    """A v5 file begins with MATLAB's header and a fixed date, or its bytes would change daily."""
    headers = {path.read_bytes()[:128] for path in tree.rglob("*.mat") if not h5py.is_hdf5(path)}
    (header,) = headers
    assert header.startswith(b"MATLAB 5.0 MAT-file, Platform: PHANTOM, Created on: Thu Jan  1 ")
    assert header[124:] in (b"\x00\x01IM", b"\x01\x00MI")


def test_v73_header_is_matlabs(tmp_path: Path) -> None:
    """A v7.3 file begins with MATLAB's header: text, version 0x0200, byte order, HDF5 at 512."""
    options = PhantomOptions(patients=1, clips_per_exam=1, size=64, frames_per_clip=1, v73_share=1)
    write_phantoms(tmp_path / "x", options)
    raw = next((tmp_path / "x" / "9001").rglob("*[0-9].mat")).read_bytes()
    assert raw.startswith(b"MATLAB 7.3 MAT-file")
    assert raw[124:128] == b"\x00\x02IM"
    assert raw[512:520] == b"\x89HDF\r\n\x1a\n"


def test_masks_cover_the_fan(tmp_path: Path) -> None:
    """A box mask is RGBA and a filled rectangle, a fan mask is grey; both keep all that moves."""
    options = SMALL.model_copy(update={"mask_share": 1.0, "box_share": 0.5})
    write_phantoms(tmp_path / "x", options)
    kinds = set()
    for plan in plan_clips(options):
        path = tmp_path / "x" / "Binary-Masks" / f"{plan.name}_mask.png"
        mask = cv2.imread(str(path), cv2.IMREAD_UNCHANGED)
        kinds.add(plan.mask)
        region = (mask if mask.ndim == 2 else mask[..., 0]) > 127
        clip = load(tmp_path / "x" / str(plan.patient) / str(plan.exam) / f"{plan.name}.mat")
        assert region.shape == clip.shape[:2]
        moving = np.ptp(clip[:, :, 0].astype(int), axis=-1) > 0
        assert not (moving & ~region).any()
        if plan.mask == "box":
            assert mask.shape[2] == 4
            rows, columns = np.nonzero(region.any(axis=1))[0], np.nonzero(region.any(axis=0))[0]
            assert region.sum() == (np.ptp(rows) + 1) * (np.ptp(columns) + 1)
        else:
            assert mask.ndim == 2
            assert 0.3 < region.mean() < 0.9
    assert kinds == {"box", "fan"}


def test_every_score_is_everywhere() -> None:
    """By default each patient shows all scores, and each score has 15 % of the labelled frames."""
    for seed in range(60):
        labels: dict[int, list[int]] = {}
        for plan in plan_clips(PhantomOptions(seed=seed)):
            labels.setdefault(plan.patient, []).extend(plan.severities[: plan.labelled])
        assert all(set(scores) == set(SCORES) for scores in labels.values())
        everyone = [score for scores in labels.values() for score in scores]
        assert min(everyone.count(score) for score in SCORES) >= 0.15 * len(everyone)


@pytest.mark.parametrize("clips", [1, 2, 3])
def test_few_clips_an_exam_still_show_all_scores_over_exams(clips: int) -> None:
    """With fewer than four clips an exam, four exams of a patient together show all scores."""
    options = PhantomOptions(exams_per_patient=4, clips_per_exam=clips, changing_share=0)
    for patient in {plan.patient for plan in plan_clips(options)}:
        shown = {p.severities[0] for p in plan_clips(options) if p.patient == patient}
        assert shown == set(SCORES)


def test_brightness_below_the_pleura_rises_with_the_score() -> None:
    """On average over 24 patients, the lung gets brighter by more than 8 grey levels a score."""
    means = []
    for score in SCORES:
        values = []
        for seed in range(24):
            scanner = draw_scanner(np.random.default_rng((seed, 50)), 120)
            frame = render_clip(np.random.default_rng((seed, 51)), scanner, [score], wall_mm=18)[0]
            values.append(unrolled(frame, scanner)[80:180, 25:75].mean())
        means.append(np.mean(values))
    assert (np.diff(means) > 8).all(), means


def test_a_lines_repeat_the_pleura_at_score_0_but_not_2() -> None:
    """At score 0 twice the pleura's depth is brighter than 1.6 times it; at score 2 it is not."""
    contrast: dict[int, list[float]] = {0: [], 2: []}
    for score, values in contrast.items():
        for seed in range(24):
            scanner = draw_scanner(np.random.default_rng((seed, 60)), 200)
            rng = np.random.default_rng((seed, 61))
            frame = render_clip(rng, scanner, [score], wall_mm=20)[0]
            profile = unrolled(frame, scanner)[:, 35:65].mean(axis=1)
            low, high = (int(x * 20 * 200 / scanner.depth_mm) for x in (0.75, 1.3))
            pleura = low + int(profile[low:high].argmax())
            near = max(2, round(0.05 * pleura))
            line, gap = (
                profile[int(k * pleura) - near : int(k * pleura) + near + 1].max() for k in (2, 1.6)
            )
            values.append(line - gap)
    assert np.mean(np.array(contrast[0]) > 20) >= 0.9, contrast[0]
    assert np.mean(np.array(contrast[2]) < 15) >= 0.9, contrast[2]


def features(frames: NDArray[np.uint8]) -> NDArray[np.float64]:
    """A few statistics of frames (N, S, S): brightness, spread, edges along and across beams."""
    x = frames.astype(np.float64)
    low = x[:, x.shape[1] // 3 :]
    columns, rows = low.mean(axis=1), low.mean(axis=2)
    return np.stack(
        [
            low.mean(axis=(1, 2)),
            low.std(axis=(1, 2)),
            np.abs(np.diff(columns, axis=1)).mean(axis=1),
            np.abs(np.diff(rows, axis=1)).mean(axis=1),
            np.abs(np.diff(columns, axis=1)).max(axis=1),
            np.percentile(low, 75, axis=(1, 2)),
            np.ones(len(x)),
        ],
        axis=1,
    )


def test_scores_can_be_told_apart_on_unseen_patients() -> None:
    """Least squares on six plain statistics names the score of >= 70 % of unseen frames."""
    known, unseen = (
        np.concatenate([features(render_frames(score, 40, 64, seed)) for score in SCORES])
        for seed in (11, 12)
    )
    truth = np.repeat(SCORES, 40)
    weights = np.linalg.lstsq(known, np.eye(4)[truth], rcond=None)[0]
    guess = (unseen @ weights).argmax(axis=1)
    assert (guess == truth).mean() >= 0.70
    assert (np.abs(guess - truth) <= 1).mean() >= 0.95


def test_frames_are_reproducible_and_independent_of_the_count() -> None:
    """Frame i of render_frames depends on the seed and i alone, and frames differ."""
    few, many = render_frames(2, 2, 48, 5), render_frames(2, 4, 48, 5)
    assert few.shape == (2, 48, 48)
    assert (few == many[:2]).all()
    assert all((a != b).any() for i, a in enumerate(many) for b in many[:i])


def test_lung_slides_under_a_still_wall() -> None:
    """Below the pleura speckle moves across the beams, 2 degrees or more; the wall stays."""
    for seed in range(6):
        scanner = draw_scanner(np.random.default_rng((seed, 70)), 200, model=MODELS[0])
        clip = render_clip(np.random.default_rng((seed, 71)), scanner, [3] * 24, wall_mm=22)
        polar = [unrolled(frame, scanner) for frame in clip]
        wall_end = int(0.7 * 22 / scanner.depth_mm * 200)
        degrees_a_column = np.degrees(2 * scanner.fan.angle_right) / 99
        for top, bottom, least, most in ((140, 190, 2.0, 10.0), (2, wall_end, 0.0, 0.7)):
            patch = polar[0][top:bottom, 30:70]
            columns = []
            for grid in polar:
                match = cv2.matchTemplate(grid[top - 2 : bottom + 2], patch, cv2.TM_CCOEFF_NORMED)
                columns.append(np.unravel_index(match.argmax(), match.shape)[1])
            assert least <= np.ptp(columns) * degrees_a_column <= most


def test_artefacts_come_up_gradually() -> None:
    """Where the score goes from 1 to 2 no single step makes up most of the lung's brightening."""
    total, largest = 0.0, 0.0
    for seed in range(8):
        scanner = draw_scanner(np.random.default_rng((seed, 80)), 120, model=MODELS[0])
        clip = render_clip(np.random.default_rng((seed, 81)), scanner, [1] * 8 + [2] * 8)
        level = np.array([unrolled(frame, scanner)[90:180, 25:75].mean() for frame in clip])
        total += level[-3:].mean() - level[:3].mean()
        largest += np.diff(level).max()
    assert total / 8 > 25
    assert largest < 0.6 * total


def test_speckle_is_rayleigh_distributed() -> None:
    """The speckle field's amplitude has Rayleigh's ratio of mean to deviation, within 3 %."""
    scanner = draw_scanner(np.random.default_rng(4), 400)
    field = speckle(np.random.default_rng(5), scanner)
    envelope = np.hypot(field[..., 0], field[..., 1])
    expected = np.sqrt(np.pi / (4 - np.pi))
    assert envelope.mean() / envelope.std() == pytest.approx(expected, rel=0.03)


@pytest.mark.parametrize("size", [64, 200, 800])
def test_scanners_keep_the_fan_and_the_text_apart(size: int) -> None:
    """Outside its fan a frame holds still text alone; the fan takes a good part of the frame."""
    for model in MODELS:
        scanner = draw_scanner(np.random.default_rng(size), size, model=model)
        clip = render_clip(np.random.default_rng(8), scanner, [1, 1])
        assert clip.shape == (2, scanner.height, scanner.width)
        outside = ~fan_mask(scanner)
        assert (clip[0][outside] == clip[1][outside]).all()
        assert clip[0][outside].max() > 100
        assert 0.3 < (~outside).mean() < 0.9


def test_full_size() -> None:
    """At 800 the first scanner gives the 800 x 1068 frames that hospitals export."""
    scanner = draw_scanner(np.random.default_rng(0), 800, model=MODELS[0])
    assert (scanner.height, scanner.width) == (800, 1068)


@pytest.mark.parametrize(
    "bad",
    [{"patients": 0}, {"clips_per_exam": 15}, {"size": 32}, {"v73_share": 1.5}, {"seed": -1},
     {"frames_per_clip": 0}, {"colour": True}],
)  # fmt: skip
def test_options_have_bounds(bad: dict[str, object]) -> None:
    """Options outside their bounds, and unknown ones, are refused."""
    with pytest.raises(ValidationError):
        PhantomOptions.model_validate(bad)


def test_never_writes_over_anything(tmp_path: Path) -> None:
    """A folder that holds anything, or a file, is refused and left as it is."""
    (tmp_path / "note.txt").write_text("mine")
    for target in (tmp_path, tmp_path / "note.txt"):
        with pytest.raises(ConfigError, match="not an empty folder"):
            write_phantoms(target, SMALL)
    assert [p.name for p in tmp_path.iterdir()] == ["note.txt"]


@pytest.mark.parametrize("scores", [[], [4], [-1, 0]])
def test_unknown_scores_are_refused(scores: list[int]) -> None:
    """Only scores 0..3 can be rendered."""
    with pytest.raises(ConfigError, match="expected one or more of 0, 1, 2, 3"):
        render_clip(np.random.default_rng(0), draw_scanner(np.random.default_rng(0), 64), scores)


def test_progress_is_told(tmp_path: Path) -> None:
    """After each clip progress is called with the clips done and their total."""
    calls: list[tuple[int, int]] = []
    options = PhantomOptions(patients=1, clips_per_exam=3, frames_per_clip=1, size=64)
    write_phantoms(tmp_path / "x", options, lambda done, total: calls.append((done, total)))
    assert calls == [(1, 3), (2, 3), (3, 3)]
