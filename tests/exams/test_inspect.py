import numpy as np
import pytest
from matfiles import MemorySource, cine, matrix, v5, v73
from test_masks import png

from lusgan_core.exams import discover, inspect_exam, verify_clip

SCORES = np.array([[0, 1, 1], [0, 0, 1], [0, 0, 1]], float)
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
    assert (one.mat_version, one.variable, one.dtype) == ("v5", "frames", "uint8")
    assert (two.mat_version, two.variable, two.dtype) == ("v7.3", "film", "float64")
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


def test_files_that_vanish_after_discovery_are_rejected() -> None:
    """A clip deleted between discovery and inspection is a reason, not a crash."""
    source = tree()
    (exam,) = discover(source).exams
    del source.files["P/E/convex_P_E_1.mat"]
    record = inspect_exam(source, exam)
    assert "No such file" in record.rejected[-1].reason


def test_no_pixels_are_read() -> None:
    """Damage in a clip's last frame is not seen by inspection, but by verify_clip."""
    good = v5(matrix(cine()))
    source = tree(clip=good[:-1] + bytes([good[-1] ^ 1]))
    (exam,) = discover(source).exams
    assert len(inspect_exam(source, exam).clips) == 2
    verify_clip(source, "P/E/convex_P_E_2.mat")
    with pytest.raises(ValueError, match="hecksum"):
        verify_clip(source, "P/E/convex_P_E_1.mat")
