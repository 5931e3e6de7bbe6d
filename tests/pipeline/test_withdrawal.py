"""An exam leaves its source: what goes, what is marked, and who is current afterwards."""

from __future__ import annotations

import json
import logging
import shutil
from datetime import UTC, datetime
from pathlib import Path

import pytest

from lusgan_core.calls.ledger import ExamLedger, record_tried
from lusgan_core.config import RunConfig
from lusgan_core.errors import ConfigError, ExamError
from lusgan_core.ingestion.discover import discover
from lusgan_core.pipeline.chain import Outcome
from lusgan_core.pipeline.pruning import carry_out, plan_withdrawn
from lusgan_core.pipeline.withdrawal import Withdrawal, described, settle, withdrawals
from lusgan_core.promotion.current import current_model, roll_back
from lusgan_core.promotion.history import read_history
from lusgan_core.promotion.withdrawal_marks import mark_of
from lusgan_core.selection.splits import held_out_patients
from lusgan_core.store import LocalStore
from tiny_runs import CODES, Pipeline, tiny_config, write_exams

SCORES = (0, 2)
OPEN = ("promotion.min_diversity=0", "promotion.keep_diversity=0")
SHUT = "promotion.min_diversity=1000"
"""Gates that let the constant frames of a few iterations pass, and gates that let nothing."""
(HELD_OUT,) = held_out_patients(CODES, 0.2, 999)
TRAINING = next(code for code in CODES if code != HELD_OUT)


class Hospital(Pipeline):
    """A pipeline that notices, as every run does, which exams are gone."""

    def run(self, config: RunConfig | None = None, **options: object) -> Outcome:
        found = discover(self.source, empty_ok=True)
        everything = bool(options.pop("withdraw_all", False))
        self.withdrawn = settle(self.store, self.source.uri, found, withdraw_all=everything)
        outcome = super().run(config or tiny_config(*OPEN, scores=SCORES), **options)
        record_tried(self.store, self.source.uri, found.exams)
        return outcome

    def withdraw(self, code: str) -> Path:
        """Take a patient's only exam away; returns where it went."""
        aside = self.source.path.parent / "aside"
        return Path(shutil.move(self.source.path / code, aside / code))

    def now(self, score: int) -> str | None:
        current = current_model(self.store, score)
        return current.model if current else None

    def decisions(self) -> list[str]:
        """Keys of what was decided on models."""
        return [key for key in self.files("models/") if "/promotion/" in key]

    def naming(self, code: str) -> list[str]:
        """Keys of what names a patient, in its key or in its text."""
        return [
            key
            for key, data in self.files().items()
            if f"/{code}/" in key or (key.endswith(".json") and f"/{code}/".encode() in data)
        ]


