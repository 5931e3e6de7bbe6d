import numpy as np
import pytest
from test_masks import png

from lusgan_core.errors import ExamError
from lusgan_core.ingestion.discover import discover
from lusgan_core.ingestion.inspect import inspect_exam
from matfiles import MemorySource, cine, matrix, v5, v73, verify_mat

SCORES = np.array([[0, 1, 1], [0, 0, 1], [0, 0, 1]], float)
HOSPITAL = {"score_form": "cumulative"}
MASK = png(np.full((24, 18), 255, np.uint8))


def tree(**changes: bytes) -> MemorySource:
    """An exam with two clips of 5 frames; ``changes`` replace parts of the first."""
    clip = {
        "clip": v5(matrix(cine())),
        "scores": v5(matrix(SCORES)),
        "mask": MASK,
    } | changes
    return MemorySource(
        {
            "P/E/convex_P_E_1.mat": clip["clip"],
            "P/E/convex_P_E_1_score.mat": clip["scores"],
            "Binary-Masks/convex_P_E_1_mask.png": clip["mask"],
            "P/E/convex_P_E_2.mat": v73(("film", cine("float64"))),
            "P/E/convex_P_E_2_score.mat": v73(("any", SCORES)),
            "P/E/convex_P_E_3.mat": b"without scores",
        }
    )


def test_a_record_tells_what_is_in_an_exam() -> None:
    """Formats, sizes and scores of both clips are right, and discovery's rejections are kept."""
    source = tree()
    (exam,) = discover(source).exams
    record = inspect_exam(source, exam)
    one, two = record.clips
    assert (one.details, one.dtype) == (
        {**HOSPITAL, "mat_version": "v5", "variable": "frames"},
        "uint8",
    )
    assert (two.details, two.dtype) == (
        {**HOSPITAL, "mat_version": "v7.3", "variable": "film"},
        "float64",
    )
    for clip in (one, two):
        assert (clip.height, clip.width, clip.channels, clip.frames) == (24, 18, 3, 5)
        assert clip.scores == (0, 1, 3, -1, -1)
        assert clip.labelled == {0: 1, 1: 1, 3: 1}
    assert [r.file for r in record.rejected] == ["P/E/convex_P_E_3.mat"]
    assert record.digest == exam.digest
    assert type(record).model_validate_json(record.model_dump_json()) == record


@pytest.mark.parametrize(
    ("part", "data", "reason"),
    [
        ("clip", b"", "an empty file"),
        ("scores", b"", "score file: an empty file"),
        ("scores", v5(matrix(np.ones((3, 6)))), "score file: a score matrix with 6 columns"),
        ("mask", png(np.ones((5, 5), np.uint8)), "the mask has 5x5 pixels"),
    ],
)
def test_an_unusable_clip_is_rejected_and_the_rest_goes_on(
    part: str, data: bytes, reason: str
) -> None:
    """A bad clip, score file or mask rejects that clip with its reason, naming codes and file."""
    source = tree(**{part: data})
    (exam,) = discover(source).exams
    record = inspect_exam(source, exam)
    assert [c.files.area for c in record.clips] == [2]
    rejection = record.rejected[-1]
    assert (rejection.file, rejection.patient) == ("P/E/convex_P_E_1.mat", "P")
    assert rejection.reason.startswith(reason)


@pytest.mark.parametrize(
    "key",
    ["P/E/convex_P_E_1.mat", "P/E/convex_P_E_1_score.mat", "Binary-Masks/convex_P_E_1_mask.png"],
)
def test_files_that_vanish_after_discovery_end_the_run(key: str) -> None:
    """A disk may be away: no record without the clip is kept under the exam's digest."""
    source = tree()
    (exam,) = discover(source).exams
    del source.files[key]
    with pytest.raises(ExamError, match=r"cannot be read: No such file.*run the same command"):
        inspect_exam(source, exam)


def test_files_that_are_gone_at_discovery_are_no_outage() -> None:
    """Without its mask a clip is taken whole, without its scores it is rejected."""
    source = tree()
    del source.files["Binary-Masks/convex_P_E_1_mask.png"]
    del source.files["P/E/convex_P_E_2_score.mat"]
    (exam,) = discover(source).exams
    record = inspect_exam(source, exam)
    assert [(clip.files.area, clip.files.mask) for clip in record.clips] == [(1, None)]
    assert [r.file[-5] for r in record.rejected] == ["2", "3"]


def test_no_pixels_are_read() -> None:
    """Damage in a clip's last frame is not seen by inspection, but by verify_clip."""
    good = v5(matrix(cine()))
    source = tree(clip=good[:-1] + bytes([good[-1] ^ 1]))
    (exam,) = discover(source).exams
    assert len(inspect_exam(source, exam).clips) == 2
    verify_mat(source, "P/E/convex_P_E_2.mat")
    with pytest.raises(ValueError, match="hecksum"):
        verify_mat(source, "P/E/convex_P_E_1.mat")
