"""Which runs are under way, and which only seem to be: their process is gone, worker and all.

Who is killed cannot say so, and the server goes on counting his run: it would hold the one place
there is for ever. A run of a deployment gives a sign of life every half minute (Prefect's
heartbeat, which ``lusgan up`` and ``lusgan work`` set), so one without any is told to have crashed.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime, timedelta

from prefect.client.orchestration import SyncPrefectClient, get_client
from prefect.client.schemas.filters import (
    FlowFilter,
    FlowFilterName,
    FlowRunFilter,
    FlowRunFilterState,
    FlowRunFilterStateType,
)
from prefect.client.schemas.objects import FlowRun, State, StateType
from prefect.client.schemas.sorting import FlowRunSort
from prefect.states import Crashed

from lusgan_flows.pools import Kind, pool_name
from lusgan_flows.settings import SILENT_S

SOON = timedelta(minutes=1)
"""A scheduled run that is due within this time counts as under way."""
SILENT = timedelta(seconds=SILENT_S)
"""A run that has not been heard of for so long is lost: three heartbeats."""
STARTING = timedelta(minutes=5)
"""A process that has not begun so long after its worker took the run is lost."""
PULLING = timedelta(minutes=30)
"""The same where an image may have to be pulled first."""
RUNNING = (StateType.RUNNING, StateType.CANCELLING)
UNFINISHED = (*RUNNING, StateType.PENDING, StateType.SCHEDULED, StateType.PAUSED)


def pipeline_is_active() -> bool:
    """Whether a run of the pipeline is under way or about to start; lost ones are put down."""
    return bool(_living("pipeline", _active))


def put_down_lost(flow: str) -> None:
    """Say of runs of a flow whose process is gone that they have crashed."""
    _living(flow, lambda _, state: state.type is not StateType.SCHEDULED)


def looks_under_way(own: str | None) -> bool:
    """Whether a run of ``watch`` that began before one's own is under way; lost ones are put down.

    No limit of the server does this: who is killed together with the server keeps his place.
    """
    running = _living("watch", lambda _, state: state.type in RUNNING)
    began = {str(run.id): run.start_time or run.created for run in running}
    mine = began.pop(str(own), None)
    return any(mine is None or then is None or then < mine for then in began.values())


def _living(flow: str, counts: Callable[[FlowRun, State], bool]) -> list[FlowRun]:
    """Runs of a flow that count as under way and are; those that only seem to be have crashed."""
    with get_client(sync_client=True) as client:
        runs = client.read_flow_runs(
            flow_filter=FlowFilter(name=FlowFilterName(any_=[flow])),
            flow_run_filter=FlowRunFilter(
                state=FlowRunFilterState(type=FlowRunFilterStateType(any_=list(UNFINISHED)))
            ),
            sort=FlowRunSort.EXPECTED_START_TIME_ASC,  # schedules reach far ahead
            limit=100,
        )
        living = []
        for run in runs:
            if run.state is None or not counts(run, run.state):
                continue
            if _lost(client, run, run.state):
                message = "no sign of life: its process is gone"
                client.set_flow_run_state(run.id, Crashed(message=message))
            else:
                living.append(run)
    return living


def _active(run: FlowRun, state: State) -> bool:
    if state.type is not StateType.SCHEDULED or run.expected_start_time is None:
        return True
    return run.expected_start_time < datetime.now(UTC) + SOON


def _lost(client: SyncPrefectClient, run: FlowRun, state: State) -> bool:
    now = datetime.now(UTC)
    if state.type is StateType.PENDING:
        return _waits_too_long(run, now - state.timestamp)
    if state.type not in RUNNING or run.deployment_id is None:  # others give no sign of life
        return False
    heard = client.request(
        "POST",
        "/events/filter",
        json={
            "filter": {
                "event": {"name": ["prefect.flow-run.heartbeat"]},
                "resource": {"id": [f"prefect.flow-run.{run.id}"]},
                "occurred": {"since": (now - SILENT).isoformat()},
            },
            "limit": 1,
        },
    ).json()
    began = run.start_time or state.timestamp
    return not heard["events"] and now - max(began, state.timestamp) > SILENT


def _waits_too_long(run: FlowRun, waited: timedelta) -> bool:
    """Whether a run that a worker took will never begin."""
    pools = {pool_name(kind, gpu): kind for kind in Kind for gpu in (False, True)}
    kind = pools.get(run.work_pool_name or "", Kind.PROCESS)
    if kind is Kind.KUBERNETES and run.infrastructure_pid:
        return False  # its pod may wait for a GPU; of a job that fails the worker tells
    return waited > (STARTING if kind is Kind.PROCESS else PULLING)
