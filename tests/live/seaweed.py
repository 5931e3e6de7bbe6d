"""Starts and stops SeaweedFS's one-process S3 server."""

from __future__ import annotations

import http.client
import json
import os
import random
import socket
import subprocess
import time
from collections.abc import Iterable
from pathlib import Path
from typing import Any, Self

import boto3
from botocore.config import Config
from botocore.exceptions import BotoCoreError, ClientError

BUCKETS = ("exams", "artifacts")
ADMIN = ("lusgan-admin", "admin-secret-0123456789")
READER = ("lusgan-reader", "reader-secret-0123456789")
"""May read and list ``artifacts``, and nothing else."""


class Seaweed:
    """A server in a ``with`` block; ``endpoint`` is its address."""

    def __init__(self, binary: str, folder: Path, rng: random.Random) -> None:
        self.binary, self.folder, self.rng = binary, folder, rng
        self.process: subprocess.Popen[bytes] | None = None
        self.endpoint, self.filer_port = "", 0

    def environment(self, keys: tuple[str, str] = ADMIN, endpoint: str = "") -> dict[str, str]:
        """The variables that lead boto3 to the server, and away from the user's own accounts."""
        return {
            "AWS_ENDPOINT_URL_S3": endpoint or self.endpoint,
            "AWS_ACCESS_KEY_ID": keys[0],
            "AWS_SECRET_ACCESS_KEY": keys[1],
            "AWS_REGION": "us-east-1",
            "AWS_DEFAULT_REGION": "us-east-1",
            "AWS_EC2_METADATA_DISABLED": "true",
            "AWS_CONFIG_FILE": os.devnull,
            "AWS_SHARED_CREDENTIALS_FILE": os.devnull,
        }

    def client(self) -> Any:
        """A plain client, to look at what the project did and to set things up."""
        return boto3.client(
            "s3",
            endpoint_url=self.endpoint,
            aws_access_key_id=ADMIN[0],
            aws_secret_access_key=ADMIN[1],
            region_name="us-east-1",
            config=Config(s3={"addressing_style": "path"}, signature_version="s3v4"),
        )

    def fill(self, bucket: str, keys: Iterable[str]) -> None:
        """Make one-byte objects, fast: through the server's own door, which asks for no signature.

        Parts of keys must be fit for a URL.
        """
        filer = http.client.HTTPConnection("127.0.0.1", self.filer_port)
        for key in keys:
            filer.request("PUT", f"/buckets/{bucket}/{key}", body=b"x")
            answer = filer.getresponse()
            answer.read()
            assert answer.status < 300, f"{answer.status} {answer.reason}"
        filer.close()

    def __enter__(self) -> Self:
        """Start, and wait until the buckets are there."""
        identities = [
            _identity("admin", ADMIN, ["Admin", "Read", "Write", "List", "Tagging"]),
            _identity("reader", READER, ["Read:artifacts", "List:artifacts"]),
        ]
        (self.folder / "s3.json").write_text(json.dumps({"identities": identities}))
        for _ in range(3):  # a port may be taken between looking and starting
            if self._start():
                return self
            self.__exit__()
        log = (self.folder / "weed.log").read_text(errors="replace")[-2000:]
        raise RuntimeError(f"SeaweedFS did not start:\n{log}")

    def __exit__(self, *_: object) -> None:
        """Stop it."""
        if self.process is not None:
            self.process.kill()
            self.process.wait()

    def _start(self) -> bool:
        names = ("master", "volume", "filer", "s3", "admin")
        ports = dict(zip(names, _free_ports(len(names), self.rng), strict=True))
        self.endpoint = f"http://127.0.0.1:{ports['s3']}"
        self.filer_port = ports["filer"]
        (self.folder / "data").mkdir(exist_ok=True)
        command = [
            self.binary, "mini", f"-dir={self.folder / 'data'}",
            "-ip=127.0.0.1", "-ip.bind=127.0.0.1",  # else it listens on every address
            "-master.telemetry=false", "-admin.ui=false", "-webdav=false",
            "-s3.port.iceberg=0", "-s3.port.lance=0", "-s3.iam=false",
            f"-s3.config={self.folder / 's3.json'}", f"-bucket={','.join(BUCKETS)}",
            *(f"-{name}.port={port}" for name, port in ports.items()),
        ]  # fmt: skip
        with (self.folder / "weed.log").open("wb") as log:
            self.process = subprocess.Popen(
                command, cwd=self.folder, stdin=subprocess.DEVNULL, stdout=log, stderr=log,
                env={**os.environ, "GOMEMLIMIT": "256MiB"},
            )  # fmt: skip
        return self._is_ready()

    def _is_ready(self) -> bool:
        """Buckets appear some time after the port answers, and volumes after them."""
        assert self.process is not None
        client, until = self.client(), time.monotonic() + 40
        while time.monotonic() < until and self.process.poll() is None:
            try:
                if {b["Name"] for b in client.list_buckets()["Buckets"]} >= set(BUCKETS):
                    for bucket in BUCKETS:
                        client.put_object(Bucket=bucket, Key="ready", Body=b"yes")
                        client.delete_object(Bucket=bucket, Key="ready")
                    return True
            except (BotoCoreError, ClientError):
                pass
            time.sleep(0.1)
        return False


def _identity(name: str, keys: tuple[str, str], actions: list[str]) -> dict[str, Any]:
    credentials = [{"accessKey": keys[0], "secretKey": keys[1]}]
    return {"name": name, "credentials": credentials, "actions": actions}


def _free_ports(count: int, rng: random.Random) -> list[int]:
    """Ports of which the one 10,000 higher is free as well: the server takes both."""
    ports: list[int] = []
    while len(ports) < count:
        port = rng.randrange(20_000, 30_000)
        if port not in ports and all(_is_free(p) for p in (port, port + 10_000)):
            ports.append(port)
    return ports


def _is_free(port: int) -> bool:
    with socket.socket() as probe:
        try:
            probe.bind(("127.0.0.1", port))
        except OSError:
            return False
    return True
