"""Finds what a store can do without, and deletes it.

A *plan* lists what would be deleted and why, so that a person can see it first. There are two:

``plan_withdrawn``  everything that was made from exams which were withdrawn since.
``plan_old``        models that are neither current, nor the target of a rollback, nor the newest of
                    their score and hyper-parameters, nor of the newest study of usefulness, with
                    what was made of them; older studies; datasets,
                    shards and features that nothing which is kept needs; what runs and prunes
                    that were cut off have left, and what was set aside as damaged.

What is kept is enough for the last run of every configuration to find all its work done, for a
rollback, and to see what a model was trained on. Trainings that have not ended are kept, too.
Pruning while a run is under way may make that run do something twice, but breaks nothing. Deletion
is in an order (``index.erase``) in which a prune that is killed leaves what the next one finds.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable
from typing import Literal, TypeVar

from lusgan_core.calls.call import data_of
from lusgan_core.calls.provenance import Manifest, digest_json
from lusgan_core.domain import SCORES, Record
from lusgan_core.encoder.stage import EncoderRecord
from lusgan_core.pipeline import index
from lusgan_core.pipeline.studies import study_datasets
from lusgan_core.pipeline.withdrawal import withdrawals
from lusgan_core.preprocessing.stage import ExamShards
from lusgan_core.promotion.current import current_model
from lusgan_core.promotion.history import lineage, read_history
from lusgan_core.promotion.withdrawal_marks import mark_of
from lusgan_core.reporting.runs import INDEX, write_index
from lusgan_core.reporting.stage import ReportRecord
from lusgan_core.selection.stage import ScoreDataset
from lusgan_core.store import Store
from lusgan_core.store.base import ASIDE

What = Literal[
    "model",
    "samples",
    "evaluation",
    "report",
    "dataset",
    "shards",
    "features",
    "exam record",
    "damaged",
    "study",
]
T = TypeVar("T")
KINDS_OF_FOLDERS: tuple[tuple[What, str, int], ...] = (
    ("model", "models/score", 3),
    ("samples", "samples/score", 4),
    ("evaluation", "evaluations/score", 4),
    ("report", "reports/", 2),
)
"""Folders that a stage leaves, each with one manifest: where they lie, and how deep."""
_OF_A_MODEL = re.compile(rf"^{ASIDE}models/[^/]+/[^/]+/manifest\.json$")


class Doomed(Record):
    """One thing that would be deleted."""

    what: What
    name: str
    """Its name in the store; for shards, features and exam records, whose names hold patients'
    codes, eight digits of their key."""
    why: str
    keys: tuple[str, ...]
    """Keys of its objects."""
    size: int
    """Bytes, all objects together."""


class PrunePlan(Record):
    """What would be deleted."""

    items: tuple[Doomed, ...]
    busy: tuple[str, ...] = ()
    """Models that are kept only because they are being trained: stop that, then prune again."""

    @property
    def size(self) -> int:
        """Bytes that would be freed."""
        return sum(item.size for item in self.items)


def carry_out(store: Store, plan: PrunePlan) -> None:
    """Delete what a plan lists; killed meanwhile, the next plan lists what is left.

    Args:
        store: Store to delete from.
        plan: A plan of ``plan_withdrawn`` or ``plan_old``.
    """
    index.erase(store, [key for item in plan.items for key in item.keys])
    if store.exists(INDEX):  # it may name reports that a prune which was killed has deleted
        write_index(store)


def plan_withdrawn(store: Store) -> PrunePlan:
    """Plan for models that saw a withdrawn exam, and for all that was made of them or shows it."""
    why = "it comes from an exam that was withdrawn"
    marked = {f for f in index.model_folders(store) if mark_of(store, f) is not None}
    busy = {folder for folder in marked if index.in_training(store, folder)}
    plan = _Planner(store)
    plan.models(marked - busy, why)
    for record in withdrawals(store):
        for folder in record.evaluations:
            plan.add("evaluation", folder, why, f"{folder}/")
        for folder in record.reports:
            plan.add("report", folder, why, f"{folder}/")
    shown = tuple(f"{folder}/" for folder in marked)
    plan.reports(lambda stages: any(key.startswith(shown) for key in stages), why)
    _without_manifest(store, plan)
    for folder in sorted(marked - busy):
        samples = folder.replace("models/", "samples/", 1)
        plan.add("damaged", folder, why, f"{ASIDE}{folder}/", f"{ASIDE}{samples}/")
    return PrunePlan(items=tuple(plan.items), busy=tuple(sorted(busy)))


def plan_old(store: Store) -> PrunePlan:
    """Plan for models that were replaced, and for datasets and shards that nothing kept needs."""
    plan = _Planner(store)
    studied, folds = _studies(store, plan)
    trained = [m for m in index.manifests(store, "models/") if m.stage == "train"]
    kept = _kept_models(store, [m for m in trained if m.inputs["frames"] not in folds])
    kept |= {_folder(m) for m in trained if m.inputs["frames"] in studied}
    old = {_folder(m) for m in trained} - kept
    busy = {folder for folder in old if index.in_training(store, folder)}
    plan.models(old - busy, "another model of its score and options is newer, or current")
    plan.reports(
        lambda stages: any(_folder_of(key) in old for key in stages),
        "it shows a model that goes",
    )
    needed = _old_datasets(store, plan, [m for m in trained if _folder(m) in kept | busy])
    for data in studied.values():
        needed |= {clip.key for clip in data.clips}
    for manifest in index.manifests(store, "encoders/"):
        needed |= data_of(manifest, EncoderRecord).seen
    _old_shards(store, plan, needed)
    _old_features(store, plan)
    _without_manifest(store, plan)
    _set_aside(store, plan)
    return PrunePlan(items=tuple(plan.items), busy=tuple(sorted(busy)))


def _studies(store: Store, plan: _Planner) -> tuple[dict[str, ScoreDataset], set[str]]:
    """Plan for studies of which there is a newer one with as many folds.

    Returns:
        Digests of the training frames of folds: of studies that stay, with the frames; and of all
        folds whose frames are those of no ordinary dataset.
    """
    made: dict[str, list[tuple[Manifest, ScoreDataset]]] = {}
    for folder, manifest, data in study_datasets(store):
        made.setdefault(folder, []).append((manifest, data))
    firsts = {folder: min(of, key=lambda pair: _when(pair[0]))[0] for folder, of in made.items()}
    newest = _newest(firsts.values(), lambda m: (len(made[_study_of(m)]), digest_json(m.options)))
    stay = {_study_of(manifest) for manifest in newest}
    for folder in made.keys() - stay:
        why = "another study of its options is newer"
        plan.add("study", folder, why, f"{folder}/")
    ordinary = {data.frames_digest for _, data in index.datasets(store)}
    studied = {d.frames_digest: d for folder in stay for _, d in made[folder]}
    every = {d.frames_digest for of in made.values() for _, d in of}
    return studied, every - ordinary


def _study_of(manifest: Manifest) -> str:
    return "/".join(manifest.manifest_key.split("/")[:2])


def _kept_models(store: Store, trained: Iterable[Manifest]) -> set[str]:
    """Folders of models to keep: current ones, targets of a rollback, the newest of each kind."""
    by_kind = _newest(trained, lambda m: (m.data["score"], m.data["name"].rpartition("-")[0],
                                          digest_json(m.options)))  # fmt: skip
    kept = {_folder(manifest) for manifest in by_kind}
    for score in SCORES:  # a model of a study may be current, by hand
        current = current_model(store, score)
        if current:
            kept.add(current.folder)
        earlier = [
            model.folder
            for model in lineage(read_history(store, score))
            if (current is None or model.model != current.model)
            and mark_of(store, model.folder) is None
        ]
        kept |= set(earlier[-1:])
    return kept


def _old_datasets(store: Store, plan: _Planner, models: Iterable[Manifest]) -> set[str]:
    """Plan for datasets that nothing needs; returns the keys of the other datasets' shards."""
    frames = {manifest.inputs["frames"] for manifest in models}
    evaluations = index.manifests(store, "evaluations/")
    real = {m.inputs["real"] for m in evaluations if m.manifest_key not in plan.taken}
    every = list(index.datasets(store))
    newest = _newest(
        (m for m, _ in every), lambda m: (m.inputs["score"], digest_json(m.options))
    )  # fmt: skip
    latest = {manifest.manifest_key for manifest in newest}
    shards: set[str] = set()
    for manifest, dataset in every:
        key = manifest.manifest_key
        if key in latest or dataset.frames_digest in frames or dataset.real_digest in real:
            shards |= {clip.key for clip in dataset.clips}
        else:
            plan.add("dataset", key, "no model or evaluation that stays is on it", key)
    return shards


