"""How far ahead Prefect's server schedules looks at the exams, and what it deletes when."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import yaml

from lusgan_ops.up.home import Home, UpSettings
from lusgan_ops.up.prefect_settings import prefect_environment, usual_settings

ROOT = Path(__file__).parents[2]
AHEAD = "PREFECT_SERVER_SERVICES_SCHEDULER_MIN_SCHEDULED_TIME"
SENT = "PREFECT_SERVER_ANALYTICS_ENABLED"
"""The image has it."""

SCHEDULE = """
import asyncio, sys
from datetime import timedelta
from prefect.server import models, schemas
from prefect.server.database import provide_database_interface
from prefect.server.services.scheduler import schedule_deployments

async def scheduled(every_s):
    database = provide_database_interface()
    await database.create_db()
    interval = schemas.schedules.IntervalSchedule(interval=timedelta(seconds=every_s))
    schedules = [schemas.core.DeploymentSchedule(schedule=interval)]
    async with database.session_context(begin_transaction=True) as session:
        flow = await models.flows.create_flow(session, schemas.core.Flow(name="watch"))
        await models.deployments.create_deployment(
            session,
            schemas.core.Deployment(name="watch", flow_id=flow.id, schedules=schedules),
        )
    await schedule_deployments()
    async with database.session_context() as session:
        return await models.flow_runs.count_flow_runs(session)

print(asyncio.run(scheduled(int(sys.argv[1]))))
"""

VACUUM = """
import asyncio
from datetime import UTC, datetime, timedelta
from prefect.server import models, schemas
from prefect.server.database import provide_database_interface
from prefect.server.events.schemas.events import ReceivedEvent
from prefect.server.events.storage.database import read_events, write_events
from prefect.server.events.filters import EventFilter, EventOccurredFilter
from prefect.server.services import db_vacuum
from prefect.settings import get_current_settings

async def left():
    database = provide_database_interface()
    await database.create_db()
    now = datetime.now(UTC)
    async with database.session_context(begin_transaction=True) as session:
        flow = await models.flows.create_flow(session, schemas.core.Flow(name="pipeline"))
        for days in (19, 21):
            state = schemas.states.Completed(timestamp=now - timedelta(days=days))
            run = schemas.core.FlowRun(flow_id=flow.id, name=f"{days} days", state=state,
                                       end_time=state.timestamp)
            await models.flow_runs.create_flow_run(session, run)
    kinds = ("prefect.flow-run.Completed", "prefect.flow-run.Failed", "lusgan.exam.new")
    async with database.session_context(begin_transaction=True) as session:
        await write_events(session, [
            ReceivedEvent(occurred=now - timedelta(hours=hours), event=kind, id=f"{n:032}",
                          resource={"prefect.resource.id": "one"})
            for n, (kind, hours) in enumerate((kind, hours) for kind in kinds for hours in (5, 7))
        ])
    enabled = get_current_settings().server.services.db_vacuum.enabled_vacuum_types
    if "flow_runs" in enabled:
        await db_vacuum.vacuum_old_flow_runs(db=database)
    if "events" in enabled:
        await db_vacuum.vacuum_events_with_retention_overrides(db=database)
    async with database.session_context() as session:
        for run in await models.flow_runs.read_flow_runs(session):
            print(run.name)
        when = EventOccurredFilter(since=now - timedelta(days=1))
        for event in (await read_events(session, EventFilter(occurred=when))):
            print(event.event, round((now - event.occurred).total_seconds() / 3600))

asyncio.run(left())
"""


def test_few_looks_pile_up_over_a_stop(tmp_path: Path) -> None:
    """Prefect's scheduler, with the environment of `lusgan up`, plans a few looks, not 31."""
    asked = UpSettings()
    kept = {k: v for k, v in os.environ.items() if not k.startswith("PREFECT_")}
    done = subprocess.run(
        [sys.executable, "-c", SCHEDULE, str(asked.every_s)],
        env=kept | usual_settings(asked) | prefect_environment(Home(tmp_path), asked),
        capture_output=True, text=True, timeout=240,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert 3 <= int(done.stdout) <= 4


def test_old_runs_and_routine_events_go(tmp_path: Path) -> None:
    """Prefect's vacuum, with the environment of `lusgan up --keep-runs 20`, deletes runs that ended
    earlier, and events of runs in which all was well after six hours; news stay."""
    asked = UpSettings(keep_days=20)
    kept = {k: v for k, v in os.environ.items() if not k.startswith("PREFECT_")}
    done = subprocess.run(
        [sys.executable, "-c", VACUUM],
        env=kept | usual_settings(asked) | prefect_environment(Home(tmp_path), asked),
        capture_output=True, text=True, timeout=240,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert sorted(done.stdout.splitlines()) == [
        "19 days", "lusgan.exam.new 5", "lusgan.exam.new 7", "prefect.flow-run.Completed 5",
        "prefect.flow-run.Failed 5", "prefect.flow-run.Failed 7",
    ]  # fmt: skip


def test_servers_in_containers_schedule_as_far_ahead(tmp_path: Path) -> None:
    """Compose and Kubernetes give their server the settings that `lusgan up` gives its own."""
    usual = usual_settings(UpSettings(database="postgresql+asyncpg://user@host/name"))
    wanted = {n: v for n, v in usual.items() if n.startswith("PREFECT_SERVER_") and n != SENT}
    composed = yaml.safe_load((ROOT / "docker/compose.yaml").read_text())["services"]["server"]
    manifests = yaml.safe_load_all((ROOT / "deployments/kubernetes/server.yaml").read_text())
    (server,) = (m for m in manifests if m["kind"] == "Deployment")
    (container,) = server["spec"]["template"]["spec"]["containers"]
    variables = {v["name"]: v.get("value") for v in container["env"]}
    assert AHEAD in wanted
    assert {name: composed["environment"].get(name) for name in wanted} == wanted
    assert {name: variables.get(name) for name in wanted} == wanted
