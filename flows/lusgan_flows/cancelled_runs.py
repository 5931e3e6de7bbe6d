"""Whether a person has cancelled what would otherwise be begun again."""

from __future__ import annotations

from datetime import datetime

from prefect.client.orchestration import get_client
from prefect.client.schemas.filters import (
    FlowFilter,
    FlowFilterName,
    FlowRunFilter,
    FlowRunFilterState,
    FlowRunFilterStateType,
)
from prefect.client.schemas.objects import StateType
from prefect.client.schemas.sorting import FlowRunSort

ENDED = (StateType.COMPLETED, StateType.FAILED, StateType.CRASHED, StateType.CANCELLED)
BY_THE_SERVER = "Deployment concurrency"
"""How the server's own reason begins where it cancels a run that found no place."""


def pipeline_cancelled(exams: str) -> datetime | None:
    """When the last run of the pipeline over these exams ended, if a person cancelled it.

    A run that ended after it, however it did, shows that work was taken up again.
    """
    with get_client(sync_client=True) as client:
        runs = client.read_flow_runs(
            flow_filter=FlowFilter(name=FlowFilterName(any_=["pipeline"])),
            flow_run_filter=FlowRunFilter(
                state=FlowRunFilterState(type=FlowRunFilterStateType(any_=list(ENDED)))
            ),
            sort=FlowRunSort.END_TIME_DESC,
            limit=20,
        )
    last = next((run for run in runs if run.parameters.get("exams") == exams), None)
    if last is None or last.state is None or last.state.type is not StateType.CANCELLED:
        return None
    if (last.state.message or "").startswith(BY_THE_SERVER):
        return None
    return last.end_time or last.state.timestamp
