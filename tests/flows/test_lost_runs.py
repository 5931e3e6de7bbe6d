"""Which runs that have not begun are lost: that depends on what they wait for."""

from __future__ import annotations

from datetime import timedelta
from uuid import uuid4

import pytest

MINUTE = timedelta(minutes=1)


@pytest.mark.parametrize(
    ("pool", "started", "minutes", "lost"),
    [
        ("lusgan-cpu", "pid", 4, False),
        ("lusgan-cpu", "pid", 6, True),
        ("somebody's", None, 6, True),
        ("lusgan-docker-gpu", None, 29, False),
        ("lusgan-docker-gpu", None, 31, True),
        ("lusgan-kubernetes-gpu", None, 31, True),
        ("lusgan-kubernetes-gpu", "a job", 600, False),
    ],
)
@pytest.mark.usefixtures("prefect_server")
def test_runs_that_a_worker_took(pool: str, started: str | None, minutes: int, lost: bool) -> None:
    """A process begins at once, an image may have to be pulled, a pod may wait for a GPU."""
    from lusgan_flows.lost_runs import _waits_too_long
    from prefect.client.schemas.objects import FlowRun

    run = FlowRun(flow_id=uuid4(), work_pool_name=pool, infrastructure_pid=started)
    assert _waits_too_long(run, minutes * MINUTE) is lost
