"""The pipeline from exams to report, as a chain of stage calls.

The calls are made by a *runner*: Prefect tasks (``pipeline``), a lookup in the store that makes
none (``peek``, to find out that nothing is new), or this process (``Inline``). Nothing in here
imports Prefect.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any, TypeVar

from lusgan_core.calls.call import StageCall, data_of, lookup
from lusgan_core.calls.provenance import Manifest
from lusgan_core.config import RunConfig, describe
from lusgan_core.domain import ExamRecord, Rejection
from lusgan_core.encoder import stage as encode
from lusgan_core.errors import DamagedError, LusganError, TooFewFramesError
from lusgan_core.evaluation import stage as evaluate
from lusgan_core.generation import stage as generate
from lusgan_core.ingestion import stage as ingest
from lusgan_core.ingestion.discover import Discovery
from lusgan_core.pipeline.runner import OF_ONE_SCORE, Runner
from lusgan_core.pipeline.studies import newest_study
from lusgan_core.preprocessing import stage as preprocess
from lusgan_core.promotion import stage as promote
from lusgan_core.registry import Registry
from lusgan_core.reporting import stage as report
from lusgan_core.selection import stage as select
from lusgan_core.selection.stage import ScoreDataset
from lusgan_core.store import Store
from lusgan_core.training import stage as train

T = TypeVar("T")
LOG = logging.getLogger(__name__)
MOST_DAMAGES = 50
"""Times that a run begins again; more damage than that is a disk to replace."""


class RejectedError(LusganError, ValueError):
    """A clip was rejected and the run is strict."""


class ScoresFailedError(LusganError, RuntimeError):
    """Some scores have no model; the others are done."""


@dataclass
class Outcome:
    """The result of a pipeline run."""

    exams: int
    clips: int = 0
    rejected: tuple[Rejection, ...] = ()
    scores: dict[int, dict[str, Manifest]] = field(default_factory=dict)
    """Score -> stage -> manifest."""
    failures: dict[int, str] = field(default_factory=dict)
    """Score -> why it has no model."""
    errors: dict[int, LusganError] = field(default_factory=dict)
    """The errors themselves, for who wants to see where they came from."""
    encoder: Manifest | None = None
    """The store's LUS encoder; None where the options want none, or training patients are few."""
    report: Manifest | None = None
    healed: tuple[str, ...] = ()
    """What was found damaged on the way, and was made again."""

    def fail(self, score: int, error: LusganError) -> None:
        """Note that a score ended with an error.

        Args:
            score: The score.
            error: Why it has no model, or its work ended.
        """
        self.failures[score], self.errors[score] = str(error), error

    def too_few(self, score: int) -> bool:
        """Whether a score has no model because it has too few frames."""
        return isinstance(self.errors.get(score), TooFewFramesError)

    def check(self) -> None:
        """Raise ScoresFailedError if a score has no model."""
        if self.failures:
            first, reason = next(iter(self.failures.items()))
            also = f" (and {len(self.failures) - 1} more)" if len(self.failures) > 1 else ""
            raise ScoresFailedError(f"score {first} failed: {reason}{also}") from self.errors.get(
                first
            )


def run_chain(
    runner: Runner,
    found: Discovery,
    config: RunConfig,
    registry: Registry,
    *,
    preset: str,
    strict: bool = False,
    until: str = "report",
) -> Outcome:
    """Take exams all the way to the report, or to an earlier stage.

    A score that fails does not stop the others; see ``Outcome.failures``. What proves damaged when
    it is read is set aside by who reads it; the chain then begins again, and makes it anew.

    Args:
        runner: Makes the calls.
        found: The exams.
        config: Options of every stage, and the scores.
        registry: Registry with the plugins that the options name.
        preset: Name of the preset that the options started from, for the report.
        strict: Whether a clip that cannot be used ends the run.
        until: Last stage: ``preprocess``, ``train``, ``generate``, ``evaluate`` or ``report``.

    Returns:
        Manifests of all stages by score, rejected clips and failures.

    Raises:
        UnknownPluginError: There is no such preset.
        RejectedError: A clip cannot be used and ``strict`` is set.
        StoreError: The store cannot be read or written.
        DamagedError: What was made again is damaged once more.
    """
    outcome, healed = healing(lambda: _once(runner, found, config, registry, preset, strict, until))
    outcome.healed = healed
    return outcome


