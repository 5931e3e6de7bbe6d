"""``lusgan audit`` on a store with one current model, on phantom exams."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest

from lusgan_core.evaluation.audit.plants import KINDS
from lusgan_core.store import LocalStore
from tiny_runs import CODES, Pipeline, tiny_config, write_exams

OPEN = (
    "promotion.min_diversity=0",
    "promotion.keep_diversity=0",
    "promotion.max_near_copies=1",
    "evaluation.real_frames=60",
)
AUDITED = ("evaluation.audit_frames=4", "evaluation.audit_copies=10")


@pytest.fixture(scope="module")
def finished(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Train a model of score 2 and audit it, and one of score 3 that is not audited."""
    folder = tmp_path_factory.mktemp("audited")
    pipeline = Pipeline(write_exams(folder / "exams", frames_per_clip=12), folder / "store")
    pipeline.run(tiny_config(*OPEN, *AUDITED, scores=(2,)))
    pipeline.run(tiny_config(*OPEN, scores=(3,)))
    return folder / "store"


def test_the_audit_of_the_current_models_is_shown(lusgan, finished: Path) -> None:
    """With its verdict, the table of planted copies and what was checked; and why there is none."""
    said = lusgan("audit", "--store", finished)
    assert said.code == 0
    first, second = said.out.split("score 3:")
    assert "planted copies" in first
    assert all(kind.split(",")[0] in first for kind in KINDS)
    assert "held-out patient" in first
    assert "no audit: evaluation.audit_frames is 0" in second


def test_the_report_shows_the_audit(finished: Path) -> None:
    """Its verdict, and the table of planted copies, of the score that was audited."""
    pages = [path.read_text(encoding="utf-8") for path in finished.glob("reports/*/index.html")]
    (page,) = (page for page in pages if "What the audit of score 2 would find" in page)
    assert "at this sensitivity" in page or "Copies found" in page
    assert "speckle drawn again" in page


def test_no_patient_is_named(lusgan, finished: Path) -> None:
    """Neither on the terminal nor in JSON."""
    for more in ((), ("--json",)):
        said = lusgan("audit", "--store", finished, *more)
        assert not any(code in said.out + said.err for code in CODES)


def test_the_audit_is_the_one_of_the_evaluation(lusgan, finished: Path) -> None:
    """Of one score, or of a model by the end of its name."""
    (one,) = json.loads(lusgan("audit", "--score", 2, "--store", finished, "--json").out)
    (again,) = json.loads(lusgan("audit", one["model"][-6:], "--store", finished, "--json").out)
    assert one == again
    assert (one["score"], one["absent"]) == (2, "")
    assert [kind["number"] for kind in one["audit"]["planted"]] == [10] * len(KINDS)


def test_a_self_test_audits_again_with_more_copies(lusgan, finished: Path) -> None:
    """As many as asked for, as far as there are training frames; all else is as it was found. It
    audits a model that had no audit, too, and leaves the evaluation as it is."""
    before = json.loads(lusgan("audit", "--store", finished, "--json").out)
    said = lusgan("audit", "--store", finished, "--self-test", "--copies", 12, "--json")
    two, three = json.loads(said.out)
    assert [kind["number"] for kind in two["audit"]["planted"]] == [12] * len(KINDS)
    for same in ("limits", "suspects", "authentic", "frames", "extractor"):
        assert two["audit"][same] == before[0]["audit"][same]
    assert three["audit"] is not None
    assert json.loads(lusgan("audit", "--store", finished, "--json").out) == before


def test_what_cannot_be_audited_is_said(lusgan, finished: Path, tmp_path: Path) -> None:
    """An empty store, a misspelled model, an evaluation or its samples that are gone."""
    (tmp_path / "empty").mkdir()
    said = lusgan("audit", "--store", tmp_path / "empty")
    assert said.code == 2
    assert "no model is current" in said.last
    said = lusgan("audit", "zzz", "--score", 2, "--store", finished)
    assert said.code == 2
    assert "model of score 2" in said.last
    assert "'zzz'" in said.last
    shutil.copytree(finished, tmp_path / "store")
    store = LocalStore(tmp_path / "store")
    for item in list(store.list("samples/score-2/")):
        store.delete(item.key)
    said = lusgan("audit", "--score", 2, "--self-test", "--store", tmp_path / "store")
    assert said.code == 2
    assert "the samples of this evaluation of score 2 are no longer in the store" in said.err
    for item in list(store.list("evaluations/score-2/")):
        store.delete(item.key)
    said = lusgan("audit", "--score", 2, "--store", tmp_path / "store")
    assert said.code == 2
    assert "was never evaluated" in said.err
