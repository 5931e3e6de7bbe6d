"""Which runs are under way, and which only seem to be: their process is gone, worker and all.

Who is killed cannot say so, and the server goes on counting his run: it would hold the one place
there is for ever. A run of a deployment gives a sign of life every half minute (Prefect's
heartbeat), so one without any is told to have crashed.
"""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from prefect.client.orchestration import SyncPrefectClient, get_client
from prefect.client.schemas.filters import FlowFilter, FlowFilterName
from prefect.client.schemas.objects import FlowRun, State, StateType
from prefect.states import Crashed

SOON = timedelta(minutes=1)
"""A scheduled run that is due within this time counts as under way."""
SILENT = timedelta(seconds=90)
"""A run that has not been heard of for so long is lost: three heartbeats."""
STARTING = timedelta(minutes=5)
"""A run that has not begun so long after its worker took it is lost."""
RUNNING = (StateType.RUNNING, StateType.CANCELLING)


def pipeline_is_active() -> bool:
    """Whether a run of the pipeline is under way or about to start; lost ones are put down."""
    with get_client(sync_client=True) as client:
        runs = client.read_flow_runs(
            flow_filter=FlowFilter(name=FlowFilterName(any_=["pipeline"])), limit=50
        )
        active = [run for run in runs if run.state and _active(run, run.state)]
        lost = [run for run in active if run.state and _lost(client, run, run.state)]
        for run in lost:
            message = "no sign of life: its process is gone"
            client.set_flow_run_state(run.id, Crashed(message=message))
    return len(active) > len(lost)


def _active(run: FlowRun, state: State) -> bool:
    if state.is_final():
        return False
    if state.type is not StateType.SCHEDULED or run.expected_start_time is None:
        return True
    return run.expected_start_time < datetime.now(UTC) + SOON


def _lost(client: SyncPrefectClient, run: FlowRun, state: State) -> bool:
    now = datetime.now(UTC)
    if state.type is StateType.PENDING:
        return now - state.timestamp > STARTING
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
