"""What a store could do without: planned, seen, and only then taken away."""

from __future__ import annotations

import re
import shutil
from datetime import UTC, datetime
from pathlib import Path

import pytest

from lusgan_core.pipeline.index import manifests, seen_shards
from lusgan_core.pipeline.pruning import PrunePlan, carry_out, plan_old, plan_withdrawn
from lusgan_core.promotion.current import current_model, roll_back
from lusgan_core.promotion.history import read_history
from lusgan_core.promotion.withdrawal_marks import mark
from lusgan_core.reporting.runs import INDEX
from lusgan_core.store import LocalStore
from lusgan_core.store.base import ASIDE
from lusgan_readers.mat_file import read_array
from tiny_runs import CODES, Pipeline, tiny_config, write_exams

OPEN = ("promotion.min_diversity=0", "promotion.keep_diversity=0")
ELSEWHERE = b'{"token": "x", "host": "elsewhere", "pid": 1}'
"""A lease that a process of another machine holds."""
CONFIG = tiny_config(*OPEN, "selection.held_out=0", scores=(0,))


def remove_clip_of_score_0(exams: Path, code: str) -> None:
    """Remove a patient's clips that show score 0."""
    for path in sorted((exams / code / "1").glob("*_score.mat")):
        scores = read_array(path.open("rb")).sum(axis=0)
        if 0 in scores:
            path.unlink()
            path.with_name(path.name.replace("_score", "")).unlink()


