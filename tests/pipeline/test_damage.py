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
from lusgan_core.pipeline.index import manifests
from lusgan_core.pipeline.verify import tonight, verify
from lusgan_core.pipeline.withdrawal import settle
from lusgan_core.promotion.current import current_model
from lusgan_core.promotion.history import CHANGES, read_history
from lusgan_core.store import LocalStore
from tiny_runs import CODES, Pipeline, tiny_config, write_exams

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


VARIES = ("before", "resumed_from", "images_per_s", "peak_memory_mb")
"""What a training's and a promotion's record hold of when and where they were made."""


def what_counts(folder: Path, outcome: Outcome) -> dict[str, object]:
    """Digests of all that the run ended with, and what it says of it."""
    store = LocalStore(folder / "store")
    found: dict[str, object] = {}
    for score, of in outcome.scores.items():
        for stage, manifest in of.items():
            place = f"{score} {stage}"
            # which model was current before a decision that is made again is another
            found[place] = manifest.data | dict.fromkeys(VARIES, 0)
            for name, ref in manifest.artifacts.items():
                if not PICTURES.search(ref.key):
                    found[f"{place} {name}"] = ref.digest
        current = current_model(store, score)
        found[f"{score} current"] = current.model if current else None
        changes = [e for e in read_history(store, score) if e.action in CHANGES]
        found[f"{score} history"] = [e.model.model for e in changes if e.model]
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


def count(campaign: Campaign, kind: str, column: str) -> None:
    """Add one to a cell of the campaign's table, which has a row for each kind of object."""
    found = next((row for row in campaign.table if row.get("kind") == kind), None)
    if found is None:
        found = {"kind": kind, "tried": 0, "healed": 0, "asked for --repair": 0}
        campaign.table.append(found)
    found[column] += 1  # type: ignore[index]


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
    for kind, _ in hit:
        count(campaign, kind, "tried")
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
    assert not {n for n in differ if not n.endswith(("train checkpoint", "train history"))}, (
        hit,
        differ,
    )
    left = verify(store, repair=True)
    run(tmp_path, AGAIN[asked])
    assert verify(store).damages == (), (hit, left)
    for kind, _ in hit:
        count(campaign, kind, "asked for --repair" if lost else "healed")


@pytest.fixture
def store(twins: dict[str, Path], tmp_path: Path) -> LocalStore:
    """Return a copy of the finished store."""
    shutil.copytree(twins[""] / "store", tmp_path / "store")
    (tmp_path / "exams").symlink_to(twins[""] / "exams")
    return LocalStore(tmp_path / "store")


def folder_of(store: LocalStore) -> str:
    """The folder of the current model of score 0."""
    current = current_model(store, 0)
    assert current is not None
    return current.folder


def flip(store: LocalStore, key: str) -> None:
    """Change one bit of an object, and not its size."""
    hurt(store, key, "flip", random.Random(key))


