"""``lusgan models``, ``promote``, ``rollback``, ``prune``, and how ``run`` withdraws exams."""

from __future__ import annotations

import json
import re
import shutil
from pathlib import Path

import pytest

from lusgan_core.calls.ledger import ExamLedger, record_tried
from lusgan_core.calls.provenance import digest_bytes
from lusgan_core.ingestion.discover import discover
from lusgan_core.promotion.current import current_model
from lusgan_core.promotion.history import account
from tiny_runs import CODES, SETTINGS, Pipeline, tiny_config, write_exams

OPEN = ("promotion.min_diversity=0", "promotion.keep_diversity=0")
OPTIONS = [
    "--preset", "demo", "--scores", "2",
    *(word for setting in (*SETTINGS, *OPEN) for word in ("--set", setting)),
]  # fmt: skip


@pytest.fixture(scope="module")
def finished(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Train two models of score 2, the second of which is current."""
    folder = tmp_path_factory.mktemp("models")
    pipeline = Pipeline(write_exams(folder / "exams"), folder / "store")
    for more in (("training.seed=1",), ()):
        pipeline.run(tiny_config(*OPEN, *more, scores=(2,)))
    return folder


@pytest.fixture
def folder(finished: Path, tmp_path: Path) -> Path:
    shutil.copytree(finished, tmp_path, dirs_exist_ok=True)
    return tmp_path


def pipeline(folder: Path) -> Pipeline:
    return Pipeline(folder / "exams", folder / "store")


def now(folder: Path) -> str:
    return current_model(pipeline(folder).store, 2).model


def listed(lusgan, folder: Path) -> list[dict[str, object]]:
    return json.loads(lusgan("models", "--store", folder / "store", "--json").out)


def test_models_are_listed_with_their_state(lusgan, folder: Path) -> None:
    """Each model is there with its score, what it was trained on, and whether it is current."""
    models = listed(lusgan, folder)
    assert [(m["score"], m["state"], m["patients"]) for m in models] == [
        (2, "current", 2), (2, "promoted", 2)
    ]  # fmt: skip
    shown = lusgan("models", "--store", folder / "store")
    for model in models:
        assert model["model"] in shown.out
        assert f"{model['frames']} frames of 2 patients" in shown.out
    assert not any(code in shown.out + json.dumps(models) for code in CODES)
    (folder / "empty").mkdir()
    assert lusgan("models", "--store", folder / "empty").out == "no models\n"


@pytest.mark.parametrize(
    "command",
    [
        ("models",), ("promote", 2, "x"), ("reject", 2, "x"), ("rollback", 2), ("history",),
        ("verify",), ("prune",), ("compare",), ("encoder",), ("generate", "--score", 2),
        ("balance", "--plan"), ("export", "--out", "unused"),
    ],
)  # fmt: skip
def test_a_store_that_is_not_there_is_told(
    lusgan, tmp_path: Path, command: tuple[object, ...]
) -> None:
    """A mistyped store is bad usage in each command that reads one, and no folder is made of it."""
    said = lusgan(*command, "--store", tmp_path / "typo")
    assert said.code == 2
    assert f"there is no store in {tmp_path / 'typo'}" in said.last
    assert not (tmp_path / "typo").exists()


def test_decisions_are_answered_for(lusgan, folder: Path) -> None:
    """Reviewer, reason and the newest report that shows the model are in the history, also where
    none is given; a rejected model waits no more; an entry changed later is named, with exit 1."""
    second, at = now(folder), ("--store", folder / "store")
    back = lusgan("rollback", 2, *at, "--why", "grey bands", "--reviewer", "Dr. Lee", "--json")
    entry = json.loads(back.out)
    assert (entry["who"], entry["reason"]) == ("Dr. Lee", "grey bands")
    page = entry["report"]
    assert page["digest"] == digest_bytes(pipeline(folder).store.get(page["key"]))
    assert "is rejected" in lusgan("reject", 2, second, *at).out
    assert {m["model"]: m["state"] for m in listed(lusgan, folder)}[second] == "rejected"
    assert "is current: `lusgan rollback 2`" in lusgan("reject", 2, now(folder), *at).last
    shown = lusgan("history", 2, *at)
    assert shown.code == 0
    first, _, third, last = shown.out.splitlines()
    assert "by its gates" in first
    assert "grey bands" in third
    assert f"report {page['key'].split('/')[1]}" in third
    assert f"rejected {second}; by {account().split('@')[0]}" in last
    assert "none given" in last
    assert not any(code in shown.out for code in CODES)
    store = pipeline(folder).store
    for item in list(store.list("current/history/score-2/00003")):
        text = store.get(item.key).replace(b"grey bands", b"well done!")
        store.put(item.key, re.sub(rb',\s*"sha256": "[0-9a-f]+"', b"", text))
    shown = lusgan("history", *at)
    assert shown.code == 1
    assert "the first one of score 2, number 3" in shown.last
    assert "changed since it was written" in shown.out.splitlines()[2]


def test_rollback_and_promote_by_hand(lusgan, folder: Path) -> None:
    """Back to the first model, then forth by the last digits of the second's name."""
    second = now(folder)
    back = lusgan("rollback", 2, "--store", folder / "store")
    first = now(folder)
    assert first != second
    assert back.out == f"score 2: {first} is current, in place of {second}\n"
    assert {m["model"]: m["state"] for m in listed(lusgan, folder)} == {
        first: "current", second: "promoted"
    }  # fmt: skip
    forth = lusgan("promote", 2, second[-8:], "--store", folder / "store", "--json")
    entry = json.loads(forth.out)
    assert (entry["action"], entry["by"], entry["left"]) == ("promoted", "hand", first)
    assert entry["model"]["verdicts"]
    assert now(folder) == second


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("promote", 2, "nonsense"), r"unknown model of score 2 'nonsense'; choices: RSGAN-dcgan"),
        (("promote", 2, ""), r"unknown model of score 2 ''"),
        (("promote", 3, "x"), r"unknown model of score 3 'x'; choices: none"),
        (("promote", 7, "x"), r"unknown score '7'; choices: 0, 1, 2, 3"),
        (("rollback", 0), r"score 0 has no earlier model to go back to: `lusgan models` lists"),
        (("rollback", 7), r"unknown score '7'"),
    ],
)
def test_what_cannot_be_promoted_is_told_in_one_line(
    lusgan, finished: Path, arguments: tuple[object, ...], said: str
) -> None:
    """An unknown model or score, and nothing to go back to, exit with 2 and say what there is."""
    result = lusgan(*arguments, "--store", finished / "store")
    assert result.code == 2
    assert re.search(said, result.last)
    assert result.err.count("\n") == 1


