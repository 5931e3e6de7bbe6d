"""A worker: what it needs is checked first, then Prefect's own takes over this process."""

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
    """Check what a worker needs, one thing after the other; yields its name and what was found.

    Only processes see this place's GPU and credentials; runs elsewhere check for themselves when
    they start.

    Args:
        kind: What its runs become.
        gpu: Whether they need a GPU.
        store: Address of a store that must be writable; empty to leave that out.
        exams: Address of exams that must be readable; empty to leave that out.

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