def healing(once: Callable[[], T]) -> tuple[T, tuple[str, ...]]:
    """Walk a chain of calls, and begin again where something proves damaged.

    Args:
        once: Walks the chain. Who reads something damaged sets it aside, so it is made again.

    Returns:
        What the walk returned, and what was damaged on the way.

    Raises:
        DamagedError: What was made again is damaged once more.
    """
    healed: list[str] = []
    while True:
        try:
            return once(), tuple(healed)
        except DamagedError as error:
            if str(error) in healed or len(healed) == MOST_DAMAGES:
                raise
            LOG.warning("%s", error)
            healed.append(str(error))


def prepare(
    runner: Runner, found: Discovery, config: RunConfig, registry: Registry
) -> tuple[list[Manifest], list[Manifest]]:
    """Ingest and preprocess every exam.

    Args:
        runner: Makes the calls.
        found: The exams.
        config: Options of these stages.
        registry: Registry with the readers.

    Returns:
        Manifests of ingestion and of preprocessing, one an exam.
    """
    ingested = runner.each(
        [ingest.call(exam, n, config.ingestion, registry) for n, exam in enumerate(found.exams, 1)]
    )
    canvas = preprocess.whole_canvas([data_of(m, ExamRecord) for m in ingested])
    preprocessed = runner.each(
        [
            preprocess.call(manifest, config.preprocessing, canvas, n, registry)
            for n, manifest in enumerate(ingested, 1)
        ]
    )
    return ingested, preprocessed


def _once(
    runner: Runner,
    found: Discovery,
    config: RunConfig,
    registry: Registry,
    preset: str,
    strict: bool,
    until: str,
) -> Outcome:
    outcome = Outcome(exams=len(found.exams))
    description = describe(config, preset, registry)  # first of all, it looks the preset up
    ingested, preprocessed = prepare(runner, found, config, registry)
    outcome.clips = sum(m.counts["shards"] for m in preprocessed)
    outcome.rejected = all_rejections(found, ingested, preprocessed)
    if strict and outcome.rejected:
        first = outcome.rejected[0]
        raise RejectedError(
            f"{len(outcome.rejected)} clips cannot be used and the run is strict; the first one: "
            f"{first.reason}. `lusgan check` lists them"
        )
    if until != "preprocess":
        trained = _train(runner, preprocessed, config, registry, outcome)
        if trained and until in ("evaluate", "report"):
            outcome.encoder = _encode(runner, preprocessed, config)
        for score in trained if until != "train" else ():
            try:
                _judge(runner, outcome.scores[score], config, registry, until, outcome.encoder)
            except OF_ONE_SCORE as error:
                outcome.fail(score, error)
    if until == "report":
        call = report.call(
            config.report,
            description,
            ingested=ingested,
            preprocessed=preprocessed,
            scores=outcome.scores,
            failures=outcome.failures,
            rejected=outcome.rejected,
            registry=registry,
            encoder=outcome.encoder,
            study=newest_study(runner.store, config),
        )
        outcome.report = runner.one(call)
    return outcome


def _train(
    runner: Runner,
    preprocessed: Sequence[Manifest],
    config: RunConfig,
    registry: Registry,
    outcome: Outcome,
) -> list[int]:
    """Select the frames of every score and train it; returns the scores that have a model."""
    calls: dict[int, StageCall] = {}
    sizes = config.preprocessing
    for score in config.scores:
        done = outcome.scores.setdefault(score, {})
        try:
            done["select"] = runner.one(select.call(preprocessed, score, config.selection))
            train.check_enough(data_of(done["select"], ScoreDataset), config.training)
            calls[score] = train.call(
                done["select"], config.training, sizes.image_size, sizes.channels, registry
            )
        except OF_ONE_SCORE as error:
            outcome.fail(score, error)
    trained = []
    for score, made in runner.trainings(calls).items():
        if isinstance(made, LusganError):
            outcome.fail(score, made)
        else:
            outcome.scores[score]["train"] = made
            trained.append(score)
    return trained