def test_prune_looks_first(lusgan, folder: Path) -> None:
    """Without --yes nothing goes; with it, what was listed."""
    where = pipeline(folder)
    assert "nothing to prune" in lusgan("prune", "--store", folder / "store").out
    key = f"shards/{CODES[0]}/1/convex_{CODES[0]}_1_1-0badcafe.h5"
    where.store.put(key, bytes(1_200_000))
    looked = lusgan("prune", "--store", folder / "store")
    assert "1 objects (shards)  1.2 MB  no manifest names it" in looked.out
    assert "1.2 MB in all; nothing was deleted: add --yes" in looked.out
    assert where.store.exists(key)
    assert not any(code in looked.out + looked.err for code in CODES)
    plan = json.loads(lusgan("prune", "--store", folder / "store", "--json").out)
    assert (plan["deleted"], plan["items"][0]["keys"]) == (False, [key])
    before = where.files()
    assert "deleted: 1.2 MB" in lusgan("prune", "--store", folder / "store", "--yes").out
    after = {k: v for k, v in before.items() if k not in (key, "reports/index.html")}
    assert {k: v for k, v in where.files().items() if k != "reports/index.html"} == after


def test_a_run_without_news_remembers_exams(lusgan, folder: Path) -> None:
    """What a store was filled with before is known from the first look on."""
    where = pipeline(folder)
    result = lusgan("run", "--exams", folder / "exams", "--store", folder / "store", *OPTIONS)
    assert (result.code, result.last) == (0, "nothing is new: everything was done before")
    known = ExamLedger.load(where.store, where.source.uri)
    assert [exam.patient for exam in known.exams] == list(CODES)


