"""A study of usefulness: folds by patient, cached parts, what is said of bad input."""

from __future__ import annotations

import json
import os
import re
import shutil
import signal
from pathlib import Path
from typing import Any

import pytest

from lusgan_core.calls.call import StageCall, StageContext, data_of
from lusgan_core.calls.ledger import record_tried
from lusgan_core.calls.provenance import Manifest
from lusgan_core.classification.stage import TITLES, Judged
from lusgan_core.config import RunConfig
from lusgan_core.errors import ConfigError, WeightsLostError
from lusgan_core.ingestion.discover import discover
from lusgan_core.phantom.tree import plan_clips
from lusgan_core.pipeline import index
from lusgan_core.pipeline.approval import waiting
from lusgan_core.pipeline.models import list_models, promote_by_hand
from lusgan_core.pipeline.plan import plan_study
from lusgan_core.pipeline.pruning import carry_out, plan_old
from lusgan_core.pipeline.studies import newest_study, study_datasets
from lusgan_core.pipeline.study import Study, peek_study, run_study
from lusgan_core.pipeline.withdrawal import described, settle
from lusgan_core.registry import installed
from lusgan_core.store.base import key_part
from lusgan_core.training.stage import SEEN, SeenClips
from tiny_runs import PHANTOM, CountingRunner, Pipeline, tiny_config, write_exams

SCORES = (0, 2)
CODES = ("9001", "9002", "9003", "9004")
TINY = ("usefulness.folds=2", "usefulness.steps=2", "usefulness.batch_size=4")


def options(*settings: str, **more: Any) -> RunConfig:
    return tiny_config(*TINY, *settings, **({"scores": SCORES} | more))


class Studies(Pipeline):
    """Studies over a folder of exams and a store, without Prefect."""

    def study(self, config: RunConfig | None = None, runner: Any = CountingRunner) -> Study:
        chosen = config or options()
        made = runner(StageContext(self.store, self.source, chosen.runtime))
        try:
            return run_study(made, discover(self.source), chosen, installed())
        finally:
            self.made = made.made

    def table(self, study: Study) -> bytes:
        return self.store.get(study.manifest.artifacts["table"].key)


@pytest.fixture(scope="module")
def done(tmp_path_factory: pytest.TempPathFactory) -> tuple[Studies, Study]:
    """Make a study of all arms on four phantom patients; only look at it."""
    folder = tmp_path_factory.mktemp("study")
    where = Studies(write_exams(folder / "exams", patients=4), folder / "store")
    return where, where.study()


@pytest.fixture
def copied(done: tuple[Studies, Study], tmp_path: Path) -> Studies:
    """Return a copy of the study to do something with."""
    shutil.copytree(done[0].source.path, tmp_path / "exams")
    shutil.copytree(done[0].source.path.parent / "store", tmp_path / "store")
    return Studies(tmp_path / "exams", tmp_path / "store")


def test_each_patient_is_judged_once_by_what_has_not_seen_them(
    done: tuple[Studies, Study],
) -> None:
    """Neither a fold's classifiers nor its GANs were trained on its patients."""
    where, study = done
    judged = [
        data_of(m, Judged)
        for m in index.manifests(where.store, "studies/")
        if m.stage == "classify"
    ]
    for arm in TITLES:
        patients = [t.patient for one in judged if one.arm == arm for t in one.patients]
        assert sorted(patients) == list(CODES), arm
    seen = {
        Manifest.model_validate_json(where.store.get(f"{folder}/manifest.json")).inputs["frames"]: (
            SeenClips.model_validate_json(where.store.get(f"{folder}/{SEEN}")).shards
        )
        for folder in index.model_folders(where.store)
    }
    for _, _, data in study_datasets(where.store):
        held_out = {key_part(clip.patient) for clip in data.held_out}
        assert held_out
        assert not held_out & {key.split("/")[1] for key in seen[data.frames_digest]}
    assert study.record.patients == 4
    assert len(seen) == 4


