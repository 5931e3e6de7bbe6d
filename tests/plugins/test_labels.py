"""Tables of labels: which rows are a clip's, and which score a frame gets."""

from __future__ import annotations

import io
import re
from typing import Any

import numpy as np
import pytest

from lusgan_core.api import LABELS, UNLABELLED
from lusgan_core.errors import ClipError
from lusgan_core.ingestion.clip import open_clip
from lusgan_core.ingestion.discover import Discovery, discover
from lusgan_core.ingestion.readers import choose_readers
from lusgan_readers.frame_labels import decide, scores
from lusgan_readers.label_table import read_table
from matfiles import MemorySource, as_clip, matrix, v5
from videofiles import moving, table, video

CLIP = video(moving(6))
HEAD = ("file", "patient", "exam", "area", "score")


def look(files: dict[str, bytes], **options: Any) -> Discovery:
    readers = choose_readers({"video": options, "mat": {}})
    return discover(MemorySource(files), readers=readers, empty_ok=True)


def reasons(found: Discovery) -> dict[str, str]:
    told = [*found.rejected, *(r for exam in found.exams for r in exam.rejected)]
    return {r.file: r.reason for r in told}


def of_frames(*rows: tuple[object, ...], count: int = 6, head: tuple[str, ...] = HEAD) -> Any:
    """The scores of the one clip that these rows are about."""
    source = MemorySource({"a.avi": CLIP, "labels.csv": table(head, *rows)})
    readers = choose_readers({"video": {}})
    (exam,) = discover(source, readers=readers).exams
    with open_clip(source, exam.clips[0], readers) as clip:
        assert clip.count == count
        return list(clip.scores())


@pytest.mark.parametrize(
    ("rule", "given", "score"),
    [
        ("majority", [2, 2, 3], 2),
        ("majority", [2, 3], UNLABELLED),
        ("majority", [1, 2, 3], UNLABELLED),
        ("majority", [1, 1, 2, 3], UNLABELLED),
        ("majority", [3], 3),
        ("first", [1, 3, 3], 1),
        ("worst", [0, 3, 1], 3),
        ("unanimous", [2, 2, 2], 2),
        ("unanimous", [2, 2, 1], UNLABELLED),
        ("unanimous", [], UNLABELLED),
        ("worst", [], UNLABELLED),
    ],
)
def test_a_rule_makes_one_score_of_several(rule: str, given: list[int], score: int) -> None:
    """More than half, the first, the highest, or all: what a rule does not decide is unscored."""
    assert decide(given, rule) == score


def test_a_row_without_frames_labels_the_whole_clip() -> None:
    """One score a clip becomes one a frame, and an empty cell leaves all of them unscored."""
    assert of_frames(("a.avi", "P1", "E1", 3, 2)) == [2] * 6
    assert of_frames(("a.avi", "P1", "E1", 3, "")) == [UNLABELLED] * 6


def test_rows_label_frames_counted_from_one() -> None:
    """First and last frame belong to the row; without a last one it goes on to the end; what no row
    names is unscored."""
    head = (*HEAD, "from", "to")
    rows = [("a.avi", "P1", "E1", 3, 1, 1, 2), ("a.avi", "P1", "E1", 3, 3, 5, "")]
    assert of_frames(*rows, head=head) == [1, 1, UNLABELLED, UNLABELLED, 3, 3]
    head = (*HEAD, "frame")
    rows = [("a.avi", "P1", "", "", n % 4, n) for n in (2, 3, 6)]
    assert of_frames(*rows, head=head) == [UNLABELLED, 2, 3, UNLABELLED, UNLABELLED, 2]


@pytest.mark.parametrize(
    ("cells", "reason"),
    [
        ((4, "", ""), r"a score is not 0 to 3 \(table of labels, line 3\)"),
        (("mild", "", ""), "a score is not 0 to 3"),
        ((1.5, "", ""), "a score is not 0 to 3"),
        ((1, 0, 3), "no numbers from 1 on"),
        ((1, 5, 3), "the first before the last"),
        ((1, "x", 3), "no numbers from 1 on"),
    ],
)
def test_a_wrong_row_rejects_its_clip(cells: tuple[object, ...], reason: str) -> None:
    """The line is told, and the others are read."""
    rows = [("b.avi", "PATIENT", 1, 0, "", ""), ("a.avi", "PATIENT", 1, *cells)]
    head = ("file", "patient", "exam", "score", "from", "to")
    found = look({"a.avi": CLIP, "b.avi": CLIP, "labels.csv": table(head, *rows)})
    assert [c.clip.key for exam in found.exams for c in exam.clips] == ["b.avi"]
    (why,) = reasons(found).values()
    assert "PATIENT" not in why
    assert re.search(reason, why)


