"""A worker: what it needs is looked at first, then Prefect's own takes over this process."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Iterator, Mapping
from typing import Any, NoReturn

from lusgan_flows import needs
from lusgan_flows.pools import Kind, make_pool, pool_name, template
from lusgan_flows.settings import HEARTBEAT_S


def examined(kind: Kind, gpu: bool, store: str, exams: str) -> Iterator[tuple[str, str]]:
    """Look at one thing after the other; yields what it is and what was found.

    Raises LusganError for the first that is missing. Only processes see this place's GPU and
    credentials; runs elsewhere look for themselves when they start.
    """
    looks: list[tuple[str, Callable[[], str]]] = [("server", needs.server)]
    if kind is Kind.DOCKER:
        looks.append(("engine", lambda: needs.docker_engine(gpu)))
    elif kind is Kind.KUBERNETES:
        looks.append(("cluster", needs.cluster))
    else:
        if gpu:
            looks.append(("GPU", _gpu))
        if store and exams:
            looks.append(("storage", lambda: needs.storage(store, exams)))
    for what, look in looks:
        yield what, look()


def _gpu() -> str:
    import torch

    needs.device("cuda")
    return str(torch.cuda.get_device_name(0))


def trainings_at_once(kind: Kind, gpu: bool) -> int | None:
    """How many runs a worker takes at a time where nobody says: one a GPU; None: any number.

    Processes share the GPUs out among themselves (``training.device.free_gpu``). A container sees
    all of its machine's, and would take the first.
    """
    if not gpu or kind is Kind.KUBERNETES:  # a cluster has places of its own
        return None
    if kind is Kind.DOCKER:
        return 1
    import torch

    return torch.cuda.device_count()


def ensure_pool(kind: Kind, gpu: bool, image: str, job: Mapping[str, Any]) -> str:
    """Make the pool if there is none; returns its name."""
    name = pool_name(kind, gpu)
    make_pool(name, kind, template(kind, gpu, image, job), overwrite=False)
    return name


def become_worker(pool: str, kind: Kind, limit: int | None, health: bool) -> NoReturn:
    """Replace this process by Prefect's worker, so that signals reach it."""
    # the server takes a run for lost after three signs of life that did not come
    os.environ["PREFECT_FLOWS_HEARTBEAT_FREQUENCY"] = str(HEARTBEAT_S)
    command = ["worker", "start", "--pool", pool, "--type", kind.value, "--install-policy", "never"]
    command += ["--limit", str(limit)] if limit else []
    command += ["--with-healthcheck"] if health else []
    os.execv(sys.executable, [sys.executable, "-m", "prefect", *command])
