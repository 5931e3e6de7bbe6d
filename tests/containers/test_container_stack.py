"""The whole stack in containers: PostgreSQL, S3, Prefect, workers; from uploads to a report.

The tests of this module follow each other: each goes on with what the one before has left.
"""

from __future__ import annotations

import json
from pathlib import Path
from urllib.error import HTTPError
from urllib.request import urlopen

import pytest
from engine import DEPLOY, SOCKET, ContainerStack, last, well

from tiny_runs import write_exams

pytestmark = pytest.mark.timeout(900)


def test_one_command_brings_it_up(stack: ContainerStack) -> None:
    """Every service is healthy; the server wants its password."""
    lines = well(stack.compose("ps", "--format=json")).splitlines()
    health = {s["Service"]: s["Health"] for s in map(json.loads, lines)}
    assert health == dict.fromkeys(
        ("database", "storage", "server", "reports", "cpu-worker"), "healthy"
    )
    for asked in (f"{stack.ui}/api/deployments/count", f"{stack.reports}/reports/index.html"):
        with pytest.raises(HTTPError, match="401"):
            urlopen(asked, timeout=30)


def test_ports_of_the_storage_answer_nobody(stack: ContainerStack) -> None:
    """Beside S3, a container of the same network gets nothing from its master, volume and filer."""
    script = (
        "import urllib.request as r\n"
        "for at in ('9333/dir/status', '9340/status', '8888/buckets/exams/', '23646/metrics'):\n"
        "    for kind in ('http', 'https'):\n"
        "        try: print(r.urlopen(f'{kind}://storage:{at}', timeout=9).read())\n"
        "        except OSError as error: print('refused')\n"
    )
    assert set(well(stack.once("python", "-c", script)).split()) == {"refused"}


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
