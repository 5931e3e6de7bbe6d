"""The folder of a stack, its keys, settings and ports."""

from __future__ import annotations

import json
import os
import socket
import stat
import tomllib
from pathlib import Path

import pytest
from cryptography import x509

from lusgan_core.errors import ConfigError
from lusgan_ops.up.home import Home, UpError, UpSettings
from lusgan_ops.up.login import CLIENT, SERVER, login_file, make_login
from lusgan_ops.up.prefect_settings import prefect_environment, set_prefect_environment
from lusgan_ops.up.seaweed_keys import make_keys
from lusgan_ops.up.services import ROLES, check_ports, s3_environment, stack_environment


def test_what_was_asked_for_is_kept(tmp_path: Path) -> None:
    """Another process reads the same settings."""
    asked = UpSettings(exams="/exams", store="/store", port=4321, config={"scores": [1]})
    Home(tmp_path / "home").remember(asked)
    assert Home(tmp_path / "home").settings() == asked


def test_options_that_changed_have_names() -> None:
    """Other values, new options and options that are gone are named; other settings are none."""
    old = {"scores": [0], "training": {"iterations": 4, "penalties": {"r1": {"weight": 1}}}}
    new = {"scores": [0], "training": {"iterations": 5, "penalties": {}}, "report": {"a": 1}}
    before, after = (UpSettings(config=config) for config in (old, new))
    assert after.changed_options(before) == [
        "report.a", "training.iterations", "training.penalties", "training.penalties.r1.weight",
    ]  # fmt: skip
    assert UpSettings(config=old, every_s=7).changed_options(before) == []


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
    assert "*" not in found["PREFECT_SERVER_CORS_ALLOWED_ORIGINS"]
    assert found["PREFECT_SERVER_CSRF_PROTECTION_ENABLED"] == "true"


@pytest.fixture
def nothing_of_prefect(monkeypatch: pytest.MonkeyPatch) -> None:
    """Start without any of Prefect's variables, and put them back as they were."""
    for name in [name for name in os.environ if name.startswith(("PREFECT_", "DO_NOT"))]:
        monkeypatch.delenv(name)
    monkeypatch.setattr(os, "environ", os.environ.copy())


@pytest.mark.usefixtures("nothing_of_prefect")
def test_an_operators_settings_are_kept_unless_they_contradict(tmp_path: Path) -> None:
    """What the stack needs otherwise is said and left out; the rest stays; nothing is sent home."""
    said: list[str] = []
    os.environ |= {
        "PREFECT_LOGGING_LEVEL": "DEBUG",
        "PREFECT_WORKER_QUERY_SECONDS": "7",
        "PREFECT_API_URL": "http://other.example/api",
        "PREFECT_API_KEY": "key",
        "PREFECT_SERVER_API_CSRF_PROTECTION_ENABLED": "false",
    }
    home, settings = Home(tmp_path), UpSettings(port=4321)
    make_login(home)
    set_prefect_environment(home, settings, said.append)
    found = dict(os.environ)
    assert found["PREFECT_LOGGING_LEVEL"] == "DEBUG"
    assert found["PREFECT_WORKER_QUERY_SECONDS"] == "7"
    assert found["PREFECT_API_URL"] == "http://127.0.0.1:4321/api"
    assert found["DO_NOT_TRACK"] == "1"
    assert found["PREFECT_SERVER_ANALYTICS_ENABLED"] == "false"
    assert "PREFECT_API_KEY" not in found
    assert "PREFECT_SERVER_API_CSRF_PROTECTION_ENABLED" not in found
    assert sorted(line.partition(" ")[0] for line in said) == [
        "PREFECT_API_KEY", "PREFECT_API_URL", "PREFECT_SERVER_API_CSRF_PROTECTION_ENABLED",
    ]  # fmt: skip
    assert login_file(home).read_text().strip() == found[SERVER] == found[CLIENT]


@pytest.mark.usefixtures("nothing_of_prefect")
def test_a_login_is_made_once_and_for_this_user_alone(tmp_path: Path) -> None:
    """The second start and other commands find the first one's; nobody else can read it."""
    home = Home(tmp_path)
    make_login(home)
    first = login_file(home).read_text()
    make_login(home)
    assert login_file(home).read_text() == first
    name, _, password = first.strip().partition(":")
    assert name == "lusgan"
    assert len(password) >= 32
    assert stat.S_IMODE(login_file(home).stat().st_mode) == 0o600
    assert stack_environment(home, UpSettings())[CLIENT] == first.strip()


