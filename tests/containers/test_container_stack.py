"""The whole stack in containers: PostgreSQL, S3, Prefect, workers; from uploads to a report.

The tests of this module follow each other: each goes on with what the one before has left.
"""

from __future__ import annotations

import json
import os
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any
from urllib.error import HTTPError
from urllib.request import urlopen

import pytest
from engine import IMAGE, ContainerStack, Done, docker, last, well
from tiny_runs import SETTINGS, tiny_config, write_exams

pytestmark = pytest.mark.timeout(900)
DEPLOY = ("lusgan", "deploy", "--preset=demo", *(f"--set={setting}" for setting in SETTINGS))
SOCKET = "/var/run/docker.sock"


@pytest.fixture(scope="module")
def stack(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ContainerStack]:
    """Run the stack for the module."""
    with ContainerStack(tmp_path_factory.mktemp("stack"), free_ports()) as running:
        yield running


def free_ports() -> tuple[int, int, int]:
    """Return three ports on which nobody listens."""
    with ExitStack() as probes:
        sockets = [probes.enter_context(socket.create_server(("127.0.0.1", 0))) for _ in range(3)]
        first, second, third = (probe.getsockname()[1] for probe in sockets)
    return first, second, third


def test_one_command_brings_it_up(stack: ContainerStack) -> None:
    """Every service is healthy; the server wants its password."""
    lines = well(stack.compose("ps", "--format=json")).splitlines()
    health = {s["Service"]: s["Health"] for s in map(json.loads, lines)}
    assert health == dict.fromkeys(
        ("database", "storage", "server", "reports", "cpu-worker"), "healthy"
    )
    with pytest.raises(HTTPError, match="401"):
        urlopen(f"{stack.ui}/api/deployments/count", timeout=30)


@pytest.mark.parametrize(
    ("wrong", "code", "said"),
    [
        ("AWS_SECRET_ACCESS_KEY", 2, "the secret key does not fit the access key: check"),
        ("AWS_ACCESS_KEY_ID", 2, "the access key is unknown there: check AWS_ACCESS_KEY_ID"),
        ("PREFECT_API_AUTH_STRING", 1, "answers 401: set PREFECT_API_AUTH_STRING to what"),
    ],
)
def test_wrong_credentials(stack: ContainerStack, wrong: str, code: int, said: str) -> None:
    """A worker says which are wrong, and does not start."""
    done = stack.once("lusgan", "work", "--check", env={wrong: "admin:wrong"})
    assert done.returncode == code, done.stderr
    assert said in last(done)


def test_workers_that_lack_something(stack: ContainerStack) -> None:
    """No GPU, no Docker socket and no cluster: each is said with what to do."""
    gpu = stack.once("lusgan", "work", "--gpu", "--check")
    assert gpu.returncode == 1
    assert "give the container one" in last(gpu)
    engine = stack.once("lusgan", "work", "--type=docker", "--check")
    assert engine.returncode == 1
    assert f"mount the machine's socket into this container (-v {SOCKET}:{SOCKET})" in last(engine)
    cluster = stack.once("lusgan", "work", "--type=kubernetes", "--check")
    assert cluster.returncode == 1
    assert "no Kubernetes cluster is known here" in last(cluster)


def test_uploads_become_a_report(stack: ContainerStack, tmp_path: Path) -> None:
    """The second command registers the deployments; exams in the bucket do the rest."""
    out = well(stack.once(*DEPLOY, "--every=10", "--settle=1", "--scores=1"))
    assert "pipeline: in lusgan-cpu" in out
    stack.upload(write_exams(tmp_path / "exams"))
    key = stack.until(lambda: report(stack), 400, "a report")
    assert stack.stored("models/score-1/")
    assert "<html" in stack.page(key)


def report(stack: ContainerStack) -> str | None:
    """Return the key of a report's page, if there is one."""
    return next((k for k in stack.stored("reports/") if k.endswith("/index.html")), None)


