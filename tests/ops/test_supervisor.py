"""Processes under watch: started, restarted, stopped with all that they started."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path

import psutil
import pytest

from lusgan_ops.up import supervisor as supervisors
from lusgan_ops.up.home import UpError
from lusgan_ops.up.processes import alive, end, marked
from lusgan_ops.up.supervisor import Service, Supervisor, last_line, shorten

MARK = "a-mark-of-tests"
SLEEPER = "import time; time.sleep(600)"
PARENT = (
    "import subprocess, sys, time;"
    f"subprocess.Popen([sys.executable, '-c', {SLEEPER!r}], start_new_session=True);"
    "time.sleep(600)"
)
CAREFUL = (
    "import signal, sys, time, pathlib;"
    "signal.signal(signal.SIGTERM,"
    " lambda *_: (pathlib.Path('checkpoint').write_text('kept'), sys.exit()));"
    "pathlib.Path('ready').touch(); time.sleep(600)"
)


def until(done: Callable[[], object], within_s: float = 20) -> None:
    """Wait for something."""
    stop = time.monotonic() + within_s
    while not done():
        assert time.monotonic() < stop
        time.sleep(0.05)


@pytest.fixture
def supervisor(tmp_path: Path) -> Supervisor:
    """Return one that remembers what it said, in ``said``."""
    made = Supervisor(tmp_path, f"{MARK}-{tmp_path.name}", lambda text: None)
    yield made
    made.stop()


def service(code: str, **more: object) -> Service:
    return Service("sleeper", [sys.executable, "-c", code], **more)


def test_a_killed_process_is_started_again(supervisor: Supervisor) -> None:
    """After kill -9 another process takes its place by itself."""
    supervisor.start(service(SLEEPER))
    until(lambda: marked(supervisor.mark))
    (first,) = marked(supervisor.mark)
    watching = threading.Thread(target=supervisor.watch, daemon=True)
    watching.start()
    os.kill(first, signal.SIGKILL)
    until(lambda: marked(supervisor.mark) - {first} and not alive(first))
    supervisor.stop_asked.set()
    watching.join(5)
    assert len(marked(supervisor.mark)) == 1


def test_stop_reaches_processes_in_sessions_of_their_own(supervisor: Supervisor) -> None:
    """A grandchild that left the group, as a worker's flow runs do, ends too."""
    supervisor.start(service(PARENT))
    until(lambda: len(marked(supervisor.mark)) == 2)
    both = marked(supervisor.mark)
    supervisor.stop()
    assert not any(map(alive, both))


def test_processes_may_end_in_good_order(supervisor: Supervisor, tmp_path: Path) -> None:
    """A process has time to write its checkpoint before it is killed."""
    supervisor.start(service(CAREFUL, folder=tmp_path, ready=lambda: (tmp_path / "ready").exists()))
    supervisor.stop()
    assert (tmp_path / "checkpoint").read_text() == "kept"


def test_one_that_ends_at_once_is_told_with_its_last_words(supervisor: Supervisor) -> None:
    """A service that cannot start raises an error that names its log and quotes its end."""
    with pytest.raises(UpError, match=r"sleeper ended with code 3.*sleeper\.log says: no luck"):
        supervisor.start(service("print('no luck'); raise SystemExit(3)", ready=lambda: False))


def test_one_that_never_answers_is_given_up(supervisor: Supervisor) -> None:
    """A service that runs but does not answer is an error, after the time it has."""
    with pytest.raises(UpError, match="does not answer"):
        supervisor.start(service(SLEEPER, ready=lambda: False, ready_within_s=0.5))


def test_a_zombie_whose_threads_run_has_not_ended() -> None:
    """It may hold a port that the next stack wants; once its threads are gone it has ended."""
    code = (
        "import ctypes, threading, time;"
        "threading.Thread(target=time.sleep, args=(100,)).start();"
        "ctypes.CDLL(None).pthread_exit(None)"
    )
    process = subprocess.Popen([sys.executable, "-c", code])
    until(lambda: psutil.Process(process.pid).status() == psutil.STATUS_ZOMBIE)
    assert alive(process.pid)
    process.kill()
    until(lambda: not alive(process.pid))
    process.wait()


def test_marks_tell_one_stack_from_another(supervisor: Supervisor) -> None:
    """Processes of another mark or service are not found, and end() leaves them."""
    supervisor.start(service(SLEEPER))
    until(lambda: marked(supervisor.mark))
    assert marked(supervisor.mark, "another") == set()
    assert marked("another-mark") == set()
    end(marked("another-mark"), 1)
    assert len(marked(supervisor.mark, "sleeper")) == 1


def test_the_last_line_that_says_something(tmp_path: Path) -> None:
    """Empty lines at the end of a log are passed over."""
    (tmp_path / "log").write_text("first\nlast\n\n  \n")
    assert last_line(tmp_path / "log") == "last"


def test_a_log_keeps_its_last_lines(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """One that has become too long is cut to whole lines; its writer goes on at its end."""
    monkeypatch.setattr(supervisors, "LONGEST_LOG", 1000)
    log = tmp_path / "s3.log"
    with log.open("ab", buffering=0) as writer:
        for number in range(100):
            writer.write(b"line %d\n" % number)
        whole = log.read_bytes()
        shorten(log)
        assert log.read_bytes() == whole  # not yet
        for number in range(100, 200):
            writer.write(b"line %d\n" % number)
        shorten(log)
        writer.write(b"the end\n")
    lines = log.read_bytes().splitlines()
    assert lines[-2:] == [b"line 199", b"the end"]
    assert 40 < len(lines) < 60
    assert lines[0].startswith(b"line 1")
