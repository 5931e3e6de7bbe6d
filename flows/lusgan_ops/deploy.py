"""Registers work pools, deployments and automations with a Prefect server."""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
from collections.abc import Mapping
from importlib.resources import files
from pathlib import Path
from typing import Any

import yaml

from lusgan_core.errors import ConfigError, MissingError
from lusgan_core.pipeline.events import resource_id
from lusgan_core.store.source import open_source
from lusgan_ops.pools import WITHOUT_GPU, Kind, Template, make_pool, pool_name, template
from lusgan_ops.preflight.server import prefect_server
from lusgan_ops.up.home import UpSettings

TRAINING = "training/training"
"""Flow and deployment that a pipeline sends trainings to."""
THAT_TRAIN = ("training", "train-score", "useful")
"""Deployments that train, and run in the pool for trainings where there is one."""
DEPLOYMENTS = (
    "pipeline",
    "watch",
    "ingest",
    "train-score",
    "generate",
    "evaluate",
    "useful",
    "approve",
    "verify",
    "training",
)
"""Names of all deployments."""
HOURS_LATER = {"nightly": 0, "nightly-verify": 3}
"""Hours from the nightly run to what each schedule starts."""
DEFAULT_IMAGE = {True: "lusgan:gpu", False: "lusgan:cpu"}
"""Image of runs in containers, with a GPU and without."""


def prefect_file(settings: UpSettings, kind: Kind, gpu: bool) -> dict[str, Any]:
    """Read ``prefect.yaml`` with addresses, options, times and pools filled in.

    Args:
        settings: Exams, store, options, times.
        kind: How runs are executed: as processes, containers or jobs of a cluster.
        gpu: Whether deployments that train ask for a GPU.

    Returns:
        The file's content.

    Raises:
        ConfigError: A folder of this machine is named, and runs are executed elsewhere.
    """
    if kind is not Kind.PROCESS:
        for option, address in (("--exams", settings.exams), ("--store", settings.store)):
            if "://" not in address:
                raise ConfigError(
                    f"{option}: a run of type {kind} does not see this machine's folders: expected "
                    "s3://BUCKET/PREFIX"
                )
    text = (files("lusgan_ops") / "deployments" / "prefect.yaml").read_text(encoding="utf-8")
    found = yaml.safe_load(text)
    found.pop("definitions", None)
    source = resource_id(open_source(settings.exams).uri)
    for deployment in found["deployments"]:
        apart = _trains_apart(settings, gpu) and deployment["name"] in THAT_TRAIN
        deployment["work_pool"] = {"name": pool_name(kind, apart)}
        _fill(deployment, settings, gpu)
        for schedule in deployment.get("schedules", ()):
            if "interval" in schedule:
                schedule["interval"] = settings.every_s
            else:
                hour = (settings.nightly + HOURS_LATER[schedule["slug"]]) % 24
                schedule |= {"cron": f"0 {hour} * * *", "timezone": settings.timezone}
        for trigger in deployment.get("triggers", ()):
            trigger["match"] = {"prefect.resource.id": source}
            trigger["within"] = settings.debounce_s
    return dict(found)


def _trains_apart(settings: UpSettings, gpu: bool) -> bool:
    """Whether trainings have a pool of their own."""
    return gpu or settings.trainers > 0


def _fill(deployment: dict[str, Any], settings: UpSettings, gpu: bool) -> None:
    """Fill in the parameters of one deployment."""
    name = deployment["name"]
    parameters = dict(deployment.get("parameters", {}))
    if name != "training":  # a training gets its parameters from the pipeline
        parameters["store"] = settings.store
    if "exams" in parameters:
        parameters["exams"] = settings.exams
    if "config" in parameters:
        config = dict(settings.config)
        if gpu:  # what trains asks for a GPU, nothing else does
            device = "cuda" if name in THAT_TRAIN else "auto"
            config["runtime"] = {**config.get("runtime", {}), "device": device}
        parameters |= {"preset": settings.preset, "config": config}
    if name == "pipeline" and _trains_apart(settings, gpu):
        parameters["train_on"] = TRAINING
    if name == "training" and gpu:
        parameters["device"] = "cuda"
    if "settle_s" in parameters:
        parameters["settle_s"] = settings.settle_s
    if name == "watch" and settings.readers:  # it looks by the readers that the pipeline uses
        parameters["readers"] = settings.readers
    deployment["parameters"] = parameters


