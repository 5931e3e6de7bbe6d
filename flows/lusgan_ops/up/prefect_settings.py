"""Prefect's settings in a local stack: those it stands on, and those an operator may choose."""

from __future__ import annotations

import json
import os
from collections.abc import Callable

from lusgan_core.pipeline.endpoints import ENDPOINTS, endpoints_of
from lusgan_core.pipeline.server_logs import LOGS
from lusgan_flows import NOTHING_SENT
from lusgan_ops.prefect_environment import HEARTBEAT_S
from lusgan_ops.up.home import Home, UpSettings
from lusgan_ops.up.login import CLIENT, SERVER, login_environment

Say = Callable[[str], None]
DAY_S = 24 * 60 * 60
ROUTINE = (
    *(f"prefect.flow-run.{state}" for state in ("Scheduled", "Submitting", "Pending", "Running")),
    "prefect.flow-run.heartbeat",
    "prefect.flow-run.Completed",
    *(f"prefect.task-run.{state}" for state in ("Pending", "Running", "Completed", "Cached")),
    "prefect.worker.submitted-flow-run",
    "prefect.worker.executed-flow-run",
)
"""Events of runs in which all is well: some 8 kB each, eight a look, three a task."""
ROUTINE_S = 6 * 60 * 60
"""How long they are kept, seconds; the runs themselves, with their states, are kept for longer."""
DATABASE = "PREFECT_SERVER_DATABASE_CONNECTION_URL"
ELSEWHERE = (
    "PREFECT_API_DATABASE_CONNECTION_URL",
    "PREFECT_API_KEY",
    "PREFECT_PROFILE",
    "PREFECT_SERVER_API_BASE_PATH",
    "PREFECT_SERVER_API_CORS_ALLOWED_ORIGINS",
    "PREFECT_SERVER_API_CSRF_PROTECTION_ENABLED",
    "PREFECT_SERVER_UI_API_URL",
    "PREFECT_UI_API_URL",
)
"""Settings that lead to another server, or are other names of some that the stack stands on."""


def prefect_environment(home: Home, settings: UpSettings) -> dict[str, str]:
    """Make the environment variables that lead Prefect to this stack and nowhere else.

    Args:
        home: Folder of the stack.
        settings: Its port and database.

    Returns:
        Values by name, the login included: it is a secret.
    """
    own = {
        "PREFECT_HOME": str(home.folder("prefect")),
        "PREFECT_API_URL": settings.api,
        # pages of other sites get nothing from a browser that is signed in
        "PREFECT_SERVER_CORS_ALLOWED_ORIGINS": ",".join(settings.origins),
        "PREFECT_SERVER_CSRF_PROTECTION_ENABLED": "true",
        "LUSGAN_REPORTS_URL": settings.reports,
        LOGS: str(home.folder("logs")),
    } | login_environment(home)
    if settings.database:
        own[DATABASE] = settings.database
    if servers := endpoints_of((settings.exams, settings.store)):
        own[ENDPOINTS] = ",".join(servers)
    return own


def usual_settings(settings: UpSettings) -> dict[str, str]:
    """Prefect's settings in a local stack where the operator has not set them.

    Args:
        settings: Says whether there is a database, and how long runs are kept.

    Returns:
        Values by name.
    """
    routine = dict.fromkeys(ROUTINE, ROUTINE_S)
    usual = {
        **NOTHING_SENT,
        "PREFECT_SERVER_UI_SHOW_PROMOTIONAL_CONTENT": "false",
        "PREFECT_CLI_PROMPT": "false",
        "PREFECT_WORKER_QUERY_SECONDS": "2",
        "PREFECT_FLOWS_HEARTBEAT_FREQUENCY": str(HEARTBEAT_S),
        # in memory, the default, a restart of the server cancels the run that holds a place
        "PREFECT_SERVER_CONCURRENCY_LEASE_STORAGE": (
            "prefect.server.concurrency.lease_storage.filesystem"
        ),
        # by default an hour of polls is scheduled ahead, and after a stop all of them start at once
        "PREFECT_SERVER_SERVICES_SCHEDULER_MIN_SCHEDULED_TIME": "PT5M",
        # by default a run counts as late after 15 s, which a busy machine needs
        "PREFECT_SERVER_SERVICES_LATE_RUNS_AFTER_SECONDS": "60",
        "PREFECT_SERVER_SERVICES_DB_VACUUM_ENABLED": "events,flow_runs",
        "PREFECT_SERVER_SERVICES_DB_VACUUM_RETENTION_PERIOD": str(settings.keep_days * DAY_S),
        "PREFECT_SERVER_SERVICES_DB_VACUUM_EVENT_RETENTION_OVERRIDES": json.dumps(routine),
    }
    if not settings.database:
        usual["PREFECT_SERVER_DATABASE_TIMEOUT"] = "60"  # SQLite lets one write at a time
    return usual


def set_prefect_environment(home: Home, settings: UpSettings, say: Say) -> None:
    """Lead this process and its children to the stack; what an operator has set is kept.

    Args:
        home: Folder of the stack, whose login is made.
        settings: Its port and database.
        say: Told of settings of the operator's that the stack cannot be run with.
    """
    own = prefect_environment(home, settings)
    for name in ELSEWHERE:
        if os.environ.pop(name, None) is not None:
            say(f"{name} is left out: this stack has a server of its own")
    for name, value in own.items():
        before = os.environ.get(name)
        if before not in (None, value) and name not in (SERVER, CLIENT):
            say(f"{name} is another one in this stack: what you have set is left out")
    os.environ.update(own)
    for name, value in usual_settings(settings).items():
        os.environ.setdefault(name, value)
