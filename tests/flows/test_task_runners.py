"""Ingestion on Dask workers: the same shards as in threads, and no worker left behind."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import ExitStack
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import pytest

from lusgan_core.errors import ConfigError
from lusgan_ops.preflight.checks import task_runner as check_task_runner
from marked_processes import processes_of
from tiny_runs import SETTINGS, Pipeline, tiny_config, write_exams

pytestmark = pytest.mark.skipif(find_spec("prefect_dask") is None, reason="needs the extra `dask`")
LUSGAN = (sys.executable, "-c", "from lusgan_cli import main; main()")


@pytest.fixture(scope="module")
def exams(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_exams(tmp_path_factory.mktemp("dask") / "exams")


def command(exams: Path, store: Path, runner: str) -> list[str]:
    """Return the command of a run of score 0."""
    return [
        *LUSGAN, "run", "--exams", str(exams), "--store", str(store),
        "--preset", "demo", "--scores", "0", "--task-runner", runner,
        *(word for setting in SETTINGS for word in ("--set", setting)),
    ]  # fmt: skip


def shards(exams: Path, store: Path) -> dict[str, bytes]:
    return {k: v for k, v in Pipeline(exams, store).files("shards/").items() if k.endswith(".h5")}


def test_shards_are_those_of_threads(
    exams: Path, prefect_server: dict[str, str], tmp_path: Path
) -> None:
    """A cluster of processes on this machine writes the same shards, byte for byte, as one process
    does; it is gone when the run ends, and the next run finds nothing to do."""
    alone = Pipeline(exams, tmp_path / "alone")
    alone.run(tiny_config(scores=(0,)), until="preprocess")
    mark = f"dask-{os.getpid()}"
    own = {k: v for k, v in prefect_server.items() if k != "PREFECT_API_URL"}
    words = command(exams, tmp_path / "dask", "dask")
    done = subprocess.run(
        words, env=own | {"LUSGAN_TEST_MARK": mark}, capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr
    expected = shards(exams, tmp_path / "alone")
    assert len(expected) == 12
    assert shards(exams, tmp_path / "dask") == expected
    assert processes_of(mark) == []
    again = subprocess.run(words, env=prefect_server, capture_output=True, text=True)
    assert again.stderr.splitlines()[-1] == "nothing is new: everything was done before"


@pytest.fixture
def cluster(prefect_server: dict[str, str], tmp_path: Path) -> Iterator[str]:
    """Run a Dask scheduler and two workers by Dask's own commands; yields the address."""
    dask, contact = str(Path(sys.executable).with_name("dask")), tmp_path / "scheduler.json"
    workers = ("worker", "--nworkers=2", "--nthreads=1", "--no-dashboard")
    commands = (
        ("scheduler", "--host=127.0.0.1", "--port=0", "--no-dashboard"),
        (*workers, f"--local-directory={tmp_path / 'workers'}"),
    )
    with ExitStack() as running:
        for words in commands:
            process = subprocess.Popen(
                [dask, *words, f"--scheduler-file={contact}"],
                env=prefect_server, stderr=subprocess.DEVNULL,
            )  # fmt: skip
            running.callback(process.wait, 60)
            running.callback(process.terminate)
        until = time.monotonic() + 120
        while not contact.exists() or len(connected(contact)) < 2:
            assert time.monotonic() < until, "no Dask workers within two minutes"
            time.sleep(0.2)
        yield str(json.loads(contact.read_text())["address"])


def connected(contact: Path) -> dict[str, Any]:
    """Return the workers of the scheduler that a file names."""
    from distributed import Client

    with Client(scheduler_file=str(contact), timeout=60, set_as_default=False) as client:
        return dict(client.scheduler_info(n_workers=-1)["workers"])