@pytest.fixture(scope="module")
def finished(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Run three times, each time on other frames of score 0: three models, the last is current."""
    folder = tmp_path_factory.mktemp("pruning")
    pipeline = Pipeline(write_exams(folder / "exams"), folder / "store")
    pipeline.run(CONFIG)
    for code in CODES[:2]:
        remove_clip_of_score_0(folder / "exams", code)
        pipeline.run(CONFIG)
    assert len(read_history(pipeline.store, 0)) == 3
    return folder


@pytest.fixture
def pipeline(finished: Path, tmp_path: Path) -> Pipeline:
    shutil.copytree(finished, tmp_path, dirs_exist_ok=True)
    return Pipeline(tmp_path / "exams", tmp_path / "store")


def by_kind(plan: PrunePlan) -> dict[str, list[str]]:
    kinds: dict[str, list[str]] = {}
    for item in plan.items:
        kinds.setdefault(item.what, []).append(item.name)
    return kinds


def folders(pipeline: Pipeline) -> list[str]:
    """Folders of the models in the order in which they were current."""
    return [entry.model.folder for entry in read_history(pipeline.store, 0)]


def test_the_current_model_and_the_one_before_stay(pipeline: Pipeline) -> None:
    """Of three models the first goes, with its samples, evaluation, report, dataset and shards."""
    first, _, _ = folders(pipeline)
    plan = plan_old(pipeline.store)
    kinds = by_kind(plan)
    assert kinds["model"] == [first]
    assert kinds["samples"] == [first.replace("models", "samples")]
    assert kinds["evaluation"] == [first.replace("models", "evaluations")]
    assert {what: len(names) for what, names in kinds.items()} == {
        "model": 1, "samples": 1, "evaluation": 1, "report": 1, "dataset": 1, "shards": 1,
        "exam record": 2,
    }  # fmt: skip
    assert all(item.why for item in plan.items)
    keys = [key for item in plan.items for key in item.keys]
    assert len(keys) == len(set(keys))
    files = pipeline.files()
    assert plan.size == sum(len(files[key]) for key in keys)


def test_looking_deletes_nothing(pipeline: Pipeline) -> None:
    """A plan alone leaves the store as it is."""
    before = pipeline.files()
    plan_old(pipeline.store)
    plan_withdrawn(pipeline.store)
    assert pipeline.files() == before


def test_what_stays_is_whole(pipeline: Pipeline) -> None:
    """After pruning nothing is new, every manifest finds its artifacts, and a rollback works."""
    before = pipeline.files()
    plan = plan_old(pipeline.store)
    carry_out(pipeline.store, plan)
    planned = {key for item in plan.items for key in item.keys}
    left = {k: v for k, v in before.items() if k not in planned and k != INDEX}
    assert {k: v for k, v in pipeline.files().items() if k != INDEX} == left
    assert plan_old(pipeline.store).items == ()
    pipeline.run(CONFIG)
    assert pipeline.made == []
    for manifest in manifests(pipeline.store, ""):
        assert all(pipeline.store.exists(a.key) for a in manifest.artifacts.values())
    assert roll_back(pipeline.store, 0).model.folder == folders(pipeline)[1]
    for folder in folders(pipeline)[1:3]:
        assert all(pipeline.store.exists(key) for key in seen_shards(pipeline.store, folder))


def test_a_current_model_stays_though_it_is_old(pipeline: Pipeline) -> None:
    """After rolling back twice the first model is current and stays; the second goes."""
    roll_back(pipeline.store, 0)
    roll_back(pipeline.store, 0)
    first, second, _, *_ = folders(pipeline)
    assert current_model(pipeline.store, 0).folder == first
    assert by_kind(plan_old(pipeline.store))["model"] == [second]


def test_other_options_are_another_kind(pipeline: Pipeline) -> None:
    """The newest model stays beside one of other hyper-parameters; so does what it is made of."""
    first, second, third = folders(pipeline)
    config = CONFIG.training.model_copy(update={"iterations": 3})
    pipeline.run(CONFIG.model_copy(update={"training": config}))
    assert "-i3-" in current_model(pipeline.store, 0).folder
    assert sorted(by_kind(plan_old(pipeline.store))["model"]) == sorted([first, second])
    roll_back(pipeline.store, 0)  # the third is current, and the one of other options stays
    assert current_model(pipeline.store, 0).folder == third
    assert by_kind(plan_old(pipeline.store))["model"] == [first]
    carry_out(pipeline.store, plan_old(pipeline.store))
    pipeline.run(CONFIG)
    assert pipeline.made == []


def test_shards_that_no_manifest_names_go(pipeline: Pipeline) -> None:
    """What a run that was cut off has left is found; its name in the plan names no patient."""
    carry_out(pipeline.store, plan_old(pipeline.store))
    key = "shards/9003/1/convex_9003_1_1-0badcafe.h5"
    pipeline.store.put(key, b"half a run")
    (item,) = plan_old(pipeline.store).items
    assert (item.what, item.name, item.keys, item.size) == ("shards", "0badcafe", (key,), 10)
    assert "cut off" in item.why


def test_features_go_with_their_shards_and_evaluations(pipeline: Pipeline) -> None:
    """Features stay as long as their shard does and an evaluation that stays used such features;
    their names in the plan name no patient."""
    carry_out(pipeline.store, plan_old(pipeline.store))
    shard = next(key for key in pipeline.files() if key.endswith(".h5") and "shards/" in key)
    folder = shard.removesuffix(".h5").replace("shards/", "features/")
    (evaluated, *_) = manifests(pipeline.store, "evaluations/")
    data = evaluated.data | {"features": ["random-0a0a0a0a"]}
    changed = evaluated.model_copy(update={"data": data})
    pipeline.store.put(evaluated.manifest_key, changed.model_dump_json().encode())
    used, other, orphan = (
        f"{folder}/0-12345678-random-0a0a0a0a.npz",
        f"{folder}/0-12345678-random-0b0b0b0b.npz",
        "features/9003/1/convex_9003_1_1-0badcafe/0-12345678-random-0a0a0a0a.npz",
    )
    for key in (used, other, orphan):
        pipeline.store.put(key, b"features")
    plan = plan_old(pipeline.store)
    assert {item.what for item in plan.items} == {"features"}
    assert {(item.name, item.keys) for item in plan.items} == {
        (shard.removesuffix(".h5")[-8:], (other,)),
        ("0badcafe", (orphan,)),
    }
    carry_out(pipeline.store, plan)
    assert used in pipeline.files()


def test_names_in_a_plan_name_no_patient(pipeline: Pipeline) -> None:
    """What is printed of a plan holds no patient's code."""
    for item in plan_old(pipeline.store).items:
        assert not any(code in item.name + item.why for code in CODES)


def test_a_model_in_training_is_left_alone(pipeline: Pipeline) -> None:
    """An old model that somebody trains at the moment is told of, not deleted."""
    first = folders(pipeline)[0]
    pipeline.store.put(f"{first}/lease.json", ELSEWHERE)
    plan = plan_old(pipeline.store)
    assert plan.busy == (first,)
    assert "model" not in by_kind(plan)


class Killed(BaseException):
    """The end of a process, as far as those behind it can tell."""


@pytest.mark.parametrize("withdrawn", [False, True])
def test_a_prune_that_was_killed_is_finished_by_the_next(
    finished: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, withdrawn: bool
) -> None:
    """Whatever was deleted last, the next prune leaves what an undisturbed one leaves, no weights
    that nobody finds and no report that the index still names; a run then has nothing to do."""
    make = plan_withdrawn if withdrawn else plan_old
    shutil.copytree(finished, tmp_path / "0")
    whole = Pipeline(tmp_path / "0/exams", tmp_path / "0/store")
    if withdrawn:
        first = folders(whole)[0]
        mark(whole.store, first, "0a0a0a0a", datetime.now(UTC))
    shutil.copytree(tmp_path / "0", tmp_path / "begun")
    carry_out(whole.store, make(whole.store))
    expected = {key: data for key, data in whole.files().items() if key != INDEX}
    delete, number = LocalStore.delete, 0
    while True:
        number += 1
        shutil.copytree(tmp_path / "begun", tmp_path / str(number))
        pipeline = Pipeline(tmp_path / f"{number}/exams", tmp_path / f"{number}/store")
        left = [number]

        def deleting(store: LocalStore, key: str, left: list[int] = left) -> None:
            left[0] -= 1
            if left[0] < 0:
                raise Killed
            delete(store, key)

        with monkeypatch.context() as patch:
            patch.setattr(LocalStore, "delete", deleting)
            try:
                carry_out(pipeline.store, make(pipeline.store))
            except Killed:
                pass
            else:
                break
        carry_out(pipeline.store, make(pipeline.store))
        files = pipeline.files()
        assert {key: data for key, data in files.items() if key != INDEX} == expected, number
        for name in re.findall(rb'href="(\w{8})/', files.get(INDEX, b"")):
            assert f"reports/{name.decode()}/index.html" in files
        shutil.rmtree(tmp_path / str(number))
    assert number > 10
    if not withdrawn:
        pipeline.run(CONFIG)
        assert pipeline.made == []


def test_what_was_set_aside_of_a_model_stays_while_nobody_is_withdrawn(tmp_path: Path) -> None:
    """It says that the model was lost, so that nobody trains it again unasked."""
    store = Pipeline(tmp_path, tmp_path / "store").store
    store.put(f"{ASIDE}models/score-2/m/manifest.json", b"{}")
    assert plan_withdrawn(store).items == ()


def test_an_empty_store_has_nothing_to_prune(tmp_path: Path) -> None:
    """Neither plan finds anything in a new store."""
    store = Pipeline(tmp_path, tmp_path / "store").store
    assert plan_old(store) == plan_withdrawn(store) == PrunePlan(items=())
