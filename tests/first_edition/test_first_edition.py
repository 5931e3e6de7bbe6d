"""What lusgan 0.1 left stays in reach: listed, promoted, withdrawn, pruned, and planned over."""

from __future__ import annotations

import json
import re
import shutil
import sys
from pathlib import Path

import pytest

from first_edition import CODES, FirstEdition, unpack
from lusgan_cli import main
from lusgan_core.promotion.current import current_model
from lusgan_core.store import LocalStore


@pytest.fixture
def left(tmp_path: Path) -> FirstEdition:
    return unpack(tmp_path)


@pytest.fixture
def lusgan(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]):
    """Return a function that runs a command and returns what it printed."""

    def run(*arguments: object) -> str:
        monkeypatch.setattr(sys, "argv", ["lusgan", *map(str, arguments)])
        capsys.readouterr()
        code = ended()
        said = capsys.readouterr()
        assert not code, said.err
        assert not any(re.search(rf"\b{code}\b", said.out + said.err) for code in CODES)
        return said.out

    return run


def ended() -> object:
    """Call the command line; return its exit code."""
    try:
        main()
    except SystemExit as done:
        return done.code
    return 0


def models(lusgan, left: FirstEdition) -> dict[tuple[int, str], list[str]]:
    """Return the states of models by score and seed."""
    found: dict[tuple[int, str], list[str]] = {}
    for model in json.loads(lusgan("models", "--store", left.store, "--json")):
        seed = re.search(r"seed\d+", model["model"]).group()
        found.setdefault((model["score"], seed), []).append(model["state"])
    return found


def test_models_are_listed_and_made_current(lusgan, left: FirstEdition) -> None:
    """Each is there with its state; one goes back to an earlier one, and forth by name."""
    assert models(lusgan, left) == {
        (0, "seed999"): ["promoted"], (0, "seed1"): ["current"],
        (2, "seed999"): ["promoted"], (2, "seed1"): ["current"],
    }  # fmt: skip
    lusgan("rollback", 2, "--store", left.store)
    assert models(lusgan, left)[2, "seed999"] == ["current"]
    later = current_model(LocalStore(left.store), 0).model
    lusgan("rollback", 0, "--store", left.store)
    lusgan("promote", 0, later[-8:], "--store", left.store)
    assert models(lusgan, left)[0, "seed1"] == ["current"]


def test_a_plan_says_what_is_made_again(lusgan, left: FirstEdition) -> None:
    """Each stage of the last run, because it is from 0.1; and nothing is written."""
    before = files(left)
    command = ("run", "--exams", left.exams, "--store", left.store, *left.options)
    plan = json.loads(lusgan(*command, "--set", "training.seed=1", "--plan", "--json"))
    stages = [(call["stage"], call["score"]) for call in plan["calls"]]
    per_exam = [("ingest", None)] * 4 + [("preprocess", None)] * 4
    assert sorted(stages, key=str) == sorted(
        [*per_exam, ("report", None)]
        + [
            (stage, score)
            for score in (0, 2)
            for stage in ("select", "train", "generate", "evaluate", "promote")
        ],
        key=str,
    )
    assert {reason for call in plan["calls"] for reason in call["reasons"]} == {
        "the one in the store is from lusgan 0.1"
    }
    shown = lusgan(*command, "--set", "training.seed=1", "--plan")
    assert "train scores 0, 2: the one in the store is from lusgan 0.1" in shown
    assert files(left) == before


@pytest.mark.usefixtures("prefect_server")
def test_an_exam_is_withdrawn_and_pruned(lusgan, left: FirstEdition) -> None:
    """The next run takes out what an exam left that is gone, and marks all models that saw it."""
    shutil.rmtree(left.exams / "9001")
    lusgan(
        "run", "--exams", left.exams, "--store", left.store, *left.options, "--scores", "2"
    )  # fmt: skip
    assert not list((left.store / "shards").glob("9001/**/*.h5"))
    states = models(lusgan, left)
    assert states[0, "seed1"] == states[0, "seed999"] == ["withdrawn"]
    assert states[2, "seed1"] == ["withdrawn"]
    assert states[2, "seed999"].count("withdrawn") == 1  # and the one just trained
    assert "model" in lusgan("prune", "--withdrawn", "--store", left.store, "--yes")
    assert not any("withdrawn" in state for state in models(lusgan, left).values())


def files(left: FirstEdition) -> dict[str, bytes]:
    """Return all of the store but digests of the exams' files, which any look remembers."""
    found = {str(p.relative_to(left.store)): p for p in left.store.rglob("*") if p.is_file()}
    return {n: p.read_bytes() for n, p in found.items() if not n.startswith("exams/digests-")}
