"""Which runs are under way, which were cancelled, and which have lost their process.

A killed process cannot report its end, and the server would go on counting its run, which holds a
place that others wait for. A run of a deployment sends a heartbeat (Prefect's, at the interval that
``lusgan up`` and ``lusgan work`` set); a run without a heartbeat for three intervals is marked as
crashed. That is done here, by every run of ``watch`` and by every flow that waits for runs.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from datetime import UTC, datetime, timedelta

from prefect.client.orchestration import SyncPrefectClient, get_client
from prefect.client.schemas.filters import (
    FlowFilter,
    FlowFilterName,
    FlowRunFilter,
    FlowRunFilterName,
    FlowRunFilterState,
    FlowRunFilterStateType,
)
from prefect.client.schemas.objects import FlowRun, State, StateType
from prefect.client.schemas.sorting import FlowRunSort
from prefect.exceptions import ObjectNotFound
from prefect.settings import get_current_settings
from prefect.states import Crashed

SOON = timedelta(minutes=1)
"""A scheduled run that is due within this time counts as under way."""
STARTING = timedelta(minutes=5)
"""A run counts as lost if its process has not begun so long after a worker took it."""
PULLING = timedelta(minutes=30)
"""The same, where an image may have to be pulled first."""
RUNNING = (StateType.RUNNING, StateType.CANCELLING)
UNFINISHED = (*RUNNING, StateType.PENDING, StateType.SCHEDULED, StateType.PAUSED)
ENDED = (StateType.COMPLETED, StateType.FAILED, StateType.CRASHED, StateType.CANCELLED)
LOOKING, NOTHING_NEW = "watch", "nothing new"
"""Names of a look: at first, and at the end where it has nothing to announce. One that could not
look, because another one was under way or no exam is left, keeps the first."""
BY_THE_SERVER = "Deployment concurrency"
"""Beginning of the server's message where it cancels a run for which there was no place."""


def silence() -> timedelta:
    """Time without a heartbeat after which a run counts as lost: three intervals."""
    return timedelta(seconds=3 * (get_current_settings().flows.heartbeat_frequency or 180))


def pipeline_is_active() -> bool:
    """Whether a pipeline run is under way or about to start; lost ones do not count."""
    return bool(_living("pipeline", _active))


def mark_lost(flow: str) -> None:
    """Mark the runs of a flow whose process is gone as crashed."""
    _living(flow, lambda _, state: state.type is not StateType.SCHEDULED)


def looks_under_way(own: str | None) -> bool:
    """Whether an earlier run of ``watch`` is still under way; lost ones do not count.

    A concurrency limit of the server cannot do this: a run that is killed together with the server
    keeps its place.
    """
    running = _living("watch", lambda _, state: state.type in RUNNING)
    began = {str(run.id): run.start_time or run.created for run in running}
    mine = began.pop(str(own), None)
    return any(mine is None or then is None or then < mine for then in began.values())


def forget_looks() -> None:
    """Delete looks that announced nothing, in favour of the one under way.

    They are one every two minutes. Of those of earlier days the last of each day stays.
    """
    idle = FlowRunFilter(
        state=FlowRunFilterState(type=FlowRunFilterStateType(any_=[StateType.COMPLETED])),
        name=FlowRunFilterName(any_=[LOOKING, NOTHING_NEW]),
    )
    with get_client(sync_client=True) as client:
        looks = client.read_flow_runs(
            flow_filter=FlowFilter(name=FlowFilterName(any_=["watch"])),
            flow_run_filter=idle,
            sort=FlowRunSort.END_TIME_DESC,
            limit=200,
        )
        for look in superseded(looks, datetime.now(UTC)):
            client.delete_flow_run(look.id)


def superseded(looks: Iterable[FlowRun], now: datetime) -> Iterator[FlowRun]:
    """Those of some runs after which another one ended on the same day.

    Args:
        looks: Runs that have ended, the last first.
        now: When the one under way will have ended.

    Yields:
        The runs that are not the last of their day, in UTC.
    """
    days = {now.date()}
    for look in looks:
        day = (look.end_time or now).astimezone(UTC).date()
        if day in days:
            yield look
        days.add(day)


def pipeline_cancelled(exams: str) -> datetime | None:
    """When the last pipeline run over these exams ended, if a person cancelled it.

    None if the last run ended in any other way: a run after the cancelled one shows that work was
    taken up again.
    """
    with get_client(sync_client=True) as client:
        runs = client.read_flow_runs(
            flow_filter=FlowFilter(name=FlowFilterName(any_=["pipeline"])),
            flow_run_filter=_in_states(ENDED),
            sort=FlowRunSort.END_TIME_DESC,
            limit=20,
        )
    last = next((run for run in runs if run.parameters.get("exams") == exams), None)
    if last is None or last.state is None or last.state.type is not StateType.CANCELLED:
        return None
    if (last.state.message or "").startswith(BY_THE_SERVER):
        return None
    return last.end_time or last.state.timestamp


def _living(flow: str, counts: Callable[[FlowRun, State], bool]) -> list[FlowRun]:
    """Runs of a flow that are under way; those whose process is gone are marked as crashed."""
    with get_client(sync_client=True) as client:
        runs = client.read_flow_runs(
            flow_filter=FlowFilter(name=FlowFilterName(any_=[flow])),
            flow_run_filter=_in_states(UNFINISHED),
            sort=FlowRunSort.EXPECTED_START_TIME_ASC,  # schedules reach far ahead
            limit=100,
        )
        living = []
        for run in runs:
            if run.state is None or not counts(run, run.state):
                continue
            if _lost(client, run, run.state):
                message = "no heartbeat: its process is gone"
                client.set_flow_run_state(run.id, Crashed(message=message))
            else:
                living.append(run)
    return living


def _in_states(states: tuple[StateType, ...]) -> FlowRunFilter:
    kinds = FlowRunFilterStateType(any_=list(states))
    return FlowRunFilter(state=FlowRunFilterState(type=kinds))


def _active(run: FlowRun, state: State) -> bool:
    if state.type is not StateType.SCHEDULED or run.expected_start_time is None:
        return True
    return run.expected_start_time < datetime.now(UTC) + SOON


def _lost(client: SyncPrefectClient, run: FlowRun, state: State) -> bool:
    now = datetime.now(UTC)
    if state.type is StateType.PENDING:
        return _waits_too_long(client, run, now - state.timestamp)
    if state.type not in RUNNING or run.deployment_id is None:  # others send no heartbeat
        return False
    silent = silence()
    heard = client.request(
        "POST",
        "/events/filter",
        json={
            "filter": {
                "event": {"name": ["prefect.flow-run.heartbeat"]},
                "resource": {"id": [f"prefect.flow-run.{run.id}"]},
                "occurred": {"since": (now - silent).isoformat()},
            },
            "limit": 1,
        },
    ).json()
    began = run.start_time or state.timestamp
    return not heard["events"] and now - max(began, state.timestamp) > silent


def _waits_too_long(client: SyncPrefectClient, run: FlowRun, waited: timedelta) -> bool:
    """Whether a run that a worker took will never begin."""
    kind = "process"
    if run.work_pool_name:
        try:
            kind = client.read_work_pool(run.work_pool_name).type
        except ObjectNotFound:
            return True
    if kind == "kubernetes" and run.infrastructure_pid:
        return False  # its pod may wait for a GPU; the worker reports a job that fails
    return waited > (STARTING if kind == "process" else PULLING)
