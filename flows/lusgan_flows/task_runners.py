"""Where the tasks of ingestion run: in threads of this process, or on Dask workers.

Training and what follows is called in the flow's main thread, whatever is chosen here.
"""

from __future__ import annotations

import os
import signal
from collections.abc import Iterator
from contextlib import contextmanager
from importlib.util import find_spec
from multiprocessing import resource_tracker
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from lusgan_core.errors import ConfigError
from lusgan_core.provenance import code_fingerprint
from lusgan_core.stages import RUNS
from lusgan_flows.settings import server_told

if TYPE_CHECKING:
    from distributed import Client
    from prefect.task_runners import TaskRunner

CONNECT_S = 10.0
"""Seconds to wait for a scheduler."""
HERE = ("localhost", "127.0.0.1", "::1")
INSTALL = "pip install 'lusgan[dask]'"


def check(text: str) -> str | None:
    """The address in ``dask=ADDRESS``, if there is one.

    Raises ConfigError for a runner that nobody knows, and for Dask where it is not installed.
    """
    kind, equals, address = text.partition("=")
    if (
        kind not in ("threads", "dask")
        or (kind == "threads" and equals)
        or (equals and not address)
    ):
        raise ConfigError(
            f"--task-runner {text!r}: choices: threads, dask (a cluster on this machine), "
            "dask=ADDRESS (a scheduler, e.g. dask=tcp://10.0.0.5:8786)"
        )
    for module in ("distributed", "prefect_dask") if kind == "dask" else ():
        if find_spec(module) is None:  # an import would bring Prefect along before it is set up
            raise ConfigError(
                f"--task-runner {text} needs {module}, which is not installed: {INSTALL}"
            )
    return address or None


@contextmanager
def opened(text: str) -> Iterator[TaskRunner[Any] | None]:
    """The task runner of that name; None for ``threads``, which flows have already.

    To be called when Prefect's server runs. Raises ConfigError where a scheduler cannot be reached,
    has no workers, or has workers with other code than this process or no way to the server.
    """
    address = check(text)
    if not text.startswith("dask"):
        yield None
        return
    from prefect_dask import DaskTaskRunner

    with server_told():
        if address:
            _check_server(address)
            with _connected(address) as client:
                _check_workers(client, address)
            yield DaskTaskRunner(address=address)
            return
        with _local_cluster() as cluster:
            client_options = {"security": cluster.security}
            yield DaskTaskRunner(address=cluster.scheduler_address, client_kwargs=client_options)


def _check_server(address: str) -> None:
    """Raise ConfigError where workers elsewhere would look for Prefect's server on themselves."""
    server = urlsplit(os.environ.get("PREFECT_API_URL", "")).hostname or "localhost"
    scheduler = urlsplit(address if "://" in address else f"tcp://{address}").hostname
    if server in HERE and scheduler not in HERE:
        raise ConfigError(
            f"the Dask workers at {address} cannot reach Prefect's server, which runs on this "
            "machine for this run alone: start one with `prefect server start --host 0.0.0.0` and "
            "set PREFECT_API_URL to an address of it that they reach"
        )


@contextmanager
def _local_cluster() -> Iterator[Any]:
    """A process a core, out of reach of Ctrl-C and of other users; gone when the block ends.

    Dask gives code to whoever can connect, so connections are encrypted with a key of this run.
    """
    from distributed import LocalCluster

    resource_tracker.ensure_running()  # its start would unblock the signal again
    before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})  # workers inherit it
    try:
        cluster = LocalCluster(
            n_workers=os.cpu_count(),
            threads_per_worker=1,
            processes=True,
            host="127.0.0.1",
            protocol="tls",
            security=True,
            dashboard_address=None,
            silence_logs="CRITICAL",
        )
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)
    with cluster:
        yield cluster


@contextmanager
def _connected(address: str) -> Iterator[Client]:
    from distributed import Client

    try:
        client = Client(address, timeout=CONNECT_S, set_as_default=False)
    except (TimeoutError, OSError, ValueError) as error:
        raise ConfigError(
            f"no Dask scheduler answers at {address}: start one with `dask scheduler`, or give "
            "the address that it printed"
        ) from error
    with client:
        yield client


def _check_workers(client: Client, address: str) -> None:
    workers = client.scheduler_info(n_workers=-1)["workers"]
    if not workers:
        raise ConfigError(
            f"no worker is connected to the Dask scheduler at {address}: start some with "
            f"`dask worker {address}`"
        )
    try:
        theirs = client.run(code_of_stages)
    except Exception as error:
        raise ConfigError(
            f"a Dask worker at {address} cannot import lusgan ({type(error).__name__}): install "
            "the same version there"
        ) from error
    if set(theirs.values()) != {code_of_stages()}:
        raise ConfigError(
            f"Dask workers at {address} have another version of lusgan than this process: install "
            "the same one on all of them, or results would be kept under the wrong key"
        )


def code_of_stages() -> str:
    """Digest of the code of all stages, as it is where this is called."""
    return code_fingerprint(*(f"lusgan_core.stages.{stage}" for stage in RUNS))


__all__ = ["check", "opened"]
