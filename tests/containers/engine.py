"""The Docker engine and the images that ``docker/test/run`` has made, and a stack of them."""

from __future__ import annotations

import json
import os
import secrets
import subprocess
import sys
import time
from base64 import b64encode
from collections.abc import Callable
from pathlib import Path
from typing import Any, Self
from urllib.error import URLError
from urllib.request import Request, urlopen

import boto3
from botocore.config import Config

from tiny_runs import SETTINGS

ROOT = Path(__file__).parents[2]
IMAGES = "lusgan-test"
IMAGE = f"{IMAGES}/lusgan"
DOCKER = os.environ.get("DOCKER", "docker")
COMPOSE = str(Path(sys.executable).parent / "docker-compose")
SOCKET = "/var/run/docker.sock"
DEPLOY = ("lusgan", "deploy", "--preset=demo", *(f"--set={setting}" for setting in SETTINGS))
FINAL = ("COMPLETED", "FAILED", "CRASHED", "CANCELLED")

Done = subprocess.CompletedProcess[str]


def docker(*arguments: str, timeout_s: float = 120) -> Done:
    """Run a command of Docker's client to its end."""
    return subprocess.run(
        [DOCKER, *arguments], capture_output=True, text=True, timeout=timeout_s, check=False
    )


def well(done: Done) -> str:
    """Return what a command printed; fail with all it said unless it succeeded."""
    assert done.returncode == 0, f"{done.args}:\n{done.stdout[-3000:]}{done.stderr[-3000:]}"
    return done.stdout


def last(done: Done) -> str:
    """Return the last line that a command said on stderr."""
    return done.stderr.rstrip("\n").rpartition("\n")[2]


