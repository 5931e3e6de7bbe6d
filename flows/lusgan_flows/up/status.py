"""What runs, and what is wrong: the questions behind ``lusgan status`` and ``lusgan doctor``."""

from __future__ import annotations

import base64
import json
import os
import shutil
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from http import HTTPStatus
from http.client import HTTPException
from importlib import metadata
from typing import Any
from urllib.error import HTTPError, URLError
from urllib.request import Request, urlopen

from lusgan_core.errors import LusganError
from lusgan_core.exams import open_source
from lusgan_core.registry import installed
from lusgan_core.store import check_writable, open_store
from lusgan_core.store.base import KEEPS_DELETED
from lusgan_flows.up.home import Home, UpError, UpSettings
from lusgan_flows.up.services import FLOWS, POOL, answers, s3_environment

TIMEOUT_S = 30
ATTEMPTS = 5
FREE_GB = 5
"""Less free space than that is told of."""


def ask(settings: UpSettings, path: str, body: object | None = None) -> Any:
    """Ask the stack's server. Raises UpError where it does not answer or refuses.

    A server that is too busy (its SQLite file is locked) is asked again.
    """
    data = None if body is None else json.dumps(body).encode()
    request = Request(settings.api + path, data, _headers())
    for again in range(ATTEMPTS, 0, -1):
        try:
            with urlopen(request, timeout=TIMEOUT_S) as reply:
                text = reply.read()
                return json.loads(text) if text else None
        except HTTPError as error:
            if error.code != HTTPStatus.SERVICE_UNAVAILABLE or again == 1:
                raise _refusal(path, error.code) from None
            time.sleep(1)
        except (URLError, OSError) as error:
            raise _no_answer(settings, error) from None
        except (ValueError, HTTPException):
            raise UpError(
                f"what answers at {settings.api} is not Prefect: stop it, or start `lusgan up` "
                "with another --port"
            ) from None
    return None


def _headers() -> dict[str, str]:
    """Those of every request; with the server's password, if the environment names one."""
    headers = {"Content-Type": "application/json"}
    if password := os.environ.get("PREFECT_API_AUTH_STRING"):
        headers["Authorization"] = f"Basic {base64.b64encode(password.encode()).decode()}"
    return headers


def _refusal(path: str, code: int) -> UpError:
    advice = (
        ": set PREFECT_API_AUTH_STRING as `lusgan up` has it"
        if code == HTTPStatus.UNAUTHORIZED
        else ""
    )
    return UpError(f"Prefect's server refuses {path} with code {code}{advice}")


def _no_answer(settings: UpSettings, error: OSError) -> UpError:
    reason = getattr(error, "reason", error)
    return UpError(
        f"Prefect's server does not answer at {settings.api} ({reason}): is `lusgan up` running?"
    )


@dataclass(frozen=True)
class Status:
    """What a running stack is doing."""

    ui: str
    workers: int
    """Workers that were heard of lately."""
    running: tuple[str, ...]
    """Names of the runs under way."""
    waiting: int
    """Runs that wait for another to end."""
    recent: tuple[tuple[str, str], ...]
    """Name and state of the last pipeline runs, newest first."""
    models: dict[int, str]
    """Score -> the current model."""


def status(settings: UpSettings) -> Status:
    """Ask the server and the store. Raises UpError or StoreError."""
    workers = ask(settings, f"/work_pools/{POOL}/workers/filter", {})
    under_way = _runs(settings, {"state": {"type": {"any_": ["RUNNING", "PENDING", "CANCELLING"]}}})
    slots = _runs(settings, {"state": {"name": {"any_": ["AwaitingConcurrencySlot"]}}})
    ended = {"state": {"type": {"any_": ["COMPLETED", "FAILED", "CRASHED", "CANCELLED"]}}}
    recent = _runs(settings, ended, flow="pipeline", limit=5)
    store = open_store(settings.store)
    models = {}
    for item in store.list("current/score-"):
        score = item.key.removeprefix("current/score-").removesuffix(".json")
        if score.isdigit():
            models[int(score)] = json.loads(store.get(item.key)).get("model") or "none"
    return Status(
        ui=settings.ui,
        workers=sum(worker["status"] == "ONLINE" for worker in workers),
        running=tuple(run["name"] for run in under_way),
        waiting=len(slots),
        recent=tuple((run["name"], run["state_name"]) for run in recent),
        models=models,
    )


def _runs(
    settings: UpSettings, which: dict[str, Any], flow: str | None = None, limit: int = 50
) -> list[dict[str, Any]]:
    body: dict[str, Any] = {"flow_runs": which, "sort": "END_TIME_DESC", "limit": limit}
    if flow is not None:
        body["flows"] = {"name": {"any_": [flow]}}
    return list(ask(settings, "/flow_runs/filter", body))