def test_workers_elsewhere_write_the_same_shards(
    exams: Path, prefect_server: dict[str, str], tmp_path: Path, cluster: str
) -> None:
    """A scheduler that was there before, with workers of its own, gives the same bytes."""
    alone = Pipeline(exams, tmp_path / "alone")
    alone.run(tiny_config(scores=(0,)), until="preprocess")
    done = subprocess.run(
        command(exams, tmp_path / "dask", f"dask={cluster}"),
        env=prefect_server, capture_output=True, text=True,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    expected = shards(exams, tmp_path / "alone")
    assert len(expected) == 12
    assert shards(exams, tmp_path / "dask") == expected


@pytest.mark.timeout(900)
@pytest.mark.skipif(not Path("/proc").exists(), reason="finds processes in /proc")
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGKILL])
def test_an_interrupted_run_leaves_no_workers(
    exams: Path, prefect_server: dict[str, str], tmp_path: Path, number: int
) -> None:
    """Ctrl-C (to all processes, as a terminal sends it) and kill -9 end the cluster too."""
    mark = f"dask-{os.getpid()}-{int(number)}"
    run = subprocess.Popen(
        command(exams, tmp_path / "store", "dask"),
        env=prefect_server | {"LUSGAN_TEST_MARK": mark},
        start_new_session=True, text=True, stderr=subprocess.PIPE,
    )  # fmt: skip
    until = time.monotonic() + 480
    while not list((tmp_path / "store").glob("exams/*/*/*.json")):
        assert run.poll() is None, run.communicate()[1]
        assert time.monotonic() < until, "nothing was ingested within eight minutes"
        time.sleep(0.05)
    assert len(processes_of(mark)) > 2
    if number == signal.SIGINT:
        os.killpg(run.pid, number)
        said = run.communicate(timeout=120)[1]
        assert run.returncode == 130, said
        assert "stopped" in said.splitlines()[-1]  # Dask's own processes may say more before
    else:
        run.kill()
        run.communicate(timeout=120)
    until = time.monotonic() + 60
    while processes_of(mark) and time.monotonic() < until:
        time.sleep(0.1)
    assert processes_of(mark) == []


@pytest.fixture
def scheduler(prefect_server: dict[str, str]) -> Iterator[str]:
    """Run a Dask scheduler without workers; yields its address."""
    from distributed import LocalCluster

    with LocalCluster(
        n_workers=0, processes=False, host="127.0.0.1", protocol="tcp", dashboard_address=None
    ) as cluster:
        yield cluster.scheduler_address


def test_what_cannot_run_is_refused_before_work(exams: Path, tmp_path: Path) -> None:
    """Unknown names and empty addresses list the choices; nothing is written."""
    for text in ("ray", "dask=", "threads=4", ""):
        with pytest.raises(ConfigError, match="choices: threads, dask"):
            check_task_runner(text)
    assert check_task_runner("threads") is None
    assert check_task_runner("dask=tcp://10.0.0.5:8786") == "tcp://10.0.0.5:8786"


def test_a_missing_extra_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    """Without prefect-dask the error says how to install it."""
    monkeypatch.setitem(sys.modules, "prefect_dask", None)
    with pytest.raises(ConfigError, match=r"not installed: pip install 'lusgan\[dask\]'"):
        check_task_runner("dask")


def test_a_scheduler_that_is_not_there_is_refused(
    prefect_server: dict[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """An address where nobody answers, and workers elsewhere that cannot reach the server."""
    from lusgan_flows import task_runners

    monkeypatch.setattr(task_runners, "CONNECT_S", 1.0)
    refused = pytest.raises(ConfigError, match=r"no Dask scheduler answers at tcp://127.0.0.1:9")
    with refused, task_runners.opened("dask=tcp://127.0.0.1:9"):
        pass
    far = pytest.raises(ConfigError, match=r"cannot reach Prefect's server.*PREFECT_API_URL")
    with far, task_runners.opened("dask=tcp://192.0.2.1:8786"):
        pass


def test_a_scheduler_without_workers_is_refused(scheduler: str) -> None:
    """Tasks would wait for ever: the error says how to start a worker."""
    from lusgan_flows import task_runners

    refused = pytest.raises(ConfigError, match=r"no worker is connected.*start some with `dask")
    with refused, task_runners.opened(f"dask={scheduler}"):
        pass
