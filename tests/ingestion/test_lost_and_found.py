"""Nothing of an exam vanishes: not a mask that fits no clip, not an exam of other names."""

from __future__ import annotations

import unicodedata

import pytest

from lusgan_core.ingestion.discover import discover
from matfiles import MemorySource

CLIP = "P1/E1/convex_P1_E1_3.mat"
TREE = {CLIP: b"clip", "P1/E1/convex_P1_E1_3_score.mat": b"scores"}
MASK = "Binary-Masks/convex_P1_E1_3_mask.png"


def look(**files: bytes) -> tuple[list[str], dict[str, str]]:
    """Clips that are found, and file -> reason of what is rejected."""
    found = discover(MemorySource({**TREE, **files}), empty_ok=True)
    rejected = [r for e in found.exams for r in e.rejected] + list(found.rejected)
    clips = [clip.clip.key for exam in found.exams for clip in exam.clips]
    return clips, {r.file: r.reason for r in rejected}


@pytest.mark.parametrize(
    "key",
    [
        "Binary-Masks/convex_P1_E1_3_mask.jpg",
        "Binary-Masks/convex_P1_E1_3.png",
        "Binary-Masks/P1/convex_P1_E1_3_mask.png",
        "binary_masks/convex_P1_E1_3_mask.png",
        "Masks/Convex_P1_E1_3.PNG",
        "P1/E1/convex_P1_E1_3_mask.png",
        "convex_P1_E1_3-mask.bmp",
    ],
)
def test_a_mask_in_another_place_holds_its_clip_back(key: str) -> None:
    """It may hide a name, so the clip is not taken without it, and both are told."""
    clips, reasons = look(**{key: b"mask"})
    assert not clips
    assert "not at Binary-Masks/" in reasons[key]
    assert "may hide something" in reasons[CLIP]


@pytest.mark.parametrize(
    "key",
    [
        "Binary-Masks/convex_P1_E1_4_mask.png",
        "Binary-Masks/P1_E1_3.png",
        "Binary-Masks/convex_P9_E1_3_mask.png",
        "masks/anything.tif",
    ],
)
def test_a_mask_that_fits_no_clip_is_named(key: str) -> None:
    """The clip may be missing, or the name misspelt: it is told, and other clips are taken."""
    clips, reasons = look(**{key: b"mask"})
    assert clips == [CLIP]
    assert list(reasons) == [key]
    assert "fits no clip" in reasons[key]


def test_a_mask_in_its_place_counts() -> None:
    """Beside it, a second one elsewhere is told and changes nothing."""
    assert look(**{MASK: b"mask"}) == ([CLIP], {})
    clips, reasons = look(**{MASK: b"mask", "old masks/convex_P1_E1_3_mask.png": b"older"})
    assert clips == [CLIP]
    assert "a second one" in reasons["old masks/convex_P1_E1_3_mask.png"]
    _, reasons = look(**{MASK: b"mask", MASK.replace("mask.png", "MASK.png"): b"mask"})
    assert list(reasons.values()) == ["a second mask of the same clip"]


def test_pictures_that_are_no_masks_are_left_alone() -> None:
    """A snapshot, or a picture in another folder, is nobody's mask."""
    others = {"P1/E1/convex_P1_E1_3.png": b"", "docs/logo.png": b"", "Binary-Masks/readme.txt": b""}
    assert look(**others) == ([CLIP], {})


@pytest.mark.parametrize(
    ("names", "told"),
    [
        (["linear_P2_E1_3.mat", "linear_P2_E1_3_score.mat"], "no convex clip by its name"),
        (["L1.mat", "R3.mat"], "no convex clip by its name"),
        (["scan P2_E1 3.mat"], "no convex clip by its name"),
        (["left.mat", "left_score.mat"], "no convex clip by its name"),
        (["convex_P2_E1_3.avi", "report.pdf"], "a video in an exam without any clip"),
    ],
)
def test_an_exam_without_any_such_clip_does_not_vanish(names: list[str], told: str) -> None:
    """Clips of other probes, other names and videos are rejected one by one."""
    clips, reasons = look(**{f"P2/E1/{name}": b"x" for name in names})
    assert clips == [CLIP]
    assert reasons
    assert all(told in reason for reason in reasons.values())
    found = discover(MemorySource({**TREE, **{f"P2/E1/{name}": b"x" for name in names}}))
    assert [exam.codes for exam in found.exams] == [("P1", "E1"), ("P2", "E1")]


@pytest.mark.parametrize("key", ["P2/linear_P2_E1_3.mat", "sector_1.mat"])
def test_clips_of_other_probes_in_no_exam_are_told(key: str) -> None:
    """Wherever they lie, names of probes are recognised."""
    assert "in no exam" in look(**{key: b"x"})[1][key]


def test_two_spellings_of_an_accent_are_one_name() -> None:
    """A Mac writes e and an accent where others write one letter; folders and files still agree."""
    code = "Andr\u00e9"
    decomposed = unicodedata.normalize("NFD", code)
    assert code != decomposed
    clips, reasons = look(
        **{
            f"{code}/E1/convex_{decomposed}_E1_1.mat": b"x",
            f"{code}/E1/convex_{code}_E1_1_score.mat": b"x",
            f"Binary-Masks/convex_{decomposed}_E1_1_mask.png": b"x",
        }
    )
    assert len(clips) == 2
    assert reasons == {}
