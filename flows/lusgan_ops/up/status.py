"""The state of a running stack: the requests behind ``lusgan status``."""

from __future__ import annotations

import json
import shutil
import subprocess
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from lusgan_core.domain import SCORES
from lusgan_core.errors import LusganError
from lusgan_core.pipeline.approval import Waiting, waiting
from lusgan_core.pipeline.last_look import LastLook, last_look
from lusgan_core.promotion.current import current_model
from lusgan_core.store import open_store
from lusgan_core.store.source import open_source
from lusgan_ops.prefect_api import ask
from lusgan_ops.preflight.checks import FREE_GB
from lusgan_ops.up.home import Home, UpSettings
from lusgan_ops.up.services import POOL

RUNNING = ("RUNNING", "PENDING", "CANCELLING")
ENDED = ("COMPLETED", "FAILED", "CRASHED", "CANCELLED")
NVIDIA = (
    "nvidia-smi", "--format=csv,noheader,nounits",
    "--query-gpu=name,utilization.gpu,memory.used,memory.total",
)  # fmt: skip


@dataclass(frozen=True)
class Progress:
    """One piece of work of a run."""

    what: str
    percent: float
    left_s: float | None
    """Seconds that it will take still; None where that is not known yet."""


@dataclass(frozen=True)
class Run:
    """A run that is under way, or has ended."""

    name: str
    state: str
    at: str
    """When it began, or ended; ISO 8601."""
    message: str = ""
    progress: tuple[Progress, ...] = ()


@dataclass(frozen=True)
class Wait:
    """Something that waits, and for what."""

    what: str
    why: str


@dataclass
class Status:
    """The state of a stack; what could not be found out is among the problems."""

    ui: str
    problems: list[str] = field(default_factory=list)
    """What needs a person, the worst first."""
    workers: int = 0
    """Number of workers that are online."""
    running: tuple[Run, ...] = ()
    waiting: tuple[Wait, ...] = ()
    recent: tuple[Run, ...] = ()
    """The last pipeline runs, newest first."""
    rejected: tuple[dict[str, Any], ...] | None = None
    """Why clips cannot be used: reason, clips and exams, as the last run has it that read any; None
    where the server does not answer, or has deleted that run since."""
    models: dict[int, str] = field(default_factory=dict)
    """Score -> the current model."""
    held_back: tuple[Waiting, ...] = ()
    """Models that wait for a person, with the gates that they failed."""
    last_look: LastLook | None = None
    gpus: tuple[str, ...] = ()
    """This machine's GPUs, each with its use."""
    free_gb: dict[str, float] = field(default_factory=dict)
    """Folder -> space left on its disk, 10^9 bytes."""


def status(home: Home, settings: UpSettings, silent_h: float) -> Status:
    """Ask the server, the store and this machine for the state.

    Args:
        home: Folder of the stack.
        settings: Its settings.
        silent_h: Hours without a look for new exams after which that is a problem.

    Returns:
        The state; a server or store that does not answer is a problem in it.
    """
    found = Status(settings.ui)
    _attempt(found, lambda: _ask_server(found, settings))
    _attempt(found, lambda: _ask_store(found, settings))
    _judge_look(found, home, silent_h)
    found.gpus = gpus()
    _ask_disks(found, home, settings)
    return found


def _attempt(found: Status, work: Callable[[], None]) -> None:
    try:
        work()
    except LusganError as error:
        found.problems.append(str(error))


def _ask_server(found: Status, settings: UpSettings) -> None:
    workers = ask(settings.api, f"/work_pools/{POOL}/workers/filter", {})
    found.workers = sum(worker["status"] == "ONLINE" for worker in workers)
    if not found.workers:
        found.problems.append("no worker is online: `lusgan doctor` says what to do")
    under_way = _runs(settings, {"state": {"type": {"any_": RUNNING}}})
    found.running = tuple(_run(run, _progress(settings, run["id"])) for run in under_way)
    found.waiting = tuple(_waits(settings))
    ended = _runs(settings, {"state": {"type": {"any_": ENDED}}}, flow="pipeline", limit=5)
    found.recent = tuple(map(_run, ended))
    newest = {"artifacts": {"key": {"any_": ["rejected"]}}, "sort": "CREATED_DESC", "limit": 1}
    for artifact in ask(settings.api, "/artifacts/filter", newest):
        found.rejected = tuple(row for row in _rows(artifact["data"]) if row.get("clips"))


