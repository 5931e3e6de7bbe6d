"""Starts the local stack in order, watches it, and stops it."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import FrameType

from lusgan_core.errors import ConfigError
from lusgan_ops.prefect_api import start_run
from lusgan_ops.up import services
from lusgan_ops.up.home import Home, UpError, UpSettings
from lusgan_ops.up.login import make_login
from lusgan_ops.up.prefect_settings import set_prefect_environment
from lusgan_ops.up.processes import MARK, end, marked
from lusgan_ops.up.supervisor import Supervisor

Say = Callable[[str], None]


def run_stack(
    home: Home,
    settings: UpSettings,
    say: Say,
    ready: Callable[[], None],
    *,
    retrain: bool = False,
) -> None:
    """Run the local stack until Ctrl-C or SIGTERM, then stop all of it.

    Args:
        home: Folder of the stack, locked meanwhile.
        settings: Exams, store, options, ports, times.
        say: Called with lines of text on the progress.
        ready: Called once all services answer.
        retrain: Whether a run of the pipeline starts then.

    Raises:
        UpError: The folder or a port is in use, or a service does not start; those that had started
            are stopped.
    """
    os.umask(0o077)  # what the stack and its children write is for this user alone
    with home.alone():
        left_behind = marked(home.mark)
        if left_behind:
            say(f"stopping {len(left_behind)} processes that an earlier `lusgan up` left behind")
            end(left_behind, services.STOP_WITHIN_S)
        services.check_ports(settings)
        news = _news(home, settings, retrain)
        home.remember(settings)
        _set_environment(home, settings, say)
        supervisor = Supervisor(home.folder("logs"), home.mark, say)
        with _stopping(supervisor):
            try:
                _start(home, settings, supervisor, say)
                ready()
                if retrain:
                    start_run(settings.api, "pipeline/pipeline")
                if news:
                    say(news)
                supervisor.watch()
            except KeyboardInterrupt:
                pass
            finally:
                supervisor.stop()


def _news(home: Home, settings: UpSettings, retrain: bool) -> str:
    """What to say of options that changed since the last start; empty if none has."""
    try:
        changed = settings.changed_options(home.settings())
    except ConfigError:  # there was no start, or of another version
        changed = []
    options = ", ".join(changed)
    if retrain:
        return f"a run starts now{f', with changed options: {options}' if changed else ''}"
    if not changed:
        return ""
    return (
        f"options changed: {options}: they apply from the next exam on, and in the nightly run at "
        f"{settings.nightly:02}:00 {settings.timezone}; --retrain starts a run at once"
    )


def _set_environment(home: Home, settings: UpSettings, say: Say) -> None:
    """Set the environment variables that lead this process and its children to the stack."""
    make_login(home)
    set_prefect_environment(home, settings, say)
    if settings.s3:
        os.environ.update(services.s3_environment(home, settings))


def _start(home: Home, settings: UpSettings, supervisor: Supervisor, say: Say) -> None:
    if settings.s3:
        say("starting SeaweedFS")
        supervisor.start(services.seaweed(home, settings))
    say("starting Prefect's server")
    supervisor.start(services.server(settings))
    supervisor.start(services.reports(home, settings))
    say("telling it of flows and automations")
    _register(home, supervisor)
    say("starting the worker")
    supervisor.start(services.worker(home))
    gpus = services.gpu_count() if settings.trainers else 0
    for number in range(settings.trainers):
        supervisor.start(services.trainer(home, number, gpus))


def _register(home: Home, supervisor: Supervisor) -> None:
    told = subprocess.Popen(
        [sys.executable, "-m", "lusgan_ops.up.register", str(home.path)],
        stderr=subprocess.PIPE,
        env={**os.environ, MARK: home.mark},
        start_new_session=True,
    )
    while told.poll() is None:
        if supervisor.stop_asked.wait(0.1):
            end({told.pid} | marked(home.mark, ""), 5)
            raise KeyboardInterrupt
    said = told.stderr.read().decode(errors="replace").strip() if told.stderr else ""
    if told.returncode:
        raise UpError(said.rpartition("\n")[2] or "the deployments cannot be made")


@contextmanager
def _stopping(supervisor: Supervisor) -> Iterator[None]:
    """Turn Ctrl-C and SIGTERM into a request to stop, for the length of a block."""

    def ask(number: int, frame: FrameType | None) -> None:
        supervisor.stop_asked.set()

    before = {number: signal.signal(number, ask) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
