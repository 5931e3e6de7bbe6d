"""``lusgan useful``: what it plans, prints and leaves; the flow behind it."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest

from lusgan_core.calls.ledger import ExamLedger
from lusgan_core.ingestion.discover import discover
from lusgan_core.pipeline.withdrawal import settle
from lusgan_core.store import LocalStore
from lusgan_core.store.source import open_source
from tiny_runs import SETTINGS, write_exams

TINY = (
    *SETTINGS,
    "usefulness.steps=2",
    "usefulness.batch_size=4",
    'usefulness.arms=["synthetic-1", "oversampled", "real"]',
)
ASKED = ("--preset", "demo", "--scores", "0,2", "--folds", "2", *(
    word for setting in TINY for word in ("--set", setting)
))  # fmt: skip


@pytest.mark.usefixtures("prefect_server")
def test_a_study_is_planned_made_and_shown(lusgan, tmp_path: Path, monkeypatch) -> None:
    """A plan first; then verdict, values and experts; the second time from the store at once.

    A patient who is withdrawn before any run is taken out of what the study left.
    """
    monkeypatch.chdir(tmp_path)
    write_exams(tmp_path / "exams", patients=4)
    planned = lusgan("useful", "exams", *ASKED, "--plan")
    assert planned.code == 0
    assert "4 exams to read, " in planned.out
    assert " GANs and 6 classifiers to train; 0 results are in the store" in planned.out
    made = lusgan("useful", "exams", *ASKED)
    assert made.code == 0, made.err
    for said in (
        "4 patients, each judged once in 2 folds and 1 seed",
        "macro-F1",
        "Real, oversampled",
        "calibration error",
        "LESSON",
        "table: lusgan-store/studies/",
    ):
        assert said in made.out
    assert "GANs and 6 classifiers" in made.err
    told = lusgan("useful", "exams", *ASKED, "--json")
    assert "everything was done before" in told.err
    study = json.loads(told.out)["study"]
    assert study["text"] in made.out
    assert [arm["arm"] for arm in study["arms"]] == ["real", "oversampled", "synthetic-1"]
    assert "nothing to do" in lusgan("useful", "exams", *ASKED, "--plan").out
    assert "9001" not in made.out + made.err + told.out
    store = LocalStore(tmp_path / "lusgan-store")
    ledger = ExamLedger.load(store, open_source("exams").uri)
    assert {entry.state for entry in ledger.exams} == {"read"}
    shutil.rmtree(tmp_path / "exams" / "9001")
    settle(store, ledger.source, discover(open_source("exams")))
    assert list(store.list("shards/9001/")) == list(store.list("studies/")) == []


def test_what_cannot_be_studied_is_told_in_a_line(lusgan, tmp_path: Path) -> None:
    """One patient, and arms without the one to compare with: exit code 2 and what to do."""
    exams = write_exams(tmp_path / "exams", patients=1)
    lone = lusgan("useful", exams, "--store", tmp_path / "store", *ASKED, "--plan")
    assert lone.code == 2
    assert "there is 1: add exams" in lone.last
    bare = lusgan("useful", exams, "--set", 'usefulness.arms=["oversampled"]')
    assert bare.code == 2
    assert "the arm `real` is missing" in bare.last
