"""Dockerfiles, shell scripts and what is sent to the engine, checked without one."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest
import yaml

ROOT = Path(__file__).parents[2]
BIN = Path(sys.executable).parent
DOCKERFILES = sorted(ROOT.glob("docker/**/Dockerfile"))
SCRIPTS = (*sorted(ROOT.glob("docker/test/*-image")), ROOT / "docker/test/run")


@pytest.mark.parametrize("dockerfile", DOCKERFILES, ids=lambda p: str(p.relative_to(ROOT)))
def test_hadolint_finds_nothing(dockerfile: Path) -> None:
    """Every Dockerfile passes the linter, notes included."""
    done = subprocess.run([BIN / "hadolint", dockerfile], capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr
    assert done.stdout == ""


def test_old_engines_can_build_it() -> None:
    """Nothing is used that Docker 20.10 lacks: syntax lines, here-documents, linked copies."""
    for dockerfile in DOCKERFILES:
        text = dockerfile.read_text()
        assert "# syntax" not in text
        assert "<<" not in text
        assert "--link" not in text


@pytest.mark.parametrize("script", SCRIPTS, ids=lambda p: p.name)
def test_scripts_parse(script: Path) -> None:
    """Shell scripts are well-formed and can be run."""
    subprocess.run(["bash", "-n", script], check=True)
    assert script.stat().st_mode & 0o111


def test_only_what_the_wheel_is_made_of_reaches_the_engine() -> None:
    """Everything is left out but what the Dockerfile copies: no exams, no stores, no keys."""
    lines = [
        line
        for line in (ROOT / ".dockerignore").read_text().splitlines()
        if line and not line.startswith("#")
    ]
    assert lines[0] == "*"
    kept = {line[1:] for line in lines if line.startswith("!")}
    copied = {
        word
        for line in (ROOT / "docker/Dockerfile").read_text().splitlines()
        if line.startswith("COPY ")
        for word in line.split()[1:-1]
    }
    assert kept == copied
    assert all((ROOT / name).exists() for name in kept)


def compose(env: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    """Run Docker Compose on the stack; `config` asks no engine."""
    command = [BIN / "docker-compose", "--env-file", env, "-f", ROOT / "docker/compose.yaml"]
    return subprocess.run([*command, *arguments], capture_output=True, text=True, timeout=60)


@pytest.fixture(scope="module")
def filled(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Fill in the empty lines of the example."""
    lines = (ROOT / "docker/example.env").read_text().splitlines()
    path = tmp_path_factory.mktemp("env") / "filled.env"
    path.write_text("\n".join(f"{line}word" if line.endswith("=") else line for line in lines))
    return path


def test_compose_accepts_the_stack(filled: Path) -> None:
    """All profiles, with the example's lines filled in."""
    done = compose(filled, "--profile", "gpu", "--profile", "tools", "config")
    assert done.returncode == 0, done.stderr
    services = yaml.safe_load(done.stdout)["services"]
    devices = services["gpu-worker"]["deploy"]["resources"]["reservations"]["devices"]
    assert devices == [{"driver": "nvidia", "count": -1, "capabilities": ["gpu"]}]
    for name, service in services.items():
        assert all(port["host_ip"] == "127.0.0.1" for port in service.get("ports", ())), name
        conditions = [d["condition"] for d in service.get("depends_on", {}).values()]
        assert set(conditions) <= {"service_healthy", "service_completed_successfully"}, name
        assert not service.get("privileged"), name


def test_every_container_is_confined(filled: Path) -> None:
    """No capability but those named here; limits of memory and processes; logs of limited size."""
    done = compose(filled, "--profile", "gpu", "--profile", "tools", "config")
    services = yaml.safe_load(done.stdout)["services"]
    needed = {"database": {"CHOWN", "DAC_OVERRIDE", "FOWNER", "SETGID", "SETUID"},
              "storage": {"DAC_OVERRIDE"}}  # fmt: skip
    for name, service in services.items():
        assert service["cap_drop"] == ["ALL"], name
        assert set(service.get("cap_add", ())) == needed.get(name, set()), name
        assert service["security_opt"] == ["no-new-privileges:true"], name
        assert int(service["mem_limit"]) >= 512 << 20, name
        assert 0 < service["pids_limit"] <= 4096, name
        assert service["logging"]["options"] == {"max-size": "10m", "max-file": "5"}, name
        assert service.get("read_only") or name == "database", name


def test_who_reaches_what_in_compose(filled: Path) -> None:
    """The database is reached by the server alone; the storage is started with its keys."""
    services = yaml.safe_load(compose(filled, "config").stdout)["services"]
    near = {name for name, service in services.items() if "database" in service.get("networks", ())}
    assert near == {"database", "server"}
    assert services["storage"]["working_dir"] == "/keys"
    assert services["storage"]["depends_on"]["storage-keys"]["condition"] == (
        "service_completed_successfully"
    )
    assert services["storage-keys"]["command"][-1] == "storage"
    assert services["server"]["environment"]["PREFECT_SERVER_CSRF_PROTECTION_ENABLED"] == "true"
    assert "*" not in services["server"]["environment"]["PREFECT_SERVER_CORS_ALLOWED_ORIGINS"]


def test_compose_says_which_secret_is_missing() -> None:
    """The example as it is starts nothing: its empty lines are named, and where to fill them in."""
    done = compose(ROOT / "docker/example.env", "config")
    assert done.returncode != 0
    for name in ("PREFECT_AUTH", "POSTGRES_PASSWORD", "AWS_SECRET_ACCESS_KEY"):
        assert f"{name} is missing a value: set it in docker/.env" in done.stderr


def test_no_secret_is_in_the_project() -> None:
    """The example's secrets are empty, and git and the engine leave the real file alone."""
    for name in ("PREFECT_AUTH", "POSTGRES_PASSWORD", "AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        assert f"\n{name}=\n" in (ROOT / "docker/example.env").read_text()
    assert "docker/.env" in (ROOT / ".gitignore").read_text().splitlines()
