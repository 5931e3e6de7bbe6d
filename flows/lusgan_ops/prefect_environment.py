"""Prefect's settings for a run. Settings of the user are kept."""

from __future__ import annotations

import os
import signal

from lusgan_ops.preflight.server import prefect_server

HEARTBEAT_S = 30
"""Interval of a run's heartbeat on a worker, seconds; the shortest that Prefect allows."""


def prepare_prefect(verbose: bool = False) -> None:
    """Switch off Prefect's log on the terminal, unless ``verbose``, and its questions.

    To be called before Prefect is imported.
    """
    defaults = {
        "PREFECT_LOGGING_LEVEL": "INFO" if verbose else "CRITICAL",
        "PREFECT_SERVER_LOGGING_LEVEL": "CRITICAL",
        "PREFECT_SERVER_EPHEMERAL_STARTUP_TIMEOUT_SECONDS": "120",
        "PREFECT_CLI_PROMPT": "false",
    }
    for name, value in defaults.items():
        os.environ.setdefault(name, value)


def start_server() -> None:
    """Start Prefect's temporary server, out of reach of Ctrl-C, unless the user has one.

    A terminal sends Ctrl-C to all processes in the foreground. The server must outlive it, or a
    flow that is about to save a checkpoint could not report that it stopped. A process starts with
    the signals blocked that are blocked where it is started.

    Raises:
        MissingError: The user's own server cannot be used.
    """
    from prefect.server.api.server import SubprocessASGIServer
    from prefect.settings import get_current_settings

    if get_current_settings().api.url:
        prefect_server()
        return
    block = getattr(signal, "pthread_sigmask", None)  # there is none on Windows
    before = block(signal.SIG_BLOCK, {signal.SIGINT}) if block else None
    try:
        SubprocessASGIServer().start()  # Prefect finds it running when it needs one
    finally:
        if block:
            block(signal.SIG_SETMASK, before)
