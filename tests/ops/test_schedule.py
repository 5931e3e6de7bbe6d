"""How far ahead Prefect's server schedules looks at the exams."""

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


def test_servers_in_containers_schedule_as_far_ahead(tmp_path: Path) -> None:
    """Compose and Kubernetes give their server the same setting."""
    wanted = usual_settings(UpSettings())[AHEAD]
    composed = yaml.safe_load((ROOT / "docker/compose.yaml").read_text())["services"]["server"]
    manifests = yaml.safe_load_all((ROOT / "deployments/kubernetes/server.yaml").read_text())
    (server,) = (m for m in manifests if m["kind"] == "Deployment")
    (container,) = server["spec"]["template"]["spec"]["containers"]
    variables = {v["name"]: v.get("value") for v in container["env"]}
    assert composed["environment"][AHEAD] == variables[AHEAD] == wanted