def test_arms_differ_in_frames_alone(done: tuple[Studies, Study]) -> None:
    """All are measured by the same frames; real ones are the same, synthetic ones are added."""
    record = done[1].record
    arms = {arm.arm: arm for arm in record.arms}
    assert list(arms) == list(TITLES)
    assert {value.number for arm in record.arms for value in arm.values} == {record.frames}
    assert {arms[a].real for a in TITLES if a != "synthetic-only"} == {arms["real"].real}
    assert arms["synthetic-only"].real == (0, 0)
    assert arms["synthetic-2"].synthetic[0] > arms["synthetic-1"].synthetic[0]
    assert not arms["real"].differences
    assert record.notes == ()


def test_what_was_done_is_not_done_again(copied: Studies, done: tuple[Studies, Study]) -> None:
    """A second study makes nothing; more seeds make their own classifiers alone."""
    again = copied.study()
    assert copied.made == []
    assert copied.table(again) == done[0].table(done[1])
    assert peek_study(copied.store, discover(copied.source), options(), installed()) is not None
    more = options("usefulness.seeds=2")
    assert peek_study(copied.store, discover(copied.source), more, installed()) is None
    assert copied.study(more).record.seeds == 2
    assert len(copied.made) == 14 + 1
    assert {label.split()[0] for label in copied.made} == {"classifier", "usefulness"}


def test_a_killed_study_goes_on_and_ends_in_the_same_table(
    done: tuple[Studies, Study], tmp_path: Path
) -> None:
    """SIGKILL in the midst of the second fold; the same command makes what is left, and no more."""

    class Dying(CountingRunner):
        def one(self, call: StageCall) -> Manifest:
            if call.label.startswith("classifier of fold 2, real + synthetic, 1"):
                os.kill(os.getpid(), signal.SIGKILL)
            return super().one(call)

    where = Studies(done[0].source.path, tmp_path / "store")
    child = os.fork()
    if not child:
        try:
            where.study(runner=Dying)
        finally:
            os._exit(1)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == -signal.SIGKILL
    study = where.study()
    assert where.made == [
        "classifier of fold 2, real + synthetic, 1 time",
        "classifier of fold 2, real + synthetic, 2 times",
        "classifier of fold 2, synthetic frames alone",
        "usefulness",
    ]
    assert where.table(study) == done[0].table(done[1])


def test_what_is_damaged_is_made_again(copied: Studies, done: tuple[Studies, Study]) -> None:
    """A judgement that is not what was written is set aside, and the table stays the same."""
    key = next(
        m.manifest_key for m in index.manifests(copied.store, "studies/") if m.stage == "classify"
    )
    copied.store.put(key, copied.store.get(key).replace(b'"fold": 0', b'"fold": 5'))
    copied.store.delete(done[1].manifest.manifest_key)
    again = copied.study()
    assert copied.table(again) == done[0].table(done[1])


def test_a_plan_says_how_many_trainings_there_are(
    done: tuple[Studies, Study], tmp_path: Path
) -> None:
    """Without a store all of them; with one nothing; and nothing is written."""
    where, _ = done
    found, empty = discover(where.source), Studies(where.source.path, tmp_path / "store")
    plan = plan_study(empty.store, where.source, found, options(), installed())
    stages = [call.stage for call in plan.calls]
    assert (stages.count("train"), stages.count("classify"), stages.count("useful")) == (4, 14, 1)
    assert empty.files() == {}
    assert plan_study(where.store, where.source, found, options(), installed()).calls == ()


@pytest.mark.parametrize("settings", [(), ("usefulness.folds=7",)])
def test_few_patients_make_few_folds(tmp_path: Path, settings: tuple[str, ...]) -> None:
    """One patient is refused with what to do; with fewer than folds, each is a fold of its own."""
    lone = Studies(write_exams(tmp_path / "one", patients=1), tmp_path / "store-one")
    with pytest.raises(ConfigError, match=r"takes 2 patients .* there is 1: add exams"):
        lone.study(options(*settings))
    if settings:
        two = Studies(write_exams(tmp_path / "two", patients=2), tmp_path / "store-two")
        arms = 'usefulness.arms=["real", "synthetic-only"]'
        record = two.study(options(*settings, arms)).record
        assert record.notes == ("7 folds of 2 patients: one patient a fold",)
        assert (record.folds, record.verdict) == (2, "cannot tell")
        assert "2 patients are too few for an interval" in record.text


