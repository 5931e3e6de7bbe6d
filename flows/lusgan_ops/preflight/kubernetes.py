"""The cluster of a worker that starts Kubernetes jobs."""

from __future__ import annotations

import asyncio
import os
from pathlib import Path

from lusgan_core.errors import MissingError

TIMEOUT_S = 10


def cluster() -> str:
    """Name the version of the Kubernetes cluster. Raises MissingError, which says what to do."""
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
        config.load_incluster_config()  # type: ignore[no-untyped-call]
    else:
        path = Path(os.environ.get("KUBECONFIG", "~/.kube/config")).expanduser()
        if not path.exists():
            raise config.ConfigException
        await config.load_kube_config(str(path))
    async with client.ApiClient() as api:
        found = await client.VersionApi(api).get_code(_request_timeout=TIMEOUT_S)
    return f"Kubernetes {found.git_version}"
