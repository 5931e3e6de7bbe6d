"""Tells the server what there is: work pool, deployments, automations.

A process of its own (``python -m lusgan_flows.up.register HOME``), so that the supervisor stays
small. Nothing is told again that was told before, so that what was changed in the UI stays.
"""

from __future__ import annotations

import hashlib
import os
import subprocess
import sys
from collections.abc import Mapping
from importlib.resources import files
from pathlib import Path
from typing import Any

import yaml

from lusgan_core.exams import open_source
from lusgan_core.provenance import digest_bytes
from lusgan_flows.up.home import Home, UpError, UpSettings, write_whole
from lusgan_flows.up.services import FLOWS, GPU_POOL, POOL
from lusgan_flows.up.supervisor import last_line

TRAINING = "training/training"
"""Flow and deployment that a pipeline sends trainings to."""


def rendered(settings: UpSettings) -> dict[str, Any]:
    """``prefect.yaml`` with what ``lusgan up`` was asked for filled in."""
    text = (files("lusgan_flows") / "deployments" / "prefect.yaml").read_text(encoding="utf-8")
    found = yaml.safe_load(text)
    found.pop("definitions", None)
    source = digest_bytes(open_source(settings.exams).uri.encode())[:8]
    for deployment in found["deployments"]:
        if "parameters" not in deployment:  # a training is told all by the pipeline
            continue
        parameters = dict(deployment["parameters"])
        parameters |= {"exams": settings.exams, "store": settings.store}
        if "config" in parameters:
            parameters |= {"preset": settings.preset, "config": settings.config}
        if deployment["name"] == "pipeline" and settings.trainers:
            parameters["train_on"] = TRAINING
        if "settle_s" in parameters:
            parameters["settle_s"] = settings.settle_s
        deployment["parameters"] = parameters
        for schedule in deployment.get("schedules", ()):
            if "interval" in schedule:
                schedule["interval"] = settings.every_s
        for trigger in deployment.get("triggers", ()):
            trigger["match"] = {"prefect.resource.id": f"lusgan.exams.{source}"}
            trigger["within"] = settings.debounce_s
    return dict(found)


def register(home: Home, environment: Mapping[str, str]) -> None:
    """Bring the server up to date. Raises UpError, which names the log."""
    settings = home.settings()
    text = yaml.safe_dump(rendered(settings), sort_keys=False, allow_unicode=True)
    file = home.folder("deployments") / "prefect.yaml"
    done = home.path / "deployments" / "done"
    version = _version(text, settings)
    if done.exists() and done.read_text() == version and _all_there(settings):
        return
    write_whole(file, text)
    log = home.folder("logs") / "deploy.log"
    pools = [
        ["work-pool", "create", name, "--type", "process", "--overwrite"]
        for name in (POOL, GPU_POOL)
    ]
    deploy = ["--no-prompt", "deploy", "--all", "--prefect-file", str(file)]
    for command in (*pools, deploy):
        with log.open("ab") as out:
            code = subprocess.run(
                [sys.executable, "-m", "prefect", *command],
                cwd=file.parent, env=dict(environment), stdin=subprocess.DEVNULL,
                stdout=out, stderr=subprocess.STDOUT, check=False,
            ).returncode  # fmt: skip
        if code:
            raise UpError(f"the deployments cannot be made; the end of {log}: {last_line(log)}")
    from lusgan_flows.up.automations import make_automations

    make_automations(settings)
    write_whole(done, version)


def _version(text: str, settings: UpSettings) -> str:
    """Changes whenever the server has to be told anew: the file, the flows' parameters, blocks."""
    state = hashlib.sha256(text.encode())
    state.update(repr((settings.notify, settings.database)).encode())
    for folder in ("lusgan_core", "lusgan_flows"):
        for module in sorted(Path(str(files(folder))).rglob("*.py")):
            state.update(module.read_bytes())
    return state.hexdigest()


def _all_there(settings: UpSettings) -> bool:
    from prefect.client.orchestration import get_client

    with get_client(sync_client=True) as client:
        names = {deployment.name for deployment in client.read_deployments()}
    return names >= set(FLOWS)


def main() -> None:
    """Register what the folder named on the command line was asked for."""
    try:
        register(Home(Path(sys.argv[1])), os.environ)
    except UpError as error:
        sys.exit(str(error))


if __name__ == "__main__":
    main()
