"""The server of reports: pages and pictures alone, and for those who sign in."""

from __future__ import annotations

import http.client
import os
import socket
import threading
import time
from base64 import b64encode
from collections.abc import Iterator
from pathlib import Path

import pytest

from lusgan_core.errors import ConfigError
from lusgan_core.store import LocalStore
from lusgan_ops.up import serve_reports
from lusgan_ops.up.login import CLIENT
from lusgan_ops.up.serve_reports import ReportServer, served

PAGE = "/reports/12345678/index.html"
LOGIN = "lusgan:secret"
SIGNED = {"Authorization": f"Basic {b64encode(LOGIN.encode()).decode()}"}
Answer = tuple[int, bytes, http.client.HTTPMessage]


@pytest.fixture
def store(tmp_path: Path) -> LocalStore:
    """Make a store with a report, its manifest, a picture, a model, and links to outside."""
    store = LocalStore(tmp_path / "store")
    store.put(PAGE[1:], "Prüfbericht".encode())
    store.put("reports/12345678/manifest.json", b'{"patient": "9001"}')
    store.put("reports/12345678/first.png", b"a picture")
    store.put("models/score-0/secret.html", b"secret")
    (tmp_path / "outside.html").write_bytes(b"secret")
    (tmp_path / "store/reports/link.html").symlink_to(tmp_path / "outside.html")
    (tmp_path / "store/reports/folder").symlink_to(tmp_path)
    return store


@pytest.fixture
def server(store: LocalStore, monkeypatch: pytest.MonkeyPatch) -> Iterator[ReportServer]:
    """Serve that store, as the environment says."""
    monkeypatch.setenv(CLIENT, LOGIN)
    monkeypatch.setenv("LUSGAN_REPORTS_URL", "https://reports.example/")
    with served(store, ("127.0.0.1", 0)) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield server
        server.shutdown()


def ask(
    server: ReportServer, path: str, headers: dict[str, str] = SIGNED, method: str = "GET"
) -> Answer:
    """Ask for an address as it stands."""
    connection = http.client.HTTPConnection("127.0.0.1", server.server_port, timeout=10)
    connection.request(method, path, headers=headers)
    reply = connection.getresponse()
    answer = reply.status, reply.read(), reply.headers
    connection.close()
    return answer


def test_a_page_and_its_pictures_are_served(server: ReportServer) -> None:
    """A browser gets the page as UTF-8, and may load nothing from elsewhere into it."""
    status, body, headers = ask(server, PAGE)
    assert (status, body.decode()) == (200, "Prüfbericht")
    assert headers["Content-Type"] == "text/html; charset=utf-8"
    assert "default-src 'none'" in headers["Content-Security-Policy"]
    assert "frame-ancestors 'none'" in headers["Content-Security-Policy"]
    assert headers["X-Content-Type-Options"] == "nosniff"
    assert headers["Access-Control-Allow-Origin"] is None
    status, body, headers = ask(server, "/reports/12345678/first.png")
    assert (status, body, headers["Content-Type"]) == (200, b"a picture", "image/png")


def test_head_tells_what_get_would(server: ReportServer) -> None:
    """Same status and length, no content."""
    status, body, headers = ask(server, PAGE, method="HEAD")
    assert (status, body) == (200, b"")
    assert int(headers["Content-Length"]) == len("Prüfbericht".encode())


@pytest.mark.parametrize("method", ["PUT", "POST", "DELETE", "OPTIONS", "PATCH"])
def test_nothing_can_be_changed(server: ReportServer, store: LocalStore, method: str) -> None:
    """Other methods are not there, signed in or not."""
    for headers in (SIGNED, {}):
        assert ask(server, PAGE, headers, method)[0] == 501
    assert store.exists(PAGE[1:])


@pytest.mark.parametrize(
    "path",
    [
        "/models/score-0/secret.html",
        "/reports/../models/score-0/secret.html",
        "/reports/%2e%2e/models/score-0/secret.html",
        "//models/score-0/secret.html",
        "/reports/12345678/manifest.json",
        "/reports/12345678/manifest.json?x=.html",
        "/reports/link.html",
        "/reports/folder/outside.html",
        "/reports/x.html",
    ],
)
def test_nothing_else_is_served(server: ReportServer, path: str) -> None:
    """Manifests, models, ways out of the folder, links, and reports that are gone are refused."""
    status, body, _ = ask(server, path)
    assert status in (404, 502)
    assert b"secret" not in body
    assert b"9001" not in body


@pytest.mark.parametrize(
    "said",
    [
        "",
        "Basic",
        "Basic lusgan:secret",
        f"Basic {b64encode(b'lusgan:Secret').decode()}",
        "Bearer x",
    ],
)
@pytest.mark.parametrize("path", [PAGE, "/", "/reports/x.html", "/reports/12345678/manifest.json"])
def test_nothing_without_the_login(server: ReportServer, said: str, path: str) -> None:
    """Whatever is asked for, the answer is the same, and a browser asks for the login."""
    status, body, headers = ask(server, path, {"Authorization": said} if said else {})
    assert (status, body) == (401, b"sign in as for Prefect's UI")
    assert headers["WWW-Authenticate"].startswith("Basic ")


def test_that_it_is_there_is_told_to_all(server: ReportServer) -> None:
    """A check of its health needs no login and learns nothing."""
    assert ask(server, "/health", {})[:2] == (200, b"ok")


def test_names_of_others_are_refused(server: ReportServer) -> None:
    """A page of another site that had its name lead here gets nothing; its own names do."""
    for name in ("evil.example", "127.0.0.1.evil.example", "[", ""):
        assert ask(server, PAGE, SIGNED | {"Host": name})[0] == 421
    for name in ("localhost", f"127.0.0.1:{server.server_port}", "[::1]:80", "reports.example"):
        assert ask(server, PAGE, SIGNED | {"Host": name})[0] == 200


def test_a_slow_client_is_hung_up_on(server: ReportServer, monkeypatch: pytest.MonkeyPatch) -> None:
    """Who sends a byte now and then is cut off in the end; others are answered meanwhile."""
    monkeypatch.setattr(serve_reports, "LONGEST_S", 1.0)
    with socket.create_connection(("127.0.0.1", server.server_port)) as slow:
        slow.sendall(b"GET ")
        slow.settimeout(0.2)
        until = time.monotonic() + 30
        while time.monotonic() < until:
            assert ask(server, "/health", {})[0] == 200
            try:
                slow.sendall(b"/")
                if slow.recv(100) == b"":
                    break
            except TimeoutError:
                continue
            except OSError:
                break
        else:
            pytest.fail("it was never hung up on")


def test_there_is_no_server_without_a_login(
    store: LocalStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It does not start, and says what to set."""
    for wrong in ("", "lusgan", "lusgan:", ":secret"):
        monkeypatch.setenv(CLIENT, wrong)
        with pytest.raises(ConfigError, match="set PREFECT_API_AUTH_STRING"):
            served(store, ("127.0.0.1", 0))
    assert os.environ[CLIENT] == ":secret"
