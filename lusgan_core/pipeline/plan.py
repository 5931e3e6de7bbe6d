"""What a run would do, and why, without doing it.

The chain is walked as in a run, by a runner that makes nothing: what a call left before is taken
from the store, and what it would leave is stood in for. What is only read (headers of exams, the
choice of frames) is worked out in memory, so that the plan knows which scores a new exam touches.
Stand-ins have no digests yet, so whatever depends on them counts as not made.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

from pydantic import Field

from lusgan_core.calls.call import StageCall, StageContext, damaged, left_by
from lusgan_core.calls.provenance import ArtifactRef, Manifest
from lusgan_core.config import RunConfig
from lusgan_core.domain import Record
from lusgan_core.ingestion.discover import Discovery
from lusgan_core.layered_options import flatten
from lusgan_core.pipeline import index
from lusgan_core.pipeline.chain import run_chain
from lusgan_core.pipeline.runner import RUNS, Runner
from lusgan_core.pipeline.stand_ins import ARTIFACTS, STAND_INS, UNKNOWN, score_of
from lusgan_core.pipeline.study import run_study
from lusgan_core.progress import track
from lusgan_core.registry import Registry
from lusgan_core.selection.stage import ScoreDataset
from lusgan_core.store import Store
from lusgan_core.store.base import StoredObject
from lusgan_core.store.source import ExamSource

WORKED_OUT = ("ingest", "select")
"""Stages that only read: they are run, and their results are kept in memory."""


class PlannedCall(Record):
    """One call that a run would make."""

    stage: str
    label: str
    """Name of the call for people; never names a patient."""
    score: int | None = None
    reasons: tuple[str, ...]
    """Why it is made (again), each in a few words."""
    last_s: float | None = None
    """How long it took the last time, seconds; None if it was never made."""


class Plan(Record):
    """What a run would do."""

    calls: tuple[PlannedCall, ...]
    done: int
    """Calls whose results are in the store already."""
    withdrawn: int = 0
    """Exams that are gone from the source, and would be taken out of the store."""
    failures: dict[int, str] = Field(default_factory=dict)
    """Score -> why it would have no model."""


def make_plan(
    store: Store,
    source: ExamSource,
    found: Discovery,
    config: RunConfig,
    registry: Registry,
    *,
    preset: str,
    until: str = "report",
    withdrawn: int = 0,
) -> Plan:
    """Work out what a run over these exams would do.

    Args:
        store: Store with earlier results; nothing is written to it.
        source: Source of the exams; headers of new ones are read.
        found: The exams.
        config: Options of every stage, and the scores.
        registry: Registry with the plugins that the options name.
        preset: Name of the preset that the options started from.
        until: Last stage of the run, as in ``run_chain``.
        withdrawn: Number of exams that are gone from the source.

    Returns:
        The calls that would be made, with the reason for each.

    Raises:
        ConfigError: A score would be trained, and the backbone cannot be built in these sizes.
    """
    planner = _Planner(store, source, registry)
    outcome = run_chain(planner, found, config, registry, preset=preset, until=until)
    plan = planner.plan(config)
    return plan.model_copy(update={"withdrawn": withdrawn, "failures": outcome.failures})


def plan_study(
    store: Store, source: ExamSource, found: Discovery, config: RunConfig, registry: Registry
) -> Plan:
    """Work out what a study over these exams would do; see ``make_plan``.

    Args:
        store: Store with earlier results; nothing is written to it.
        source: Source of the exams; headers of new ones are read.
        found: The exams.
        config: Options of every stage.
        registry: Registry with the plugins that the options name.

    Returns:
        The calls that would be made, with the reason for each.

    Raises:
        ConfigError: Nothing can be studied, or the backbone cannot be built in these sizes.
    """
    planner = _Planner(store, source, registry)
    run_study(planner, found, config, registry)
    return planner.plan(config)


class _Planner(Runner):
    """Makes stand-ins for the results of a run, and records why each call would be made."""

    def __init__(self, store: Store, source: ExamSource, registry: Registry) -> None:
        self.store = self._overlay = _Overlay(store)
        self._context = StageContext(self.store, source, registry=registry)
        self.planned: list[PlannedCall] = []
        self.done = 0
        self._to_come: dict[str, str] = {}
        """Cache keys and manifests of what would be made -> the label of what makes it."""

    def plan(self, config: RunConfig) -> Plan:
        """What was planned for; raises ConfigError where networks cannot be built."""
        if any(call.stage == "train" for call in self.planned):
            from lusgan_core.training.sizes import check_sizes  # loads torch, as the training will

            sizes = config.preprocessing
            check_sizes(config.training, sizes.image_size, sizes.channels, self._context.registry)
        return Plan(calls=tuple(self.planned), done=self.done)

    def one(self, call: StageCall) -> Manifest:
        """The earlier result of the call, or a stand-in for it."""
        left = left_by(call, self.store)
        broken = damaged(left, self.store) if left else ""
        if left is not None and not broken:
            self.done += 1
            return left
        earlier = self._earlier(call)
        if left is not None:
            reasons: tuple[str, ...] = (f"artifact {broken!r} is missing or damaged",)
        else:
            reasons = tuple(self._reasons(call, earlier)) or ("what it left is gone",)
        self.planned.append(
            PlannedCall(
                stage=call.stage,
                label=call.label,
                score=score_of(call),
                reasons=reasons,
                last_s=earlier.timings_s.get("total") if earlier else None,
            )
        )
        made = self._stand_in(call)
        for name in (call.cache_key, call.manifest):
            self._to_come[name] = call.label
        return made

    def each(self, calls: Sequence[StageCall]) -> list[Manifest]:
        """One after the other, with progress: headers of many new exams take a while."""
        with track("planning", len(calls), "exams") as task:
            made = []
            for call in calls:
                made.append(self.one(call))
                task.advance()
            return made

    def _earlier(self, call: StageCall) -> Manifest | None:
        """The least different earlier result on the same exam or score; the latest of several."""
        found = [
            manifest
            for manifest in index.manifests(self._overlay.below, _place(call))
            if manifest.stage == call.stage
        ]
        if not found:
            return None
        return min(
            found,
            key=lambda m: (
                len(_differences(call, m)),
                -(m.created.timestamp() if m.created else 0),
            ),
        )

    def _reasons(self, call: StageCall, earlier: Manifest | None) -> Iterator[str]:
        if earlier is None:
            yield "new"
            return
        if earlier.version == 0:
            yield "the one in the store is from lusgan 0.1"
            return
        for difference in _differences(call, earlier):
            yield from self._why(difference, call, earlier)

    def _why(self, difference: str, call: StageCall, earlier: Manifest) -> Iterator[str]:
        """One difference in words."""
        what, _, name = difference.partition(" ")
        if what == "version":
            yield f"version {earlier.version} -> {call.version} of the stage"
        elif what == "plugin":
            before = earlier.identities.get(name)
            yield f"plugin {name} is another" if before else f"plugin {name} instead of another"
        elif what == "option":
            old, new = flatten(earlier.options).get(name), flatten(call.options).get(name)
            yield f"option {name}: {old} -> {new}"
        elif call.stage in ("ingest", "preprocess") and name == "exam":
            yield "the exam's files changed"
        elif call.stage == "train":
            yield self._frames(call)
        elif name != "ingested" or call.inputs["exam"] == earlier.inputs["exam"]:
            yield f"another {_INPUTS.get(name, name)}"

    def _frames(self, call: StageCall) -> str:
        """How the frames that a score is trained on differ from those of its last dataset."""
        now = self._dataset(call.arguments["selected"])
        score = score_of(call)
        before: dict[str, str] = {}
        newest = 0.0
        for manifest, dataset in index.datasets(self._overlay.below):
            when = manifest.created.timestamp() if manifest.created else 0.0
            if dataset.score == score and when >= newest:
                newest, before = when, {clip.clip: clip.digest for clip in dataset.training}
        clips = {clip.clip: clip.digest for clip in now.training}
        counts = {
            "new": len(clips.keys() - before.keys()),
            "changed": sum(clips[c] != before[c] for c in clips.keys() & before.keys()),
            "gone": len(before.keys() - clips.keys()),
        }
        words = ", ".join(f"{count} {what}" for what, count in counts.items() if count)
        return f"its training frames change ({words or 'other'} clips)"

    def _dataset(self, key: str) -> ScoreDataset:
        manifest = Manifest.model_validate_json(self.store.get(key))
        return ScoreDataset.model_validate(manifest.data)

    def _stand_in(self, call: StageCall) -> Manifest:
        """The manifest that the call would leave, as far as it can be known; kept in memory."""
        if call.stage in WORKED_OUT:
            product = RUNS[call.stage](call, self._context)
            data, counts = product.data, product.counts
        else:
            data, counts = STAND_INS[call.stage](call)
        names = ARTIFACTS.get(call.stage, ())
        manifest = Manifest(
            stage=call.stage,
            cache_key=call.cache_key,
            label=call.label,
            manifest_key=call.manifest,
            inputs=call.inputs,
            options=call.options,
            version=call.version,
            counts=counts,
            artifacts={
                name: ArtifactRef(key=f"{call.manifest}.{name}", digest=UNKNOWN, size=0)
                for name in names
            },
            data=data.model_dump(mode="json"),
        )
        self.store.put(call.manifest, manifest.model_dump_json().encode())
        return manifest


def _place(call: StageCall) -> str:
    """Prefix of the keys of the stage's results on the same exam or score."""
    parts = call.manifest.split("/")
    depth = 1 if call.stage == "report" else 3 if call.stage in ("ingest", "preprocess") else 2
    return "/".join(parts[:depth]) + "/"


