"""What a release is installed with: exact versions, each with its hash."""

from __future__ import annotations

import json
import re
import subprocess
import sys
import tomllib
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[1]
LOCK = ROOT / "deployments/release/requirements.txt"
LINE = re.compile(r"([\w.-]+)==([^ ]+) --hash=sha256:[0-9a-f]{64}")


def same(name: str) -> str:
    """Return a package's name as indexes compare it."""
    return re.sub(r"[-_.]+", "-", name).lower()


def locked() -> dict[str, str]:
    """Return version of each package of the lock; every line has a hash."""
    found = {}
    for line in LOCK.read_text().splitlines():
        if not line.startswith("#"):
            match = LINE.fullmatch(line)
            assert match, line
            found[same(match[1])] = match[2]
    return found


def test_a_release_has_the_tested_versions() -> None:
    """No package of the lock has another version than the one that was tested."""
    tested = dict(
        line.split("==")
        for line in (ROOT / "constraints.txt").read_text().splitlines()
        if "==" in line and not line.startswith("#")
    )
    tested = {same(name): version.strip() for name, version in tested.items()}
    theirs = {name: v for name, v in locked().items() if name in tested}
    assert len(theirs) > 100
    assert theirs == {name: tested[name] for name in theirs}


def test_a_release_has_all_it_depends_on() -> None:
    """Each dependency that the project states is in the lock: `make lock` was not forgotten."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    extras = project["optional-dependencies"]
    stated = [*project["dependencies"], *extras["docker"], *extras["kubernetes"], *extras["dask"]]
    names = {same(re.match(r"[\w.-]+", line)[0]) for line in stated}  # type: ignore[index]
    assert names <= set(locked())


def lock(folder: Path, *install: dict[str, Any]) -> subprocess.CompletedProcess[str]:
    """Make a lock of a report of pip's."""
    (folder / "report.json").write_text(json.dumps({"version": "1", "install": list(install)}))
    command = [sys.executable, LOCK.with_name("lock.py"), folder / "report.json", folder / "out"]
    return subprocess.run(command, capture_output=True, text=True, timeout=60)


def item(name: str, **info: Any) -> dict[str, Any]:
    """Return an entry of a report."""
    return {"metadata": {"name": name, "version": "1.0"}, "download_info": info}


def test_a_lock_is_made_of_what_pip_found(tmp_path: Path) -> None:
    """Packages are sorted, the project itself is left out, and one without a hash is refused."""
    digest = {"hashes": {"sha256": "ab" * 32}}
    made = lock(
        tmp_path, item("Zope", archive_info=digest), item("a", archive_info=digest),
        item("lusgan", dir_info={}),
    )  # fmt: skip
    assert made.returncode == 0, made.stderr
    lines = [line for line in (tmp_path / "out").read_text().splitlines() if line[0] != "#"]
    assert lines == [f"{name}==1.0 --hash=sha256:{'ab' * 32}" for name in ("a", "zope")]
    refused = lock(tmp_path, item("a", archive_info={}))
    assert refused.returncode != 0
    assert "a 1.0 comes without a digest" in refused.stderr
