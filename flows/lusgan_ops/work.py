"""A worker: its needs are checked first, then Prefect's worker replaces this process."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator, Mapping
from typing import Any, NoReturn

from lusgan_ops.pools import Kind, make_pool, pool_name, template
from lusgan_ops.prefect_environment import HEARTBEAT_S
from lusgan_ops.preflight import checks
from lusgan_ops.preflight.docker import docker_engine
from lusgan_ops.preflight.kubernetes import cluster
from lusgan_ops.preflight.server import prefect_server


def worker_checks(kind: Kind, gpu: bool, store: str, exams: str) -> Iterator[tuple[str, str]]:
    """Check what a worker needs, one thing after the other.

    Only runs as processes use this machine's GPU and credentials; runs elsewhere make their own
    checks when they start.

    Args:
        kind: How its runs are executed.
        gpu: Whether they need a GPU.
        store: Address of a store that must be writable; empty to leave that out.
        exams: Address of exams that must be readable; empty to leave that out.

    Yields:
        Name and result of each check.

    Raises:
        LusganError: The first thing that is missing, with what to do.
    """
    yield "server", prefect_server()
    if kind is Kind.DOCKER:
        yield "engine", docker_engine(gpu)
    elif kind is Kind.KUBERNETES:
        yield "cluster", cluster()
    else:
        if gpu:
            yield "GPU", checks.gpu(required=True)
        if exams:
            yield "exams", checks.exams(exams, empty_ok=True)
        if store:
            yield "store", checks.storage(store)


def trainings_at_once(kind: Kind, gpu: bool) -> int | None:
    """Choose how many runs a worker takes at a time where the user sets no limit.

    Processes share the GPUs among themselves (``networks.device.free_gpu``). A container sees all
    of its machine's, and would take the first.

    Args:
        kind: How its runs are executed.
        gpu: Whether they need a GPU.

    Returns:
        Number of this machine's GPUs for processes, 1 for containers; None for no limit.
    """
    if not gpu or kind is Kind.KUBERNETES:  # a cluster has places of its own
        return None
    if kind is Kind.DOCKER:
        return 1
    import torch

    return torch.cuda.device_count()


def ensure_pool(kind: Kind, gpu: bool, image: str, job: Mapping[str, Any]) -> str:
    """Create the worker's pool if it does not exist.

    Args:
        kind: How its runs are executed.
        gpu: Whether they ask for a GPU.
        image: Image of its containers; empty keeps the template's.
        job: Defaults of the template's variables, by name.

    Returns:
        Name of the pool.

    Raises:
        ConfigError: A variable does not exist or cannot have that value.
        MissingError: A pool of that name exists and is of another kind.
    """
    name = pool_name(kind, gpu)
    make_pool(name, kind, template(kind, gpu, image, job), overwrite=False)
    return name


def become_worker(pool: str, kind: Kind, limit: int | None, health: bool) -> NoReturn:
    """Replace this process by Prefect's worker, so that signals reach it.

    Args:
        pool: Name of the pool that it takes runs from.
        kind: How its runs are executed.
        limit: Largest number of runs at a time; None sets no limit.
        health: Whether it answers at ``:8080/health``.
    """
    # a run counts as lost after three heartbeats that did not come
    os.environ["PREFECT_FLOWS_HEARTBEAT_FREQUENCY"] = str(HEARTBEAT_S)
    command = ["worker", "start", "--pool", pool, "--type", kind.value, "--install-policy", "never"]
    command += ["--limit", str(limit)] if limit else []
    command += ["--with-healthcheck"] if health else []
    os.execv(sys.executable, [sys.executable, "-m", "prefect", *command])
