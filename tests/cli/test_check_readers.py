"""``lusgan check`` on a folder of several formats: what each reader found, and who agrees."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from dicomfiles import dicom
from tiny_runs import write_exams
from videofiles import moving, table, video


@pytest.fixture(scope="module")
def mixed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Phantom .mat exams, two videos and two DICOM objects, which one table labels."""
    exams = write_exams(tmp_path_factory.mktemp("mixed") / "exams", patients=1, mask_share=0.0)
    screens = (moving(6, 240, 320) // 2 + 90).copy()
    screens[:, :20] = screens[:, :, :20] = screens[:, :, -20:] = 0
    rows: list[tuple[object, ...]] = [("file", "patient", "area", "score_ann", "score_ben")]
    for number, (a, b) in enumerate([(1, 1), (2, 3), (0, 0), (3, 3)]):
        name = f"more/{number}.avi" if number % 2 else f"more/IM{number}"
        data = video(screens) if number % 2 else dicom(screens, uid=f"2.25.{number}")
        (exams / "more").mkdir(exist_ok=True)
        (exams / name).write_bytes(data)
        rows.append((name, f"V{number}", "L1", a, b))
    (exams / "labels.csv").write_bytes(table(*rows))
    return exams


def test_each_reader_tells_what_it_found(lusgan, mixed: Path) -> None:
    """Clips and frames by reader, in text and as JSON; a table that two readers use is no error."""
    found = json.loads(lusgan("check", mixed, "--json").out)
    assert found["rejected"] == []
    assert found["by_reader"]["video"] == {"clips": 2, "frames": 12}
    assert found["by_reader"]["dicom"] == {"clips": 2, "frames": 12}
    assert found["by_reader"]["mat"]["clips"] > 0
    assert found["unlabelled_frames"] >= 6
    out = lusgan("check", mixed).out
    assert "reader video: 2 clips, 12 frames" in out
    assert "reader dicom: 2 clips, 12 frames" in out


def test_agreement_of_raters_is_told(lusgan, mixed: Path) -> None:
    """Three of four scores are equal; without a majority frames are unscored, until a rule is
    chosen."""
    (pair,) = json.loads(lusgan("check", mixed, "--json").out)["agreement"]
    assert (pair["raters"], pair["rows"], pair["equal"]) == (["ann", "ben"], 4, 3)
    assert pair["kappa"] == pytest.approx((3 / 4 - 1 / 4) / (1 - 1 / 4))
    assert "raters ann and ben: 3 of 4 scores equal, kappa 0.67" in lusgan("check", mixed).out
    worst = lusgan("check", mixed, "--json", "--set", "ingestion.readers.video.raters=worst")
    counts = json.loads(worst.out)["labelled_frames"]
    assert counts == {"0": 0, "1": 0, "2": 0, "3": 12}
