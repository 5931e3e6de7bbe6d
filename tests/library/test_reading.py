"""``find_exams``, ``read_clip`` and ``preprocess``: arrays of what the hospital's files hold."""

from __future__ import annotations

import shutil
from pathlib import Path

import numpy as np
import pytest
import scipy.io

import lusgan_core as lusgan
from tiny_runs import write_exams


@pytest.fixture(scope="module")
def exams(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_exams(tmp_path_factory.mktemp("library") / "exams")


def clip_file(exams: Path) -> Path:
    """Return the first clip that scipy reads."""
    found = lusgan.find_exams(exams, progress=False)
    v5 = next(c for c in found if c.record.details["mat_version"] == "v5")
    return exams / v5.record.files.clip.key


def test_exams_are_found_with_reasons(exams: Path, tmp_path: Path) -> None:
    """Clips that can be used are listed, all others rejected with file and reason."""
    shutil.copytree(exams, tmp_path / "exams")
    broken = clip_file(tmp_path / "exams")
    broken.write_bytes(b"broken")
    found = lusgan.find_exams(tmp_path / "exams", progress=False)
    whole = lusgan.find_exams(exams, progress=False)
    assert (len(whole), whole.rejected) == (12, ())
    assert (len(found), len(found.rejected)) == (11, 1)
    assert found.rejected[0].file == broken.relative_to(tmp_path / "exams").as_posix()
    assert "too short for a .mat file" in found.rejected[0].reason
    assert sum(whole.labelled.values()) == sum(sum(c.labelled.values()) for c in whole)
    assert not any(code in repr(whole) + repr(lusgan.read_clip(whole.clips[0])) for code in
                   whole.patients)  # fmt: skip


def test_a_clip_is_an_array_of_its_own(exams: Path, tmp_path: Path) -> None:
    """Frames are as MATLAB has them, rows first, and stay when the files are gone."""
    shutil.copytree(exams, tmp_path / "exams")
    path = clip_file(tmp_path / "exams")
    stored = scipy.io.loadmat(path)
    (cine,) = [value for name, value in stored.items() if not name.startswith("__")]
    matrix = scipy.io.loadmat(path.with_name(f"{path.stem}_score.mat"))
    (marks,) = [value for name, value in matrix.items() if not name.startswith("__")]
    clip = lusgan.read_clip(path)
    shutil.rmtree(tmp_path / "exams")
    assert clip.frames.dtype == np.uint8
    assert clip.frames.flags.c_contiguous
    assert clip.frames.flags.owndata
    assert np.array_equal(clip.frames, cine[:, :, 0].transpose(2, 0, 1))
    assert clip.scores[: marks.shape[1]].tolist() == marks.sum(axis=0).tolist()
    assert set(clip.scores[marks.shape[1] :].tolist()) <= {-1}
    assert clip.mask is None or clip.mask.shape == clip.frames.shape[1:]
    score = int(clip.scores[0])
    assert np.array_equal(clip.of_score(score), clip.frames[clip.scores == score])


def test_path_and_found_clip_are_the_same(exams: Path) -> None:
    """A clip has its scores and mask whether it is named by its path or taken from a listing."""
    for found in lusgan.find_exams(exams, progress=False):
        by_path = lusgan.read_clip(str(exams / found.record.files.clip.key))
        listed = lusgan.read_clip(found)
        assert by_path.name == listed.name == found.name
        assert np.array_equal(by_path.frames, listed.frames)
        assert np.array_equal(by_path.scores, listed.scores)
        assert (by_path.mask is None) == (listed.mask is None) == (found.record.files.mask is None)


def test_a_clip_alone_has_no_scores(exams: Path, tmp_path: Path) -> None:
    """A .mat file outside of the layout is a clip that nobody scored, without a mask."""
    shutil.copy(clip_file(exams), tmp_path / "film.mat")
    clip = lusgan.read_clip(tmp_path / "film.mat")
    assert set(clip.scores.tolist()) == {-1}
    assert clip.mask is None


def test_readers_can_be_named(exams: Path) -> None:
    """A reader that is named finds and reads as all of them do; one that is not installed, or an
    option that it does not have, is told."""
    named = lusgan.find_exams(exams, readers={"mat": {}}, progress=False)
    every = lusgan.find_exams(exams, progress=False)
    assert named.clips == every.clips
    clip, other = lusgan.read_clip(named.clips[0]), lusgan.read_clip(every.clips[0])
    assert np.array_equal(clip.frames, other.frames)
    for readers, said in (({"mats": {}}, "unknown reader 'mats'"), ({"mat": {"x": 1}}, "mat.x")):
        with pytest.raises(lusgan.LusganError, match=said):
            lusgan.find_exams(exams, readers=readers, progress=False)


@pytest.mark.parametrize(
    ("name", "said"),
    [("nothing.mat", "there is no file"), ("s3://bucket/a.mat", "find_exams lists the clips")],
)
def test_what_is_no_file_is_refused(name: str, said: str) -> None:
    """A missing file and the address of an object say what to give instead."""
    with pytest.raises(lusgan.InputError, match=said):
        lusgan.read_clip(name)


def test_images_are_square_and_black_outside_the_fan(exams: Path) -> None:
    """Each frame becomes one image of the side asked for; three channels are equal."""
    clip = lusgan.read_clip(lusgan.find_exams(exams, progress=False).clips[0])
    grey = lusgan.preprocess(clip, image_size=64, geometry="fit")
    rgb = lusgan.preprocess(clip, image_size=64, geometry="fit", channels=3)
    assert (grey.shape, grey.dtype) == ((len(clip), 64, 64), np.uint8)
    assert np.array_equal(rgb, np.repeat(grey[..., None], 3, axis=3))
    assert not grey[:, 0, 0].any()
    assert grey.any(axis=(1, 2)).all()
    by_array = lusgan.preprocess(clip.frames, mask=clip.mask, image_size=64, geometry="fit")
    assert np.array_equal(by_array, grey)
    larger = tuple(2 * side for side in clip.frames.shape[1:])
    padded = lusgan.preprocess(clip, image_size=64, canvas=larger)
    assert np.count_nonzero(padded) < np.count_nonzero(lusgan.preprocess(clip, image_size=64))


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"image_size": 48}, "option preprocessing.image_size: 48 is not a power of two"),
        ({"size": 64}, "unknown option preprocessing.size"),
        ({"mask": np.ones((4, 4), bool)}, r"the mask is bool shaped \(4, 4\), expected bool"),
        ({"mask": np.ones((64, 64))}, "the mask is float64"),
        ({"canvas": (10, 10)}, "height of the canvas is 10, expected a whole number from 64"),
    ],
)
def test_what_preprocessing_cannot_use_is_told(options: dict[str, object], said: str) -> None:
    """Options, mask and canvas are checked before any frame is looked at."""
    with pytest.raises(lusgan.LusganError, match=said):
        lusgan.preprocess(np.zeros((3, 64, 64), np.uint8), **options)  # type: ignore[arg-type]
    with pytest.raises(lusgan.LusganError, match=r"no fan|no contrast|black"):
        lusgan.preprocess(np.zeros((3, 64, 64), np.uint8))
