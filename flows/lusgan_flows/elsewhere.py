"""Sends trainings to a deployment, several at once, and waits for them.

What is sent is the stage call itself; the model comes back through the store. A training whose
worker is gone is sent again and goes on from its last checkpoint, wherever that may be.
"""

from __future__ import annotations

import time
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from uuid import UUID

from prefect.client.orchestration import get_client
from prefect.client.schemas.objects import State, StateType
from prefect.deployments import run_deployment
from prefect.exceptions import ObjectNotFound
from prefect.logging import get_run_logger
from prefect.states import Cancelling

from lusgan_core.errors import ConfigError, LusganError, TrainingError, TrainingStopped
from lusgan_core.provenance import Manifest
from lusgan_core.stages.base import StageCall, lookup
from lusgan_core.store import Store
from lusgan_flows.lost_runs import put_down_lost
from lusgan_flows.tasks import Place

POLL_S = 2.0
LOOK_FOR_LOST_S = 30.0
SENDS = 4
"""A training is sent so many times at most."""


@dataclass
class _Sent:
    """A training under way."""

    score: int
    call: StageCall
    run: UUID
    times: int = 1


class Elsewhere:
    """Trainings by a deployment, named FLOW/DEPLOYMENT."""

    def __init__(self, deployment: str, place: Place, store: Store) -> None:
        self.deployment, self.place, self.store = deployment, place, store

    def trainings(self, calls: Mapping[int, StageCall]) -> dict[int, Manifest | LusganError]:
        """See ``chain.Runner.trainings``; all at once, as many as the pool has places for.

        Raises ConfigError where the server has no such deployment, TrainingStopped where a
        training was cancelled.
        """
        under_way = [_Sent(score, call, self._send(call)) for score, call in calls.items()]
        made: dict[int, Manifest | LusganError] = {}
        looked = time.monotonic()
        try:
            while under_way:
                time.sleep(POLL_S)
                if time.monotonic() - looked > LOOK_FOR_LOST_S:
                    put_down_lost("training")
                    looked = time.monotonic()
                for sent in list(under_way):
                    found = self._look(sent)
                    if found is not None:
                        made[sent.score] = found
                        under_way.remove(sent)
        except BaseException:  # a cancellation, too, is theirs as well as ours
            for sent in under_way:
                _cancel(sent.run)
            raise
        return {score: made[score] for score in calls}

    def _send(self, call: StageCall) -> UUID:
        parameters = {
            "call": call.model_dump(mode="json"),
            "store": self.place.store,
            "runtime": self.place.runtime.model_dump(mode="json"),
        }
        try:
            run = run_deployment(
                self.deployment, parameters=parameters, timeout=0, flow_run_name=call.label
            )
        except ObjectNotFound:
            raise ConfigError(
                f"the server has no deployment {self.deployment!r} to train on: deploy it "
                "(`lusgan up`, or deployments/prefect.yaml), or leave train_on empty to train here"
            ) from None
        return UUID(str(run.id))

    def _look(self, sent: _Sent) -> Manifest | LusganError | None:
        """What became of a training; None while it is under way."""
        with get_client(sync_client=True) as client:
            state = client.read_flow_run(sent.run).state
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
        return TrainingError(_reason(state))


def _reason(state: State) -> str:
    """Why a run failed, without the exception's name, which is in Prefect's message."""
    message = state.message or state.name or "it failed"
    return message.rpartition("Flow run encountered an exception: ")[2]


def _cancel(run: UUID) -> None:
    with suppress(Exception), get_client(sync_client=True) as client:
        client.set_flow_run_state(run, Cancelling())


__all__ = ["Elsewhere"]
