"""``lusgan check`` on good exams and on exams that are broken in every way."""

from __future__ import annotations

import json
import os
import re
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from broken_exams import BROKEN, HOSTILE, PATIENT, SHAPE, USABLE, write_broken
from PIL import Image

from lusgan_core.api import Samples
from lusgan_core.calls.call import StageContext
from lusgan_core.domain import ExamRecord
from lusgan_core.ingestion import stage
from lusgan_core.ingestion.discover import discover
from lusgan_core.ingestion.readers import choose_readers
from lusgan_core.preprocessing.exam import ExamPreprocessor
from lusgan_core.preprocessing.options import PreprocessingOptions
from lusgan_core.registry import installed
from lusgan_core.store import LocalStore
from lusgan_core.store.source import open_source
from lusgan_core.testing.exporters import some_frames
from lusgan_exporters.mat import EXPORTER, MatExport
from matfiles import matrix, open_mat, v5
from screens_of_fans import fan_clip
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


def black(clip: np.ndarray) -> np.ndarray:
    return clip * 0


def four_dots(clip: np.ndarray) -> np.ndarray:
    dots = clip * 0
    dots[::40, ::40] = 255
    return dots


def fan(clip: np.ndarray) -> np.ndarray:
    frames = fan_clip(clip.shape[3], 96, 120)
    return frames.transpose(1, 2, 0)[:, :, None].repeat(3, 2)


def named(clip: np.ndarray) -> np.ndarray:
    clip = fan(clip)
    clip[1:5, 1:9] = 255
    return clip


def parted(clip: np.ndarray) -> np.ndarray:
    clip = np.minimum(clip, 250)
    clip[30, 30, 0] += 3
    return clip


def changed(exams: Path, change: Callable[[np.ndarray], np.ndarray]) -> str:
    """Rewrite the first clip without a mask as another; its path in the exams."""
    masked = {mask.name.removesuffix("_mask.png") for mask in exams.rglob("*_mask.png")}
    clips = [f for f in sorted(exams.rglob("convex_*.mat")) if "_score" not in f.name]
    file = next(f for f in clips if f.stem not in masked)
    with open_mat(open_source(exams), str(file.relative_to(exams))) as clip:
        frames = np.stack(list(clip.frames())).transpose(1, 2, 0)[:, :, None].repeat(3, 2)
    file.write_bytes(v5(matrix(change(frames))))
    return str(file.relative_to(exams))


@pytest.mark.parametrize("change", [black, four_dots])
def test_what_a_run_rejects_check_rejects(
    lusgan, tmp_path: Path, change: Callable[[np.ndarray], np.ndarray]
) -> None:
    """A clip without a fan is told by check, with the very reason of the run."""
    exams = write_exams(tmp_path / "exams")
    file = changed(exams, change)
    (told,) = json.loads(lusgan("check", exams, "--json").out)["rejected"]
    assert told["file"] == file
    assert "no fan found" in told["reason"]
    source, store = open_source(exams), LocalStore(tmp_path / "store")
    exam = next(e for e in discover(source).exams if file.startswith(f"{e.patient}/{e.exam}/"))
    read = stage.run(stage.call(exam, 1), StageContext(store, source)).data
    work = ExamPreprocessor(
        source, choose_readers(), store, PreprocessingOptions(geometry="fit"), None, "00000000"
    )
    (rejected,) = work.preprocess(read)[0].rejected
    assert rejected.reason == told["reason"]


def test_what_is_bright_outside_the_fan_is_told(lusgan, tmp_path: Path) -> None:
    """A name burnt into the frames is pointed at; so are channels that differ, and by how much."""
    exams = write_exams(tmp_path / "exams")
    file = changed(exams, fan)
    assert file not in json.loads(lusgan("check", exams, "--json").out)["bright_outside_fan"]
    changed(exams, named)
    found = json.loads(lusgan("check", exams, "--json").out)
    assert file in found["bright_outside_fan"]
    assert "something bright outside of the fan or mask" in lusgan("check", exams).out
    assert found["largest_channel_difference"] == 0
    changed(exams, parted)
    found = json.loads(lusgan("check", exams, "--json").out)
    assert (found["clips_with_unequal_channels"], found["largest_channel_difference"]) == (1, 3)
    assert "differ by up to 3 grey levels" in lusgan("check", exams).out


def test_axes_can_be_declared(lusgan, tmp_path: Path) -> None:
    """`--set ingestion.axes=NHW` reaches the reader, and an order that is none is refused."""
    exams = write_exams(tmp_path / "exams")
    file = changed(exams, lambda clip: clip[:, :, 0].transpose(2, 0, 1))
    assert lusgan("check", exams, "--set", "ingestion.axes=XYZ").code == 2
    only = tmp_path / "one" / file
    only.parent.mkdir(parents=True)
    for part in (file, file.replace(".mat", "_score.mat")):
        (tmp_path / "one" / part).write_bytes((exams / part).read_bytes())
    found = lusgan("check", tmp_path / "one", "--set", "ingestion.axes=NHW", "--json")
    assert json.loads(found.out)["usable_clips"] == 1


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


def scores_of(clip: Path) -> Path:
    """Return the file of a clip's scores."""
    return clip.with_name(f"{clip.stem}_score.mat")


def test_a_clip_that_is_there_twice_is_named(lusgan, tmp_path: Path) -> None:
    """A clip's file copied to another patient is named with it, and can be used nevertheless;
    without a copy nothing is said."""
    exams = write_exams(tmp_path / "exams", patients=2)
    for mask in exams.rglob("*_mask.png"):  # that of another clip may be of another size
        mask.unlink()
    assert json.loads(lusgan("check", exams, "--json").out)["twice"] == []
    first = sorted(path for path in exams.rglob("convex_9001_*.mat") if "score" not in path.name)[0]
    other = sorted(path for path in exams.rglob("convex_9002_*.mat") if "score" not in path.name)[0]
    other.write_bytes(first.read_bytes())
    scores_of(other).write_bytes(scores_of(first).read_bytes())
    found = json.loads(lusgan("check", exams, "--json").out)
    pair = [str(path.relative_to(exams)) for path in (first, other)]
    assert found["twice"] == [pair]
    assert found["rejected"] == []
    said = " ".join(lusgan("check", exams).out.split())
    assert f"there twice: {pair[0]}, {pair[1]} are the same file" in said


def test_a_name_inside_a_rectangular_mask_is_told(lusgan, tmp_path: Path) -> None:
    """Geometry paper keeps all of a rectangle, and `check` says that images will show a name in it;
    geometry fit keeps the fan alone, and a mask along the fan is fine."""
    exams = write_exams(tmp_path / "exams")

    def told(geometry: str, change: Callable[[np.ndarray], np.ndarray]) -> tuple[bool, bool]:
        file = changed(exams, change)
        mask = exams / "Binary-Masks" / f"{Path(file).stem}_mask.png"
        with open_mat(open_source(exams), file) as clip:
            Image.fromarray(np.full((clip.height, clip.width), 255, np.uint8)).save(mask)
        asked = ("--set", f"preprocessing.geometry={geometry}")
        found = json.loads(lusgan("check", exams, *asked, "--json").out)
        said = "keeps something bright beside the fan" in lusgan("check", exams, *asked).out
        assert said == bool(found["bright_inside_mask"])
        mask.unlink()
        return file in found["bright_inside_mask"], file in found["bright_outside_fan"]

    assert told("paper", fan) == (False, False)
    assert told("paper", named) == (True, False)
    assert told("fit", named) == (False, True)