def test_labels_beyond_the_clip_and_contradictions_are_refused() -> None:
    """Two scores of one frame, and frames that the clip has not, are no guess of ours."""
    facts = {LABELS: [[1, 3, [["score", 1]]], [3, 5, [["score", 2]]]]}
    with pytest.raises(ClipError, match="frame 3 has two different scores"):
        scores(facts, 6, "majority")
    with pytest.raises(ClipError, match="go up to frame 5, it has 4 frames"):
        scores(facts, 4, "majority")
    with pytest.raises(ClipError, match="begin at frame 7, it has 6 frames"):
        scores({LABELS: [[7, 0, [["score", 1]]]]}, 6, "majority")


@pytest.mark.parametrize(
    "name", ["videos/deep/a.avi", "deep/a.avi", "A.AVI", "a", "./videos/deep/a", "deep\\a.avi"]
)
def test_a_file_is_named_by_the_end_of_its_path(name: str) -> None:
    """Folders and the suffix may be left out, either slash separates them, case does not matter."""
    found = look({"videos/deep/a.avi": CLIP, "t.csv": table(HEAD, (name, "P1", "E1", 3, 2))})
    (exam,) = found.exams
    assert exam.codes == ("P1", "E1")
    assert exam.clips[0].area == 3
    assert found.rejected == ()


def test_a_name_that_fits_two_files_is_refused() -> None:
    """Which one is meant is not guessed; their paths tell."""
    files = {"x/a.avi": CLIP, "y/a.avi": CLIP}
    found = look({**files, "t.csv": table(HEAD, ("a.avi", "P1", "E1", 3, 2))})
    assert set(reasons(found)) == set(files)
    assert all("fits several files" in why for why in reasons(found).values())
    rows = [(name, "P1", "E1", 3, 2) for name in files]
    assert reasons(look({**files, "t.csv": table(HEAD, *rows)})) == {}


def test_patient_and_area_name_a_file() -> None:
    """The file's name ends with the area, and its path holds the patient's code before it."""
    head = ("Patient ID", "Zone", "Score")
    rows = [("P-7", "L1", 1), ("P-7", "L2", 2), ("P-8", "L1", 3)]
    files = {"P-7/x_L1.avi": CLIP, "all/P-7_l2.avi": CLIP, "P-8/L1.avi": CLIP, "P-9/L1.avi": CLIP}
    found = look({**files, "t.csv": table(head, *rows)})
    patients = {c.clip.key: c.patient for exam in found.exams for c in exam.clips}
    assert patients == {"P-7/x_L1.avi": "P-7", "all/P-7_l2.avi": "P-7", "P-8/L1.avi": "P-8"}
    assert list(reasons(found)) == ["P-9/L1.avi"]


def test_areas_with_names_and_beyond_fourteen_are_kept() -> None:
    """``L1`` is kept as it is written, 17 as a number; a linear probe is one, too."""
    head = (*HEAD, "probe")
    rows = [("a.avi", "P", "E", "L1", 1, "linear (12 MHz)"), ("b.avi", "P", "E", 17, 1, "Müller")]
    (exam,) = look({"a.avi": CLIP, "b.avi": CLIP, "t.csv": table(head, *rows)}).exams
    by_name = {c.clip.key: (c.area, c.facts.get("area"), c.facts.get("probe")) for c in exam.clips}
    assert by_name == {"a.avi": (0, "L1", "linear"), "b.avi": (17, "17", None)}


def test_rows_that_fit_no_clip_are_told() -> None:
    """How many, and where the first one stands; the table itself is no rejected clip."""
    rows = [("a.avi", "P1", "E1", 3, 2), ("gone.avi", "P1", "E1", 4, 2), ("lost", "P1", "E1", 5, 2)]
    found = look({"a.avi": CLIP, "t.csv": table(HEAD, *rows)})
    assert reasons(found) == {"t.csv": "2 of its 3 rows fit no clip, the first in line 3"}


def test_rows_of_another_readers_clips_are_not_lost() -> None:
    """A table may label DICOM objects too, by names without a suffix, or by patient and area."""
    rows = [("a.avi", "P1", "E1", 3, 2), ("IM5", "P1", "E1", 4, 2), ("", "P1", "E1", 7, 2)]
    found = look({"a.avi": CLIP, "IM5": b"an object", "t.csv": table(HEAD, *rows)})
    assert reasons(found) == {}
    found = look({"a.avi": CLIP, "t.csv": table(HEAD, *rows)})
    assert reasons(found) == {"t.csv": "2 of its 3 rows fit no clip, the first in line 3"}