def _encode(runner: Runner, preprocessed: Sequence[Manifest], config: RunConfig) -> Manifest | None:
    """Find or train the store's LUS encoder; None where there is too little to train it on."""
    if config.encoder.network == "none":
        return None
    try:
        told = select.told_sides(config.selection)
        encode.check_enough(encode.datasets(preprocessed, config.selection, told))
    except TooFewFramesError:
        return None
    return runner.one(
        encode.call(preprocessed, config.encoder, config.preprocessing, config.selection)
    )


def _judge(
    runner: Runner,
    done: dict[str, Manifest],
    config: RunConfig,
    registry: Registry,
    until: str,
    encoder: Manifest | None,
) -> None:
    """Generate, evaluate and promote one score."""
    done["generate"] = runner.one(generate.call(done["train"], config.generation, registry))
    if until == "generate":
        return
    done["evaluate"] = runner.one(
        evaluate.call(done["select"], done["generate"], config.evaluation, registry, encoder)
    )
    if until == "evaluate":
        return
    done["promote"] = runner.one(
        promote.call(done["train"], done["evaluate"], config.promotion, registry)
    )


def all_rejections(
    found: Discovery, ingested: Sequence[Manifest], preprocessed: Sequence[Manifest]
) -> tuple[Rejection, ...]:
    """Collect every clip that cannot be used, whichever stage found out.

    Args:
        found: The exams as discovered, with files that are in no exam.
        ingested: Manifests of ingestion, with clips whose headers or scores cannot be used.
        preprocessed: Manifests of preprocessing, with clips that cannot be decoded.

    Returns:
        The rejections, in the order of these stages.
    """
    of_exams = [r for m in ingested for r in data_of(m, ExamRecord).rejected]
    decoded = [r for m in preprocessed for r in data_of(m, preprocess.ExamShards).rejected]
    return (*found.rejected, *of_exams, *decoded)


class NewError(Exception):
    """A call whose result is not in the store."""


LOOKS = 8
"""Results looked up in parallel."""


class Peek(Runner):
    """Looks results up, and makes none: raises ``NewError`` where one is missing."""

    def __init__(self, store: Store) -> None:
        self.store = store

    @cached_property
    def _shards(self) -> dict[str, int]:
        """Sizes of all shards, listed at once instead of by a request for each."""
        return {item.key: item.size for item in self.store.list("shards/")}

    def _size(self, key: str) -> int | None:
        return self._shards.get(key) if key.startswith("shards/") else self.store.size(key)

    def one(self, call: StageCall) -> Manifest:
        """See Runner.one."""
        manifest = lookup(call, self.store, self._size)
        if manifest is None:
            raise NewError
        return manifest

    def each(self, calls: Sequence[StageCall]) -> list[Manifest]:
        """See Runner.each."""
        with ThreadPoolExecutor(LOOKS) as threads:  # a bucket is slow to answer
            return list(threads.map(self.one, calls))


def peek(
    store: Store,
    found: Discovery,
    config: RunConfig,
    registry: Registry,
    **options: Any,
) -> Outcome | None:
    """Look up whether a run has nothing left to do; makes and writes nothing.

    Args:
        store: Store with earlier results.
        found: The exams.
        config: Options of every stage, and the scores.
        registry: Registry with the plugins that the options name.
        **options: Keyword arguments of ``run_chain``.

    Returns:
        The outcome if everything was done before; None if anything is left to do.

    Raises:
        RejectedError: A clip cannot be used and ``strict`` is set.
    """
    try:
        return run_chain(Peek(store), found, config, registry, **options)
    except NewError:
        return None
