"""Runs ``lusgan up`` with SeaweedFS as an operator does, and asks its server what happened."""

from __future__ import annotations

import base64
import json
import os
import random
import signal
import subprocess
import sys
import time
import uuid
from collections.abc import Callable
from pathlib import Path
from typing import Any, Self
from urllib.error import HTTPError
from urllib.request import Request, urlopen

import boto3
from botocore.config import Config
from seaweed import _is_free

from lusgan_core.config import RunConfig
from lusgan_ops.up.home import Home, UpSettings
from lusgan_ops.up.services import RUNS, s3_environment
from tiny_runs import tiny_config

RUN = "import sys; from lusgan_cli import main; sys.argv[0] = 'lusgan'; main()"
S3_ABOVE = range(10, 15)
LENIENT = (
    "promotion.min_diversity=0",
    "promotion.keep_diversity=0",
    "promotion.min_discriminator_loss=0",
    "promotion.near_copy=0",
)
TRAINERS = ("--trainers=2",)
"""Two workers, each of which trains one score at a time."""
FINAL = ("COMPLETED", "FAILED", "CRASHED", "CANCELLED")


def lenient() -> RunConfig:
    """Options of a training that takes a second, whose poor model is promoted all the same."""
    return tiny_config(*LENIENT)


class Stack:
    """A local stack in a ``with`` block: exams in ``s3://exams``, its store in ``s3://artifacts``.

    Nothing runs before ``need`` or ``start``.
    """

    def __init__(self, folder: Path, options: RunConfig) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self.home, self.config = folder / "home", folder / "options.json"
        self.config.write_text(options.model_dump_json())
        self.log = folder / "up.log"
        self.port = _free_port(random.Random())
        self.api = f"http://127.0.0.1:{self.port}/api"
        self.process: subprocess.Popen[bytes] | None = None
        self.options: tuple[str, ...] = ()
        """What it was started with, beside what all stacks are."""

    def lusgan(self, *arguments: str, s3: bool = False) -> subprocess.CompletedProcess[str]:
        """Run a command to its end; with ``s3``, its buckets are those of the stack."""
        found = s3_environment(Home(self.home), UpSettings(port=self.port)) if s3 else {}
        return subprocess.run(
            [sys.executable, "-c", RUN, *arguments],
            capture_output=True, text=True, timeout=240, env=self._environment() | found,
        )  # fmt: skip

    def start(self, *more: str) -> None:
        """Start, and wait until it prints the UI's address."""
        command = [
            "up", "--s3", f"--home={self.home}", f"--port={self.port}", "--preset=demo",
            f"--config={self.config}", "--every=30", "--settle=8", "--debounce=10",
            *more,
        ]  # fmt: skip
        self.options = more
        with self.log.open("wb") as log:
            self.process = subprocess.Popen(
                [sys.executable, "-c", RUN, *command],
                stdout=log, stderr=log, env=self._environment(),
            )  # fmt: skip
        self.until(lambda: b"UI: http" in self.log.read_bytes(), 240, "the stack to start")

    def stop(self) -> None:
        """Ctrl-C."""
        assert self.process is not None
        self.process.send_signal(signal.SIGINT)
        assert self.process.wait(120) == 0

    def need(self, *options: str) -> Self:
        """Start it, or start it again with these options, unless it runs with them."""
        if not self.runs_now():
            self.start(*options)
        elif not set(options) <= set(self.options):
            self.stop()
            self.start(*options)
        return self

    def runs_now(self) -> bool:
        """Whether it was started and has not ended."""
        return self.process is not None and self.process.poll() is None

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        if self.runs_now():
            self.stop()

    def until(self, done: Callable[[], Any], within_s: float, what: str) -> Any:
        """Wait for something; returns what it returned."""
        end = time.monotonic() + within_s
        while not (found := done()):
            assert self.runs_now(), f"lusgan up ended: {self.log.read_text()[-2000:]}"
            assert time.monotonic() < end, (
                f"waited {within_s} s for {what}: {self.runs('pipeline')}"
            )
            time.sleep(0.5)
        return found

    def ask(self, path: str, body: object | None = None, method: str | None = None) -> Any:
        """Ask Prefect's server; again where it is too busy (SQLite is locked, or no answer)."""
        data = None if body is None else json.dumps(body).encode()
        for again in (True, True, True, False):
            try:
                headers = self._signed() | ({} if data is None else self._from_no_page())
                request = Request(self.api + path, data, headers, method=method)
                with urlopen(request, timeout=60) as reply:
                    return json.loads(reply.read() or b"null")
            except HTTPError as error:
                if error.code != 503 or not again:
                    raise
            except TimeoutError:
                if not again:
                    raise
            time.sleep(2)
        return None

    def login(self) -> str:
        """NAME:PASSWORD of its server and its reports."""
        return (self.home / "login").read_text().strip()

    def _signed(self) -> dict[str, str]:
        signed = base64.b64encode(self.login().encode()).decode()
        return {"Content-Type": "application/json", "Authorization": f"Basic {signed}"}

    def _from_no_page(self) -> dict[str, str]:
        """Headers that pages of other sites cannot make."""
        name = str(uuid.uuid4())
        request = Request(f"{self.api}/csrf-token?client={name}", headers=self._signed())
        with urlopen(request, timeout=60) as reply:
            token = json.loads(reply.read())["token"]
        return {"Prefect-Csrf-Client": name, "Prefect-Csrf-Token": token}

    def runs(self, flow: str) -> list[dict[str, Any]]:
        """Runs of a flow that have begun, the oldest first."""
        found = self.ask(
            "/flow_runs/filter",
            {"flows": {"name": {"any_": [flow]}}, "sort": "START_TIME_ASC", "limit": 200},
        )
        return [run for run in found if run["start_time"]]

    def answers(self) -> bool:
        """Whether server and S3 are there."""
        try:
            self.ask("/health")
            self.stored("current/")
        except Exception:
            return False
        return True

    def begin(self, flow: str, **parameters: Any) -> str:
        """Ask for a run of a deployment, as the UI's button does; returns its id."""
        deployment = self.ask(f"/deployments/name/{flow}/{flow}")["id"]
        body = {
            "parameters": parameters,
            "state": {"type": "SCHEDULED"},
            "idempotency_key": str(uuid.uuid4()),  # asked twice, it is begun once
        }
        return str(self.ask(f"/deployments/{deployment}/create_flow_run", body)["id"])

    def pause(self, flow: str, paused: bool = True) -> None:
        """Pause the schedule of a deployment, or have it go on, as the UI's switch does."""
        deployment = self.ask(f"/deployments/name/{flow}/{flow}")["id"]
        self.ask(f"/deployments/{deployment}", {"paused": paused}, method="PATCH")

    def state(self, run: str) -> str:
        """The type of a run's state, in capitals."""
        return str(self.ask(f"/flow_runs/{run}")["state_type"])

    def next_run(self, before: int, within_s: float = 240) -> dict[str, Any]:
        """The first pipeline run after that many, once it has ended."""

        def ended() -> dict[str, Any] | None:
            found = self.runs("pipeline")[before:]
            return next((run for run in found if run["state_type"] in FINAL), None)

        return dict(self.until(ended, within_s, "a run of the pipeline"))

    def quiet(self, seconds: float) -> int:
        """Wait for a time; returns the number of pipeline runs begun since the stack is there."""
        time.sleep(seconds)
        return len(self.runs("pipeline"))

    def s3(self, role: str = RUNS) -> Any:
        """A client of its S3 server, with the key of a role."""
        file = json.loads((self.home / "s3/s3.json").read_text())
        keys = {one["name"]: one["credentials"][0] for one in file["identities"]}[role]
        return boto3.client(
            "s3",
            endpoint_url=f"http://127.0.0.1:{self.port + 10}",
            aws_access_key_id=keys["accessKey"],
            aws_secret_access_key=keys["secretKey"],
            region_name="us-east-1",
            config=Config(
                s3={"addressing_style": "path"},
                signature_version="s3v4",
                retries={
                    "total_max_attempts": 10,
                    "mode": "standard",
                },  # it is killed and restarted
            ),
        )

    def stored(self, prefix: str) -> list[str]:
        """Keys in the store below a prefix."""
        pages = (
            self.s3().get_paginator("list_objects_v2").paginate(Bucket="artifacts", Prefix=prefix)
        )
        return [item["Key"] for page in pages for item in page.get("Contents", [])]

    def get(self, key: str) -> bytes:
        """An object of the store."""
        return bytes(self.s3().get_object(Bucket="artifacts", Key=key)["Body"].read())

    def upload(self, exams: Path, *patients: str) -> None:
        """Upload the exams of patients, masks included."""
        client = self.s3()
        for file in sorted(exams.rglob("*")):
            key = file.relative_to(exams).as_posix()
            own = any(key.startswith(f"{p}/") or f"_{p}_" in key for p in patients)
            if file.is_file() and own:
                client.upload_file(str(file), "exams", key)

    def processes(self, words: str) -> list[int]:
        """Processes of this stack with these words in their command."""
        found = []
        for folder in Path("/proc").glob("[0-9]*"):
            try:
                command = (folder / "cmdline").read_bytes().replace(b"\0", b" ").decode()
                mine = f"LUSGAN_HOME_OF_TEST={self.home}".encode()
                if words in command and mine in (folder / "environ").read_bytes().split(b"\0"):
                    found.append(int(folder.name))
            except OSError:
                continue
        return found

    def kill(self, words: str) -> int:
        """Kill -9 those; returns how many."""
        found = self.processes(words)
        for process in found:
            os.kill(process, signal.SIGKILL)
        return len(found)

    def kill_flows(self, flow: str) -> int:
        """Kill -9 the processes of a flow's runs that are under way; returns how many."""
        body = {
            "flows": {"name": {"any_": [flow]}},
            "flow_runs": {"state": {"type": {"any_": ["RUNNING"]}}},
        }
        runs = [run["id"] for run in self.ask("/flow_runs/filter", body)]
        killed = 0
        for process in self.processes("prefect.engine"):
            environ = Path(f"/proc/{process}/environ").read_bytes()
            if any(run.encode() in environ for run in runs):
                os.kill(process, signal.SIGKILL)
                killed += 1
        return killed

    def _environment(self) -> dict[str, str]:
        kept = {k: v for k, v in os.environ.items() if not k.startswith(("PREFECT_", "AWS_"))}
        return kept | {
            "LUSGAN_HOME_OF_TEST": str(self.home),
            "OMP_NUM_THREADS": "1",
            "OMP_WAIT_POLICY": "PASSIVE",
        }


def _free_port(rng: random.Random) -> int:
    """A port for the UI; those above it, and 10,000 higher, are free as well."""
    while True:
        port = rng.randrange(20_000, 30_000, 20)
        wanted = [port, port + 1, *(port + n for n in S3_ABOVE)]
        if all(_is_free(p) for p in (*wanted, *(port + n + 10_000 for n in S3_ABOVE))):
            return port