def test_tables_must_agree() -> None:
    """Equal rows of two tables are one; other ones refuse the clip, until one table is named."""
    rows = [("a.avi", "P1", "E1", 3, 2), ("b.avi", "P1", "E1", 4, 1)]
    other = [rows[0], ("b.avi", "P1", "E1", 4, 3)]
    files = {
        "a.avi": CLIP,
        "b.avi": CLIP,
        "1.csv": table(HEAD, *rows),
        "2.csv": table(HEAD, *other),
    }
    found = look(files)
    assert [c.clip.key for exam in found.exams for c in exam.clips] == ["a.avi"]
    assert "say different things of it" in reasons(found)["b.avi"]
    assert reasons(look(files, tables=["2.csv"])) == {}
    assert (
        "no table of labels" in reasons(look({**files, "3.csv": b"x,y"}, tables=["3.csv"]))["3.csv"]
    )


def test_lusgans_own_columns_go_before_those_of_others() -> None:
    """A manifest as published may lie beside a table that gives the same clips other codes."""
    manifest = table(
        ("file", "patient_group", "severity", "severity_source"), ("a.avi", "g", 1, "x")
    )
    (exam,) = look(
        {"a.avi": CLIP, "M.csv": manifest, "t.csv": table(HEAD, ("a.avi", "P1", "E1", 3, 2))}
    ).exams
    assert exam.codes == ("P1", "E1")
    (exam,) = look({"a.avi": CLIP, "M.csv": manifest}).exams
    assert exam.codes == ("g", "1")


def test_published_names_tell_patient_and_area() -> None:
    """COVID-BLUES has no column of patients: files are called ``patient_CODE_AREA``."""
    rows = [
        ("patient_62_R1", "2.0", "yes"),
        ("patient_3_R2_2", "1.0", "no"),
        ("other", "1.0", "no"),
    ]
    files = {f"lus_videos/{row[0]}.avi": CLIP for row in rows}
    found = look(
        {**files, "severity.csv": table(("video_file", "Severity Score", "A-lines"), *rows)}
    )
    codes = {c.clip.key: (c.patient, c.facts["area"]) for exam in found.exams for c in exam.clips}
    assert codes == {
        "lus_videos/patient_62_R1.avi": ("62", "R1"),
        "lus_videos/patient_3_R2_2.avi": ("3", "R2"),
    }
    assert "names no patient" in reasons(found)["lus_videos/other.avi"]


@pytest.mark.parametrize("separator", [",", ";", "\t"])
@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "latin-1"])
def test_tables_as_spreadsheets_write_them(separator: str, encoding: str) -> None:
    """Whichever separator and encoding; cells that say nothing are empty."""
    text = separator.join(("Datei", "File Name", "patient", "score_Özil", "rater b", "score_c"))
    text += "\r\n" + separator.join(("x", '"a.avi"', "Jü", "2.0", "n/a", "-1")) + "\r\n\r\n"
    found = read_table(io.BytesIO(text.encode(encoding)))
    assert found is not None
    (row,) = found["rows"]
    assert (row["file"], row["patient"], row["line"]) == ("a.avi", "Jü", 2)
    assert row["scores"] == [("özil", 2)]
    assert found["own"]


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"x,y\n1,2",
        b"file,age\na,1",
        b"score\n1",
        b"\x89PNG\0score,file\n",
        b"patient,score\nP,1",
    ],
)
def test_other_files_are_no_tables(data: bytes) -> None:
    """Without a column of scores, or one that tells the clip, a CSV file is left alone."""
    assert read_table(io.BytesIO(data)) is None


def test_a_row_that_changes_changes_its_exam_alone() -> None:
    """The digest of an exam holds its own labels, and not the table."""

    def digests(score: int) -> list[str]:
        rows = [("a.avi", "P1", "E1", 3, 2), ("b.avi", "P2", "E1", 3, score)]
        found = look({"a.avi": CLIP, "b.avi": CLIP, "t.csv": table(HEAD, *rows)})
        return [exam.digest for exam in found.exams]

    before, after = digests(1), digests(2)
    assert before[0] == after[0]
    assert before[1] != after[1]


def test_videos_beside_mat_clips_are_copies() -> None:
    """Hospitals export both: such videos are left alone, even if a table names them."""
    clip = as_clip("P1/E1/convex_P1_E1_3.mat").clip.key
    files = {
        clip: v5(matrix(np.zeros((8, 8, 3, 2), "uint8"))),
        clip.replace(".mat", "_score.mat"): v5(matrix(np.ones((3, 2)))),
        clip.replace(".mat", ".avi"): CLIP,
        "P1/E1/other.avi": CLIP,
        "alone/a.avi": CLIP,
        "t.csv": table(("file", "patient", "score"), ("convex_P1_E1_3", "P1", 1)),
    }
    found = look(files)
    assert [c.reader for exam in found.exams for c in exam.clips] == ["mat"]
    assert list(reasons(found)) == ["alone/a.avi"]