@pytest.fixture(scope="module")
def docker_pool(
    stack: ContainerStack,
    tmp_path_factory: pytest.TempPathFactory,
    example_plugin_path: Path,
) -> Iterator[str]:
    """Deploy to a docker pool, from a machine that has a plugin more; run a worker of that pool.

    The worker is a container, too; runs find the storage by files on the machine, not by what the
    server knows.
    """
    keys = tmp_path_factory.mktemp("aws")
    (keys / "config").write_text(f"[default]\nregion = us-east-1\nendpoint_url = {stack.s3}\n")
    (keys / "credentials").write_text(
        f"[default]\naws_access_key_id = lusgan\naws_secret_access_key = {stack.secret}\n"
    )
    for path in (keys, *keys.parents[:2]):
        path.chmod(0o755)
    server = {"PREFECT_API_URL": f"{stack.ui}/api", "PREFECT_API_AUTH_STRING": stack.auth}
    job = {
        "network_mode": "host",
        "image_pull_policy": "Never",
        "volumes": [f"{keys}:/run/secrets/aws:ro"],
    }
    well(on_this_machine(
        *DEPLOY[1:], "--every=3600", "--type=docker", f"--image={IMAGE}",
        "--exams=s3://exams", "--store=s3://artifacts",
        *(f"--job={name}={json.dumps(value)}" for name, value in job.items()),
        env={**server, "PYTHONPATH": f"{example_plugin_path}:{os.environ.get('PYTHONPATH', '')}"},
    ))  # fmt: skip
    name = f"{stack.name}-docker-worker"
    engine = Path(os.environ.get("DOCKER_HOST", f"unix://{SOCKET}").removeprefix("unix://"))
    well(docker(
        "run", "--detach", f"--name={name}", "--network=host", "--read-only", "--tmpfs=/tmp",
        f"--volume={engine}:{SOCKET}", f"--group-add={engine.stat().st_gid}",
        *(f"--env={variable}={value}" for variable, value in server.items()),
        "--env=PREFECT_WORKER_QUERY_SECONDS=2", IMAGE, "lusgan", "work", "--type=docker",
    ))  # fmt: skip
    yield name
    ours = ("--filter=label=io.prefect.flow-run-id", f"--filter=ancestor={IMAGE}")
    runs = well(docker("ps", "--all", "--quiet", *ours))
    docker("rm", "--force", "--volumes", name, *runs.split())


def on_this_machine(*command: str, env: dict[str, str]) -> Done:
    """Run lusgan outside of any container."""
    kept = {k: v for k, v in os.environ.items() if not k.startswith(("PREFECT_", "AWS_"))}
    return subprocess.run(
        [sys.executable, "-m", "lusgan_flows.start", *command],
        capture_output=True, text=True, timeout=300, env=kept | env, check=False,
    )  # fmt: skip


def containers(run: str) -> list[dict[str, Any]]:
    """Return the containers that were made for a run."""
    made = well(docker("ps", "--all", "--quiet", f"--filter=label=io.prefect.flow-run-id={run}"))
    return [json.loads(well(docker("inspect", number)))[0] for number in made.split()]


def test_a_training_in_a_container_of_its_own(stack: ContainerStack, docker_pool: str) -> None:
    """A docker worker runs the training deployment in the image; the model is in S3."""
    run = stack.start("train-score", score=2)
    state = stack.ended(run)
    assert state["type"] == "COMPLETED", state
    (model,) = {key.split("/")[2] for key in stack.stored("models/score-2/")}
    assert stack.stored(f"models/score-2/{model}/generator.safetensors")
    (made,) = containers(run)
    assert made["Config"]["Image"] == IMAGE
    assert made["Config"]["User"] == "10001:10001"
    assert made["HostConfig"]["ReadonlyRootfs"]
    assert stack.secret not in json.dumps(made["Config"]["Env"]), "keys come from a file"


def test_runs_that_lack_something(stack: ContainerStack, docker_pool: str) -> None:
    """A GPU that is not there, a plugin that the image lacks: the run fails before any work."""
    config = tiny_config().model_dump(mode="json")
    no_gpu = config | {"runtime": {**config["runtime"], "device": "cuda"}}
    no_plugin = config | {"training": {**config["training"], "loss": "Wasserstein"}}
    runs = [stack.start("train-score", score=3, config=c) for c in (no_gpu, no_plugin)]
    gpu, plugin = [stack.ended(run) for run in runs]
    assert gpu["type"] == plugin["type"] == "FAILED"
    assert "in a work pool `device_requests` for docker" in gpu["message"]
    assert "unknown loss 'Wasserstein'" in plugin["message"]
    assert "--build-arg PLUGINS=PACKAGE" in plugin["message"]
    assert not stack.stored("models/score-3/")
    for run in runs:
        tasks = {"flow_runs": {"id": {"any_": [run]}}}
        assert stack.ask("/task_runs/filter", tasks) == []


def test_a_killed_run_is_noticed(stack: ContainerStack, docker_pool: str) -> None:
    """The container of a run is killed: the server is told that the run has crashed."""
    run = stack.start("train-score", score=0)
    (made,) = stack.until(lambda: containers(run), 120, "the run's container")
    well(docker("kill", made["Id"]))
    assert stack.ended(run)["type"] == "CRASHED"