def _rows(data: Any) -> list[dict[str, Any]]:
    """The rows of a table, which the server keeps as JSON in a text."""
    return list(json.loads(data) if isinstance(data, str) else data)


def _run(run: dict[str, Any], progress: Iterable[Progress] = ()) -> Run:
    state = run["state"] or {}
    at = run["end_time"] or run["start_time"] or state.get("timestamp") or ""
    return Run(run["name"], run["state_name"], at, state.get("message") or "", tuple(progress))


def _progress(settings: UpSettings, run: str) -> Iterable[Progress]:
    """What a run is doing: its work that has not come to its end."""
    which = {"flow_run_id": {"any_": [run]}, "type": {"any_": ["progress"]}}
    body = {"artifacts": which, "sort": "CREATED_DESC", "limit": 20}
    for artifact in reversed(ask(settings.api, "/artifacts/filter", body)):
        if float(artifact["data"]) < 100:
            left = (artifact.get("metadata_") or {}).get("left_s")
            yield Progress(
                artifact["description"] or "",
                float(artifact["data"]),
                float(left) if left else None,
            )


def _waits(settings: UpSettings) -> Iterable[Wait]:
    """Runs that are due and have not begun; not those that are due later."""
    now = datetime.now(UTC).isoformat()
    due = {"state": {"type": {"any_": ["SCHEDULED"]}}, "expected_start_time": {"before_": now}}
    for run in _runs(settings, due):
        why = {
            "AwaitingConcurrencySlot": "another run of this deployment is under way",
            "AwaitingRetry": "it is tried again after an error",
        }.get(run["state_name"], f"no worker of the pool {run['work_pool_name']} has taken it yet")
        yield Wait(run["name"], why)


def _ask_store(found: Status, settings: UpSettings) -> None:
    store = open_store(settings.store)
    for score in SCORES:
        current = current_model(store, score)
        if current:
            found.models[score] = current.model
    found.held_back = waiting(store)
    look = last_look(store, open_source(settings.exams).uri)
    found.last_look = look
    if look and look.arriving:
        more = Wait(
            f"{look.arriving} exams", "they are still arriving: a run takes them when whole"
        )
        found.waiting += (more,)


def _judge_look(found: Status, home: Home, silent_h: float) -> None:
    """Alarm where nobody has looked for new exams for too long, be it since the stack was made."""
    made = datetime.fromtimestamp((home.path / "up.json").stat().st_mtime, UTC)
    since = found.last_look.at if found.last_look else made
    hours = (datetime.now(UTC) - since).total_seconds() / 3600
    if hours > silent_h:
        found.problems.append(
            f"no look for new exams for {hours:,.1f} hours: is the deployment `watch` paused, or "
            "does it fail? `lusgan doctor` and logs/worker.log say more"
        )


def gpus() -> tuple[str, ...]:
    """This machine's GPUs, each with its use; none where there is no NVIDIA driver."""
    try:
        done = subprocess.run(NVIDIA, capture_output=True, text=True, timeout=10, check=True)
    except (OSError, subprocess.SubprocessError):
        return ()
    return tuple(_gpu(line) for line in done.stdout.splitlines() if line.count(",") >= 3)


def _gpu(line: str) -> str:
    name, use, used, total = (part.strip() for part in line.rsplit(",", 3))
    return f"{name}: {use}% busy, {used} of {total} MiB"


def _ask_disks(found: Status, home: Home, settings: UpSettings) -> None:
    folders = [home.path]
    if "://" not in settings.store and Path(settings.store).is_dir():
        folders.append(Path(settings.store))
    for folder in folders:
        free = shutil.disk_usage(folder).free / 1e9
        found.free_gb[str(folder)] = round(free, 1)
        if free < FREE_GB:
            found.problems.append(f"only {free:.1f} GB are free in {folder}: see `lusgan prune`")


def _runs(
    settings: UpSettings, which: dict[str, Any], flow: str | None = None, limit: int = 50
) -> list[dict[str, Any]]:
    body: dict[str, Any] = {"flow_runs": which, "sort": "END_TIME_DESC", "limit": limit}
    if flow is not None:
        body["flows"] = {"name": {"any_": [flow]}}
    return list(ask(settings.api, "/flow_runs/filter", body))
