"""Runs in containers of their own, by workers of a docker pool: what each finds, lacks, survives.

They take the stack as ``test_container_stack`` has left it, with exams in its bucket.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from engine import DEPLOY, IMAGE, IMAGES, SOCKET, ContainerStack, Done, docker, well

from tiny_runs import tiny_config, write_exams

pytestmark = pytest.mark.timeout(900)
SCORE = 2


@pytest.fixture(scope="module")
def workers(
    stack: ContainerStack,
    tmp_path_factory: pytest.TempPathFactory,
    example_plugin_path: Path,
) -> Iterator[list[str]]:
    """Deploy to a docker pool, from a machine that has a plugin more; run a worker of that pool.

    Workers are containers, too; yields their names, to which tests may add. Runs find the storage
    by files on the machine, not by what the server knows.
    """
    stack.upload(write_exams(tmp_path_factory.mktemp("again") / "exams"))
    keys = tmp_path_factory.mktemp("aws")
    (keys / "config").write_text(f"[default]\nregion = us-east-1\nendpoint_url = {stack.s3}\n")
    (keys / "credentials").write_text(
        f"[default]\naws_access_key_id = lusgan\naws_secret_access_key = {stack.secret}\n"
    )
    for path in (keys, *keys.parents[:2]):
        path.chmod(0o755)
    job = {
        "network_mode": "host",
        "image_pull_policy": "Never",
        "volumes": [f"{keys}:/run/secrets/aws:ro"],
        "labels": {"lusgan-test": stack.name},
        "auto_remove": False,  # to look at them
    }
    path = f"{example_plugin_path}:{os.environ.get('PYTHONPATH', '')}"
    well(on_this_machine(
        *DEPLOY[1:], "--every=3600", "--type=docker", f"--image={IMAGE}",
        "--exams=s3://exams", "--store=s3://artifacts",
        *(f"--job={name}={json.dumps(value)}" for name, value in job.items()),
        env={**stack.server, "PYTHONPATH": path},
    ))  # fmt: skip
    names = [start_worker(stack, "worker-0")]
    yield names
    runs = well(docker("ps", "--all", "--quiet", f"--filter=label=lusgan-test={stack.name}"))
    docker("rm", "--force", "--volumes", *names, *runs.split())


def start_worker(stack: ContainerStack, name: str) -> str:
    """Start a docker worker in a container; returns the container's name."""
    engine = Path(os.environ.get("DOCKER_HOST", f"unix://{SOCKET}").removeprefix("unix://"))
    full = f"{stack.name}-{name}"
    well(docker(
        "run", "--detach", f"--name={full}", "--network=host", "--read-only", "--tmpfs=/tmp",
        f"--volume={engine}:{SOCKET}", f"--group-add={engine.stat().st_gid}",
        *(f"--env={variable}={value}" for variable, value in stack.server.items()),
        "--env=PREFECT_WORKER_QUERY_SECONDS=2", IMAGE, "lusgan", "work", "--type=docker",
    ))  # fmt: skip
    return full


def on_this_machine(*command: str, env: dict[str, str]) -> Done:
    """Run lusgan outside of any container."""
    kept = {k: v for k, v in os.environ.items() if not k.startswith(("PREFECT_", "AWS_"))}
    return subprocess.run(
        [sys.executable, "-m", "lusgan_cli.start", *command],
        capture_output=True, text=True, timeout=300, env=kept | env, check=False,
    )  # fmt: skip


def containers(run: str) -> list[dict[str, Any]]:
    """Return the containers that were made for a run."""
    made = well(docker("ps", "--all", "--quiet", f"--filter=label=io.prefect.flow-run-id={run}"))
    return [json.loads(well(docker("inspect", number)))[0] for number in made.split()]


def test_a_training_in_a_container_of_its_own(stack: ContainerStack, workers: list[str]) -> None:
    """A docker worker runs the training deployment in the image; the model is in S3."""
    run = stack.start("stage/train-score", score=SCORE)
    state = stack.ended(run)
    assert state["type"] == "COMPLETED", state
    (model,) = {key.split("/")[2] for key in stack.stored(f"models/score-{SCORE}/")}
    assert stack.stored(f"models/score-{SCORE}/{model}/generator.safetensors")
    (made,) = containers(run)
    assert made["Config"]["Image"] == IMAGE
    assert made["Config"]["User"] == "10001:10001"
    assert made["HostConfig"]["ReadonlyRootfs"]
    assert stack.secret not in json.dumps(made["Config"]["Env"]), "keys come from a file"