def _differences(call: StageCall, earlier: Manifest) -> list[str]:
    """What differs between a call and an earlier one: ``option NAME``, ``plugin KIND/NAME`` ..."""
    found = ["version"] if call.version != earlier.version else []
    now, before = flatten(call.options), flatten(earlier.options)
    names = [name for name in now if now[name] != before.get(name)]
    found += [f"option {name}" for name in names if name not in call.unkeyed]
    for kind, new, old in (
        ("plugin", call.plugins, earlier.identities),
        ("input", call.inputs, earlier.inputs),
    ):
        found += [f"{kind} {name}" for name, value in new.items() if old.get(name) != value]
    return found


_INPUTS = {
    "shards": "set of shards",
    "ingested": "exam record",
    "frames": "way of making frames",
    "split": "split of patients",
    "encoder": "LUS encoder",
    "generator": "generator",
    "samples": "sample set",
    "real": "set of real frames",
    "trained": "model",
    "evaluated": "evaluation",
    "stages": "set of results",
    "told": "outcome",
    "templates": "set of templates",
    "canvas": "canvas (the largest frame of all exams)",
}


@dataclass
class _Overlay(Store):
    """A store on top of another: what is written stays in memory."""

    below: Store

    def __post_init__(self) -> None:
        self.uri = self.below.uri
        self._own: dict[str, bytes] = {}

    def put(self, key: str, data: bytes | Path, *, if_absent: bool = False) -> None:
        self._own[key] = data if isinstance(data, bytes) else data.read_bytes()

    def get(self, key: str) -> bytes:
        return self._own[key] if key in self._own else self.below.get(key)

    def open(self, key: str) -> BinaryIO:
        return self.below.open(key)

    def size(self, key: str) -> int | None:
        return len(self._own[key]) if key in self._own else self.below.size(key)

    def list(self, prefix: str = "") -> Iterator[StoredObject]:
        return self.below.list(prefix)

    def delete(self, key: str) -> None:
        self._own.pop(key, None)

    def local_copy(self, key: str) -> AbstractContextManager[Path]:
        return self.below.local_copy(key)
