"""What a run and a worker need: each thing that is missing is named, with what to do."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from lusgan_core.config import completed
from lusgan_core.errors import ConfigError, MissingError, StoreError, UnknownPluginError
from lusgan_core.networks.device import pick_device
from lusgan_core.registry import IN_CONTAINER, Registry
from lusgan_core.store import LocalStore, check_writable
from lusgan_ops.pools import Kind
from lusgan_ops.preflight import checks
from lusgan_ops.preflight.docker import docker_engine
from lusgan_ops.preflight.kubernetes import cluster
from lusgan_ops.preflight.server import prefect_server as check_server
from lusgan_ops.work import worker_checks
from tiny_runs import tiny_config, write_exams

pytestmark = pytest.mark.usefixtures("prefect_server")  # before anything imports Prefect
NOWHERE = "http://127.0.0.1:9"
"""Nothing listens there."""


def test_no_gpu(monkeypatch: pytest.MonkeyPatch) -> None:
    """A device that is not there is refused; in a container the advice is about containers."""
    pick_device("cpu")
    pick_device("auto")
    monkeypatch.delenv(IN_CONTAINER, raising=False)
    with pytest.raises(MissingError, match=r"'cuda:9'.*set runtime.device=cpu"):
        pick_device("cuda:9")
    import torch

    if torch.version.cuda and not torch.cuda.is_available():
        monkeypatch.setenv(IN_CONTAINER, "1")
        with pytest.raises(MissingError, match=r"--gpus all.*container toolkit"):
            pick_device("cuda")


def test_no_plugin(plugins: Registry, monkeypatch: pytest.MonkeyPatch) -> None:
    """An image that lacks the plugin is told from a package that is not installed."""
    chosen = tiny_config()
    wanted = chosen.model_copy(
        update={"training": chosen.training.model_copy(update={"loss": "Wasserstein"})}
    )
    monkeypatch.delenv(IN_CONTAINER, raising=False)
    with pytest.raises(
        UnknownPluginError,
        match=r"unknown loss .Wasserstein.*install it where this",
    ):
        completed(wanted, plugins)
    monkeypatch.setenv(IN_CONTAINER, "1")
    with pytest.raises(UnknownPluginError, match=r"choices: .*RaSGAN.*PLUGINS=PACKAGE"):
        completed(wanted, plugins)


def test_a_store_that_cannot_be_written(tmp_path: Path) -> None:
    """It is found out by writing; what was written is gone afterwards."""
    check_writable(LocalStore(tmp_path / "store"))
    assert not list(LocalStore(tmp_path / "store").list())
    (tmp_path / "file").write_text("not a folder")
    with pytest.raises(StoreError):
        check_writable(LocalStore(tmp_path / "file"))


def test_no_server(monkeypatch: pytest.MonkeyPatch) -> None:
    """No address, and an address where nothing answers, each have their advice."""
    from prefect.settings import PREFECT_API_URL, temporary_settings

    with (
        temporary_settings(restore_defaults={PREFECT_API_URL}),
        pytest.raises(ConfigError, match="set PREFECT_API_URL"),
    ):
        check_server()
    with (
        temporary_settings({PREFECT_API_URL: f"{NOWHERE}/api"}),
        pytest.raises(MissingError, match="no Prefect server answers at http"),
    ):
        check_server()


@pytest.mark.parametrize(
    ("answers", "said"),
    [
        (
            {"/api/admin/version": '"2.20.3"'},
            r"runs prefect 2\.20\.3, this is .*: install the same",
        ),
        ({}, r"answers 404: check PREFECT_API_URL, it ends in /api"),
        ({"/api/admin/version": "<html>"}, r"is not Prefect: correct PREFECT_API_URL"),
        ({"/api/admin/version": '{"version": 7}'}, r"is not Prefect: correct PREFECT_API_URL"),
    ],
    ids=["older", "other path", "no JSON", "other JSON"],
)
def test_a_server_that_cannot_be_used(
    answers: dict[str, str], said: str, tmp_path: Path, http_server: Callable[..., str]
) -> None:
    """Another version, and what is no Prefect server, are one line, for runs as well."""
    from prefect.settings import PREFECT_API_URL, temporary_settings

    from lusgan_cli.pipeline import run_pipeline

    exams, store = write_exams(tmp_path / "exams", patients=1), str(tmp_path / "store")
    with temporary_settings({PREFECT_API_URL: f"{http_server(answers)}/api"}):
        with pytest.raises(MissingError, match=said):
            next(worker_checks(Kind.PROCESS, False, "", ""))
        with pytest.raises(MissingError, match=said):
            run_pipeline(str(exams), store, tiny_config(scores=(0,)), preset="demo")


def test_no_docker_engine(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """A socket that is not there, with the advice of a container and that of a machine."""
    monkeypatch.setenv("DOCKER_HOST", f"unix://{tmp_path}/docker.sock")
    monkeypatch.delenv(IN_CONTAINER, raising=False)
    with pytest.raises(MissingError, match="start the Docker daemon, or set DOCKER_HOST"):
        docker_engine(gpu=False)
    monkeypatch.setenv(IN_CONTAINER, "1")
    with pytest.raises(MissingError, match=f"-v {tmp_path}/docker.sock:"):
        docker_engine(gpu=False)


def test_no_cluster(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Neither a service account nor a file, and a file that leads nowhere."""
    monkeypatch.delenv("KUBERNETES_SERVICE_HOST", raising=False)
    config = tmp_path / "config"
    monkeypatch.setenv("KUBECONFIG", str(config))
    with pytest.raises(MissingError, match="or set KUBECONFIG"):
        cluster()
    config.write_text(
        '{"apiVersion": "v1", "kind": "Config", "current-context": "here",'
        f' "clusters": [{{"name": "here", "cluster": {{"server": "{NOWHERE}"}}}}],'
        ' "users": [{"name": "me", "user": {}}],'
        ' "contexts": [{"name": "here", "context": {"cluster": "here", "user": "me"}}]}'
    )
    with pytest.raises(MissingError, match="the Kubernetes cluster does not answer"):
        cluster()


def test_a_worker_looks_before_it_starts(
    prefect_server: dict[str, str], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """The server is found well; the first thing missing after it is said."""
    from prefect.settings import PREFECT_API_URL, temporary_settings

    monkeypatch.setenv("DOCKER_HOST", f"unix://{tmp_path}/docker.sock")
    with temporary_settings({PREFECT_API_URL: prefect_server["PREFECT_API_URL"]}):
        looks = worker_checks(Kind.DOCKER, False, "", "")
        assert next(looks)[0] == "server"
        with pytest.raises(MissingError, match="no Docker engine answers"):
            next(looks)
        exams = tmp_path / "exams"
        exams.mkdir()
        found = dict(worker_checks(Kind.PROCESS, False, str(tmp_path / "store"), str(exams)))
    assert "can be written" in found["store"]


def test_a_store_that_others_can_read_is_told(tmp_path: Path) -> None:
    """One of an earlier release is named with what to do; one of this release is closed."""
    root = tmp_path / "store"
    LocalStore(root).put("shards/9001/1/clip", b"")
    root.chmod(0o755)  # made by hand: what is in it is closed
    assert "other accounts" not in checks.storage(str(root))
    (root / "shards").chmod(0o755)
    assert checks.storage(str(root)).endswith(f"can read it: chmod -R go= {root}")
    root.chmod(0o700)
    assert "other accounts" not in checks.storage(str(root))
