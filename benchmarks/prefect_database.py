"""How much Prefect's database grows: by runs over exams, and by looks that find nothing.

    python benchmarks/prefect_database.py [--exams 50] [--looks 10]

Starts ``lusgan up`` (Prefect's server with SQLite, and a worker) in a folder of its own, over tiny
phantom exams and a store in a folder. Runs the deployment ``pipeline`` up to its report: for the
first time, with one exam more, and with nothing new; then asks for looks of ``watch``. Prints for
each how many task runs and flow runs it left, and by how many bytes in use the database grew.
"""

from __future__ import annotations

import argparse
import os
import platform
import sqlite3
import subprocess
import sys
import tempfile
import time
import uuid
from contextlib import closing
from importlib.metadata import version
from pathlib import Path
from typing import Any

from lusgan_core.config import resolve
from lusgan_core.phantom.options import PhantomOptions
from lusgan_core.phantom.tree import write_phantoms
from lusgan_core.registry import installed
from lusgan_ops.prefect_api import ask
from lusgan_ops.up.home import Home, UpSettings
from lusgan_ops.up.services import stack_environment

OPTIONS = (
    "preprocessing.image_size=32",
    'training.backbone_options={"width": 4, "dropout": 0.0}',
    "training.iterations=4",
    "training.batch_size=4",
    "generation.count=8",
    'evaluation.metrics=["mse"]',
    "evaluation.real_frames=8",
    "evaluation.audit_frames=0",
)
FINAL = ("COMPLETED", "FAILED", "CRASHED", "CANCELLED")
QUIET_S = 15
"""The server writes events some seconds after they happened."""


class Stack:
    """``lusgan up`` in a ``with`` block."""

    def __init__(self, folder: Path, port: int) -> None:
        self.home, self.settings = folder / "home", UpSettings(port=port)
        self.exams, self.store = folder / "exams", folder / "store"
        self.log = folder / "up.log"

    def __enter__(self) -> Stack:
        command = [
            "up", f"--home={self.home}", f"--port={self.settings.port}", f"--exams={self.exams}",
            f"--store={self.store}", "--every=86400",
        ]  # fmt: skip
        with self.log.open("wb") as log:
            self.process = subprocess.Popen(
                [sys.executable, "-m", "lusgan_cli.start", *command], stdout=log, stderr=log
            )
        end = time.monotonic() + 240
        while b"UI: http" not in self.log.read_bytes():
            if self.process.poll() is not None or time.monotonic() > end:
                sys.exit(self.log.read_text())
            time.sleep(0.5)
        os.environ.update(stack_environment(Home(self.home), self.settings))
        return self

    def __exit__(self, *_: object) -> None:
        self.process.terminate()
        self.process.wait(120)

    def run(self, flow: str, **parameters: Any) -> float:
        """A run of a deployment; returns the seconds from asking for it to its end."""
        api = self.settings.api
        deployment = ask(api, f"/deployments/name/{flow}/{flow}")["id"]
        started = time.monotonic()
        body = {"parameters": parameters, "state": {"type": "SCHEDULED"},
                "idempotency_key": str(uuid.uuid4())}  # fmt: skip
        run = ask(api, f"/deployments/{deployment}/create_flow_run", body)["id"]
        while (told := ask(api, f"/flow_runs/{run}"))["state_type"] not in FINAL:
            time.sleep(0.5)
        if told["state_type"] != "COMPLETED":
            sys.exit(f"{flow}: {told['state']}")
        return time.monotonic() - started

    def bytes_in_use(self) -> int:
        """Bytes of the database that hold something, once the server has written all it has."""
        before = -1
        while (now := self._bytes()) != before:
            before = now
            time.sleep(QUIET_S)
        return now

    def _bytes(self) -> int:
        file = self.home / "prefect" / "prefect.db"
        with closing(sqlite3.connect(f"file:{file}?mode=ro", uri=True, timeout=60)) as database:
            pages, free, size = (
                database.execute(f"PRAGMA {name}").fetchone()[0]
                for name in ("page_count", "freelist_count", "page_size")
            )
        return int((pages - free) * size)

    def count(self, what: str, **filters: Any) -> int:
        """Number of task runs or flow runs that the server knows."""
        return int(ask(self.settings.api, f"/{what}/count", filters))


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--exams", type=int, default=50, help="exams, of one clip each")
    parser.add_argument("--looks", type=int, default=10, help="looks of `watch`")
    parser.add_argument("--port", type=int, default=24_300, help="first of the ports to use")
    args = parser.parse_args()
    config = resolve("demo", installed(), settings=OPTIONS).model_dump(mode="json")
    print(f"Python {platform.python_version()}, prefect {version('prefect')}; "
          f"{os.cpu_count()} cores, load {os.getloadavg()[0]:.1f}")  # fmt: skip
    with tempfile.TemporaryDirectory(prefix="lusgan-bench-") as name:
        phantoms = Path(name, "phantoms")
        write_phantoms(phantoms, PhantomOptions(
            patients=args.exams + 1, clips_per_exam=1, frames_per_clip=6, size=64
        ))  # fmt: skip
        last = max(phantoms.glob("[0-9]*"))
        late = Path(name, "late")
        last.rename(late)
        phantoms.rename(Path(name, "exams"))
        with Stack(Path(name), args.port) as stack:
            runs = {"config": config, "preset": "demo", "settle_s": 0}
            measure(stack, f"{args.exams} exams for the first time", "pipeline", runs)
            late.rename(stack.exams / last.name)
            measure(stack, "one exam more", "pipeline", runs)
            measure(stack, "nothing new", "pipeline", runs)
            measure(stack, f"{args.looks} looks", "watch", {}, args.looks)


def measure(stack: Stack, what: str, flow: str, parameters: dict[str, Any], times: int = 1) -> None:
    """Run a deployment and print what that left in the database."""
    watched = {"flows": {"name": {"any_": [flow]}},
               "flow_runs": {"state": {"type": {"any_": list(FINAL)}}}}  # fmt: skip
    before = stack.bytes_in_use(), stack.count("task_runs"), stack.count("flow_runs", **watched)
    seconds = sum(stack.run(flow, **parameters) for _ in range(times))
    after = stack.bytes_in_use(), stack.count("task_runs"), stack.count("flow_runs", **watched)
    grown, tasks, runs = (now - then for now, then in zip(after, before, strict=True))
    print(f"{what}: {seconds:.1f} s, {tasks} task runs, {runs} flow runs left, "
          f"database +{grown:,} bytes", flush=True)  # fmt: skip


if __name__ == "__main__":
    main()
