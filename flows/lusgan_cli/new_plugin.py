"""Writes a plugin package to start from: the example of a kind's hook, with its contract suite.

The example is the one in the docstring of the hook, so that it is tested with lusgan itself. The
package installs, tests itself and shows up in ``lusgan plugins``.
"""

from __future__ import annotations

import inspect
import keyword
import re
import sys
import textwrap
from importlib.metadata import PackageNotFoundError, distribution
from importlib.util import find_spec
from pathlib import Path

from lusgan_core.api import API_VERSION
from lusgan_core.errors import ConfigError, UnknownNameError
from lusgan_core.hookspecs import LusganSpecs
from lusgan_core.registry import KINDS, installed

SUITES = {
    "backbone": "BackboneContract",
    "loss": "LossContract",
    "penalty": "PenaltyContract",
    "augmentation": "AugmentationContract",
    "metric": "PairMetricContract",
    "feature": "FeatureExtractorContract",
    "reader": "ReaderContract",
    "gate": "GateContract",
    "preset": "PresetContract",
    "exporter": "ExporterContract",
}
"""Kind of plugin -> the suite in ``lusgan_core.testing`` that its example is held to."""

NAME = re.compile(r"[a-z](_?[a-z0-9])*")
"""What a package may be called that is a module, a distribution and a record at once."""
LONGEST = 40
"""Characters of such a name: it stands in tables, commands and names of files."""
ALLOWED = (
    f"a name has letters a to z, digits and single hyphens, begins with a letter, has {LONGEST} "
    "characters or fewer, and belongs to nothing that is there already"
)
IMPORTS = {"reader": "import io\n\nimport numpy as np\n\n"}
"""Kind of plugin -> what the test of its example imports besides."""
NEEDS = {
    "reader": '''
    def files(self, frames):
        """Two patients with a clip each."""
        found = {}
        for number, patient in enumerate(("ANNA", "BERT")):
            file, chance = io.BytesIO(), np.random.default_rng(number)
            np.save(file, chance.integers(0, 256, (frames, 32, 40), np.uint8))
            found[f"{patient}/E1/{number}_apex.npy"] = file.getvalue()
        return found
'''
}
"""Kind of plugin -> what its suite needs of the test of its example."""

PROJECT = """\
[build-system]
requires = ["hatchling>=1.27"]
build-backend = "hatchling.build"

[project]
name = "{distribution}"
version = "0.1.0"
description = "A {kind} for lusgan"
requires-python = ">=3.11"
dependencies = ["lusgan"]

[project.optional-dependencies]
test = ["pytest>=8"]

[project.entry-points.lusgan]
{module} = "{module}"

[tool.hatch.build.targets.wheel]
packages = ["src/{module}"]

[tool.pytest.ini_options]
testpaths = ["tests"]
"""
TEST = '''\
"""Holds the {kind} to lusgan's contract; add what is particular to it."""

{imports}from lusgan_core.testing import {suite}
from {module} import {hook}


class Test{title}({suite}):
    (record,) = {hook}()
{needs}'''
README = """\
# {distribution}

A {kind} for lusgan.

    pip install -e '.[test]'    # into the environment that lusgan is installed in
    pytest                      # lusgan's contract suite, and your own tests
    lusgan plugins              # lists it: the {kind} `{module}`

Start with `src/{module}/__init__.py`.
"""


def example(kind: str) -> str:
    """Return the source of the whole plugin in the docstring of a kind's hook.

    Raises:
        UnknownNameError: There is no such kind.
    """
    if kind not in KINDS:
        raise UnknownNameError("kind of plugin", kind, KINDS)
    text = inspect.getdoc(getattr(LusganSpecs, KINDS[kind][0])) or ""
    return textwrap.dedent(text.partition("A whole plugin::\n")[2]).strip() + "\n"


def contract_test(kind: str, module: str) -> str:
    """Write the test that holds the example of a kind to its suite.

    Args:
        kind: Kind of the plugin, of ``KINDS``.
        module: The module that the example is in.

    Returns:
        The source of the test's module, with one class in it.
    """
    return TEST.format(
        kind=kind, module=module, hook=KINDS[kind][0], suite=SUITES[kind],
        title=module.title().replace("_", ""),
        imports=IMPORTS.get(kind, ""), needs=NEEDS.get(kind, ""),
    )  # fmt: skip


def new_package(folder: Path, kind: str) -> list[Path]:
    """Write a package that offers one plugin, named as the folder.

    Args:
        folder: Where to write it: a new folder, or an empty one. Its name, with underscores for
            hyphens, is that of the module and of the plugin.
        kind: Kind of the plugin, of ``KINDS``.

    Returns:
        The files that were written.

    Raises:
        ConfigError: The folder's name cannot be used, or it holds files.
        UnknownNameError: There is no such kind.
    """
    source = example(kind)
    module = folder.resolve().name.replace("-", "_").lower()
    if problem := _name_problem(module, kind):
        raise ConfigError(f"{folder.name!r} cannot name a {kind}: {problem}; {ALLOWED}")
    if folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
        raise ConfigError(f"{folder} is there already: name a new folder, or empty this one")
    _, (record_type, *_) = KINDS[kind]
    call = rf'\b({record_type.__name__}\(\s*)"\w+"'
    source = re.sub(call, rf'\1"{module}"', source, count=1)
    words = {
        "distribution": module.replace("_", "-"), "module": module, "kind": kind, "record": module,
    }  # fmt: skip
    opening = f'"""A {kind} for lusgan."""\n\n'
    files = {
        "pyproject.toml": PROJECT.format(**words),
        "README.md": README.format(**words),
        f"src/{module}/__init__.py": f"{opening}{_with_version(source)}",
        f"tests/test_{module}.py": contract_test(kind, module),
    }
    for name, text in files.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")
    return [folder / name for name in files]


def _name_problem(module: str, kind: str) -> str:
    """Why a package cannot be called so; empty if it can."""
    if not NAME.fullmatch(module):
        return "it is no name of a Python module, of a package and of a plugin"
    if len(module) > LONGEST:
        return f"it has {len(module)} characters"
    if keyword.iskeyword(module):
        return "it is a keyword of Python"
    if module in sys.stdlib_module_names or module in ("test", "tests", "conftest"):
        return "a module of Python, or one of tests, is called so"
    registry = installed()
    if module in registry.records.get(kind, {}):
        return f"{registry.provider_of(f'{kind}/{module}')} offers a {kind} of that name"
    try:
        distribution(module.replace("_", "-"))
    except PackageNotFoundError:
        spec = find_spec(module)
        return "a module of that name is installed" if spec and spec.origin else ""
    return "a package of that name is installed"


def _with_version(source: str) -> str:
    """The source with the version of the boundary stated below its imports."""
    lines = source.splitlines()
    last = max(i for i, line in enumerate(lines) if re.match(r"(from|import) ", line))
    lines[last + 1 : last + 1] = [
        "", f"LUSGAN_API = {API_VERSION}",
        '"""The version of the plugin boundary that this module was written for."""',
    ]  # fmt: skip
    return "\n".join(lines) + "\n"
