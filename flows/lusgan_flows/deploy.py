"""Tells a Prefect server, wherever it is, of lusgan's work pools, deployments and automations."""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import yaml

from lusgan_core.errors import ConfigError
from lusgan_flows import needs
from lusgan_flows.pools import WITHOUT_GPU, Kind, Template, make_pool, pool_name, template
from lusgan_flows.up.home import UpSettings
from lusgan_flows.up.register import TRAINING, rendered

WITH_GPU = ("training", "train-score")
"""Deployments that go where the GPUs are; a pipeline sends its trainings there."""
DEFAULT_IMAGE = {True: "lusgan:gpu", False: "lusgan:cpu"}


def deployed(settings: UpSettings, kind: Kind, gpu: bool) -> dict[str, Any]:
    """``prefect.yaml`` for pools of a kind; with ``gpu``, those that train ask for one.

    Raises ConfigError for a folder of this machine where runs are executed elsewhere.
    """
    if kind is not Kind.PROCESS:
        for option, address in (("--exams", settings.exams), ("--store", settings.store)):
            if "://" not in address:
                raise ConfigError(
                    f"{option}: a run of type {kind} does not see this machine's folders: expected "
                    "s3://BUCKET/PREFIX"
                )
    found = rendered(settings)
    for deployment in found["deployments"]:
        name, on_gpu = deployment["name"], gpu and deployment["name"] in WITH_GPU
        deployment["work_pool"] = {"name": pool_name(kind, on_gpu)}
        parameters = deployment.setdefault("parameters", {})
        if gpu and name == "pipeline":
            parameters["train_on"] = TRAINING
        if on_gpu and name == "training":
            parameters["device"] = "cuda"
        elif gpu and "config" in parameters:  # what trains asks for a GPU, nothing else does
            config = dict(parameters["config"] or {})
            device = "cuda" if on_gpu else "auto"
            config["runtime"] = {**config.get("runtime", {}), "device": device}
            parameters["config"] = config
    return found


def pools(kind: Kind, gpu: bool, image: str, job: Mapping[str, Any]) -> dict[str, Template]:
    """The templates of all pools wanted, by name; what concerns GPUs is for the GPUs' alone."""
    without = {k: v for k, v in job.items() if k not in WITHOUT_GPU[kind]} if gpu else job
    return {
        pool_name(kind, on_gpu): template(
            kind, on_gpu, image or DEFAULT_IMAGE[on_gpu], job if on_gpu else without
        )
        for on_gpu in {False, gpu}
    }


def deploy(
    settings: UpSettings,
    kind: Kind,
    gpu: bool,
    image: str = "",
    job: Mapping[str, Any] = {},
    trainings: int | None = None,
) -> list[tuple[str, str]]:
    """Make pools, deployments and automations anew; returns deployments with their pools.

    With ``trainings``, so many are executed at a time, whatever the number of workers; it takes
    ``gpu``, for without one they share a pool with the pipelines that wait for them. Raises
    ConfigError, and MissingError where the server lacks something; both say what to do.
    """
    if trainings is not None and not gpu:
        raise ConfigError(
            "--trainings limits the pool of the GPUs: give --gpu, too (without a GPU, "
            "`lusgan work --limit N` limits a worker)"
        )
    file = deployed(settings, kind, gpu)
    templates = pools(kind, gpu, image, job)
    needs.server()
    for name, made in templates.items():
        limit = trainings if name == pool_name(kind, True) else None
        make_pool(name, kind, made, overwrite=True, limit=limit)
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "prefect.yaml")
        path.write_text(yaml.safe_dump(file, sort_keys=False, allow_unicode=True), "utf-8")
        command = ["--no-prompt", "deploy", "--all", "--prefect-file", str(path)]
        told = subprocess.run(
            [sys.executable, "-m", "prefect", *command],
            cwd=folder, stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False,
            env={**os.environ, "PREFECT_LOGGING_LEVEL": "ERROR"},
        )  # fmt: skip
    if told.returncode:
        lines = [line for line in (told.stdout + told.stderr).splitlines() if line.strip()]
        raise needs.MissingError(
            f"the deployments cannot be made: {lines[-1].strip() if lines else 'no reason given'}"
        )
    from lusgan_flows.up.automations import make_automations

    make_automations(settings)
    return [(d["name"], d["work_pool"]["name"]) for d in file["deployments"]]
