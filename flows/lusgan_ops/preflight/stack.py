"""Everything that a local stack needs: the checks behind ``lusgan doctor``."""

from __future__ import annotations

import os
from collections.abc import Iterator
from importlib import metadata

from lusgan_core.errors import LusganError, MissingError
from lusgan_ops.deploy import DEPLOYMENTS
from lusgan_ops.prefect_api import answers, ask
from lusgan_ops.preflight import checks
from lusgan_ops.preflight.checks import Finding, finding
from lusgan_ops.up.home import Home, UpSettings
from lusgan_ops.up.services import POOL, stack_environment


def examine(home: Home) -> Iterator[Finding]:
    """Make all checks, one after the other; nothing is changed."""
    yield finding("plugins", checks.plugins)
    yield finding("GPU", checks.gpu)
    yield finding("Prefect", checks.versions)
    try:
        settings = home.settings()
    except LusganError as error:
        yield Finding("stack", False, str(error))
        return
    os.environ.update(stack_environment(home, settings))
    yield finding("server", lambda: _server(settings))
    yield finding("worker", lambda: _worker(settings))
    yield finding("deployments", lambda: _deployments(settings))
    yield finding("reports", lambda: _reports(settings))
    yield finding("store", lambda: checks.storage(settings.store))
    yield finding("exams", lambda: checks.exams(settings.exams))
    yield finding("disk", lambda: checks.disk(home.path))


def _server(settings: UpSettings) -> str:
    version = ask(settings.api, "/admin/version")
    ours = metadata.version("prefect")
    if version != ours:
        raise MissingError(f"the server runs prefect {version}, this is {ours}: start it again")
    return f"{settings.ui}, prefect {version}"


def _worker(settings: UpSettings) -> str:
    online = [
        worker["name"]
        for worker in ask(settings.api, f"/work_pools/{POOL}/workers/filter", {})
        if worker["status"] == "ONLINE"
    ]
    if not online:
        raise MissingError(
            f"no worker asks the pool {POOL} for work: look into logs/worker.log, and start "
            "`lusgan up` again"
        )
    return ", ".join(online)


def _deployments(settings: UpSettings) -> str:
    found = ask(settings.api, "/deployments/filter", {})
    wanted = set(DEPLOYMENTS)
    missing = wanted - {deployment["name"] for deployment in found}
    paused = [d["name"] for d in found if d["name"] in wanted and d["paused"]]
    if missing:
        raise MissingError(f"missing: {', '.join(sorted(missing))}; start `lusgan up` again")
    if paused:
        raise MissingError(f"paused in the UI: {', '.join(paused)}; nothing happens by itself")
    return f"{len(wanted)}, none paused"


def _reports(settings: UpSettings) -> str:
    if not answers(f"{settings.reports}/health"):
        raise MissingError(f"nothing answers at {settings.reports}: look into logs/reports.log")
    return settings.reports
