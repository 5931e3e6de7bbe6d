"""The Docker engine of a worker that starts containers."""

from __future__ import annotations

import os
import shutil
from importlib import import_module
from typing import Any

from lusgan_core.errors import MissingError
from lusgan_core.registry import IN_CONTAINER

TIMEOUT_S = 10
SOCKET = "unix:///var/run/docker.sock"


def docker_engine(gpu: bool) -> str:
    """Name the Docker engine and its version; check that it offers GPUs where ``gpu`` is set.

    Raises MissingError, which says what to do.
    """
    try:
        import prefect_docker  # noqa: F401

        docker: Any = import_module("docker")  # there is a folder of that name, too
        failures = (docker.errors.DockerException, OSError)
    except ImportError:
        raise MissingError(
            "a docker worker needs a package that is not installed: pip install 'lusgan[docker]'"
        ) from None
    where = os.environ.get("DOCKER_HOST") or SOCKET
    try:
        client = docker.from_env(timeout=TIMEOUT_S)
        info = client.info()
    except failures as error:
        raise MissingError(
            f"no Docker engine answers at {where}: {_socket_advice(where, str(error))}"
        ) from None
    if gpu and not _offers_gpus(info):
        raise MissingError(
            f"the Docker engine at {where} offers no GPU: install NVIDIA's container toolkit on "
            "its machine, run `nvidia-ctk runtime configure --runtime=docker` and restart Docker; "
            "or work without --gpu"
        )
    return f"Docker {info['ServerVersion']} at {where}"


def _socket_advice(where: str, said: str) -> str:
    if "Permission denied" in said:
        return (
            f"user {os.getuid()} may not use the socket: add it to the socket's group (in a "
            "container: --group-add)"
        )
    if where.startswith("unix://") and os.environ.get(IN_CONTAINER):
        path = where.removeprefix("unix://")
        return f"mount the machine's socket into this container (-v {path}:{path})"
    return "start the Docker daemon, or set DOCKER_HOST to where it listens"


def _offers_gpus(info: dict[str, Any]) -> bool:
    return bool(
        "nvidia" in info.get("Runtimes", {})
        or info.get("DiscoveredDevices")
        or shutil.which("nvidia-container-runtime-hook")
    )
