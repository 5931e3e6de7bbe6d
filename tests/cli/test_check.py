"""``lusgan check`` on good exams and on exams that are broken in every way."""

from __future__ import annotations

import json
import os
import re
from dataclasses import replace
from pathlib import Path

import pytest
from broken_exams import BROKEN, HOSTILE, PATIENT, SHAPE, USABLE, write_broken

from lusgan_core.api import Samples
from lusgan_core.calls.call import StageContext
from lusgan_core.domain import ExamRecord
from lusgan_core.ingestion import stage
from lusgan_core.ingestion.discover import discover
from lusgan_core.registry import installed
from lusgan_core.store import LocalStore
from lusgan_core.store.source import open_source
from lusgan_core.testing.exporters import some_frames
from lusgan_exporters.mat import EXPORTER, MatExport
from small_readers import RAW
from tiny_runs import write_exams


@pytest.fixture(scope="module")
def broken(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, dict[str, str]]:
    """Good exams with broken ones among them, and what is expected to be said of those."""
    exams = write_exams(tmp_path_factory.mktemp("broken") / "exams")
    return exams, write_broken(exams)


def test_good_exams_have_nothing_to_tell(lusgan, tmp_path: Path) -> None:
    """Counts agree with what the phantoms were written with, and nothing is rejected."""
    written = lusgan(
        "phantom", tmp_path / "exams", "--patients", 2, "--frames", 6, "--size", 64, "--json"
    )
    tree = json.loads(written.out)
    result = lusgan("check", tmp_path / "exams", "--json")
    assert result.code == 0
    found = json.loads(result.out)
    for name in ("exams", "patients", "clips", "frames"):
        assert found[name] == tree[name], name
    assert found["labelled_frames"] == tree["by_score"]
    assert found["unlabelled_frames"] == tree["unlabelled"]
    assert found["rejected"] == []
    assert "every clip can be used" in lusgan("check", tmp_path / "exams").out


def test_every_broken_clip_is_told_with_its_reason(lusgan, broken) -> None:
    """Each clip that cannot be used is listed with why, and no other is."""
    exams, expected = broken
    result = lusgan("check", exams, "--json")
    assert result.code == 0
    found = json.loads(result.out)
    told = {r["file"]: r["reason"] for r in found["rejected"]}
    assert set(told) == set(expected)
    for file, pattern in expected.items():
        assert re.search(pattern, told[file]), f"{file}: {told[file]}"
        assert PATIENT not in told[file]
    assert found["usable_clips"] == 12 + len(USABLE) + 2
    assert found["clips"] == found["usable_clips"] + len(expected)
    assert (found["patients"], found["exams"]) == (5, 7)
    ours = next(e for e in found["by_exam"] if (e["patient"], e["exam"]) == (PATIENT, "3"))
    assert ours["labelled_frames"] == {"0": 0, "1": SHAPE[3], "2": 0, "3": 0}


def test_the_table_is_safe_to_show(lusgan, broken) -> None:
    """Codes are shown here on purpose; names that steer a terminal do not steer it."""
    exams, expected = broken
    shown = lusgan("check", exams).out
    assert PATIENT in shown
    assert "\x1b" not in shown
    assert rf"{HOSTILE}b>\x1b[2J\n_3.mat" in shown
    assert shown.count("rejected ") == len(expected)


def test_patients_without_a_scored_frame_are_counted_apart(lusgan, tmp_path: Path) -> None:
    """A patient of whom no clip has scores counts, but not among those a model can learn from."""
    exams = tmp_path / "exams"
    lusgan("phantom", exams, "--patients", 3, "--frames", 6, "--size", 64)
    for file in sorted(exams.iterdir())[0].rglob("*_score.mat"):
        file.unlink()
    found = json.loads(lusgan("check", exams, "--json").out)
    assert (found["patients"], found["patients_with_scored_frames"]) == (3, 2)
    assert "2 of 3 patients have frames with a score" in lusgan("check", exams).out


def test_strict_fails(lusgan, broken) -> None:
    """With --strict the exit code tells a script that clips were rejected."""
    assert lusgan("check", broken[0], "--strict").code == 1


def test_quick_reads_no_frames(lusgan, broken) -> None:
    """Damage inside of frames goes unnoticed, everything else is told."""
    quick = json.loads(lusgan("check", broken[0], "--quick", "--json").out)["rejected"]
    assert len(BROKEN) - 4 <= len(quick) < len(broken[1])


def test_readers_that_were_not_asked_are_named(lusgan, tmp_path: Path, monkeypatch) -> None:
    """An installed reader that the options do not name is told, in JSON too, and where no exam is
    found; where all are asked, nothing is said."""
    monkeypatch.setitem(installed().records["reader"], "raw", replace(RAW, name="raw"))
    provider = installed().providers["reader", "mat"]
    monkeypatch.setitem(installed().providers, ("reader", "raw"), provider)
    exams = write_exams(tmp_path / "exams")
    said = lusgan("check", exams, "--set", "ingestion.readers.mat={}", "--json")
    assert "not asked: dicom, raw, video; ingestion.readers names mat" in said.err
    found = json.loads(said.out)
    assert (found["readers"], found["not_asked"]) == (["mat"], ["dicom", "raw", "video"])
    every = lusgan("check", exams, "--json")
    assert json.loads(every.out)["not_asked"] == []
    assert "not asked" not in every.err
    (tmp_path / "empty").mkdir()
    nothing = lusgan("check", tmp_path / "empty", "--set", "ingestion.readers.mat={}")
    assert nothing.code != 0
    assert "not asked: dicom, raw, video" in nothing.err


class Folder:
    """A folder of exports among exams."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def put(self, name: str, data: bytes) -> str:
        path = self.path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(data)
        return ""


def test_an_exported_mat_among_exams_is_refused(lusgan, tmp_path: Path) -> None:
    """By ``check`` and by the stage of a run, with the same reason; the real clips are kept."""
    exams = write_exams(tmp_path / "exams")
    before = json.loads(lusgan("check", exams, "--json").out)
    export = MatExport(Folder(exams), Samples(2, "m", 7, 3), EXPORTER.options())
    for frame in some_frames(3):
        export.add(frame)
    export.finish()
    source = open_source(exams)
    found = json.loads(lusgan("check", exams, "--json").out)
    (refused,) = found["rejected"]
    assert refused["file"] == "S2/1/convex_S2_1_1.mat"
    assert "says that a model made its frames" in refused["reason"]
    assert found["usable_clips"] == before["usable_clips"] > 0
    assert found["labelled_frames"] == before["labelled_frames"]
    (exam,) = [one for one in discover(source).exams if one.patient == "S2"]
    call = stage.call(exam, 1, registry=installed())
    made = stage.run(call, StageContext(LocalStore(tmp_path / "store"), source))
    assert isinstance(made.data, ExamRecord)
    assert made.data.clips == ()
    assert [r.reason for r in made.data.rejected] == [refused["reason"]]


@pytest.mark.skipif(os.geteuid() == 0, reason="SKIPPED: root reads files that nobody may read")
def test_unreadable_files_are_rejected(lusgan, tmp_path: Path) -> None:
    """A clip without permission to read it is told like any other."""
    exams = write_exams(tmp_path / "exams")
    (clip, *_) = sorted(exams.glob("9001/1/*_score.mat"))
    clip.chmod(0)
    (told,) = json.loads(lusgan("check", exams, "--json").out)["rejected"]
    assert "Permission denied" in told["reason"]