@pytest.mark.usefixtures("nothing_of_prefect")
def test_a_login_of_the_operators_own_is_kept(tmp_path: Path) -> None:
    """It is taken; two that differ, and one without a password, are refused."""
    home = Home(tmp_path)
    make_login(home)
    os.environ[SERVER] = "me:own"
    make_login(home)
    assert stack_environment(home, UpSettings())[SERVER] == "me:own"
    os.environ[CLIENT] = "me:other"
    with pytest.raises(ConfigError, match="differ: set both"):
        make_login(home)
    del os.environ[CLIENT]
    for wrong in ("me", "me:", ":own"):
        os.environ[SERVER] = wrong
        with pytest.raises(ConfigError, match="expected NAME:PASSWORD"):
            make_login(home)


def test_a_home_is_closed_whatever_it_was(tmp_path: Path) -> None:
    """Folders of an earlier version, open to all, are closed when they are used again."""
    (tmp_path / "s3").mkdir(mode=0o755)
    tmp_path.chmod(0o755)
    s3_environment(Home(tmp_path), UpSettings())
    Home(tmp_path).remember(UpSettings())
    assert {stat.S_IMODE(p.stat().st_mode) for p in (tmp_path, tmp_path / "s3")} == {0o700}


def test_keys_of_seaweed_are_made_once_and_for_this_user_alone(tmp_path: Path) -> None:
    """Every port of it has a section with a key; the authority's own key is nowhere."""
    make_keys(tmp_path, "storage")
    before = {path.name: path.read_bytes() for path in tmp_path.iterdir()}
    make_keys(tmp_path, "storage")
    assert {path.name: path.read_bytes() for path in tmp_path.iterdir()} == before
    assert {stat.S_IMODE(path.stat().st_mode) for path in tmp_path.iterdir()} == {0o600}
    security = tomllib.loads(before["security.toml"].decode())
    for part in ("master", "volume", "filer", "admin"):
        assert security["https"][part]["ca"] == "authority.pem"
        assert security["grpc"][part]["key"] == "key.pem"
    tokens = [security["jwt"][name]["key"] for name in ("signing", "filer_signing")]
    tokens += [security["jwt"][name]["read"]["key"] for name in ("signing", "filer_signing")]
    assert len(set(tokens)) == 4
    assert {len(token) for token in tokens} == {64}
    assert sum(b"PRIVATE KEY" in content for content in before.values()) == 1
    certificate = x509.load_pem_x509_certificate(before["certificate.pem"])
    names = certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    assert "storage" in names.get_values_for_type(x509.DNSName)
    certificate.verify_directly_issued_by(x509.load_pem_x509_certificate(before["authority.pem"]))


def test_s3_keys_are_made_once_and_for_this_user_alone(tmp_path: Path) -> None:
    """The second start finds the first one's keys; nobody else can read them."""
    first = s3_environment(Home(tmp_path), UpSettings())
    assert s3_environment(Home(tmp_path), UpSettings()) == first
    assert len(first["AWS_SECRET_ACCESS_KEY"]) == 40
    assert s3_environment(Home(tmp_path / "other"), UpSettings()) != first
    assert stat.S_IMODE((tmp_path / "s3" / "s3.json").stat().st_mode) == 0o600


def test_a_home_of_an_earlier_version_gets_the_reports_key(tmp_path: Path) -> None:
    """Runs keep their key, and the server of reports gets one of its own, once."""
    home, asked = Home(tmp_path), UpSettings()
    s3_environment(home, asked)
    file = tmp_path / "s3" / "s3.json"
    first = json.loads(file.read_text())["identities"][:1]
    file.write_text(json.dumps({"identities": first}))
    keys = [s3_environment(home, asked, role)["AWS_SECRET_ACCESS_KEY"] for role in ROLES]
    assert keys[0] == first[0]["credentials"][0]["secretKey"]
    assert len(set(keys)) == 2
    again = [s3_environment(home, asked, role)["AWS_SECRET_ACCESS_KEY"] for role in ROLES]
    assert again == keys
