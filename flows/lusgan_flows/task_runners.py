"""Where the tasks of ingestion run: in threads of this process, or on Dask workers.

Training and later stages always run in the flow's main thread.
"""

from __future__ import annotations

import os
import signal
from collections.abc import Iterator
from contextlib import contextmanager
from multiprocessing import resource_tracker
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from prefect.server.api.server import SubprocessASGIServer
from prefect.settings import PREFECT_API_URL, get_current_settings, temporary_settings
from prefect.task_runners import TaskRunner

from lusgan_core.errors import ConfigError
from lusgan_core.pipeline.runner import VERSIONS

if TYPE_CHECKING:
    from distributed import Client

CONNECT_S = 10.0
"""Longest time to wait for a scheduler, seconds."""
HERE = ("localhost", "127.0.0.1", "::1")


@contextmanager
def opened(text: str) -> Iterator[TaskRunner[Any] | None]:
    """The task runner of that name; None for ``threads``, which flows use by default.

    To be called while Prefect's server runs. Raises ConfigError where a scheduler cannot be
    reached, has no workers, or has workers with another version of lusgan or no way to the server.
    """
    kind, _, address = text.partition("=")
    if kind != "dask":
        yield None
        return
    from prefect_dask.task_runners import DaskTaskRunner

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
    """Raise ConfigError where workers on other machines could not reach Prefect's server."""
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
    """A process per core, out of reach of Ctrl-C and of other users; ended with the block.

    Whoever can connect to Dask can execute code, so connections take a key of this run.
    """
    from distributed import LocalCluster

    resource_tracker.ensure_running()  # its start would unblock the signal again
    before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})  # workers inherit it
    try:
        cluster = LocalCluster(  # type: ignore[no-untyped-call]
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
        client = Client(  # type: ignore[no-untyped-call]
            address, timeout=CONNECT_S, set_as_default=False
        )
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
        theirs = client.run(versions_here)
    except Exception as error:
        raise ConfigError(
            f"a Dask worker at {address} cannot import lusgan ({type(error).__name__}): install "
            "the same version there"
        ) from error
    if any(versions != versions_here() for versions in theirs.values()):
        raise ConfigError(
            f"Dask workers at {address} have another version of lusgan than this process: install "
            "the same one on all of them, or results would be kept under the wrong key"
        )


def versions_here() -> dict[str, int]:
    """The version of every stage in the process that calls this."""
    return dict(VERSIONS)


@contextmanager
def server_told() -> Iterator[None]:
    """Tell processes that Prefect starts where its temporary server is, for the length of a block.

    A process that does not know it starts another server. To be called when the server has started.
    """
    if get_current_settings().api.url:
        yield
        return
    with temporary_settings({PREFECT_API_URL: SubprocessASGIServer().api_url}):
        yield
