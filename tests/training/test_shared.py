"""Several processes train one score: the same losses and checkpoints, and no process left over."""

from __future__ import annotations

import csv
import io
import json
import os
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from lusgan_core.calls.call import StageContext
from lusgan_core.calls.interrupts import StopFlag, stop_on_signals
from lusgan_core.calls.provenance import Manifest
from lusgan_core.calls.runtime import Runtime
from lusgan_core.config import RunConfig
from lusgan_core.errors import ConfigError, MissingError, TrainingError, TrainingStopped
from lusgan_core.ingestion.discover import discover
from lusgan_core.networks.device import check_devices
from lusgan_core.pipeline.chain import run_chain
from lusgan_core.pipeline.runner import Inline
from lusgan_core.progress import Task, listening
from lusgan_core.registry import installed
from lusgan_core.store import LocalStore
from lusgan_core.store.source import open_source
from lusgan_core.training.lease import Lease
from lusgan_core.training.options import TrainingOptions
from lusgan_core.training.shared import launch
from lusgan_core.training.shared.launch import check_second_derivatives
from lusgan_core.training.shared.worker import Said
from marked_processes import processes_of
from tiny_runs import Pipeline, tiny_config, write_exams

TORCHRUN = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc-per-node", "2"]
SCRIPT = Path(__file__).parents[1] / "shared_script.py"
NETS = (
    "training.backbone=dcgan",
    'training.backbone_options={"width": 4, "dropout": 0.0, "generator_norm": "none", '
    '"discriminator_norm": "none"}',
    "training.lr_generator=1e-5",
    "training.lr_discriminator=1e-5",
)
"""Without batch norm and dropout, which each process computes and draws for itself on a CPU."""
TWO = "runtime.processes=2"
LOOKED_AT = ("training.monitor.every=15", "training.monitor.frames=16", "selection.validation=0.3")
DIVERGING = (*LOOKED_AT, "training.monitor.max_loss=1e-6")
"""Each look finds the generator's loss too large, and goes back."""


def environment() -> dict[str, str]:
    """Return an environment in which processes import what this one does."""
    return os.environ | {"PYTHONPATH": os.pathsep.join(filter(None, sys.path))}


@pytest.fixture(scope="module", autouse=True)
def _paths() -> Iterator[None]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("PYTHONPATH", environment()["PYTHONPATH"])
        yield


