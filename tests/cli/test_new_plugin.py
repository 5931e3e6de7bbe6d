"""``lusgan plugins new``: a package to start from that installs, tests itself and shows up."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from distributions import run_python
from lusgan_cli.new_plugin import SUITES, new_package
from lusgan_core.errors import ConfigError, UnknownNameError
from lusgan_core.registry import KINDS, installed


def test_packages_of_every_kind_install_test_themselves_and_show_up(tmp_path: Path) -> None:
    """As the command's last line says: pip, pytest, `lusgan plugins`."""
    for kind in KINDS:
        new_package(tmp_path / f"my-{kind}", kind)
    folders = [str(tmp_path / f"my-{kind}") for kind in KINDS]
    pip = [sys.executable, "-m", "pip", "--disable-pip-version-check", "install", "--quiet"]
    offline = ["--no-deps", "--no-index", "--no-build-isolation"]
    site = tmp_path / "site"
    subprocess.run([*pip, *offline, "--target", str(site), *folders], check=True)
    told = run_python(site, "-m", "pytest", "-q", "-p", "no:cacheprovider", *folders)
    assert " passed" in told
    shown = run_python(site, "-c", "from lusgan_cli import main; main()", "plugins", "--json")
    listed = json.loads(shown)
    offered = {(p["kind"], p["name"], p["from"]) for p in listed["plugins"]}
    assert offered >= {(kind, f"my_{kind}", f"my-{kind} 0.1.0") for kind in KINDS}
    assert listed["broken"] == []


def test_every_kind_has_a_suite() -> None:
    """A kind of plugin that comes later can be started from as well."""
    assert SUITES.keys() == KINDS.keys()


@pytest.mark.parametrize(
    ("name", "why"),
    [
        *((name, "no name of a Python module") for name in ("9lives", "a b", "naïve!", "-")),
        *((name, "no name of a Python module") for name in ("my-", "my--loss", "größe", "a.b")),
        ("a" * 41, "has 41 characters"),
        ("Class", "a keyword of Python"),
        ("json", "a module of Python"),
        ("tests", "one of tests"),
        ("numpy", "a package of that name is installed"),
        ("lusgan", "a package of that name is installed"),
        ("yaml", "a module of that name is installed"),
        ("lusgan-losses", "a module of that name is installed"),
        ("hinge", "cannot name a loss: lusgan .* offers a loss of that name"),
    ],
)
def test_a_name_that_cannot_work_is_refused(
    tmp_path: Path, name: str, why: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Nothing is written for a name that could not be imported or installed, or would clash; what
    is allowed is said."""
    monkeypatch.setitem(installed().records["loss"], "hinge", installed().loss("Hinge"))
    monkeypatch.setitem(
        installed().providers, ("loss", "hinge"), installed().providers["loss", "Hinge"]
    )
    with pytest.raises(ConfigError, match=f"{why}.*; a name has letters a to z, digits"):
        new_package(tmp_path / name, "loss")
    assert list(tmp_path.iterdir()) == []


def test_a_name_as_long_as_allowed_is_taken(tmp_path: Path) -> None:
    """The bounds that the message states are those that hold; an upper case becomes lower."""
    new_package(tmp_path / ("B" * 40), "loss")
    assert (tmp_path / ("B" * 40) / "src" / ("b" * 40) / "__init__.py").is_file()


def test_nothing_is_overwritten(tmp_path: Path) -> None:
    """A folder that holds files is left as it is."""
    new_package(tmp_path / "mine", "loss")
    before = {path: path.read_bytes() for path in tmp_path.rglob("*") if path.is_file()}
    with pytest.raises(ConfigError, match="there already"):
        new_package(tmp_path / "mine", "metric")
    assert before == {path: path.read_bytes() for path in tmp_path.rglob("*") if path.is_file()}


def test_an_unknown_kind_lists_the_choices(tmp_path: Path) -> None:
    """Nothing is written for a kind that there is not."""
    with pytest.raises(UnknownNameError, match="choices: augmentation, backbone, exporter"):
        new_package(tmp_path / "mine", "lost")
    assert list(tmp_path.iterdir()) == []
