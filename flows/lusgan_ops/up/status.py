"""The state of a running stack: the requests behind ``lusgan status``."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from lusgan_core.promotion.current import current_model
from lusgan_core.store import open_store
from lusgan_ops.prefect_api import ask
from lusgan_ops.up.home import UpSettings
from lusgan_ops.up.services import POOL


@dataclass(frozen=True)
class Status:
    """The state of a running stack."""

    ui: str
    workers: int
    """Number of workers that are online."""
    running: tuple[str, ...]
    """Names of the runs under way."""
    waiting: int
    """Runs that wait for another to end."""
    recent: tuple[tuple[str, str], ...]
    """Name and state of the last pipeline runs, newest first."""
    models: dict[int, str]
    """Score -> the current model."""


def status(settings: UpSettings) -> Status:
    """Ask the server and the store for the state. Raises MissingError or StoreError."""
    workers = ask(settings.api, f"/work_pools/{POOL}/workers/filter", {})
    under_way = _runs(settings, {"state": {"type": {"any_": ["RUNNING", "PENDING", "CANCELLING"]}}})
    slots = _runs(settings, {"state": {"name": {"any_": ["AwaitingConcurrencySlot"]}}})
    ended = {"state": {"type": {"any_": ["COMPLETED", "FAILED", "CRASHED", "CANCELLED"]}}}
    recent = _runs(settings, ended, flow="pipeline", limit=5)
    store = open_store(settings.store)
    models = {}
    for item in store.list("current/score-"):
        score = item.key.removeprefix("current/score-").removesuffix(".json")
        if score.isdigit():
            current = current_model(store, int(score))
            models[int(score)] = current.model if current else "none"
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
    return list(ask(settings.api, "/flow_runs/filter", body))
