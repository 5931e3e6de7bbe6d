"""Work pools: their kinds, their names, and the template of their runs.

The templates (``deployments/pools/KIND.json``) ask for a GPU; a pool for the CPU drops that.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from enum import StrEnum
from importlib.resources import files
from typing import Any

import jsonschema

from lusgan_core.errors import ConfigError, MissingError, UnknownNameError

Template = dict[str, Any]


class Kind(StrEnum):
    """How a run is executed: as a process beside the worker, a container, or a job of a cluster."""

    PROCESS = "process"
    DOCKER = "docker"
    KUBERNETES = "kubernetes"


WITHOUT_GPU: dict[Kind, dict[str, Any]] = {
    Kind.PROCESS: {},
    Kind.DOCKER: {"device_requests": []},
    Kind.KUBERNETES: {"gpus": 0, "node_selector": {}, "tolerations": []},
}
"""Values that replace the templates' defaults in a pool for the CPU."""


def pool_name(kind: Kind, gpu: bool) -> str:
    """Name a pool.

    Args:
        kind: How its runs are executed.
        gpu: Whether its runs have a GPU.

    Returns:
        The name, e.g. ``lusgan-gpu`` (processes) or ``lusgan-docker-gpu``.
    """
    device = "gpu" if gpu else "cpu"
    return f"lusgan-{device}" if kind is Kind.PROCESS else f"lusgan-{kind}-{device}"


def template(
    kind: Kind, gpu: bool, image: str = "", job: Mapping[str, Any] | None = None
) -> Template:
    """Make the template of a pool's runs.

    Args:
        kind: How its runs are executed.
        gpu: Whether its runs ask for a GPU.
        image: Image of its containers; empty keeps the template's. Processes have none.
        job: Defaults of the template's variables, by name; those of ``env`` are added to its own.

    Returns:
        A base job template, as Prefect's work pools take it.

    Raises:
        UnknownNameError: The template has no such variable.
        ConfigError: The variable cannot have that value.
    """
    text = (files("lusgan_ops") / "deployments" / "pools" / f"{kind}.json").read_text("utf-8")
    made: Template = json.loads(text)
    variables = made["variables"]["properties"]
    chosen = {} if gpu else dict(WITHOUT_GPU[kind])
    if image and kind is not Kind.PROCESS:
        chosen["image"] = image
    for name, value in {**chosen, **(job or {})}.items():
        if name not in variables:
            raise UnknownNameError(f"variable of a {kind} pool", name, variables)
        try:
            jsonschema.validate(value, variables[name])
        except jsonschema.ValidationError as error:
            raise ConfigError(f"{kind} pool, variable {name!r}: {error.message}") from None
        if name == "env":
            value = {**variables[name].get("default", {}), **value}
        variables[name]["default"] = value
    return made


def make_pool(
    name: str, kind: Kind, made: Template, *, overwrite: bool, limit: int | None = None
) -> bool:
    """Create a pool on the server, or bring it up to date.

    Args:
        name: Name of the pool.
        kind: How its runs are executed.
        made: Template of its runs.
        overwrite: Whether to replace the template and the limit of an existing pool; what else was
            changed in the UI stays. Otherwise an existing pool stays as it is.
        limit: Largest number of runs at a time; None leaves the limit as it is.

    Returns:
        Whether the pool was created or overwritten.

    Raises:
        MissingError: A pool of that name exists and is of another kind.
    """
    from prefect.client.orchestration import get_client
    from prefect.client.schemas.actions import WorkPoolCreate, WorkPoolUpdate
    from prefect.exceptions import ObjectNotFound

    limits = {} if limit is None else {"concurrency_limit": limit}
    with get_client(sync_client=True) as client:
        try:
            there = client.read_work_pool(name)
        except ObjectNotFound:
            wanted = WorkPoolCreate(name=name, type=kind.value, base_job_template=made, **limits)
            client.create_work_pool(wanted, overwrite=True)
            return True
        if there.type != kind:
            raise MissingError(
                f"the work pool {name} is of type {there.type}, not {kind}: delete it "
                f"(`prefect work-pool delete {name}`) and run the same command again"
            )
        if overwrite:  # what else was changed in the UI, such as a pause, stays
            client.update_work_pool(name, WorkPoolUpdate(base_job_template=made, **limits))
        return overwrite


def drop_pool(name: str) -> bool:
    """Delete a pool that no deployment uses any more: without a worker it would look broken.

    Args:
        name: Name of the pool.

    Returns:
        Whether there was such a pool.
    """
    from prefect.client.orchestration import get_client
    from prefect.client.schemas.filters import WorkPoolFilter, WorkPoolFilterName
    from prefect.exceptions import ObjectNotFound

    only = WorkPoolFilter(name=WorkPoolFilterName(any_=[name]))
    with get_client(sync_client=True) as client:
        if client.read_deployments(work_pool_filter=only):
            return False
        try:
            client.delete_work_pool(name)
        except ObjectNotFound:
            return False
        return True
