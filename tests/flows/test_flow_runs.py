"""Which runs that have not begun are lost: that depends on what they wait for."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta, timezone
from uuid import uuid4

import pytest

MINUTE = timedelta(minutes=1)


@pytest.mark.parametrize(
    ("pool", "kind", "started", "minutes", "lost"),
    [
        ("waiting-cpu", "process", "pid", 4, False),
        ("waiting-cpu", "process", "pid", 6, True),
        ("somebodys", "prefect-agent", None, 31, True),
        ("waiting-docker", "docker", None, 29, False),
        ("waiting-docker", "docker", None, 31, True),
        ("waiting-kubernetes", "kubernetes", None, 31, True),
        ("waiting-kubernetes", "kubernetes", "a job", 600, False),
    ],
)
@pytest.mark.usefixtures("prefect_server")
def test_runs_that_a_worker_took(
    pool: str, kind: str, started: str | None, minutes: int, lost: bool
) -> None:
    """A process begins at once, an image may have to be pulled, a pod may wait for a GPU."""
    from prefect.client.orchestration import get_client
    from prefect.client.schemas.actions import WorkPoolCreate
    from prefect.client.schemas.objects import FlowRun

    from lusgan_flows.flow_runs import _waits_too_long

    run = FlowRun(flow_id=uuid4(), work_pool_name=pool, infrastructure_pid=started)
    with get_client(sync_client=True) as client:
        client.create_work_pool(WorkPoolCreate(name=pool, type=kind))
        try:
            assert _waits_too_long(client, run, minutes * MINUTE) is lost
        finally:
            client.delete_work_pool(pool)


@pytest.mark.usefixtures("prefect_server")
def test_silence_is_three_heartbeats() -> None:
    """Whatever interval this process's runs were started with, three of them have to be missing."""
    from prefect.settings import PREFECT_FLOWS_HEARTBEAT_FREQUENCY, temporary_settings

    from lusgan_flows.flow_runs import silence

    for seconds in (30, 180):
        with temporary_settings({PREFECT_FLOWS_HEARTBEAT_FREQUENCY: seconds}):
            assert silence() == timedelta(seconds=3 * seconds)


@pytest.mark.usefixtures("prefect_server")
def test_the_last_look_of_each_day_stays() -> None:
    """Days are those of UTC, and today's last one is the look under way."""
    from prefect.client.schemas.objects import FlowRun

    from lusgan_flows.flow_runs import superseded

    now = datetime(2024, 5, 2, 0, 5, tzinfo=UTC)
    berlin = timezone(timedelta(hours=2))
    times = {
        "today": now - 2 * MINUTE,
        "last of yesterday": datetime(2024, 5, 2, 1, 59, tzinfo=berlin),
        "earlier yesterday": now - 20 * MINUTE,
        "the day before": now - timedelta(days=2),
    }
    looks = [FlowRun(flow_id=uuid4(), name=name, end_time=time) for name, time in times.items()]
    assert [look.name for look in superseded(looks, now)] == ["today", "earlier yesterday"]
