"""Which servers a worker's runs may talk to."""

from __future__ import annotations

import pytest

from lusgan_core.errors import ConfigError
from lusgan_core.pipeline.endpoints import ENDPOINTS, OF_RUN, OF_WORKER, check_endpoints

EVIL = "s3://exams?endpoint=http://evil.example:9000"


@pytest.fixture(autouse=True)
def nothing_set(monkeypatch: pytest.MonkeyPatch) -> None:
    """Start as on a worker that was told nothing."""
    for name in (ENDPOINTS, *OF_WORKER):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv(OF_RUN, "a run")


def test_a_run_cannot_name_a_server_of_its_own() -> None:
    """Neither exams nor store; what names no server is let through."""
    check_endpoints("/exams", "s3://artifacts/place?sse=AES256")
    for addresses in ((EVIL, "s3://artifacts"), ("/exams", EVIL)):
        with pytest.raises(ConfigError, match=r"not set up for.*LUSGAN_ENDPOINTS"):
            check_endpoints(*addresses)


@pytest.mark.parametrize(
    ("name", "value"),
    [
        (ENDPOINTS, "https://other.example,http://evil.example:9000"),
        ("LUSGAN_STORE", "s3://artifacts?endpoint=http://evil.example:9000"),
        ("LUSGAN_EXAMS", EVIL),
    ],
)
def test_the_workers_own_servers_are_taken(
    name: str, value: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The list, and the servers of the addresses that the worker was started with."""
    monkeypatch.setenv(name, value)
    check_endpoints(EVIL)
    with pytest.raises(ConfigError, match="not set up for"):
        check_endpoints(EVIL.replace("9000", "9001"))


def test_a_persons_own_command_goes_where_it_says(monkeypatch: pytest.MonkeyPatch) -> None:
    """Without a worker there is nobody else who could have written the address."""
    monkeypatch.delenv(OF_RUN)
    check_endpoints(EVIL)