@dataclass(frozen=True)
class Finding:
    """One thing looked at: well, or what is wrong and what to do."""

    what: str
    well: bool
    text: str


def examine(home: Home) -> Iterator[Finding]:
    """Look at everything that a stack needs, one after the other; nothing is changed."""
    yield _finding("plugins", _plugins)
    yield _finding("GPU", _gpu)
    yield _finding("Prefect", _versions)
    try:
        settings = home.settings()
    except LusganError as error:
        yield Finding("stack", False, str(error))
        return
    if settings.s3:
        os.environ.update(s3_environment(home, settings))
    yield _finding("server", lambda: _server(settings))
    yield _finding("worker", lambda: _worker(settings))
    yield _finding("deployments", lambda: _deployments(settings))
    yield _finding("reports", lambda: _reports(settings))
    yield _finding("store", lambda: _store(settings))
    yield _finding("exams", lambda: _exams(settings))
    yield _finding("disk", lambda: _disk(home))


def _finding(what: str, look: Callable[[], str]) -> Finding:
    try:
        return Finding(what, True, look())
    except LusganError as error:
        return Finding(what, False, str(error))


def _plugins() -> str:
    registry = installed()
    if registry.broken:
        first = registry.broken[0]
        raise UpError(f"{first.provider} is broken: {first.reason}; `lusgan plugins` tells more")
    return f"{sum(map(len, registry.records.values()))} from all packages"


def _gpu() -> str:
    import torch

    if not torch.cuda.is_available():
        return f"none; trainings run on the CPU (torch {torch.__version__})"
    return f"{torch.cuda.get_device_name(0)} (torch {torch.__version__})"


def _versions() -> str:
    found = {name: metadata.version(name) for name in ("prefect", "fastapi", "sqlalchemy")}
    fastapi = tuple(map(int, found["fastapi"].split(".")[:2]))
    if fastapi >= (0, 151):
        raise UpError(
            f"fastapi {found['fastapi']} breaks prefect {found['prefect']}: "
            f"{sys.executable} -m pip install 'fastapi<0.151'"
        )
    if tuple(map(int, found["sqlalchemy"].split(".")[:2])) >= (2, 1):
        raise UpError(
            f"with sqlalchemy {found['sqlalchemy']} prefect {found['prefect']} schedules no run: "
            f"{sys.executable} -m pip install 'sqlalchemy<2.1'"
        )
    return ", ".join(f"{name} {version}" for name, version in found.items())


def _server(settings: UpSettings) -> str:
    version = ask(settings, "/admin/version")
    ours = metadata.version("prefect")
    if version != ours:
        raise UpError(f"the server runs prefect {version}, this is {ours}: start it again")
    return f"{settings.ui}, prefect {version}"


def _worker(settings: UpSettings) -> str:
    online = [
        worker["name"]
        for worker in ask(settings, f"/work_pools/{POOL}/workers/filter", {})
        if worker["status"] == "ONLINE"
    ]
    if not online:
        raise UpError(
            f"no worker asks the pool {POOL} for work: look into logs/worker.log, and start "
            "`lusgan up` again"
        )
    return ", ".join(online)


def _deployments(settings: UpSettings) -> str:
    found = ask(settings, "/deployments/filter", {})
    wanted = set(FLOWS)
    missing = wanted - {deployment["name"] for deployment in found}
    paused = [d["name"] for d in found if d["name"] in wanted and d["paused"]]
    if missing:
        raise UpError(f"missing: {', '.join(sorted(missing))}; start `lusgan up` again")
    if paused:
        raise UpError(f"paused in the UI: {', '.join(paused)}; nothing happens by itself")
    return f"{len(wanted)}, none paused"


def _reports(settings: UpSettings) -> str:
    if not answers(f"{settings.reports}/"):
        raise UpError(f"nothing answers at {settings.reports}: look into logs/reports.log")
    return settings.reports


def _store(settings: UpSettings) -> str:
    store = open_store(settings.store)
    check_writable(store)
    kept = f"; {KEEPS_DELETED}" if store.keeps_deleted() else ""
    return f"{store.uri} can be written{kept}"


def _exams(settings: UpSettings) -> str:
    number = sum(
        stat.key.lower().endswith(".mat") for stat in open_source(settings.exams).objects()
    )
    if not number:
        raise UpError(f"there is no .mat file in {settings.exams} yet")
    return f"{number:,} .mat files in {settings.exams}"


def _disk(home: Home) -> str:
    free = shutil.disk_usage(home.path).free / 1e9
    if free < FREE_GB:
        raise UpError(f"only {free:.1f} GB are free in {home.path}: `lusgan prune` makes room")
    return f"{free:,.0f} GB free in {home.path}"