@pytest.fixture(scope="module")
def finished(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Run the chain once, with a promoted model for each of two scores."""
    folder = tmp_path_factory.mktemp("withdrawal")
    write_exams(folder / "exams")
    outcome = Hospital(folder / "exams", folder / "store").run()
    assert all(of["promote"].data["promoted"] for of in outcome.scores.values())
    return folder


@pytest.fixture
def hospital(finished: Path, tmp_path: Path) -> Hospital:
    """Return a copy of it, with its exams where they were first."""
    shutil.copytree(finished / "store", tmp_path / "store")
    shutil.copytree(finished / "exams", tmp_path / "exams")
    (tmp_path / "aside").mkdir()
    hospital = Hospital(tmp_path / "exams", tmp_path / "store")
    record_tried(hospital.store, hospital.source.uri, discover(hospital.source).exams)
    return hospital


def taken_out(hospital: Hospital, code: str) -> Withdrawal:
    """Withdraw a patient's exam, and look without training anything."""
    hospital.withdraw(code)
    (record,) = settle(hospital.store, hospital.source.uri, discover(hospital.source))
    return record


def test_its_features_go_with_it(hospital: Hospital) -> None:
    """What an extractor made of its frames is deleted at once; that of other exams stays."""
    other = next(code for code in CODES if code != TRAINING)
    mine, others = (f"features/{code}/1/convex-1/0-1-random-1.npz" for code in (TRAINING, other))
    for key in (mine, others):
        hospital.store.put(key, b"features")
    taken_out(hospital, TRAINING)
    assert not hospital.store.exists(mine)
    assert hospital.store.exists(others)


def test_models_that_saw_it_are_marked_and_nobody_is_current(hospital: Hospital) -> None:
    """Both scores trained on the patient: their models are marked and `current` is empty."""
    folders = [current_model(hospital.store, score).folder for score in SCORES]
    record = taken_out(hospital, TRAINING)
    assert (record.scores, record.emptied) == (SCORES, SCORES)
    assert sorted(record.models) == sorted(folders)
    assert [hospital.now(score) for score in SCORES] == [None, None]
    for score, folder in zip(SCORES, folders, strict=True):
        assert list(mark_of(hospital.store, folder).exams) == [record.exam]
        assert read_history(hospital.store, score)[-1].by == "withdrawal"
        assert hospital.store.exists(f"{folder}/generator.safetensors")  # until it is pruned
        with pytest.raises(ConfigError, match="no earlier model"):
            roll_back(hospital.store, score)
    (entry,) = read_history(hospital.store, None)
    assert (entry.action, entry.about, entry.before) == ("withdrawn", record.exam, "")
    assert entry.reason == "it left the exam source; models of scores 0, 2 saw it"


def test_its_shards_records_and_datasets_are_gone(hospital: Hospital) -> None:
    """No shard, exam record or dataset names the patient; those of the others are all there."""
    others = [key for code in CODES if code != TRAINING for key in hospital.naming(code)]
    kept = [key for key in others if key.startswith(("exams/9", "shards/"))]
    record = taken_out(hospital, TRAINING)
    left = {key.partition("/")[0] for key in hospital.naming(TRAINING)}
    assert left <= {"models", "evaluations", "reports"}  # they are listed, and go when it is asked
    assert not list(hospital.store.list(f"shards/{TRAINING}/"))
    assert not list(hospital.store.list(f"exams/{TRAINING}/"))
    assert set(kept) <= set(hospital.files())
    known = ExamLedger.load(hospital.store, hospital.source.uri)
    assert {exam.patient for exam in known.exams} == set(CODES) - {TRAINING}
    assert withdrawals(hospital.store) == (record,)


def test_a_held_out_patient_was_seen_by_no_model(hospital: Hospital) -> None:
    """Models stay current and unmarked; evaluations and the report with its frames are listed."""
    before = [hospital.now(score) for score in SCORES]
    record = taken_out(hospital, HELD_OUT)
    assert (record.scores, record.models) == ((), ())
    assert [hospital.now(score) for score in SCORES] == before
    assert {key.split("/")[1] for key in record.evaluations} == {"score-0", "score-2"}
    assert len(record.reports) == 1
    assert hospital.naming(HELD_OUT)


def test_decisions_of_its_scores_are_taken_back(hospital: Hospital) -> None:
    """Who failed beside a model that is marked now is to be judged again; where no model saw the
    exam, what was decided stays."""
    before = hospital.decisions()
    assert len(before) == len(SCORES)
    taken_out(hospital, HELD_OUT)
    assert hospital.decisions() == before
    taken_out(hospital, TRAINING)
    assert hospital.decisions() == []


def test_withdrawals_are_described_in_a_sentence(tmp_path: Path) -> None:
    """How many exams, which models saw them, and which scores are without one; each once."""
    store, at = LocalStore(tmp_path), datetime.now(UTC)
    unseen = Withdrawal(exam="01234567", at=at)
    seen = [
        Withdrawal(exam="12345678", at=at, scores=(3,)),
        Withdrawal(exam="23456789", at=at, scores=(0, 3), emptied=(3,)),
    ]
    listed = "`lusgan prune --withdrawn` lists what was made from them"
    assert described(store, ()) == ()
    assert described(store, (unseen,)) == (f"1 exam was withdrawn; {listed}",)
    assert described(store, seen[:1]) == (
        f"1 exam was withdrawn; models of scores 3 saw them and are marked; {listed}",
    )
    assert described(store, (unseen, *seen)) == (
        "3 exams were withdrawn; models of scores 0, 3 saw them and are marked, and scores 3 have "
        f"no current model until one is promoted; {listed}",
    )


def test_affected_scores_are_trained_again_and_promoted(hospital: Hospital) -> None:
    """The next run trains without the exam and fills the empty places; another changes nothing."""
    before = [hospital.now(score) for score in SCORES]
    hospital.withdraw(TRAINING)
    hospital.run()
    assert [label for label in hospital.made if label.startswith("train")] == [
        "train score 0", "train score 2"
    ]  # fmt: skip
    assert not any("exam" in label and "ingest" in label for label in hospital.made)
    after = [hospital.now(score) for score in SCORES]
    assert None not in after
    assert set(after).isdisjoint(before)
    files = hospital.files()
    hospital.run()
    assert (hospital.made, hospital.withdrawn) == ([], ())
    assert hospital.files() == files


def test_current_is_empty_rather_than_old_if_the_new_model_fails(hospital: Hospital) -> None:
    """Where gates hold the new model back there is none, and the report says so."""
    hospital.withdraw(TRAINING)
    outcome = hospital.run(tiny_config(SHUT, scores=SCORES))
    for score, of in outcome.scores.items():
        assert not of["promote"].data["promoted"]
        assert "collapse" in of["promote"].data["held_back"]
        assert hospital.now(score) is None
    page = hospital.store.get(outcome.report.artifacts["page"].key).decode()
    assert page.count("Held back:") == 2
    assert "There is no current model of score 2" in page


def test_prune_takes_all_that_was_made_from_it(hospital: Hospital) -> None:
    """After `prune --withdrawn` nothing in the store names the patient, and what is new stays."""
    old = [current_model(hospital.store, score).folder for score in SCORES]
    hospital.withdraw(TRAINING)
    hospital.run()
    plan = plan_withdrawn(hospital.store)
    before = hospital.files()
    listed = {item.what for item in plan.items}
    assert listed == {"model", "samples", "evaluation", "report"}
    assert any("/checkpoints/" in key for item in plan.items for key in item.keys)
    assert plan.size == sum(len(before[key]) for item in plan.items for key in item.keys)
    carry_out(hospital.store, plan)
    assert plan_withdrawn(hospital.store).items == ()
    assert hospital.naming(TRAINING) == []
    for folder in old:
        assert not list(hospital.store.list(folder))
        assert not list(hospital.store.list(folder.replace("models", "samples")))
    hospital.run()
    assert hospital.made == []


def test_an_exam_that_comes_back_is_taken_back(hospital: Hospital) -> None:
    """A folder that was away for a while costs one reading: its models are current again, and what
    was decided without them is taken back."""
    before = [hospital.now(score) for score in SCORES]
    aside = hospital.withdraw(TRAINING)
    hospital.run()
    assert [hospital.now(score) for score in SCORES] != before
    for score in SCORES:  # of two models, the one of now is judged when its turn comes
        assert hospital.now(score) is not None
    assert len(hospital.decisions()) == len(SCORES)
    shutil.move(aside, hospital.source.path / TRAINING)
    settle(hospital.store, hospital.source.uri, discover(hospital.source))
    assert hospital.decisions() == []
    hospital.run()
    assert not any(label.startswith("train") for label in hospital.made)
    assert [hospital.now(score) for score in SCORES] == before
    assert withdrawals(hospital.store) == ()
    assert plan_withdrawn(hospital.store).items == ()


def test_everything_gone_is_not_believed(hospital: Hospital, tmp_path: Path) -> None:
    """Another folder at the same address stops the run, unless told that all were withdrawn."""
    for code in CODES:
        hospital.withdraw(code)
    with pytest.raises(ExamError, match=r"none of the 3 known exams.*--withdraw-all"):
        hospital.run()
    other = write_exams(tmp_path / "other", patients=5, clips_per_exam=4)
    shutil.move(other / "9005", hospital.source.path)
    before = hospital.files()
    with pytest.raises(ExamError, match=r"none of the 3 known exams.*--withdraw-all") as error:
        hospital.run()
    assert not any(code in str(error.value) for code in CODES)
    assert hospital.files() == before
    found = discover(hospital.source)
    gone = settle(hospital.store, hospital.source.uri, found, withdraw_all=True)
    assert len(gone) == 3
    assert [hospital.now(score) for score in SCORES] == [None, None]


def test_the_last_exam_can_be_withdrawn(hospital: Hospital) -> None:
    """With the flag an empty source is believed: nothing names a patient but what prune lists."""
    for code in CODES:
        hospital.withdraw(code)
    found = discover(hospital.source, empty_ok=True)
    gone = settle(hospital.store, hospital.source.uri, found, withdraw_all=True)
    assert len(gone) == 3
    assert [hospital.now(score) for score in SCORES] == [None, None]
    assert ExamLedger.load(hospital.store, hospital.source.uri).exams == ()
    assert not list(hospital.store.list("shards/"))
    carry_out(hospital.store, plan_withdrawn(hospital.store))
    assert [key for code in CODES for key in hospital.naming(code)] == []
    with pytest.raises(ExamError, match="no exam in"):
        settle(hospital.store, hospital.source.uri, found, withdraw_all=True)


def test_an_unreadable_folder_vouches_for_nobody_else(hospital: Hospital) -> None:
    """With two exams gone and the third in a folder that is away, nothing is believed."""
    aside = [hospital.withdraw(code) for code in CODES]
    (hospital.source.path / CODES[0]).symlink_to(aside[0].parent / "nowhere")
    found, before = discover(hospital.source, empty_ok=True), hospital.files()
    with pytest.raises(ExamError, match=r"none of the 3 known exams.*--withdraw-all"):
        settle(hospital.store, hospital.source.uri, found)
    assert hospital.files() == before
    gone = settle(hospital.store, hospital.source.uri, found, withdraw_all=True)
    assert len(gone) == 2
    (left,) = ExamLedger.load(hospital.store, hospital.source.uri).exams
    assert left.patient == CODES[0]
    with pytest.raises(ExamError, match=r"no exam in .* \(1 misplaced or unreadable\)"):
        settle(hospital.store, hospital.source.uri, found, withdraw_all=True)


def test_a_withdrawal_that_was_cut_off_is_finished(
    hospital: Hospital, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Killed before anything is deleted, the next run ends as if it had not been; what it leaves
    says when the exam was first found gone."""
    hospital.withdraw(TRAINING)
    found = discover(hospital.source)

    def killed(*_: object) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr("lusgan_core.pipeline.withdrawal.index.erase", killed)
        with pytest.raises(KeyboardInterrupt):
            settle(hospital.store, hospital.source.uri, found)
    assert hospital.naming(TRAINING)
    (first,) = withdrawals(hospital.store)
    (record,) = settle(hospital.store, hospital.source.uri, found)
    assert record.at == first.at
    assert (record.scores, record.emptied) == (SCORES, SCORES)
    assert len(record.evaluations) == 2
    assert len(record.reports) == 1
    assert not list(hospital.store.list(f"shards/{TRAINING}/"))
    assert settle(hospital.store, hospital.source.uri, found) == ()


def test_a_model_that_does_not_say_what_it_saw_counts(hospital: Hospital) -> None:
    """An unfinished training counts by the clips it began with; one without a list is marked."""
    for name, clips in (
        ("with", f"shards/{TRAINING}/1/x.h5"),
        ("other", f"shards/{HELD_OUT}/1/x.h5"),
    ):
        hospital.store.put(f"models/score-2/{name}/checkpoints/00000002.safetensors", b"")
        hospital.store.put(
            f"models/score-2/{name}/clips.json", json.dumps({"shards": [clips]}).encode()
        )
    hospital.store.put("models/score-3/silent/checkpoints/00000002.safetensors", b"")
    record = taken_out(hospital, TRAINING)
    assert {"models/score-2/with", "models/score-3/silent"} < set(record.models)
    assert "models/score-2/other" not in record.models
    lease = b'{"token": "x", "host": "elsewhere", "pid": 1}'
    hospital.store.put("models/score-2/with/lease.json", lease)
    plan = plan_withdrawn(hospital.store)
    assert plan.busy == ("models/score-2/with",)
    assert not any(key.startswith("models/score-2/with/") for i in plan.items for key in i.keys)


def test_no_patient_is_named_outside_of_the_exams(
    hospital: Hospital, caplog: pytest.LogCaptureFixture
) -> None:
    """Keys and texts of marks, history, `current` and records, and all logs, name no patient."""
    with caplog.at_level(logging.INFO):
        hospital.withdraw(TRAINING)
        hospital.run()
    assert not any(code in caplog.text for code in CODES)
    for key, data in hospital.files().items():
        inside = key.startswith(("current/", "withdrawals/")) or "withdrawn.json" in key
        if inside or "/promotion/" in key:
            assert not any(code.encode() in data for code in CODES), key
        if not key.startswith(("exams/", "shards/")):
            assert not any(code in key for code in CODES)
