"""Shared by all flows over the pipeline: finding exams, naming the run, showing its result."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager, nullcontext
from typing import Any

import httpx
from prefect.client.schemas.objects import State
from prefect.context import FlowRunContext
from prefect.logging import get_run_logger
from prefect.states import Completed

from lusgan_core.calls.call import StageCall, lookup
from lusgan_core.calls.ledger import ExamLedger, record_read, record_tried
from lusgan_core.calls.provenance import Manifest
from lusgan_core.config import RunConfig, completed
from lusgan_core.domain import ExamCodes, ExamFiles
from lusgan_core.errors import ExamError, LusganError, StoreError, TrainingStopped
from lusgan_core.ingestion.discover import Discovery
from lusgan_core.networks.device import pick_device
from lusgan_core.pipeline.approval import held_back, in_a_line
from lusgan_core.pipeline.arrivals import StillChangingError, find_settled
from lusgan_core.pipeline.chain import Outcome, peek, run_chain
from lusgan_core.pipeline.endpoints import check_endpoints
from lusgan_core.pipeline.server_logs import forget
from lusgan_core.pipeline.withdrawal import described, settle
from lusgan_core.registry import installed
from lusgan_core.store import Store, check_writable, open_store
from lusgan_core.store.source import open_source
from lusgan_core.training.sizes import check_sizes
from lusgan_flows.artifacts import retraining, show_outcome, tried
from lusgan_flows.board import Board, board
from lusgan_flows.events import tell_held_back, tell_rejected
from lusgan_flows.remote_training import RemoteTraining
from lusgan_flows.tasks import Place, PrefectRunner

TRANSIENT = (ExamError, StoreError, StillChangingError, TrainingStopped, httpx.HTTPError)
"""Errors with other causes than the exams, which stay untried and are tried again."""


def run_flow(
    exams: str,
    store: str,
    config: RunConfig,
    *,
    preset: str,
    strict: bool = False,
    until: str = "report",
    settle_s: float = 0.0,
    withdraw_all: bool = False,
    train_on: str = "",
) -> Outcome | State[Outcome]:
    """Run the pipeline inside a flow. In a deployment, a run that finds nothing new ends early.

    A run of which no model became current, or that trained nothing because frames are too few, says
    so in its name and its state.

    Args:
        exams: Address of the exam source.
        store: Address of the store.
        config: Options of every stage.
        preset: Preset that they started from.
        strict: Whether a clip that cannot be used ends the run.
        until: Last stage to run.
        settle_s: Seconds without a change after which an exam counts as completely uploaded; exams
            that are still arriving are left for the next run. 0 takes all of them.
        withdraw_all: Treat all missing exams as withdrawn, even if none is left.
        train_on: Deployment that trains the scores, as FLOW/DEPLOYMENT; empty trains in this run.

    Returns:
        The result of the run; as the data of a state where there is something to say.

    Raises:
        ScoresFailedError: A score has no model; raised in runs of deployments alone. On the command
            line the caller reports it.
        ConfigError: An option cannot be used, or the backbone cannot be built in these sizes.
        ExamError: The exam source cannot be read, holds no exam, or has lost all known ones.
        StillChangingError: A known exam goes on changing.
        StoreError: The store cannot be read or written.
        MissingError: The device is not available.
        TrainingStopped: A training was cancelled; what is finished is kept.
    """
    check_endpoints(exams, store)
    registry = installed()
    config = completed(config, registry, preset)
    if not train_on:
        pick_device(config.runtime.device)
    if until != "preprocess":
        sizes = config.preprocessing
        check_sizes(config.training, sizes.image_size, sizes.channels, registry)
    place = Place(store=store, exams=exams, runtime=config.runtime)
    source, kept = open_source(exams).uri, open_store(store)
    check_writable(kept)
    deployed = is_deployed()
    options: dict[str, Any] = {"preset": preset, "strict": strict, "until": until}
    with board() as shown:
        everything, found = find_settled(exams, store, settle_s, config.ingestion.readers)
        _say_left_out(everything, found)
        known = {exam.patient for exam in ExamLedger.load(kept, source).exams}
        gone = settle(kept, source, everything, withdraw_all=withdraw_all)
        withdrawn = len(gone)
        for sentence in described(kept, gone):
            get_run_logger().warning(sentence)
        if not everything.exams:
            forget(known)
            shown.name(f"{withdrawn} exams withdrawn, none is left")
            return Outcome(exams=0)
        ledger = ExamLedger.load(kept, source)
        forget(known - {exam.patient for exam in ledger.exams})
        changes = ledger.compare(everything.exams, everything.rejected, everything.readers)
        new = _those(changes.new + changes.changed, found)
        with _remembering(kept, source, found, new) if until == "report" else nullcontext():
            ended = None
            done = peek(kept, found, config, registry, **options) if deployed else None
            if done is not None:
                shown.name(f"nothing new ({done.clips} clips)")
                outcome = done
            else:
                shown.name(tried(until, len(found.exams), len(new), withdrawn), "lusgan")
                record_read(kept, source, found.exams)
                runner = _FlowRunner(place, shown, kept, (len(new), withdrawn), train_on)
                outcome = run_chain(runner, found, config, registry, **options)
                show_outcome(shown, outcome, place.context())
                _tell_held_back(source, runner.decided)
                ended = _ending(outcome, kept)
                if ended:
                    shown.name(f"{shown.named}: {ended.message}")
        if deployed:
            _tell_rejected(source, new, outcome)
            outcome.check()
        return ended or outcome


def _ending(outcome: Outcome, store: Store) -> State[Outcome] | None:
    """The state of a run that must not look like any other: what it trained is not used."""
    held = held_back(store, outcome)
    said = in_a_line(outcome, held)
    if not said:
        return None
    judged = sum("promote" in stages for stages in outcome.scores.values())
    name = "Held back" if held and len(held) == judged else "Completed"
    if not any("train" in stages for stages in outcome.scores.values()):
        name = "Nothing trained"
    return Completed(name=name, message=said, data=outcome)


def is_deployed() -> bool:
    """Whether the current flow run is one of a deployment."""
    context = FlowRunContext.get()
    return bool(context and context.flow_run and context.flow_run.deployment_id)


class _FlowRunner(PrefectRunner):
    """Names the run after the scores that it trains, and may train them in another deployment."""

    def __init__(
        self, place: Place, shown: Board, store: Store, why: tuple[int, int], train_on: str
    ) -> None:
        super().__init__(place)
        self._shown, self._kept, self._why = shown, store, why
        self._train_on = train_on
        self._scores: set[int] = set()
        self.decided: list[Manifest] = []
        """Decisions on promotion that were made in this run."""

    def one(self, call: StageCall) -> Manifest:
        """See PrefectRunner.one."""
        new = call.stage in ("train", "promote") and lookup(call, self._kept) is None
        if new and call.stage == "train":
            self._trains(int(call.inputs["score"]))
        made = super().one(call)
        if new and call.stage == "promote":
            self.decided.append(made)
        return made

    def trainings(self, calls: Mapping[int, StageCall]) -> dict[int, Manifest | LusganError]:
        """Train in the deployment that was named, if any.

        Each training is then made as a task of this run too, which finds its result in the store.
        """
        new = {s: call for s, call in calls.items() if lookup(call, self._kept) is None}
        if not self._train_on or not new:
            return super().trainings(calls)
        for score in new:
            self._trains(score)
        made = RemoteTraining(self._train_on, self.place, self._kept).trainings(new)
        failed = {s: found for s, found in made.items() if isinstance(found, LusganError)}
        done = super().trainings({s: call for s, call in calls.items() if s not in failed})
        return {score: failed.get(score) or done[score] for score in calls}

    def _trains(self, score: int) -> None:
        self._scores.add(score)
        self._shown.name(retraining(self._scores, *self._why), f"score-{score}")


@contextmanager
def _remembering(
    store: Store, source: str, found: Discovery, new: Iterable[ExamFiles]
) -> Iterator[None]:
    """Record that the exams were tried, unless the run was stopped or lost its connections."""
    try:
        yield
    except TRANSIENT:
        raise
    except Exception:
        record_tried(store, source, found.exams, failed={exam.codes for exam in new})
        raise
    record_tried(store, source, found.exams)


def _those(exams: Iterable[ExamFiles], found: Discovery) -> tuple[ExamFiles, ...]:
    there = {exam.codes for exam in found.exams}
    return tuple(exam for exam in exams if exam.codes in there)


def _say_left_out(everything: Discovery, found: Discovery) -> None:
    left_out = len(everything.exams) - len(found.exams)
    if left_out:
        get_run_logger().info("%d exams are still arriving: left for the next run", left_out)


def _tell_held_back(source: str, decided: Iterable[Manifest]) -> None:
    for manifest in decided:
        if not manifest.data["promoted"]:
            tell_held_back(source, manifest.data["score"], manifest.data["held_back"])


def _tell_rejected(source: str, new: Iterable[ExamFiles], outcome: Outcome) -> None:
    """Emit an event for each new exam with something that cannot be used."""
    reasons: dict[ExamCodes, list[str]] = {}
    for rejection in outcome.rejected:
        reasons.setdefault(rejection.codes, []).append(rejection.reason)
    for exam in new:
        if why := reasons.get(exam.codes):
            tell_rejected(source, exam.digest, why)