def _old_shards(store: Store, plan: _Planner, needed: set[str]) -> None:
    """Plan for shards and exam records that are neither the newest of their exam nor needed."""
    every = list(index.manifests(store, "shards/"))
    newest = _newest(every, lambda m: (_folder(m), digest_json(m.options)))
    latest = {manifest.manifest_key for manifest in newest}
    owned: set[str] = set()
    for manifest in every:
        keys = {shard.key for shard in data_of(manifest, ExamShards).shards}
        owned |= keys
        if manifest.manifest_key not in latest and not keys & needed:
            why = "they were made again since, and no dataset that stays is on them"
            plan.add("shards", manifest.cache_key[:8], why, manifest.manifest_key, *keys)
    for item in list(store.list("shards/")):
        if item.key.endswith(".h5") and item.key not in owned:
            name = item.key.rpartition("-")[2].removesuffix(".h5")
            plan.add("shards", name, "no manifest names it: a run was cut off", item.key)
    records = list(index.manifests(store, "exams/"))
    kept = {m.manifest_key for m in _newest(records, _folder)}
    for manifest in records:
        if manifest.manifest_key not in kept:
            why = "the exam was read again since"
            plan.add("exam record", manifest.cache_key[:8], why, manifest.manifest_key)


def _old_features(store: Store, plan: _Planner) -> None:
    """Plan for features of shards that go, and of extractors that no evaluation kept used."""
    evaluations = index.manifests(store, "evaluations/")
    stay = [m.data for m in evaluations if m.manifest_key not in plan.taken]
    used = {tag for data in stay for tag in data.get("features", ())}
    shards = {item.key for item in store.list("shards/")} - plan.taken
    for item in list(store.list("features/")):
        clip, _, file = item.key.removeprefix("features/").rpartition("/")
        tag = file.removesuffix(".npz").split("-", 2)[-1]
        if f"shards/{clip}.h5" not in shards:
            plan.add("features", _eight(clip), "the shard that they are of goes", item.key)
        elif tag not in used:
            plan.add("features", _eight(clip), "no evaluation that stays used them", item.key)


