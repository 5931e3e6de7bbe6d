"""What a run needs of the place that it runs in, looked at before any work.

Each function raises a LusganError that says what is missing and what to do. Flows call those for
device, plugins and storage; ``lusgan work`` calls all that a worker's kind needs.
"""

from __future__ import annotations

import asyncio
import os
import re
import shutil
from pathlib import Path
from typing import Any

from lusgan_core.config import RunConfig, completed
from lusgan_core.errors import ConfigError, LusganError, TrainingError, UnknownPluginError
from lusgan_core.exams import open_source
from lusgan_core.registry import Registry
from lusgan_core.store import check_writable, open_store

IN_CONTAINER = "LUSGAN_CONTAINER"
"""Variable that our image sets."""
TIMEOUT_S = 10
SOCKET = "unix:///var/run/docker.sock"


class MissingError(LusganError, RuntimeError):
    """Something that a run or a worker needs is not there."""


def in_container() -> bool:
    """Whether this process runs in our image."""
    return bool(os.environ.get(IN_CONTAINER))


def plugins(config: RunConfig, registry: Registry) -> RunConfig:
    """The options, completed with the plugins' own. Raises UnknownPluginError, ConfigError."""
    try:
        return completed(config, registry)
    except UnknownPluginError as error:
        hint = (
            "No package in this image offers it: build the image with it "
            "(--build-arg PLUGINS=PACKAGE), or name another image in the work pool"
            if in_container()
            else "No package installed where this run is executed offers it: install it there"
        )
        raise UnknownPluginError(error.kind, error.name, error.choices, hint) from None


def device(name: str) -> None:
    """Raise MissingError where a run asks for a device that is not there."""
    if name in ("auto", "cpu"):
        return
    import torch

    from lusgan_core.training.device import pick_device

    try:
        pick_device(name)
    except TrainingError:
        raise MissingError(
            f"runtime.device is {name!r}, and there is no such GPU here: {_gpu_advice(torch)}; or "
            "set runtime.device=cpu"
        ) from None


def _gpu_advice(torch: Any) -> str:
    if torch.version.cuda is None:
        return f"this PyTorch ({torch.__version__}) is built without CUDA: use the GPU image"
    if torch.cuda.is_available():
        return f"there are {torch.cuda.device_count()}, counted from 0"
    if in_container():
        return (
            "give the container one (`docker run --gpus all`; in a work pool `device_requests` for "
            "docker, `gpus` for kubernetes), on a machine with NVIDIA's driver and container "
            f"toolkit, for CUDA {torch.version.cuda}"
        )
    return f"`nvidia-smi` must list it, with a driver for CUDA {torch.version.cuda}"


def storage(store: str, exams: str) -> str:
    """Look into the exam source and write to the store. Raises StoreError, ExamError."""
    source = open_source(exams)
    next(iter(source.objects()), None)
    kept = open_store(store)
    check_writable(kept)
    return f"{source.uri} can be read, {kept.uri} can be written"


def server() -> str:
    """Look at the Prefect server that the environment names; returns its address.

    Raises ConfigError where none is named, MissingError where it cannot be used: it does not
    answer, wants a password, is another version, or is not Prefect at all.
    """
    import httpx
    import prefect
    from prefect.client.orchestration import ServerType, get_client
    from prefect.exceptions import PrefectHTTPStatusError
    from prefect.settings import get_current_settings

    url = get_current_settings().api.url
    if not url:
        raise ConfigError(
            "no Prefect server is named: set PREFECT_API_URL, e.g. http://127.0.0.1:4200/api"
        )
    try:
        with get_client(sync_client=True) as client:
            if client.server_type != ServerType.CLOUD:
                _same_version(url, str(client.api_version()), prefect.__version__)
            client.read_work_pools(limit=1)
    except PrefectHTTPStatusError as error:
        code = error.response.status_code
        advice = (
            "set PREFECT_API_AUTH_STRING to what the server has as PREFECT_SERVER_API_AUTH_STRING"
            if code in (401, 403)
            else "check PREFECT_API_URL, it ends in /api"
        )
        raise MissingError(f"the Prefect server at {url} answers {code}: {advice}") from None
    except (httpx.HTTPError, OSError) as error:
        raise MissingError(
            f"no Prefect server answers at {url} ({type(error).__name__}): start it, or correct "
            "PREFECT_API_URL"
        ) from None
    except ValueError:  # no JSON, or other JSON than Prefect's
        raise MissingError(
            f"what answers at {url} is not Prefect: correct PREFECT_API_URL, it ends in /api"
        ) from None
    return url


def _same_version(url: str, theirs: str, ours: str) -> None:
    """Raise MissingError for another major or minor version, ValueError for what is none."""
    if not re.match(r"\d+\.\d+\.", theirs):
        raise ValueError(theirs)
    if theirs.split(".")[:2] != ours.split(".")[:2]:
        raise MissingError(
            f"the server at {url} runs prefect {theirs}, this is {ours}: install the same"
        )


def docker_engine(gpu: bool) -> str:
    """Ask the Docker engine for its version, and whether it knows of GPUs."""
    try:
        import docker
        import prefect_docker  # noqa: F401
        from docker.errors import DockerException
    except ImportError:
        raise MissingError(
            "a docker worker needs a package that is not installed: pip install 'lusgan[docker]'"
        ) from None
    where = os.environ.get("DOCKER_HOST") or SOCKET
    try:
        client = docker.from_env(timeout=TIMEOUT_S)
        info = client.info()
    except (DockerException, OSError) as error:
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
    if where.startswith("unix://") and in_container():
        path = where.removeprefix("unix://")
        return f"mount the machine's socket into this container (-v {path}:{path})"
    return "start the Docker daemon, or set DOCKER_HOST to where it listens"


def _offers_gpus(info: dict[str, Any]) -> bool:
    return bool(
        "nvidia" in info.get("Runtimes", {})
        or info.get("DiscoveredDevices")
        or shutil.which("nvidia-container-runtime-hook")
    )


def cluster() -> str:
    """Ask the Kubernetes cluster for its version."""
    try:
        import prefect_kubernetes  # noqa: F401
        from kubernetes_asyncio.config import ConfigException
    except ImportError:
        raise MissingError(
            "a kubernetes worker needs a package that is not installed: "
            "pip install 'lusgan[kubernetes]'"
        ) from None
    try:
        return asyncio.run(_cluster_version())
    except ConfigException:
        raise MissingError(
            "no Kubernetes cluster is known here: run in a pod with a service account "
            "(deployments/kubernetes/worker.yaml), or set KUBECONFIG"
        ) from None
    except Exception as error:
        raise MissingError(
            f"the Kubernetes cluster does not answer ({type(error).__name__}): check the network, "
            "and that the service account or KUBECONFIG still holds"
        ) from None


async def _cluster_version() -> str:
    from kubernetes_asyncio import client, config

    if "KUBERNETES_SERVICE_HOST" in os.environ and "KUBECONFIG" not in os.environ:
        config.load_incluster_config()
    else:
        path = Path(os.environ.get("KUBECONFIG", "~/.kube/config")).expanduser()
        if not path.exists():
            raise config.ConfigException
        await config.load_kube_config(str(path))
    async with client.ApiClient() as api:
        found = await client.VersionApi(api).get_code(_request_timeout=TIMEOUT_S)
    return f"Kubernetes {found.git_version}"
