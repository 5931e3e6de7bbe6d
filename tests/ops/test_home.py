"""The folder of a stack, its ports, and the server of reports."""

from __future__ import annotations

import socket
import stat
import threading
from collections.abc import Iterator
from http.server import ThreadingHTTPServer
from pathlib import Path
from urllib.error import HTTPError
from urllib.request import urlopen

import pytest

from lusgan_core.errors import ConfigError
from lusgan_core.store import LocalStore
from lusgan_ops.up.home import Home, UpError, UpSettings
from lusgan_ops.up.serve_reports import handler
from lusgan_ops.up.services import check_ports, prefect_environment, s3_environment


def test_what_was_asked_for_is_kept(tmp_path: Path) -> None:
    """Another process reads the same settings."""
    asked = UpSettings(exams="/exams", store="/store", port=4321, config={"scores": [1]})
    Home(tmp_path / "home").remember(asked)
    assert Home(tmp_path / "home").settings() == asked


def test_a_folder_without_a_stack_is_told(tmp_path: Path) -> None:
    """The error says what to start; a damaged file says what to delete."""
    with pytest.raises(ConfigError, match="no `lusgan up`"):
        Home(tmp_path).settings()
    (tmp_path / "up.json").write_text("{")
    with pytest.raises(ConfigError, match="delete it"):
        Home(tmp_path).settings()


def test_one_stack_a_folder(tmp_path: Path) -> None:
    """A second one is refused and told who is there; afterwards the folder is free."""
    with (
        Home(tmp_path).alone(),
        pytest.raises(UpError, match=r"already \(process \d+\)"),
        Home(tmp_path).alone(),
    ):
        pass
    with Home(tmp_path).alone():
        pass


def test_a_port_in_use_is_one_clear_line() -> None:
    """The error says which port, what for, and what to do."""
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        with pytest.raises(UpError, match=f"port {port}, wanted for the UI.*another --port"):
            check_ports(UpSettings(port=port))


def test_nothing_of_prefect_is_shared_with_other_stacks(tmp_path: Path) -> None:
    """Database and API are this folder's own, and nothing is sent home."""
    found = prefect_environment(Home(tmp_path), UpSettings(port=4321))
    assert found["PREFECT_API_URL"] == "http://127.0.0.1:4321/api"
    assert found["PREFECT_HOME"].startswith(str(tmp_path))
    assert found["PREFECT_SERVER_ANALYTICS_ENABLED"] == "false"


def test_s3_keys_are_made_once_and_for_this_user_alone(tmp_path: Path) -> None:
    """The second start finds the first one's keys; nobody else can read them."""
    first = s3_environment(Home(tmp_path), UpSettings())
    assert s3_environment(Home(tmp_path), UpSettings()) == first
    assert len(first["AWS_SECRET_ACCESS_KEY"]) == 40
    assert s3_environment(Home(tmp_path / "other"), UpSettings()) != first
    assert stat.S_IMODE((tmp_path / "s3" / "s3.json").stat().st_mode) == 0o600


@pytest.fixture
def reports(tmp_path: Path) -> Iterator[str]:
    """Serve a store with a report and a model; yields the address."""
    store = LocalStore(tmp_path)
    store.put("reports/12345678/index.html", "Prüfbericht".encode())
    store.put("models/score-0/secret.json", b"{}")
    with ThreadingHTTPServer(("127.0.0.1", 0), handler(store)) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()


def test_reports_are_served(reports: str) -> None:
    """A browser gets the page as UTF-8."""
    with urlopen(f"{reports}/reports/12345678/index.html", timeout=10) as reply:
        assert reply.read().decode() == "Prüfbericht"
        assert reply.headers["Content-Type"] == "text/html; charset=utf-8"


@pytest.mark.parametrize(
    "path",
    ["/models/score-0/secret.json", "/reports/../models/score-0/secret.json", "/reports/x.html"],
)
def test_nothing_else_is_served(reports: str, path: str) -> None:
    """Models, ways out of the folder and reports that are gone are refused."""
    with pytest.raises(HTTPError) as refused:
        urlopen(reports + path, timeout=10)
    assert refused.value.code in (404, 502)