def test_a_score_without_a_gan_does_without_synthetic_frames(copied: Studies) -> None:
    """Frames that do not fill a batch: fold and score are named, and the rest goes on."""
    record = copied.study(options("training.batch_size=16")).record
    assert len(record.notes) >= 2
    assert all(
        re.match(
            r"fold \d: (score \d gets no synthetic frames: score \d has \d+ training|Synth)", n
        )
        for n in record.notes
    )
    assert record.arms[0].arm == "real"


def test_a_score_of_one_patient_is_left_out(copied: Studies) -> None:
    """Whoever judges that patient has never seen the score; two scores there must be."""
    for plan in plan_clips(PHANTOM.model_copy(update={"patients": 4})):
        if 2 in plan.severities and plan.patient != 9001:
            for file in copied.source.path.rglob(f"{plan.name}*"):
                file.unlink()
    arms = 'usefulness.arms=["real", "oversampled"]'
    record = copied.study(options(arms, scores=(0, 1, 2))).record
    assert record.scores == (0, 1)
    assert record.notes == ("score 2 is left out: 1 patient with it, and it takes 2",)
    with pytest.raises(ConfigError, match="2 scores that 2 patients show; patients by score: 0: 3"):
        copied.study(options(scores=(0,)))


def test_folds_of_a_file_are_taken(copied: Studies, tmp_path: Path) -> None:
    """Who is judged with whom is the user's to say; everyone must have a fold."""
    file, lines = tmp_path / "folds.csv", [f"{code},{n % 2}" for n, code in enumerate(CODES)]
    asked = options(f"selection.sides={file}", 'usefulness.arms=["real"]')
    file.write_text("\n".join(["patient,fold", *lines]))
    study = copied.study(asked)
    folds = {
        tally.patient: data_of(m, Judged).fold
        for m in index.manifests(copied.store, study.manifest.manifest_key.rpartition("/")[0][:16])
        if m.stage == "classify"
        for tally in data_of(m, Judged).patients
    }
    assert folds == {"9001": 0, "9002": 1, "9003": 0, "9004": 1}
    assert study.record.text.startswith("Cannot tell whether synthetic frames help: no arm has any")
    for text, why in (
        (lines[:3], "does not say the fold of 1 of 4 patients"),
        ([line[:-1] + "1" for line in lines], "puts all patients into one fold"),
    ):
        file.write_text("\n".join(["patient,fold", *text]))
        with pytest.raises(ConfigError, match=why):
            copied.study(asked)


def test_the_report_says_whether_they_help(copied: Studies, done: tuple[Studies, Study]) -> None:
    """On its first screen, for each score, once there is a study of the same options."""
    assert newest_study(copied.store, options("training.iterations=5")) is None
    outcome = copied.run(options("selection.held_out=0.3"))
    page = copied.store.get(outcome.report.artifacts["page"].key).decode()
    record = done[1].record
    first = page[: page.index("</header>")]
    assert first.count("Helps a classifier?") == len(SCORES)
    assert f"macro-F1 on patients not seen is {record.arms[4].values[0].value:.2f}" in first
    assert "Arms of the study" in page
    assert "9001" not in page
    for score in SCORES:
        claims = outcome.report.data["claims"][str(score)]
        assert [c["question"] for c in claims][-1] == "Helps a classifier?"
    assert copied.run(options("selection.held_out=0.3")).report == outcome.report
    other = copied.run(options("selection.held_out=0.3", "training.iterations=5"))
    assert (
        "Helps a classifier?" not in copied.store.get(other.report.artifacts["page"].key).decode()
    )


