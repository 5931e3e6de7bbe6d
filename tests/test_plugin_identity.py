"""What a cache key holds of a plugin: all that decides what it computes, and nothing else."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import venv
from pathlib import Path
from types import SimpleNamespace

import pytest

from distributions import NETWORKS, install, run_python
from lusgan_core import plugin_identity
from lusgan_core.plugin_identity import (
    file_digest,
    files_identity,
    normalised,
    top_level_packages,
)
from lusgan_core.registry import BUILT_IN, KINDS, installed

ASK = """
from lusgan_core.registry import installed
print(installed().identity("backbone", "slab"))
"""


def identity(site: Path, source: Path | None = None) -> str:
    """Return the identity of the backbone ``slab`` as a new process sees it."""
    return run_python(site, "-c", ASK, source=source)


def changed(file: str, old: str, new: str) -> dict[str, str]:
    """Return the plugin's files with one text replaced in one of them."""
    assert old in NETWORKS[file]
    return NETWORKS | {file: NETWORKS[file].replace(old, new)}


@pytest.fixture
def site(tmp_path: Path) -> Path:
    install(tmp_path / "site", "slab", NETWORKS, "slab")
    return tmp_path / "site"


@pytest.mark.parametrize(
    "files",
    [
        changed("slab/discriminator.py", "WIDTH = 8", "WIDTH = 16"),
        changed("slab/generator.py", "nn.Tanh()", "nn.Sigmoid()"),
        changed("slab/options.py", "return 8", "return 16"),
        changed("slab/options.py", "Field(0.2", "Field(0.1"),
        changed("slab/__init__.py", "generator.build, disc", "discriminator.build, disc"),
        changed("slab/__init__.py", "Backbone(", "Backbone(pack=2, *("),
        changed("slab/scale.py", "factor *", "2 * factor *"),
        changed("slab/factor.txt", "0.5", "0.25"),
        changed("slab_extra/__init__.py", "1.0", "2.0"),
        NETWORKS | {"slab/data/weights.bin": "w" * 100},
    ],
    ids=[
        "discriminator", "generator", "an option's method", "an option's default",
        "which function is used", "a record's field", "a module that importlib loads",
        "a file of data", "a second package", "a file more",
    ],
)  # fmt: skip
def test_what_decides_a_result_is_in_the_identity(
    site: Path, tmp_path: Path, files: dict[str, str]
) -> None:
    """A change of any file that a plugin is made of gives it another identity."""
    before = files_identity_of(site)
    install(tmp_path / "other", "slab", files, "slab")
    assert files_identity_of(tmp_path / "other") != before


def files_identity_of(site: Path) -> str:
    """Return the identity by files alone: the changed ones need not work."""
    code = (
        "from lusgan_core.plugin_identity import files_identity; "
        "print(files_identity('slab', 'slab'))"
    )
    return run_python(site, "-c", code)


@pytest.mark.parametrize(
    ("files", "version"),
    [
        (NETWORKS, "2.0"),
        (changed("slab/discriminator.py", "WIDTH = 8", "# as wide as it is\n\nWIDTH   = 8"), "1.0"),
        (changed("slab/generator.py", "    from", '    """Builds it."""\n    from'), "1.0"),
        (changed("slab/options.py", '"""Options of the slab."""', '"""Said."""'), "1.0"),
        (NETWORKS | {"README.md": "Read me", "slab/tests/test_it.py": "assert 1"}, "1.0"),
        (NETWORKS | {"slab/__pycache__/old.cpython-311.pyc": "x", "slab/.hidden": "x"}, "1.0"),
    ],
    ids=["version", "comment", "a docstring more", "another docstring", "README, tests", "caches"],
)  # fmt: skip
def test_what_decides_nothing_is_not(
    site: Path, tmp_path: Path, files: dict[str, str], version: str
) -> None:
    """A raised version, comments, docstrings, layout, tests and caches leave the identity."""
    before = identity(site)
    install(tmp_path / "other", "slab", files, "slab", version=version)
    assert identity(tmp_path / "other") == before