class ContainerStack:
    """``docker/compose.yaml`` with test images, in a ``with`` block."""

    def __init__(self, folder: Path, ports: tuple[int, int, int]) -> None:
        self.name = f"lusgan-test-{secrets.token_hex(3)}"
        self.ui, self.reports, self.s3 = (f"http://127.0.0.1:{port}" for port in ports)
        self.auth, self.secret = f"admin:{secrets.token_hex(8)}", secrets.token_hex(16)
        self.server = {"PREFECT_API_URL": f"{self.ui}/api", "PREFECT_API_AUTH_STRING": self.auth}
        self.env = folder / "stack.env"
        values = {
            "PREFECT_AUTH": self.auth,
            "POSTGRES_PASSWORD": secrets.token_hex(8),
            "AWS_ACCESS_KEY_ID": "lusgan",
            "AWS_SECRET_ACCESS_KEY": self.secret,
            "LUSGAN_CPU_IMAGE": IMAGE,
            "LUSGAN_SERVER_IMAGE": f"{IMAGES}/server",
            "POSTGRES_IMAGE": f"{IMAGES}/postgres",
            "SEAWEEDFS_IMAGE": f"{IMAGES}/seaweedfs",
            **dict(zip(("UI_PORT", "REPORTS_PORT", "S3_PORT"), map(str, ports), strict=True)),
        }
        self.env.write_text("".join(f"{name}={value}\n" for name, value in values.items()))

    def compose(self, *arguments: str, timeout_s: float = 300) -> Done:
        """Run Docker Compose on the stack."""
        command = [
            COMPOSE, "--ansi=never", "--progress=plain", f"--project-name={self.name}",
            f"--env-file={self.env}", f"--file={ROOT / 'docker/compose.yaml'}",
        ]  # fmt: skip
        return subprocess.run(
            [*command, *arguments], capture_output=True, text=True, timeout=timeout_s, check=False
        )

    def once(self, *command: str, env: dict[str, str] | None = None) -> Done:
        """Run a command as the stack's deploy service does, with other variables if given."""
        changed = [f"--env={name}={value}" for name, value in (env or {}).items()]
        return self.compose("run", "--rm", "-T", "--no-deps", *changed, "deploy", *command)

    def __enter__(self) -> Self:
        done = self.compose("up", "--detach", "--wait", "--no-build", "--wait-timeout=400",
                            timeout_s=450)  # fmt: skip
        if done.returncode:
            logs = self.compose("logs", "--tail=30").stdout
            self.__exit__()
            raise RuntimeError(f"the stack did not start:\n{done.stderr}\n{logs}")
        return self

    def __exit__(self, *_: object) -> None:
        self.compose("--profile=gpu", "--profile=tools", "down", "--volumes", "--timeout=5")

    def ask(self, path: str, body: object | None = None) -> Any:
        """Ask Prefect's server."""
        headers, data = self.signed(), None
        if body is not None:
            name, data = secrets.token_hex(8), json.dumps(body).encode()
            token = self.ask(f"/csrf-token?client={name}")["token"]
            headers |= {"Prefect-Csrf-Client": name, "Prefect-Csrf-Token": token}
        with urlopen(Request(f"{self.ui}/api{path}", data, headers), timeout=30) as reply:
            return json.load(reply)

    def signed(self) -> dict[str, str]:
        """Headers of who has signed in, to the server and to the reports."""
        token = b64encode(self.auth.encode()).decode()
        return {"Content-Type": "application/json", "Authorization": f"Basic {token}"}

    def start(self, deployment: str, job: dict[str, Any] | None = None, **parameters: Any) -> str:
        """Ask for a run of FLOW/DEPLOYMENT, with variables of its pool; returns the run's id."""
        found = self.ask(f"/deployments/name/{deployment}")
        body = {"parameters": parameters, "job_variables": job or {}}
        return str(self.ask(f"/deployments/{found['id']}/create_flow_run", body)["id"])

    def runs(self, flow: str) -> list[dict[str, Any]]:
        """Runs of a flow."""
        return list(self.ask("/flow_runs/filter", {"flows": {"name": {"any_": [flow]}}}))

    def ended(self, run: str, within_s: float = 300) -> dict[str, Any]:
        """Wait for the end of a run; returns its state."""

        def state() -> dict[str, Any] | None:
            found = self.ask(f"/flow_runs/{run}")["state"]
            return dict(found) if found["type"] in FINAL else None

        return dict(self.until(state, within_s, f"the end of run {run}"))

    def until(self, done: Callable[[], Any], within_s: float, what: str) -> Any:
        """Wait for something; returns what it returned."""
        end = time.monotonic() + within_s
        while not (found := done()):
            assert time.monotonic() < end, (
                f"waited {within_s} s for {what}:\n{self.compose('logs', '--tail=25').stdout}"
            )
            time.sleep(1)
        return found

    def client(self) -> Any:
        """A client of its S3 storage."""
        return boto3.client(
            "s3",
            endpoint_url=self.s3,
            aws_access_key_id="lusgan",
            aws_secret_access_key=self.secret,
            region_name="us-east-1",
            config=Config(s3={"addressing_style": "path"}, signature_version="s3v4"),
        )

    def upload(self, exams: Path) -> None:
        """Upload a folder of exams."""
        client = self.client()
        for file in sorted(exams.rglob("*")):
            if file.is_file():
                client.upload_file(str(file), "exams", file.relative_to(exams).as_posix())

    def stored(self, prefix: str) -> list[str]:
        """Keys in the store below a prefix."""
        found = self.client().list_objects_v2(Bucket="artifacts", Prefix=prefix)
        return [item["Key"] for item in found.get("Contents", [])]

    def weights(self, prefix: str) -> dict[str, bytes]:
        """Weights below a prefix of the store: key after the prefix -> bytes."""
        client = self.client()
        return {
            key.removeprefix(prefix): client.get_object(Bucket="artifacts", Key=key)["Body"].read()
            for key in self.stored(prefix)
            if key.endswith("/generator.safetensors")
        }

    def secret_block(self, name: str, value: str) -> None:
        """Keep a value in a block of type `secret` on the server."""
        kind = self.ask("/block_types/slug/secret")["id"]
        schemas = self.ask(
            "/block_schemas/filter", {"block_schemas": {"block_type_id": {"any_": [kind]}}}
        )
        self.ask(
            "/block_documents/",
            {
                "name": name,
                "data": {"value": value},
                "block_type_id": kind,
                "block_schema_id": schemas[0]["id"],
            },
        )

    def page(self, key: str) -> str:
        """A page of the reports' server."""
        try:
            asked = Request(f"{self.reports}/{key}", headers=self.signed())
            with urlopen(asked, timeout=30) as reply:
                return str(reply.read().decode())
        except URLError as error:
            raise AssertionError(f"no report at {self.reports}/{key}: {error}") from error