def test_models_of_a_study_are_told_from_others(copied: Studies) -> None:
    """They are listed as what they are; pruning keeps them, and never an ordinary one's place."""
    assert {model.state for model in list_models(copied.store)} == {"of a study"}
    copied.run(options(scores=(0,)))
    states = [model.state for model in list_models(copied.store, 0)]
    assert sorted(states)[-2:] == ["of a study"] * 2
    assert len(states) == 3
    plan = plan_old(copied.store)
    assert [item for item in plan.items if item.what in ("model", "study", "shards")] == []


def test_a_later_study_hides_no_model_that_waits(copied: Studies) -> None:
    """GANs of folds are newer than the model that was held back, which waits all the same."""
    copied.run(options(scores=(0,)))
    (held,) = [model for model in list_models(copied.store) if model.state == "held back"]
    arms = 'usefulness.arms=["real", "synthetic-only"]'
    copied.study(options(arms, "training.iterations=3"))
    assert list_models(copied.store, 0)[0].state == "of a study"
    assert [one.model for one in waiting(copied.store)] == [held.model]


def test_a_study_waits_for_a_gan_that_can_be_had(copied: Studies) -> None:
    """Weights that are lost need a person: no verdict is given without the frames of that GAN."""
    (folder, *_) = index.model_folders(copied.store)
    lost = ("generator.safetensors", "/checkpoints/")
    index.erase(
        copied.store, [k for k in index.below(copied.store, folder) if any(x in k for x in lost)]
    )
    index.erase(copied.store, index.below(copied.store, "samples/", "studies/"))
    with pytest.raises(WeightsLostError, match="--repair"):
        copied.study()
    assert copied.study(options("runtime.repair=true")).record.notes == ()


def test_a_study_of_other_patients_takes_the_place_of_an_older_one(copied: Studies) -> None:
    """After a new exam the older study goes, with the GANs that were trained for it alone; one
    that a person made current stays."""
    old = {model.model for model in list_models(copied.store)}
    current = promote_by_hand(copied.store, 0, list_models(copied.store, 0)[0].model).model
    assert current is not None
    extra = write_exams(copied.source.path.parent / "more", patients=5)
    shutil.copytree(extra / "9005", copied.source.path / "9005")
    copied.study(options('usefulness.arms=["real", "synthetic-only"]'))
    plan = plan_old(copied.store)
    gone = [item.what for item in plan.items]
    assert gone.count("study") == 1
    assert gone.count("model") == len(old) - 1
    carry_out(copied.store, plan)
    assert old & {model.model for model in list_models(copied.store)} == {current.model}
    copied.study(options('usefulness.arms=["real", "synthetic-only"]'))
    assert copied.made == []


def test_a_withdrawal_takes_studies_with_it(copied: Studies) -> None:
    """Nothing of a study that names the patient is left, and it is said."""
    copied.run(options(scores=(0,)))
    record_tried(copied.store, copied.source.uri, discover(copied.source).exams)
    shutil.rmtree(copied.source.path / "9002")
    gone = settle(copied.store, copied.source.uri, discover(copied.source))
    assert [len(one.studies) for one in gone] == [1]
    assert "studies with their patients are deleted" in described(copied.store, gone)[0]
    assert not list(copied.store.list("studies/"))
    states = {model.state for model in list_models(copied.store)}
    assert "withdrawn" in states


def test_the_artifacts_hold_the_whole_study(done: tuple[Studies, Study]) -> None:
    """A table with a row a value, and the record as JSON; neither names a patient."""
    where, study = done
    lines = where.table(study).decode().splitlines()
    assert lines[0] == "arm,metric,value,low,high,change,change_low,change_high"
    assert len(lines) == 1 + len(TITLES) * (1 + len(SCORES) + 2)
    told = json.loads(where.store.get(study.manifest.artifacts["study"].key))
    assert told["verdict"] == study.record.verdict
    for text in (json.dumps(told), "\n".join(lines)):
        assert not [code for code in CODES if code in text]
