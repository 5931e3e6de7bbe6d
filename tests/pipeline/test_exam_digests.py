"""Digests of a source's files are kept in the store, so that a later look reads what changed."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from lusgan_core.pipeline.exam_digests import find_exams
from tiny_runs import write_exams


@pytest.fixture
def place(tmp_path: Path) -> tuple[str, str]:
    """Return the addresses of a source with one exam, and of an empty store."""
    return str(write_exams(tmp_path / "exams", patients=1)), str(tmp_path / "store")


def record(store: str) -> Path:
    """Return the file with the digests of a store's only source."""
    (path,) = Path(store, "exams").glob("digests-*.json")
    return path


def test_what_did_not_change_is_not_read_again(place: tuple[str, str]) -> None:
    """A second look takes the digests that the first one left, and writes nothing."""
    first = find_exams(*place)
    kept = json.loads(record(place[1]).read_bytes())
    assert kept["files"] == first.digests
    told = {"files": dict.fromkeys(kept["files"], "0" * 64)}
    record(place[1]).write_text(json.dumps(told))
    second = find_exams(*place)
    assert second.digests == told["files"]
    assert second.exams[0].digest != first.exams[0].digest
    assert record(place[1]).read_text() == json.dumps(told)


def test_a_damaged_record_counts_as_none(place: tuple[str, str]) -> None:
    """Every file is read again, and the record is as it was."""
    first = find_exams(*place)
    kept = record(place[1]).read_bytes()
    record(place[1]).write_bytes(b"{")
    assert find_exams(*place) == first
    assert record(place[1]).read_bytes() == kept


def test_a_source_without_exams_is_no_error(tmp_path: Path) -> None:
    """It is for the ledger to say whether that is a beginning or an end."""
    (tmp_path / "exams").mkdir()
    assert find_exams(str(tmp_path / "exams"), str(tmp_path / "store")).exams == ()
