"""How the stack's own server is asked."""

from __future__ import annotations

import socket
import threading
from collections.abc import Callable

import pytest

from lusgan_core.errors import MissingError
from lusgan_ops.prefect_api import ask

VERSION = "/api/admin/version"


def test_a_server_with_a_password_is_told_it(
    http_server: Callable[..., str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """The password that `lusgan up` left to its server is said; without it, the error names it."""
    asked = http_server({VERSION: '"3.8.8"'}, password="admin:secret") + "/api"
    monkeypatch.delenv("PREFECT_API_AUTH_STRING", raising=False)
    with pytest.raises(MissingError, match=r"with code 401: set PREFECT_API_AUTH_STRING as"):
        ask(asked, "/admin/version")
    monkeypatch.setenv("PREFECT_API_AUTH_STRING", "admin:secret")
    assert ask(asked, "/admin/version") == "3.8.8"


def test_another_program_on_the_port(http_server: Callable[..., str]) -> None:
    """What is no JSON, and what is no HTTP, is not Prefect."""
    with pytest.raises(MissingError, match=r"is not Prefect: .*another --port"):
        ask(http_server({VERSION: "<html>"}) + "/api", "/admin/version")
    with socket.create_server(("127.0.0.1", 0)) as other:

        def greet() -> None:
            near, _ = other.accept()
            with near:
                near.recv(1 << 16)
                near.sendall(b"SSH-2.0-OpenSSH_9.9\r\n")

        threading.Thread(target=greet, daemon=True).start()
        asked = f"http://127.0.0.1:{other.getsockname()[1]}/api"
        with pytest.raises(MissingError, match="is not Prefect"):
            ask(asked, "/admin/version")