def test_wheel_and_editable_are_one(site: Path, tmp_path: Path) -> None:
    """The same sources have one identity, installed, reinstalled elsewhere or edited in place."""
    before = identity(site)
    install(tmp_path / "again", "slab", NETWORKS, "slab")
    source = tmp_path / "checkout" / "src"
    install(tmp_path / "editable", "slab", NETWORKS, "slab", source=source)
    assert identity(tmp_path / "again") == before
    assert identity(tmp_path / "editable", source) == before
    (source / "slab_extra" / "__init__.py").write_text("FACTOR = 3.0\n")
    assert identity(tmp_path / "editable", source) != before


HATCHLING = """
[build-system]
requires = ["hatchling"]
build-backend = "hatchling.build"
[tool.hatch.build.targets.wheel]
packages = ["slab", "more/slab_extra"]
"""
SETUPTOOLS = """
[build-system]
requires = ["setuptools"]
build-backend = "setuptools.build_meta"
[tool.setuptools]
packages = ["slab", "slab_extra"]
package-dir = { slab_extra = "more/slab_extra" }
"""


@pytest.mark.parametrize(
    "backend",
    [HATCHLING, f"{HATCHLING}[tool.hatch.build]\ndev-mode-exact = true\n", SETUPTOOLS],
    ids=["a path", "redirections", "a mapping"],
)
def test_an_editable_installation_by_pip_is_one_too(
    site: Path, tmp_path: Path, backend: str
) -> None:
    """As pip, hatchling and setuptools really make it, in an environment of its own: by a file of
    paths, or by a finder that knows exactly the packages that the distribution names."""
    project = tmp_path / "project"
    for file, text in NETWORKS.items():
        path = project / ("more" if file.startswith("slab_extra") else ".") / file
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")
    (project / "pyproject.toml").write_text(
        '[project]\nname = "slab"\nversion = "1.0"\n[project.entry-points.lusgan]\nslab = "slab"\n'
        f"{backend}"
    )
    venv.create(tmp_path / "env", symlinks=True)
    (own,) = (tmp_path / "env").glob("lib/python*/site-packages")
    install_it = ["install", "--quiet", "--no-deps", "--no-index", "--no-build-isolation"]
    pip = [sys.executable, "-m", "pip", "--disable-pip-version-check"]
    python = str(tmp_path / "env" / "bin" / "python")
    (own / "ours.pth").write_text("\n".join(path for path in sys.path if Path(path).is_dir()))
    subprocess.run([*pip, "--python", python, *install_it, "-e", str(project)], check=True)

    def asked() -> str:
        done = subprocess.run([python, "-c", ASK], capture_output=True, text=True, check=True)
        return done.stdout

    before = asked()
    assert before == identity(site)
    (project / "more" / "slab_extra" / "__init__.py").write_text("FACTOR = 3.0\n")
    assert asked() != before


