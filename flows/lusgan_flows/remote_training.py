"""Sends trainings to a deployment, several at once, and waits for them.

The stage call itself is sent; the model comes back through the store. A training whose worker is
gone is sent again and resumes from its last checkpoint, on any worker. While Prefect's server is
unreachable trainings go on, and are polled once it is back.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from typing import TypeVar
from uuid import UUID, uuid4

import httpx
from prefect.client.orchestration import get_client
from prefect.client.schemas.objects import FlowRun, State, StateType
from prefect.deployments import run_deployment
from prefect.exceptions import ObjectNotFound
from prefect.logging import get_run_logger
from prefect.states import Cancelling

from lusgan_core.calls.call import StageCall, lookup
from lusgan_core.calls.provenance import Manifest
from lusgan_core.errors import (
    AlreadyExistsError,
    ConfigError,
    DamagedError,
    LusganError,
    MissingArtifactError,
    StoreError,
    TrainingError,
    TrainingStopped,
)
from lusgan_core.store import Store
from lusgan_flows.flow_runs import mark_lost, silence
from lusgan_flows.tasks import Place

T = TypeVar("T")
POLL_S = 2.0
LOOK_FOR_LOST_S = 30.0
SENDS = 4
"""Largest number of times that a training is sent."""
OUTAGES = {
    kind.__name__: kind
    for kind in (StoreError, DamagedError, MissingArtifactError, AlreadyExistsError)
}
"""Errors of a training with other causes than its score, by the name in Prefect's message."""


@dataclass
class _Sent:
    """A training under way."""

    score: int
    call: StageCall
    run: UUID
    times: int = 1


class RemoteTraining:
    """Trains in a deployment, named FLOW/DEPLOYMENT."""

    def __init__(self, deployment: str, place: Place, store: Store) -> None:
        self.deployment, self.place, self.store = deployment, place, store
        self._look_for_lost = 0.0
        """Time (monotonic) of the next check for trainings whose worker is gone."""

    def trainings(self, calls: Mapping[int, StageCall]) -> dict[int, Manifest | LusganError]:
        """See ``Runner.trainings``; all are sent at once, and the pool's workers take them up.

        Raises ConfigError where the server has no such deployment, TrainingStopped where a training
        was cancelled, and StoreError, once all have ended, where one could not use the store.
        """
        under_way: list[_Sent] = []
        made: dict[int, Manifest | LusganError] = {}
        self._look_for_lost = time.monotonic() + LOOK_FOR_LOST_S
        try:
            for score, call in calls.items():
                under_way.append(_Sent(score, call, self._send(call)))
            while under_way:
                time.sleep(POLL_S)
                if time.monotonic() > self._look_for_lost:
                    self._look_for_lost = time.monotonic() + LOOK_FOR_LOST_S
                    self._answered(lambda: mark_lost("training"))
                for sent in list(under_way):
                    found = self._look(sent)
                    if found is not None:
                        made[sent.score] = found
                        under_way.remove(sent)
        except BaseException:  # a cancellation of this run cancels them as well
            for sent in under_way:
                _cancel(sent.run)
            raise
        for outcome in made.values():
            if isinstance(outcome, StoreError):
                raise outcome
        return {score: made[score] for score in calls}

    def _send(self, call: StageCall) -> UUID:
        parameters = {
            "call": call.model_dump(mode="json"),
            "store": self.place.store,
            "runtime": self.place.runtime.model_dump(mode="json"),
        }
        once = str(uuid4())  # a request of which only the answer was lost makes no second run
        try:
            run = self._answered(
                lambda: run_deployment(
                    self.deployment, parameters=parameters, timeout=0, flow_run_name=call.label,
                    idempotency_key=once,
                )
            )  # fmt: skip
        except ObjectNotFound:
            raise ConfigError(
                f"the server has no deployment {self.deployment!r} to train on: deploy it "
                "(`lusgan up`, or deployments/prefect.yaml), or leave train_on empty to train here"
            ) from None
        assert isinstance(run, FlowRun)  # a coroutine where it is called in an event loop
        return run.id

    def _look(self, sent: _Sent) -> Manifest | LusganError | None:
        """The result of a training, or the error it ended with; None while it is under way."""
        state = self._answered(lambda: _state(sent.run))
        if state is None or not state.is_final():
            return None
        if state.is_completed():
            return lookup(sent.call, self.store) or TrainingError(
                f"{sent.call.label}: the worker ended well, but {self.store.uri} does not hold its "
                "model: does the worker write to the same store?"
            )
        if state.type is StateType.CANCELLED:
            raise TrainingStopped(f"{sent.call.label} was cancelled; a checkpoint is kept")
        if state.type is StateType.CRASHED and sent.times < SENDS:
            get_run_logger().warning("%s: its worker is gone; sent again", sent.call.label)
            sent.run, sent.times = self._send(sent.call), sent.times + 1
            return None
        reason = _reason(state)
        kind, _, text = reason.partition(": ")
        return OUTAGES[kind](text) if kind in OUTAGES else TrainingError(reason)

    def _answered(self, ask: Callable[[], T]) -> T:
        """Ask Prefect's server, again and again while it is unreachable.

        Prefect's client fails at once where its first request finds no server. After an outage,
        runs get time to send a heartbeat before any of them counts as lost.
        """
        away = False
        while True:
            try:
                return ask()
            except httpx.TransportError as error:
                if not away:
                    get_run_logger().warning(
                        "Prefect's server is away (%s); trainings go on", type(error).__name__
                    )
                away = True
                time.sleep(POLL_S)
            finally:
                if away:
                    self._look_for_lost = time.monotonic() + silence().total_seconds()


def _state(run: UUID) -> State | None:
    with get_client(sync_client=True) as client:
        return client.read_flow_run(run).state


def _reason(state: State) -> str:
    """Why a run failed: the exception's name and text, without Prefect's words before them."""
    message = state.message or state.name or "it failed"
    return message.rpartition("Flow run encountered an exception: ")[2]


def _cancel(run: UUID) -> None:
    with suppress(Exception), get_client(sync_client=True) as client:
        client.set_flow_run_state(run, Cancelling())