def test_runs_that_lack_something(stack: ContainerStack, workers: list[str]) -> None:
    """A GPU that is not there, a plugin that the image lacks: the run fails before any work."""
    config = tiny_config().model_dump(mode="json")
    no_gpu = config | {"runtime": {**config["runtime"], "device": "cuda"}}
    no_plugin = config | {"training": {**config["training"], "loss": "Wasserstein"}}
    runs = [stack.start("stage/train-score", score=3, config=c) for c in (no_gpu, no_plugin)]
    gpu, plugin = [stack.ended(run) for run in runs]
    assert gpu["type"] == plugin["type"] == "FAILED"
    assert "in a work pool `device_requests` for docker" in gpu["message"]
    assert "unknown loss 'Wasserstein'" in plugin["message"]
    assert "--build-arg PLUGINS=PACKAGE" in plugin["message"]
    assert not stack.stored("models/score-3/")
    for run in runs:
        tasks = {"flow_runs": {"id": {"any_": [run]}}}
        assert stack.ask("/task_runs/filter", tasks) == []


def test_a_killed_run_is_noticed(stack: ContainerStack, workers: list[str]) -> None:
    """The container of a run is killed: the server is told that the run has crashed."""
    run = stack.start("stage/train-score", score=0)
    (made,) = stack.until(lambda: containers(run), 120, "the run's container")
    well(docker("kill", made["Id"]))
    assert stack.ended(run)["type"] == "CRASHED"


def test_keys_from_a_block(stack: ContainerStack, workers: list[str]) -> None:
    """A run's credentials may be a block on the server; no run shows more than its name."""
    stack.secret_block("storage-key", stack.secret)
    env = {
        "AWS_ENDPOINT_URL_S3": stack.s3,
        "AWS_REGION": "us-east-1",
        "AWS_ACCESS_KEY_ID": "lusgan",
        "AWS_SECRET_ACCESS_KEY": "{{ prefect.blocks.secret.storage-key }}",
    }
    job = {"env": env, "volumes": [], "auto_remove": True}
    run = stack.start("stage/train-score", score=0, job=job)
    state = stack.ended(run)
    assert state["type"] == "COMPLETED", state
    assert stack.weights("models/score-0/")
    stack.until(lambda: not containers(run), 60, "the container to be removed")
    assert stack.secret not in json.dumps(stack.ask(f"/flow_runs/{run}"))
    logs = stack.ask("/logs/filter", {"logs": {"flow_run_id": {"any_": [run]}}, "limit": 200})
    assert logs
    assert stack.secret not in json.dumps(logs)


def test_an_image_with_a_plugin_more(stack: ContainerStack, workers: list[str]) -> None:
    """PLUGINS= puts one into a layer of its own; a run that names its loss takes that image."""
    image = f"{IMAGES}/with-plugin"
    theirs, ours = (
        json.loads(well(docker("image", "inspect", name)))[0]["RootFS"]["Layers"]
        for name in (image, IMAGE)
    )
    assert theirs[:3] == ours[:3], "base, Python and packages are shared"
    config = tiny_config().model_dump(mode="json")
    config["training"]["loss"] = "Wasserstein"
    run = stack.start("stage/train-score", score=3, config=config, job={"image": image})
    state = stack.ended(run)
    assert state["type"] == "COMPLETED", state
    assert stack.weights("models/score-3/")


def test_a_training_killed_with_its_worker_goes_on_elsewhere(
    stack: ContainerStack, workers: list[str]
) -> None:
    """Container and worker killed, another worker takes the training up: the same weights."""
    config = tiny_config(
        "training.iterations=1500", "runtime.checkpoint_s=0.5", scores=(SCORE,)
    ).model_dump(mode="json")

    def pipeline(place: str, **more: Any) -> str:
        store = f"s3://artifacts/{place}"
        return stack.start("pipeline/pipeline", store=store, config=config, settle_s=0, **more)

    run = pipeline("killed", train_on="training/training")
    stack.until(
        lambda: any("/checkpoints/" in key for key in stack.stored("killed/models/")),
        300, "a checkpoint",
    )  # fmt: skip
    (training,) = stack.runs("training")
    (made,) = containers(training["id"])
    well(docker("kill", workers[-1], made["Id"]))
    workers.append(start_worker(stack, "worker-1"))
    undisturbed = pipeline("undisturbed")
    assert stack.ended(undisturbed, 400)["type"] == "COMPLETED"
    state = stack.ended(run, 400)
    assert state["type"] == "COMPLETED", state
    trainings = stack.runs("training")
    assert sorted(t["state_type"] for t in trainings) == ["COMPLETED", "CRASHED"]
    weights = stack.weights("undisturbed/")
    assert len(weights) == 1
    assert stack.weights("killed/") == weights