def test_of_a_finder_that_editable_installations_share_a_distribution_has_its_own(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The names that its own file mentions; none of a file that cannot be read as text."""
    install(tmp_path, "slab", {"_editable_impl_slab.py": 'map("slab_more")'}, "slab")
    monkeypatch.syspath_prepend(str(tmp_path))
    shared = SimpleNamespace(_redirections={"slab_more": "", "foreign": ""}, find_spec=no_spec)
    monkeypatch.setattr(sys, "meta_path", [*sys.meta_path, shared])
    assert top_level_packages("slab") == {"slab", "slab_more"}
    (tmp_path / "_editable_impl_slab.py").write_bytes(b"\xff\xfe")
    assert top_level_packages("slab") == {"slab"}


def no_spec(*_: object) -> None:
    """Find no module."""


def test_a_path_file_leads_to_packages_and_modules_alone(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Not to folders that are no package, to tests, to hidden ones or to a project's own scripts;
    lines that are code, remarks or lead nowhere are passed over, and so is what is not text."""
    source = tmp_path / "checkout"
    for name in ("slab", "tests", ".hidden"):
        (source / name).mkdir(parents=True)
        (source / name / "__init__.py").touch()
    (source / "data").mkdir()
    for name in ("slab_single.py", "setup.py", "conftest.py", "noxfile.py", "notes.txt"):
        (source / name).touch()
    site = tmp_path / "site"
    install(site, "slab", {}, "slab", source=source)
    (path_file,) = site.glob("__editable__*.pth")
    path_file.write_text(f"# {source}\nimport os\n/nowhere\n{source}\n")
    monkeypatch.syspath_prepend(str(site))
    assert top_level_packages("slab") == {"slab", "slab_single"}
    path_file.write_bytes(b"\xff\xfe")
    assert top_level_packages("slab") == {"slab"}, "what its entry point names"
    path_file.unlink()
    assert top_level_packages("slab") == {"slab"}


def test_a_stated_version_takes_the_place_of_files(site: Path, tmp_path: Path) -> None:
    """A record that gives a version is known by it and its distribution, whatever its files."""
    stated = changed("slab/__init__.py", "options=SlabOptions", 'options=SlabOptions, version="7"')
    install(tmp_path / "one", "slab", stated, "slab")
    assert identity(tmp_path / "one").strip() == "slab 7"
    (tmp_path / "one" / "slab" / "factor.txt").write_text("0.125")
    assert identity(tmp_path / "one").strip() == "slab 7"


def test_built_in_plugins_state_a_version() -> None:
    """So that a comment in one of them trains no model again."""
    registry = installed()
    for kind in KINDS:
        for name, record in registry.records[kind].items():
            if registry.providers[kind, name].module in BUILT_IN:
                assert record.version, f"{kind} {name}"
                identity, *weights = registry.identity(kind, name).split()[1:]
                assert identity == record.version
                assert bool(weights) == (name in ("lite0", "lite2")), "digest of its weights"


def test_source_is_read_as_it_is_executed() -> None:
    """Comments, docstrings and layout are nothing; a name, a number and an operator are."""
    one = normalised(b'def f(a):\n    """Doc."""\n    return a  # back\n')
    assert one == normalised(b"def f( a ):\n\n    return (a)\n")
    assert normalised(b'class A:\n    """Doc."""\n') == normalised(b"class A:\n    pass\n")
    for other in (b"def f(b):\n    return b\n", b"def f(a):\n    return -a\n"):
        assert normalised(other) != one


def test_a_file_that_is_no_python_counts_by_content(tmp_path: Path) -> None:
    """A template with the name of a module is read as it is."""
    path = tmp_path / "template.py"
    path.write_text("{% if x %}")
    before = file_digest(path)
    path.write_text("{% if y %}")
    assert file_digest(path) != before


def test_a_large_file_is_read_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Untouched it is remembered by size, time and inode; written again it is read again."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.setattr(plugin_identity, "LARGE", 1000)
    path = tmp_path / "weights.bin"
    path.write_bytes(b"a" * 2000)
    digest = file_digest(path)
    times = (path.stat().st_atime_ns, path.stat().st_mtime_ns)
    with path.open("r+b") as stream:  # same size, time and inode: taken for untouched
        stream.write(b"b" * 2000)
    os.utime(path, ns=times)
    assert file_digest(path) == digest
    os.utime(path, ns=(times[0], times[1] + 1))
    assert file_digest(path) != digest
    shutil.rmtree(tmp_path / "cache")
    (tmp_path / "cache").write_text("no folder")
    assert len(file_digest(path)) == 64


def test_a_plugin_of_this_process_has_an_identity() -> None:
    """One that no distribution offers is known by the files of its top-level package."""
    plugin_identity.forget()
    assert files_identity("", "distributions") != files_identity("", "test_plugin_identity")
    assert files_identity("no-such-distribution", "distributions") == files_identity(
        "", "distributions"
    )


def test_what_no_code_can_read_is_no_obstacle(site: Path) -> None:
    """A link that leads nowhere or a named pipe in a plugin's package neither ends nor stops those
    who evaluate by every installed metric."""
    before = files_identity_of(site)
    (site / "slab" / "weights.bin").symlink_to("/nowhere/weights.bin")
    os.mkfifo(site / "slab" / "pipe")
    assert files_identity_of(site) == before
