"""Whatever of a store is damaged or deleted, the same command ends where it would have without.

Each unit of the campaign ``damage`` damages a few objects of a finished store, of any kind and in
any way, and runs again, with a new evaluation or new samples to make, so that all there is gets
read. What the run ends with is compared with a twin, a store in which nothing was damaged.
"""

from __future__ import annotations

import random
import re
import shutil
from pathlib import Path

import pytest

from campaigns import Campaign
from lusgan_core.calls.ledger import ExamLedger, record_tried
from lusgan_core.config import RunConfig
from lusgan_core.errors import WeightsLostError
from lusgan_core.ingestion.discover import discover
from lusgan_core.pipeline.chain import Outcome
from lusgan_core.pipeline.verify import verify
from lusgan_core.pipeline.withdrawal import settle
from lusgan_core.promotion.current import current_model
from lusgan_core.promotion.history import read_history
from lusgan_core.store import LocalStore
from tiny_runs import Pipeline, tiny_config, write_exams

SCORES = (0, 1)
OPEN = ("promotion.min_diversity=0", "promotion.keep_diversity=0")
FIRST = tiny_config(*OPEN, scores=SCORES)
AGAIN = {
    "nothing new": FIRST,
    "another evaluation": tiny_config(*OPEN, "evaluation.synthetic_frames=5", scores=SCORES),
    "other samples": tiny_config(*OPEN, "generation.seed=8", scores=SCORES),
    "another training": tiny_config(*OPEN, "training.seed=5", scores=SCORES),
}
"""What is asked for after the damage: it decides what is read."""
PICTURES = re.compile(r"/previews/|/progress\.gif$|/tensorboard/|^reports/")
"""What shows a training, and is not made again without training again."""


def run(folder: Path, config: RunConfig) -> Outcome:
    """Run as the command does: withdrawals first, and the ledger at the end."""
    pipeline = Pipeline(folder / "exams", folder / "store")
    found = discover(pipeline.source)
    settle(pipeline.store, pipeline.source.uri, found)
    outcome = pipeline.run(config)
    record_tried(pipeline.store, pipeline.source.uri, found.exams)
    return outcome


@pytest.fixture(scope="module")
def twins(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """Finish a store; continue a copy of it for each thing that may be asked for next."""
    folder = tmp_path_factory.mktemp("damage")
    write_exams(folder / "exams")
    run(folder, FIRST)
    made = {"": folder}
    for name, config in AGAIN.items():
        made[name] = folder / name
        shutil.copytree(folder / "store", made[name] / "store")
        (made[name] / "exams").symlink_to(folder / "exams")
        run(made[name], config)
    return made


def what_counts(folder: Path, outcome: Outcome) -> dict[str, object]:
    """Digests of all that the run ended with, and what it says of it."""
    store = LocalStore(folder / "store")
    found: dict[str, object] = {}
    for score, of in outcome.scores.items():
        for stage, manifest in of.items():
            place = f"{score} {stage}"
            # which model was current before a decision that is made again is another
            found[place] = manifest.data | {"before": "", "resumed_from": 0}
            for name, ref in manifest.artifacts.items():
                if not PICTURES.search(ref.key):
                    found[f"{place} {name}"] = ref.digest
        current = current_model(store, score)
        found[f"{score} current"] = current.model if current else None
        found[f"{score} history"] = [e.model.model for e in read_history(store, score) if e.model]
    ledger = ExamLedger.load(store, Pipeline(folder / "exams", folder / "store").source.uri)
    found["ledger"] = sorted(entry.codes for entry in ledger.exams)
    return found


def hurt(store: LocalStore, key: str, how: str, chance: random.Random) -> None:
    """Damage one object of a store."""
    path = store.path(key)
    data = bytearray(path.read_bytes())
    if how == "flip" and data:
        data[chance.randrange(len(data))] ^= 1 << chance.randrange(8)
        path.write_bytes(data)
    elif how == "truncate":
        path.write_bytes(data[: chance.randrange(len(data) or 1)])
    elif how == "empty":
        path.write_bytes(b"")
    elif how == "delete":
        path.unlink()
    elif how == "swap":
        alike = [i.key for i in store.list() if _kind(i.key) == _kind(key) and i.key != key]
        if alike:
            other = store.path(chance.choice(alike))
            path.write_bytes(other.read_bytes())


HOW = ("flip", "truncate", "empty", "delete", "swap")


def _kind(key: str) -> str:
    """The kind of an object: its key without names and numbers."""
    top, _, rest = key.partition("/")
    end = re.sub(r"[0-9a-f]{8}|\d+", "N", rest.rpartition("/")[2])
    if top == "shards" and key.endswith(".h5"):
        end = "N.h5"
    inner = [part for part in ("checkpoints", "previews", "promotion", "history", "features", "png")
             if f"/{part}/" in key]  # fmt: skip
    return "/".join([top, *inner, end])


@pytest.mark.campaign("damage")
def test_a_run_after_damage_ends_as_one_without(
    twins: dict[str, Path], tmp_path: Path, campaign: Campaign, number: int
) -> None:
    """One to three objects of any kind: the same digests as in the twin, without a hand, but for
    weights without a checkpoint, which are named and trained again when that is asked for."""
    chance = campaign.chance(number)
    asked = chance.choice(list(AGAIN))
    shutil.copytree(twins[""] / "store", tmp_path / "store")
    (tmp_path / "exams").symlink_to(twins[""] / "exams")
    store = LocalStore(tmp_path / "store")
    kinds: dict[str, list[str]] = {}
    for item in store.list():
        kinds.setdefault(_kind(item.key), []).append(item.key)
    hit = []
    for _ in range(chance.choice((1, 1, 1, 2, 3))):
        kind = chance.choice(sorted(kinds))
        key, how = chance.choice(kinds[kind]), chance.choice(HOW)
        if store.exists(key):
            hurt(store, key, how, chance)
            hit.append((kind, how))
    outcome = run(tmp_path, AGAIN[asked])
    lost = list(outcome.errors.values())
    if lost:
        assert all(isinstance(error, WeightsLostError) for error in lost), lost
        assert sum("checkpoints" in kind or "safetensors" in kind for kind, _ in hit) > 1, hit
        repair = AGAIN[asked].model_copy(
            update={"runtime": AGAIN[asked].runtime.model_copy(update={"repair": True})}
        )
        outcome = run(tmp_path, repair)
    expected = what_counts(twins[asked], run(twins[asked], AGAIN[asked]))
    found = what_counts(tmp_path, outcome)
    differ = {name for name in expected if found.get(name) != expected[name]}
    if lost:
        differ = {name for name in differ if not name.endswith("history")}
    # what shows a training is lost with its last checkpoint, if its weights are whole
    assert not {n for n in differ if not n.endswith((" checkpoint", " history"))}, (hit, differ)
    for kind, how in hit:
        campaign.row(kind=kind, how=how, asked=asked, hand="yes" if lost else "no")
    left = verify(store, repair=True)
    run(tmp_path, AGAIN[asked])
    assert verify(store).damages == (), (hit, left)
