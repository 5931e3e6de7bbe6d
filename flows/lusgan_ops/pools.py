"""Work pools: what kinds there are, what they are called, and the template of their runs.

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
    """What a run becomes: a process beside the worker, a container, or a job of a cluster."""

    PROCESS = "process"
    DOCKER = "docker"
    KUBERNETES = "kubernetes"


WITHOUT_GPU: dict[Kind, dict[str, Any]] = {
    Kind.PROCESS: {},
    Kind.DOCKER: {"device_requests": []},
    Kind.KUBERNETES: {"gpus": 0, "node_selector": {}, "tolerations": []},
}
"""What a pool for the CPU has in place of the templates' defaults."""


def pool_name(kind: Kind, gpu: bool) -> str:
    """Name of a pool, e.g. ``lusgan-gpu`` (processes) or ``lusgan-docker-gpu``."""
    device = "gpu" if gpu else "cpu"
    return f"lusgan-{device}" if kind is Kind.PROCESS else f"lusgan-{kind}-{device}"


def template(
    kind: Kind, gpu: bool, image: str = "", job: Mapping[str, Any] | None = None
) -> Template:
    """The template of a pool's runs; ``job`` sets defaults of its variables, by name.

    Raises UnknownNameError for a variable that there is none of, ConfigError for a value that the
    variable cannot have.
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
    """Make a pool on the server; returns whether anything was made.

    A pool that is there stays as it is, unless ``overwrite``: then its template is made anew, and
    its limit of runs at a time is that of ``limit``, if any. Raises MissingError where it is of
    another kind.
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