def test_a_run_tells_of_withdrawals(lusgan, folder: Path, monkeypatch) -> None:
    """It says how many exams went and which scores have no current model; prune lists the rest."""
    where = pipeline(folder)
    record_tried(where.store, where.source.uri, discover(where.source).exams)
    monkeypatch.setattr(
        "lusgan_core.pipeline.chain.peek", lambda *_, **__: Pipeline.run(where, *_[2:3])
    )
    used = {clip["patient"] for clip in datasets(where)}
    shutil.rmtree(folder / "exams" / sorted(used)[0])
    result = lusgan("run", "--exams", folder / "exams", "--store", folder / "store", *OPTIONS)
    assert result.code == 0
    assert re.search(
        r"1 exam was withdrawn; models of scores 2 saw them and are marked, and scores 2 have no",
        result.err,
    )
    assert not any(code in result.out + result.err for code in CODES)
    states = sorted(m["state"] for m in listed(lusgan, folder))
    assert states == ["current", "withdrawn", "withdrawn"]
    pruned = lusgan("prune", "--withdrawn", "--store", folder / "store", "--yes")
    assert re.search(r"^models/score-2/\S+  [\d.]+ MB  it comes from an exam that was withdrawn",
                     pruned.out, re.M)  # fmt: skip
    assert [m["state"] for m in listed(lusgan, folder)] == ["current"]


def datasets(where: Pipeline) -> list[dict[str, str]]:
    """Return the training clips of all datasets."""
    manifests = [json.loads(data) for data in where.files("datasets/").values()]
    return [clip for manifest in manifests for clip in manifest["data"]["training"]]


def test_everything_gone_takes_a_flag(lusgan, folder: Path, tmp_path: Path) -> None:
    """None of the known exams left is taken for a mistake, with exit code 2 and what to do."""
    where = pipeline(folder)
    record_tried(where.store, where.source.uri, discover(where.source).exams)
    other = write_exams(tmp_path / "other", patients=5)
    for code in CODES:
        shutil.rmtree(folder / "exams" / code)
    shutil.move(other / "9005", folder / "exams" / "9005")
    before = now(folder)
    result = lusgan("run", "--exams", folder / "exams", "--store", folder / "store", *OPTIONS)
    assert result.code == 2
    assert re.search(r"none of the 3 known exams is in .* any more.*--withdraw-all", result.last)
    assert now(folder) == before


def test_the_last_exams_are_withdrawn_with_the_flag(lusgan, folder: Path) -> None:
    """An empty source stops the run and names the flag; with it the exams are taken out."""
    where = pipeline(folder)
    record_tried(where.store, where.source.uri, discover(where.source).exams)
    for code in CODES:
        shutil.rmtree(folder / "exams" / code)
    command = ("run", "--exams", folder / "exams", "--store", folder / "store", *OPTIONS)
    result = lusgan(*command)
    assert result.code == 2
    assert re.search(r"none of the 3 known exams is in .* any more.*--withdraw-all", result.last)
    assert where.files("shards/")
    result = lusgan(*command, "--withdraw-all")
    assert (result.code, result.out) == (0, "0 exams, 0 clips\n")
    assert "3 exams were withdrawn; models of scores 2 saw them and are marked" in result.err
    assert not where.files("shards/")
    assert not any(m["state"] == "current" for m in listed(lusgan, folder))


@pytest.mark.parametrize("kept", [False, True])
def test_a_storage_that_keeps_what_is_deleted_is_told_of(
    lusgan, folder: Path, monkeypatch: pytest.MonkeyPatch, kept: bool
) -> None:
    """Where withdrawn data was deleted from a bucket with versions, and nowhere else, one line."""
    monkeypatch.setattr("lusgan_core.store.LocalStore.keeps_deleted", lambda _: kept)
    where, said = pipeline(folder), "give it a lifecycle rule that deletes noncurrent versions"
    record_tried(where.store, where.source.uri, discover(where.source).exams)
    for code in CODES:
        shutil.rmtree(folder / "exams" / code)
    place = ("--store", folder / "store")
    run = lusgan("run", "--exams", folder / "exams", *place, *OPTIONS, "--withdraw-all")
    assert (said in " ".join(run.err.split())) == kept
    assert said not in " ".join(lusgan("prune", "--withdrawn", *place).err.split())
    deleted = lusgan("prune", "--withdrawn", *place, "--yes")
    assert (said in " ".join(deleted.err.split())) == kept
    again = lusgan("prune", "--withdrawn", *place, "--yes")
    assert (again.out, again.err) == ("nothing to prune\n", "")