@pytest.fixture(scope="module")
def exams(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return exams, and beside them a store with their shards."""
    folder = tmp_path_factory.mktemp("shared")
    write_exams(folder / "exams", patients=6)
    Pipeline(folder / "exams", folder / "store").run(tiny_config(), until="preprocess")
    return folder / "exams"


def config(*settings: str) -> RunConfig:
    return tiny_config(*NETS, *settings, scores=(0,))


def train(exams: Path, store: Path, *settings: str, stop: StopFlag | None = None) -> Manifest:
    """Train score 0 as the training stage does; returns its manifest or raises why it has none."""
    chosen = config(*settings)
    source = open_source(str(exams))
    context = StageContext(LocalStore(store), source, chosen.runtime, stop=stop or StopFlag())
    outcome = run_chain(
        Inline(context), discover(source), chosen, installed(), preset="demo", until="train"
    )
    if 0 in outcome.failures:
        raise TrainingError(outcome.failures[0])
    return outcome.scores[0]["train"]


def left(store: Path, name: str) -> bytes:
    (path,) = store.glob(f"models/score-0/*/{name}")
    return path.read_bytes()


def history(store: Path) -> np.ndarray:
    """Return both losses, a row an iteration."""
    rows = csv.DictReader(io.StringIO(left(store, "history.csv").decode()))
    names = ("loss_discriminator", "loss_generator")
    return np.array([[float(row[name]) for name in names] for row in rows])


def stopped_at(iteration: int) -> tuple[StopFlag, Any]:
    """Return a flag, and a listener that sets it once a training has come that far."""
    flag = StopFlag()

    def listen(task: Task) -> None:
        if task.unit == "it" and task.done >= iteration:
            flag.request()

    return flag, listen


def test_two_processes_compute_what_one_does(tmp_path: Path) -> None:
    """Every column of the history and the weights agree to nine digits in double precision, with
    and without packing, R1, spectral norm, a loss that reads the images of the whole batch; both
    processes end in the same weights."""
    file = tmp_path / "losses.json"
    for command in ([sys.executable], TORCHRUN):
        done = subprocess.run(
            [*command, str(SCRIPT), str(file)], env=environment(), capture_output=True, text=True
        )
        assert done.returncode == 0, done.stderr
    one = json.loads(file.read_text())
    first, second = (json.loads(Path(f"{file}.{rank}").read_text()) for rank in (0, 1))
    assert first == second
    for case, rows in one.items():
        for here, there in zip(rows, first[case], strict=True):
            np.testing.assert_allclose(there, here, rtol=1e-9, err_msg=case)
    penalties = [row[2] for row in one["r1"][:-1]]
    assert max(penalties) > 0, "the penalty was never seen"


def test_two_processes_leave_what_one_leaves(exams: Path, tmp_path: Path) -> None:
    """The same artifacts under the same key with the same losses in single precision, progress
    heard to the end, and a manifest that says how many trained."""
    heard: list[tuple[int, int, bool]] = []

    def listen(task: Task) -> None:
        if task.unit == "it":
            heard.append((task.done, task.total, task.finished))

    one = train(exams, tmp_path / "one", "training.iterations=25")
    with listening(listen):
        two = train(exams, tmp_path / "two", "training.iterations=25", TWO)
    assert two.cache_key == one.cache_key
    assert set(two.artifacts) == set(one.artifacts)
    assert (one.device, two.device) == ("cpu", "2 x cpu")
    np.testing.assert_allclose(history(tmp_path / "two"), history(tmp_path / "one"), rtol=1e-4)
    assert heard[0] == (0, 25, False)
    assert heard[-1] == (25, 25, True)
    assert any(done == 20 for done, _, _ in heard)
    assert len(list((tmp_path / "two").glob("models/score-0/*/previews/*.png"))) == 2
    assert not list((tmp_path / "two").glob("models/score-0/*/lease.json"))


@pytest.mark.parametrize("monitor", [(), LOOKED_AT, DIVERGING], ids=["", "looked at", "diverging"])
def test_stopped_and_resumed(exams: Path, tmp_path: Path, monitor: tuple[str, ...]) -> None:
    """A stop reaches both processes and leaves one checkpoint; two processes go on from it to the
    weights of a training that was not stopped, byte for byte, and one process goes on too."""
    long = ("training.iterations=60", *monitor)
    train(exams, tmp_path / "straight", *long, TWO)
    flag, listen = stopped_at(20)
    with listening(listen), pytest.raises(TrainingStopped, match="a checkpoint is saved"):
        train(exams, tmp_path / "two", *long, TWO, stop=flag)
    *_, checkpoint = sorted((tmp_path / "two").glob("models/score-0/*/checkpoints/*"))
    iteration = int(checkpoint.stem)
    assert 20 <= iteration < 60
    subprocess.run(["cp", "-r", str(tmp_path / "two"), str(tmp_path / "one")], check=True)
    resumed = train(exams, tmp_path / "two", *long, TWO)
    assert resumed.data["resumed_from"] == iteration
    backs = [event for event in resumed.data["events"] if event["kind"] == "rolled back"]
    assert len(backs) == (4 if monitor == DIVERGING else 0)
    for name in ("generator.safetensors", "history.csv", "progress.gif"):
        assert left(tmp_path / "two", name) == left(tmp_path / "straight", name)
    alone = train(exams, tmp_path / "one", *long)
    assert alone.data["resumed_from"] == iteration
    assert alone.device == "cpu"
    np.testing.assert_allclose(history(tmp_path / "one"), history(tmp_path / "straight"), rtol=1e-3)


@pytest.mark.skipif(not Path("/proc").exists(), reason="finds processes in /proc")
def test_a_process_that_dies_ends_the_training(
    exams: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """kill -9 of one process: an error that says which and how to go on, nobody left, and the
    checkpoint is resumed by one process."""
    monkeypatch.setenv("LUSGAN_TEST_MARK", mark := f"shared-{os.getpid()}")
    victims: list[int] = []

    def kill(task: Task) -> None:
        if task.unit == "it" and task.done >= 20 and not victims:
            workers = [
                pid for pid in processes_of(mark)
                if b"RANK=1" in Path(f"/proc/{pid}/environ").read_bytes().split(b"\0")
            ]  # fmt: skip
            victims.extend(workers)
            for pid in workers:
                os.kill(pid, signal.SIGKILL)

    often = ("training.iterations=300", "runtime.checkpoint_s=0.05")
    said = r"process 2 of 2 ended without a word \(killed.*the last checkpoint is kept"
    with listening(kill), pytest.raises(TrainingError, match=said):
        train(exams, tmp_path, *often, TWO)
    assert len(victims) == 1
    assert processes_of(mark) == []
    resumed = train(exams, tmp_path, *often)
    assert 0 < resumed.data["resumed_from"] < 300


def test_whoever_lost_a_peer_is_not_the_cause() -> None:
    """A process may notice, and tell, that another was killed before anybody else does."""
    agent = subprocess.Popen(["true"], stdin=subprocess.PIPE, stdout=subprocess.PIPE)
    with tempfile.TemporaryFile() as stderr:
        processes = launch._Processes(2, agent, stderr)
        lost = "loss 'RSGAN' raised RuntimeError: Read error: Connection reset by peer"
        processes.last = {
            0: Said(what="failed", rank=0, error="PluginError", text=lost),
            1: Said(what="here", rank=1, pid=1),
        }
        with pytest.raises(TrainingError, match="process 2 of 2 ended without a word"):
            processes.outcome()
        processes.end()


def run_as_process(exams: Path, store: Path, mark: str) -> subprocess.Popen[str]:
    """Start a long training by two processes, and wait until it has left a checkpoint."""
    code = (
        "import sys; from pathlib import Path; from test_shared import interrupted; "
        "sys.exit(interrupted(Path(sys.argv[1]), Path(sys.argv[2])))"
    )
    run = subprocess.Popen(
        [sys.executable, "-c", code, str(exams), str(store)],
        env=environment() | {"LUSGAN_TEST_MARK": mark},
        cwd=Path(__file__).parent, start_new_session=True, text=True, stderr=subprocess.PIPE,
    )  # fmt: skip
    until = time.monotonic() + 120
    while not list(store.glob("models/score-0/*/checkpoints/*")):
        assert run.poll() is None, run.communicate()[1]
        assert time.monotonic() < until, "no checkpoint within two minutes"
        time.sleep(0.05)
    return run


def interrupted(exams: Path, store: Path) -> int:
    """Train for long; 130 after a stop."""
    try:
        with stop_on_signals() as stop:
            train(
                exams, store, "training.iterations=100000", "runtime.checkpoint_s=0.2", TWO,
                stop=stop,
            )  # fmt: skip
    except TrainingStopped as stopped:
        print(stopped, file=sys.stderr)
        return 130
    return 0


@pytest.mark.skipif(not Path("/proc").exists(), reason="finds processes in /proc")
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGKILL])
def test_signals_leave_no_process_behind(exams: Path, tmp_path: Path, number: int) -> None:
    """Ctrl-C (to the group, as a terminal sends it), SIGTERM and even kill -9 of the process that
    started the others end them all: a checkpoint is left, and the lease is given back."""
    mark = f"shared-{os.getpid()}-{int(number)}"
    run = run_as_process(exams, tmp_path, mark)
    if number == signal.SIGINT:
        os.killpg(run.pid, number)
    else:
        run.send_signal(number)
    if number == signal.SIGKILL:
        run.wait()
    else:
        said = run.communicate(timeout=60)[1]
        assert run.returncode == 130, said
        assert "a checkpoint is saved: run the same command again" in said
        assert "Traceback" not in said
    until = time.monotonic() + 40
    while processes_of(mark) and time.monotonic() < until:
        time.sleep(0.1)
    assert processes_of(mark) == []
    assert not list(tmp_path.glob("models/score-0/*/lease.json"))
    *_, checkpoint = sorted(tmp_path.glob("models/score-0/*/checkpoints/*"))
    assert int(checkpoint.stem) > 0


def test_a_lease_that_is_held_is_found_out_before_processes_start(
    exams: Path, tmp_path: Path
) -> None:
    """While somebody else trains the model a stop ends the waiting, and the holder is named."""
    flag = StopFlag()

    def listen(task: Task) -> None:
        if "waiting" in task.label:
            flag.request()

    first, listener = stopped_at(1)
    first.request()
    with listening(listener), pytest.raises(TrainingStopped):
        train(exams, tmp_path, stop=first)
    (folder,) = tmp_path.glob("models/score-0/*")
    key = f"models/score-0/{folder.name}/lease.json"
    started = time.monotonic()
    with (
        Lease(LocalStore(tmp_path), key),
        listening(listen),
        pytest.raises(TrainingStopped, match=f"process {os.getpid()} on"),
    ):
        train(exams, tmp_path, TWO, stop=flag)
    assert time.monotonic() - started < 10


def test_what_cannot_be_shared_is_refused(exams: Path, tmp_path: Path) -> None:
    """Batches that do not divide, GPUs that are not there, one GPU for several: all before work."""
    for settings, words in (
        ((TWO, "training.batch_size=6", "training.pack=2"), "choose 4 or 8, or another runtime"),
        (("runtime.processes=3",), "batch_size 4 cannot be shared by 3 processes in packs of 1"),
        (("runtime.processes=0",), "runtime.processes"),
    ):
        with pytest.raises(ConfigError, match=words):
            config(*settings)
    if not torch.cuda.is_available():
        with pytest.raises(MissingError, match="is 'cuda', and there is no such device"):
            train(exams, tmp_path, TWO, "runtime.device=cuda")
        assert not list(tmp_path.rglob("checkpoints"))


@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a GPU")
def test_each_process_needs_a_gpu() -> None:
    """More processes than GPUs, or a numbered one for several."""
    with pytest.raises(ConfigError, match="use at most"):
        check_devices(Runtime(device="cuda", processes=64))
    with pytest.raises(ConfigError, match="a GPU of its own"):
        check_devices(Runtime(device="cuda:0", processes=2))


def test_penalties_and_batch_norm_across_gpus_are_refused() -> None:
    """Batch norm over several GPUs has no second derivative; without batch norm nothing is said."""
    chosen = TrainingOptions(backbone="dcgan", penalties={"r1": {}})
    with pytest.raises(ConfigError, match=r"penalties \(r1\) need second derivatives"):
        check_second_derivatives(chosen, 1, installed())
    normless = chosen.model_copy(update={"backbone_options": {"discriminator_norm": "none"}})
    check_second_derivatives(normless, 1, installed())