def test_weights_are_rebuilt_from_the_checkpoint(
    store: LocalStore, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """One changed bit: new samples are made of the very weights that were written, which are in
    the store again; the damage is named."""
    key = f"{folder_of(store)}/generator.safetensors"
    whole = store.get(key)
    flip(store, key)
    outcome = run(tmp_path, AGAIN["other samples"])
    assert outcome.failures == {}
    assert store.get(key) == whole
    assert f"{key} in {store.uri} is damaged: expected sha256" in caplog.text
    assert "rebuilt from models/" in caplog.text


@pytest.mark.parametrize("asked", ["nothing new", "other samples"])
def test_without_a_checkpoint_a_person_is_asked(
    store: LocalStore, tmp_path: Path, asked: str
) -> None:
    """The one before becomes current, here none; every run says so, and trains nothing, until it
    is told to; then the model is trained again, judged again and current again."""
    folder = folder_of(store)
    whole = store.get(f"{folder}/generator.safetensors")
    if asked == "nothing new":  # then only what is gone is noticed
        store.delete(f"{folder}/generator.safetensors")
    else:
        flip(store, f"{folder}/generator.safetensors")
    for item in list(store.list(f"{folder}/checkpoints/")):
        store.put(item.key, b"")
    for _ in range(2):
        outcome = run(tmp_path, AGAIN[asked])
        assert list(outcome.failures) == [0]
        assert "run the same command with --repair" in outcome.failures[0]
        assert current_model(store, 0) is None
        assert not store.exists(f"{folder}/generator.safetensors")
    entry = read_history(store, 0)[-1]
    assert (entry.action, entry.by) == ("emptied", "damage")
    again = AGAIN[asked]
    again = again.model_copy(update={"runtime": again.runtime.model_copy(update={"repair": True})})
    outcome = run(tmp_path, again)
    assert outcome.failures == {}
    assert store.get(f"{folder}/generator.safetensors") == whole
    assert folder_of(store) == folder
    assert run(tmp_path, AGAIN[asked]).failures == {}


def test_all_shards_of_a_run_are_made_again_at_once(
    store: LocalStore, twins: dict[str, Path], tmp_path: Path
) -> None:
    """Every shard with a byte changed where its frames are: each training finds all of its own at
    once, and they train on the frames that were written."""
    for key in [item.key for item in store.list("shards/") if item.key.endswith(".h5")]:
        data = bytearray(store.get(key))
        data[len(data) // 2] ^= 255
        store.put(key, bytes(data))
    outcome = run(tmp_path, AGAIN["another training"])
    assert outcome.failures == {}
    assert 1 <= len(outcome.healed) <= len(SCORES)
    twin = twins["another training"]
    assert what_counts(tmp_path, outcome) == what_counts(twin, run(twin, AGAIN["another training"]))


def test_lists_of_frames_are_held_to(store: LocalStore, tmp_path: Path) -> None:
    """A frame that is gone or empty is made again by the same command."""
    frames = [i.key for i in store.list("samples/") if i.key.endswith(".png")]
    whole = {key: store.get(key) for key in frames}
    store.delete(frames[0])
    store.put(frames[-1], b"")
    run(tmp_path, FIRST)
    assert {key: store.get(key) for key in frames} == whole


def test_a_store_is_verified_and_repaired(store: LocalStore, tmp_path: Path) -> None:
    """Every kind of object with a changed bit is found, each by its name and without patients'
    codes; nothing is changed by looking. Repaired and run again, the store is whole."""
    assert verify(store).damages == ()
    chosen = {_kind(item.key): item.key for item in store.list()}
    free = re.compile(r"^results/|^reports/index|tensorboard|^exams/digests")
    hit = {key for key in chosen.values() if not free.search(key)}
    for key in hit:
        flip(store, key)
    before = {item.key: store.get(item.key) for item in store.list()}
    found = verify(store)
    missed = hit - {one.key for one in found.damages}
    # what a damaged list or manifest names is not looked for
    assert not {key for key in missed if "/png/" not in key and _named(store, key)}, missed
    assert not any(code in one.name + one.found for one in found.damages for code in CODES)
    assert {item.key: store.get(item.key) for item in store.list()} == before
    for _ in range(3):
        verify(store, repair=True)
        run(tmp_path, FIRST)
    assert verify(store).damages == ()


def _named(store: LocalStore, key: str) -> bool:
    """Whether a manifest that is whole names an object."""
    named = {ref.key for m in manifests(store, "") for ref in m.artifacts.values()}
    return key in named or not re.search(
        r"/(samples|models|shards|evaluations|reports)/", f"/{key}"
    )


def test_nights_look_at_a_store_in_parts(store: LocalStore) -> None:
    """Parts of a third read each object once, in three nights; the share is about a third."""
    parts = [verify(store, share=1 / 3, part=part) for part in range(3)]
    assert sum(part.objects for part in parts) == verify(store).objects
    assert max(part.objects for part in parts) < 0.6 * verify(store).objects
    assert [tonight(1 / 3, now=86_400.0 * day + 5) for day in (0, 1, 2, 3)] == [0, 1, 2, 0]