def pool_templates(
    kind: Kind, gpu: bool, image: str, job: Mapping[str, Any], apart: bool
) -> dict[str, Template]:
    """Make the templates of all pools that the deployments need.

    Args:
        kind: How runs are executed.
        gpu: Whether trainings ask for a GPU.
        image: Image of runs in containers; empty: ``DEFAULT_IMAGE``.
        job: Defaults of the templates' variables, by name. With ``gpu``, those that concern GPUs
            apply to the pool for trainings alone.
        apart: Whether trainings have a pool of their own.

    Returns:
        Templates by the name of their pool.

    Raises:
        ConfigError: A variable does not exist or cannot have that value.
    """
    without = {k: v for k, v in job.items() if k not in WITHOUT_GPU[kind]} if gpu else job
    return {
        pool_name(kind, trains): template(
            kind,
            trains and gpu,
            image or DEFAULT_IMAGE[trains and gpu],
            job if trains and gpu else without,
        )
        for trains in {False, apart}
    }


def deploy(
    settings: UpSettings,
    kind: Kind,
    gpu: bool,
    image: str = "",
    job: Mapping[str, Any] = {},
    trainings: int | None = None,
) -> list[tuple[str, str]]:
    """Register pools, deployments and automations, or bring them up to date.

    Args:
        settings: Exams, store, options, times, notification blocks.
        kind: How runs are executed: as processes, containers or jobs of a cluster.
        gpu: Whether deployments that train ask for a GPU.
        image: Image of runs in containers; empty: ``DEFAULT_IMAGE``.
        job: Defaults of the pools' variables, by name.
        trainings: Largest number of trainings at a time, over all workers; None sets no limit. It
            needs ``gpu``: without one, trainings share a pool with the pipelines that wait for
            them.

    Returns:
        Names of deployments, each with its pool.

    Raises:
        ConfigError: Options contradict each other.
        MissingError: The server cannot be used, or rejects something.
    """
    if trainings is not None and not gpu:
        raise ConfigError(
            "--trainings limits the pool of the GPUs: give --gpu, too (without a GPU, "
            "`lusgan work --limit N` limits a worker)"
        )
    file = prefect_file(settings, kind, gpu)
    templates = pool_templates(kind, gpu, image, job, _trains_apart(settings, gpu))
    prefect_server()
    for name, made in templates.items():
        limit = trainings if name == pool_name(kind, True) else None
        make_pool(name, kind, made, overwrite=True, limit=limit)
    _deploy_all(file)
    from lusgan_ops.up.automations import make_automations

    make_automations(settings)
    return [(d["name"], d["work_pool"]["name"]) for d in file["deployments"]]


def _deploy_all(file: Mapping[str, Any]) -> None:
    """Have Prefect's own command read a ``prefect.yaml``. Raises MissingError where it fails."""
    with tempfile.TemporaryDirectory(prefix="lusgan-") as folder:
        path = Path(folder, "prefect.yaml")
        path.write_text(yaml.safe_dump(file, sort_keys=False, allow_unicode=True), "utf-8")
        command = ["--no-prompt", "deploy", "--all", "--prefect-file", str(path)]
        done = subprocess.run(
            [sys.executable, "-m", "prefect", *command],
            cwd=folder, stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False,
            env={**os.environ, "PREFECT_LOGGING_LEVEL": "ERROR"},
        )  # fmt: skip
    if done.returncode:
        lines = [line for line in (done.stdout + done.stderr).splitlines() if line.strip()]
        raise MissingError(
            f"the deployments cannot be made: {lines[-1].strip() if lines else 'no reason given'}"
        )
