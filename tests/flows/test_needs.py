"""What a run and a worker need: each thing that is missing is named, with what to do."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
from lusgan_flows import needs
from lusgan_flows.pools import Kind
from lusgan_flows.work import examined
from tiny_runs import tiny_config, write_exams

from lusgan_core.errors import ConfigError, StoreError, UnknownPluginError
from lusgan_core.registry import Registry
from lusgan_core.store import LocalStore, check_writable

pytestmark = pytest.mark.usefixtures("prefect_server")  # before anything imports Prefect
NOWHERE = "http://127.0.0.1:9"
"""Nothing listens there."""


def test_no_gpu(monkeypatch: pytest.MonkeyPatch) -> None:
    """A device that is not there is refused; in a container the advice is about containers."""
    needs.device("cpu")
    needs.device("auto")
    monkeypatch.delenv(needs.IN_CONTAINER, raising=False)
    with pytest.raises(needs.MissingError, match=r"'cuda:9'.*set runtime.device=cpu"):
        needs.device("cuda:9")
    import torch

    if torch.version.cuda and not torch.cuda.is_available():
        monkeypatch.setenv(needs.IN_CONTAINER, "1")
        with pytest.raises(needs.MissingError, match=r"--gpus all.*container toolkit"):
            needs.device("cuda")


def test_no_plugin(plugins: Registry, monkeypatch: pytest.MonkeyPatch) -> None:
    """An image that lacks the plugin is told from a package that is not installed."""
    chosen = tiny_config()
    wanted = chosen.model_copy(
        update={"training": chosen.training.model_copy(update={"loss": "Wasserstein"})}
    )
    monkeypatch.delenv(needs.IN_CONTAINER, raising=False)
    with pytest.raises(UnknownPluginError, match=r"unknown loss 'Wasserstein'.*install it there"):
        needs.plugins(wanted, plugins)
    monkeypatch.setenv(needs.IN_CONTAINER, "1")
    with pytest.raises(UnknownPluginError, match=r"choices: .*RaSGAN.*PLUGINS=PACKAGE"):
        needs.plugins(wanted, plugins)


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
        needs.server()
    with (
        temporary_settings({PREFECT_API_URL: f"{NOWHERE}/api"}),
        pytest.raises(needs.MissingError, match="no Prefect server answers at http"),
    ):
        needs.server()


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
    from lusgan_flows.cli.run import run_pipeline
    from prefect.settings import PREFECT_API_URL, temporary_settings

    exams, store = write_exams(tmp_path / "exams", patients=1), str(tmp_path / "store")
    with temporary_settings({PREFECT_API_URL: f"{http_server(answers)}/api"}):
        with pytest.raises(needs.MissingError, match=said):
            next(examined(Kind.PROCESS, False, "", ""))
        with pytest.raises(needs.MissingError, match=said):
            run_pipeline(str(exams), store, tiny_config(scores=(0,)), preset="demo")


def test_no_docker_engine(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """A socket that is not there, with the advice of a container and that of a machine."""
    monkeypatch.setenv("DOCKER_HOST", f"unix://{tmp_path}/docker.sock")
    monkeypatch.delenv(needs.IN_CONTAINER, raising=False)
    with pytest.raises(needs.MissingError, match="start the Docker daemon, or set DOCKER_HOST"):
        needs.docker_engine(gpu=False)
    monkeypatch.setenv(needs.IN_CONTAINER, "1")
    with pytest.raises(needs.MissingError, match=f"-v {tmp_path}/docker.sock:"):
        needs.docker_engine(gpu=False)


def test_no_cluster(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Neither a service account nor a file, and a file that leads nowhere."""
    monkeypatch.delenv("KUBERNETES_SERVICE_HOST", raising=False)
    config = tmp_path / "config"
    monkeypatch.setenv("KUBECONFIG", str(config))
    with pytest.raises(needs.MissingError, match="or set KUBECONFIG"):
        needs.cluster()
    config.write_text(
        '{"apiVersion": "v1", "kind": "Config", "current-context": "here",'
        f' "clusters": [{{"name": "here", "cluster": {{"server": "{NOWHERE}"}}}}],'
        ' "users": [{"name": "me", "user": {}}],'
        ' "contexts": [{"name": "here", "context": {"cluster": "here", "user": "me"}}]}'
    )
    with pytest.raises(needs.MissingError, match="the Kubernetes cluster does not answer"):
        needs.cluster()


def test_a_worker_looks_before_it_starts(
    prefect_server: dict[str, str], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """The server is found well; the first thing missing after it is said."""
    from prefect.settings import PREFECT_API_URL, temporary_settings

    monkeypatch.setenv("DOCKER_HOST", f"unix://{tmp_path}/docker.sock")
    with temporary_settings({PREFECT_API_URL: prefect_server["PREFECT_API_URL"]}):
        looks = examined(Kind.DOCKER, False, "", "")
        assert next(looks)[0] == "server"
        with pytest.raises(needs.MissingError, match="no Docker engine answers"):
            next(looks)
        exams = tmp_path / "exams"
        exams.mkdir()
        found = dict(examined(Kind.PROCESS, False, str(tmp_path / "store"), str(exams)))
    assert "can be written" in found["storage"]
