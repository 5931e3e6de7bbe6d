"""A pipeline that finds nothing new, with exams and store on S3: what a look costs.

Starts ``lusgan up --s3`` (Prefect's server and worker, SeaweedFS) in a folder of its own, uploads
phantom exams, runs the pipeline once, and then again with nothing new: by ``lusgan run``, and as a
run of the deployment. Times are wall clock of the whole command, and from the request to the end
of the deployed run; overhead per exam is the slope between a quarter of the exams and all.
"""

from __future__ import annotations

import argparse
import os
import platform
import statistics
import subprocess
import sys
import tempfile
import time
from importlib.metadata import version
from pathlib import Path

from lusgan_core.phantom.options import PhantomOptions
from lusgan_core.phantom.tree import write_phantoms
from lusgan_ops.prefect_api import ask
from lusgan_ops.up.home import Home, UpSettings
from lusgan_ops.up.services import s3_environment

CLIPS_PER_EXAM = 4
OPTIONS = (
    "preprocessing.image_size=32",
    "training.iterations=4",
    "training.batch_size=4",
    "generation.count=8",
    'evaluation.metrics=["mse"]',
    "evaluation.real_frames=8",
)
FINAL = ("COMPLETED", "FAILED", "CRASHED", "CANCELLED")


class LocalStack:
    """``lusgan up --s3`` in a ``with`` block."""

    def __init__(self, folder: Path, port: int) -> None:
        self.folder, self.port = folder, port
        self.settings = UpSettings(port=port)

    def __enter__(self) -> LocalStack:
        self.log = (self.folder / "up.log").open("wb")
        command = ["up", "--s3", f"--home={self.folder / 'home'}", f"--port={self.port}"]
        self.process = subprocess.Popen(
            [sys.executable, "-m", "lusgan_cli.start", *command, "--every=86400"],
            stdout=self.log, stderr=self.log,
        )  # fmt: skip
        end = time.monotonic() + 240
        while b"UI: http" not in (self.folder / "up.log").read_bytes():
            if self.process.poll() is not None or time.monotonic() > end:
                sys.exit((self.folder / "up.log").read_text())
            time.sleep(0.5)
        os.environ.update(s3_environment(Home(self.folder / "home"), self.settings))
        return self

    def __exit__(self, *_: object) -> None:
        self.process.terminate()
        self.process.wait(120)
        self.log.close()

    def run(self, exams: str, store: str) -> float:
        """``lusgan run``; returns its seconds."""
        chosen = [word for option in OPTIONS for word in ("--set", option)]
        command = ["run", "--preset=demo", f"--exams={exams}", f"--store={store}", *chosen]
        started = time.monotonic()
        done = subprocess.run(
            [sys.executable, "-m", "lusgan_cli.start", *command], capture_output=True, text=True
        )
        if done.returncode:
            sys.exit(done.stderr)
        return time.monotonic() - started

    def deployed(self, exams: str, store: str) -> float:
        """A run of the deployment; returns the seconds from asking for it to its end."""
        from lusgan_core.config import resolve
        from lusgan_core.registry import installed

        config = resolve("demo", installed(), settings=OPTIONS).model_dump(mode="json")
        deployment = ask(self.settings, "/deployments/name/pipeline/pipeline")["id"]
        parameters = {"exams": exams, "store": store, "config": config, "preset": "demo"}
        started = time.monotonic()
        body = {"parameters": parameters | {"settle_s": 0}, "state": {"type": "SCHEDULED"}}
        run = ask(self.settings, f"/deployments/{deployment}/create_flow_run", body)["id"]
        while (told := ask(self.settings, f"/flow_runs/{run}"))["state_type"] not in FINAL:
            time.sleep(0.2)
        seconds = time.monotonic() - started
        if not told["name"].startswith("nothing new"):
            sys.exit(f"the run was expected to find nothing new: {told['name']}, {told['state']}")
        return seconds


def upload(folder: Path, bucket: str) -> None:
    """Put a folder's files into a bucket."""
    import boto3

    client = boto3.client("s3")
    for file in sorted(folder.rglob("*.*")):
        client.upload_file(str(file), bucket, f"{folder.name}/{file.relative_to(folder)}")


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--clips", type=int, default=240, help="clips in all, four an exam")
    parser.add_argument("--repeats", type=int, default=3, help="looks of each kind")
    parser.add_argument("--port", type=int, default=24_200, help="first of the ports to use")
    args = parser.parse_args()
    all_exams = args.clips // CLIPS_PER_EXAM
    print(f"Python {platform.python_version()}, prefect {version('prefect')}, boto3 "
          f"{version('boto3')}; {os.cpu_count()} cores, load {os.getloadavg()[0]:.1f}")  # fmt: skip
    medians: dict[str, list[float]] = {}
    with (
        tempfile.TemporaryDirectory(prefix="lusgan-bench-") as name,
        LocalStack(Path(name), args.port) as stack,
    ):
        for exams in (max(4, all_exams // 4), all_exams):
            options = PhantomOptions(
                patients=exams, clips_per_exam=CLIPS_PER_EXAM, frames_per_clip=4, size=64
            )
            folder = Path(name) / f"exams-{exams}"
            write_phantoms(folder, options)
            upload(folder, "exams")
            source, store = f"s3://exams/{folder.name}", f"s3://artifacts/{folder.name}"
            clips = exams * CLIPS_PER_EXAM
            first = stack.run(source, store)
            print(f"{exams} exams, {clips} clips: everything for the first time {first:.1f} s")
            for what, look in (("lusgan run", stack.run), ("deployed run", stack.deployed)):
                times = [look(source, store) for _ in range(args.repeats)]
                medians.setdefault(what, []).append(statistics.median(times))
                shown = ", ".join(f"{seconds:.1f}" for seconds in times)
                print(f"{exams} exams, {clips} clips, nothing new: {what} {shown} s")
        for what, (few, many) in medians.items():
            slope = (many - few) / (all_exams - max(4, all_exams // 4))
            print(f"{what}: {many:.1f} s with {all_exams * CLIPS_PER_EXAM} clips, "
                  f"{1000 * slope:.0f} ms an exam of {CLIPS_PER_EXAM} clips")  # fmt: skip


if __name__ == "__main__":
    main()