LEFT_OVER = "no manifest names it: a run or a prune was cut off"


def _without_manifest(store: Store, plan: _Planner) -> None:
    """Plan for folders without a manifest: there a run, or a prune, was cut off.

    A model's folder with a checkpoint or a lease is a training to go on with.
    """
    for what, top, depth in KINDS_OF_FOLDERS:
        folders: dict[str, set[str]] = {}
        for item in store.list(top):
            parts = item.key.split("/")
            if len(parts) > depth:
                folders.setdefault("/".join(parts[:depth]), set()).add(parts[depth])
        for folder, names in folders.items():
            going_on = what == "model" and names & {"checkpoints", "lease.json"}
            if "manifest.json" not in names and not going_on:
                plan.add(what, folder, LEFT_OVER, f"{folder}/")


def _set_aside(store: Store, plan: _Planner) -> None:
    """Plan for what was set aside as damaged."""
    for item in list(store.list(ASIDE)):
        # the manifest of a lost model stays: by it, nobody trains it again unasked
        if not _OF_A_MODEL.match(item.key):
            plan.add("damaged", digest_json(item.key)[:8], "it was set aside", item.key)


def _eight(clip: str) -> str:
    """Eight digits at the end of a shard's key."""
    return clip.rpartition("-")[2]


class _Planner:
    """Collects what would be deleted, each thing once."""

    def __init__(self, store: Store) -> None:
        self.store = store
        self.items: list[Doomed] = []
        self.taken: set[str] = set()

    def add(self, what: What, name: str, why: str, *prefixes: str) -> None:
        """Add what lies below prefixes (or is at these keys), unless it is planned for already."""
        found = {
            item.key: item.size
            for prefix in prefixes
            for item in self.store.list(prefix)
            if item.key not in self.taken
        }
        if found:
            self.taken |= found.keys()
            keys, size = tuple(sorted(found)), sum(found.values())
            self.items.append(Doomed(what=what, name=name, why=why, keys=keys, size=size))

    def models(self, folders: Iterable[str], why: str) -> None:
        """Add models with their checkpoints, samples and evaluations."""
        for folder in sorted(folders):
            below = folder.removeprefix("models/")
            self.add("model", folder, why, f"{folder}/")
            self.add("samples", f"samples/{below}", why, f"samples/{below}/")
            self.add("evaluation", f"evaluations/{below}", why, f"evaluations/{below}/")
            kinds = ("models", "samples", "evaluations")
            self.add("damaged", folder, why, *(f"{ASIDE}{kind}/{below}/" for kind in kinds))

    def reports(self, chosen: Callable[[tuple[str, ...]], bool], why: str) -> None:
        """Add the reports for which ``chosen`` says so, given the manifests that they show."""
        for manifest in index.manifests(self.store, "reports/"):
            if chosen(data_of(manifest, ReportRecord).stages):
                folder = _folder(manifest)
                self.add("report", folder, why, f"{folder}/")


def _newest(found: Iterable[Manifest], kind: Callable[[Manifest], T]) -> list[Manifest]:
    """The manifest of each kind that was written last."""
    latest: dict[T, Manifest] = {}
    for manifest in found:
        before = latest.get(kind(manifest))
        if before is None or _when(manifest) > _when(before):
            latest[kind(manifest)] = manifest
    return list(latest.values())


def _when(manifest: Manifest) -> float:
    return manifest.created.timestamp() if manifest.created else 0.0


def _folder(manifest: Manifest) -> str:
    return _folder_of(manifest.manifest_key)


def _folder_of(key: str) -> str:
    return key.rpartition("/")[0]
