"""A table of patients and clips: which file it means, and what is wrong with it."""

from __future__ import annotations

from pathlib import Path

import pytest

from lusgan_core.errors import ConfigError
from lusgan_core.pipeline.frame_groups import FrameGroups, read_groups

A, B = ("x.png", "sub/y.png"), ("x.png", "z.tif#0", "z.tif#1")


def read(folder: Path, text: str) -> tuple[FrameGroups, FrameGroups]:
    """Read a table of the frames of A and B, two folders that need not exist."""
    table = folder / "groups.csv"
    table.write_text(text, encoding="utf-8")
    return read_groups(table, folder / "a", A, folder / "b", B)


def test_files_are_named_as_they_lie_in_a(tmp_path: Path) -> None:
    """Or in B where A has none of that name; nothing is known of a folder without a row."""
    a, b = read(tmp_path, "file,patient\nx.png,7\nsub/y.png,8\n")
    assert (a.patients, b) == (("7", "8"), FrameGroups())
    assert len(set(a.clips)) == 2


def test_paths_reach_into_both_folders(tmp_path: Path) -> None:
    """A file of a name that is in A as well is named by its path; pages are of one clip."""
    for name in ("a", "b"):
        (tmp_path / name).mkdir()
    lines = [f"{tmp_path / 'b' / 'x.png'},1,c", "z.tif,2,c"]
    a, b = read(tmp_path, "\n".join(["file, patient ,clip", *lines]))
    assert (a, b.patients) == (FrameGroups(), ("1", "2", "2"))
    first, second, third = b.clips
    assert (first == second, second == third) == (False, True)  # clip `c` of another patient


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("", "lacks the column file and patient: .* found none"),
        ("file,who\nx.png,7", "lacks the column patient: .* found file,who"),
        ("file,patient\nw.png,7", "line 2: w.png is neither in .*a nor in .*b: name files as"),
        ("file,patient\nx.png,7\nx.png,8", "line 3: x.png is there twice"),
        ("file,patient\nx.png,", "line 2: no patient is named"),
        ("file,patient\nx.png", "line 2: no patient is named"),
        ("file,patient\nx.png,7", "does not say whose sub/y.png of .*a is: give each file"),
    ],
)
def test_what_is_wrong_with_a_table_is_told(tmp_path: Path, text: str, said: str) -> None:
    """With the line and what was expected."""
    with pytest.raises(ConfigError, match=said):
        read(tmp_path, text)


def test_a_table_that_is_none_is_told(tmp_path: Path) -> None:
    """A missing file, and one of other bytes than text."""
    with pytest.raises(ConfigError, match="cannot be read as a CSV file"):
        read_groups(tmp_path / "none.csv", tmp_path, A, tmp_path, B)
    (tmp_path / "bytes.csv").write_bytes(b"file,patient\n\xff\xfe\xfa,1\n")
    with pytest.raises(ConfigError, match="cannot be read as a CSV file"):
        read_groups(tmp_path / "bytes.csv", tmp_path, A, tmp_path, B)
