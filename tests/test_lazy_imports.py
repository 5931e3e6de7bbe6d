"""Starting is cheap: what is imported when, in processes of their own."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

import lusgan_cli
import lusgan_core
import lusgan_flows
from lusgan_cli import COMMANDS, MODULES, load

HEAVY = ("torch", "cv2", "scipy", "boto3", "pyarrow", "prefect", "numba", "h5py")
BLOCKED = """
import sys
class Blocked:
    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] == "prefect":
            raise ImportError("blocked")
sys.meta_path.insert(0, Blocked())
"""


def loaded(code: str) -> set[str]:
    """Return which of the heavy packages a program has loaded when it ends."""
    ending = f"print('loaded:', *set({HEAVY!r}).intersection(sys.modules))"
    program = f"import atexit, sys\natexit.register(lambda: {ending})\n{code}"
    ran = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=True, timeout=120
    )
    (line,) = [text for text in ran.stdout.splitlines() if text.startswith("loaded:")]
    return set(line.removeprefix("loaded:").split())


@pytest.mark.parametrize(
    "code",
    [
        "import lusgan_core; assert 'train' in dir(lusgan_core)",
        "import lusgan_core; lusgan_core.train, lusgan_core.Model, lusgan_core.plugins()",
        "import lusgan_core.api",
        "import lusgan_core.config, lusgan_core.pipeline.chain",
        "from lusgan_core.registry import installed; assert not installed().broken",
        "sys.argv = ['lusgan', '--help']; from lusgan_cli.start import main; main()",
        "sys.argv = ['lusgan', 'run', '--help']; from lusgan_cli.start import main; main()",
        "sys.argv = ['lusgan', 'plugins']; from lusgan_cli.start import main; main()",
    ],
)
def test_nothing_heavy_is_loaded(code: str) -> None:
    """The boundary, the chain, the plugins and the help need no torch, cv2, scipy or Prefect."""
    assert loaded(code) == set()


def test_every_name_of_the_library_is_there() -> None:
    """What the library says it has can be had, and another name is an AttributeError."""
    for name in lusgan_core.__all__:
        assert getattr(lusgan_core, name).__doc__, name
    assert set(lusgan_core.__all__) <= set(dir(lusgan_core))
    with pytest.raises(AttributeError, match="has no attribute 'trian'"):
        lusgan_core.trian  # noqa: B018


def test_pairs_of_images_need_no_torch(tmp_path: Path) -> None:
    """On a machine without a GPU the compiled kernels compare images without torch."""
    code = f"""
import numpy as np
from PIL import Image
for name in ("a", "b"):
    image = Image.fromarray(np.full((16, 16), ord(name), np.uint8))
    image.save({str(tmp_path)!r} + f"/{{name}}.png")
from lusgan_core.measures.pairs.compare import compare_sets
from lusgan_core.pipeline.image_sets import load_frames
from pathlib import Path
found = compare_sets(load_frames(Path({str(tmp_path)!r})), None, ["mse"], engine="numba")
assert found.metrics["mse"].summary.mean == 1.0
"""
    assert not loaded(code) & {"torch", "cv2", "boto3", "pyarrow", "prefect"}


def test_every_module_of_the_flows_needs_prefect() -> None:
    """What can be imported without Prefect belongs to the core or to operation."""
    folder = Path(lusgan_flows.__file__).parent
    modules = [f"lusgan_flows.{path.stem}" for path in folder.glob("*.py") if path.stem[0] != "_"]
    assert len(modules) > 8
    tries = "\n".join(
        f"try:\n    import {module}\nexcept ImportError: pass\nelse: print('{module}')"
        for module in modules
    )
    ran = subprocess.run(
        [sys.executable, "-c", BLOCKED + tries], capture_output=True, text=True, check=True
    )
    assert ran.stdout == ""


@pytest.mark.parametrize("name", COMMANDS)
def test_the_list_of_commands_says_what_each_command_does(name: str) -> None:
    """The line in ``lusgan --help`` is the first of the command's own help."""
    first = load(name).help.partition("\n\n")[0].replace("\n", " ")
    assert first == COMMANDS[name]


def test_every_command_has_a_module() -> None:
    """A module a command: no other module of the command line holds one."""
    folder = Path(lusgan_cli.__file__).parent
    shared = {"__init__", "console", "new_plugin", "options", "pipeline", "pools", "stack", "start"}
    found = {path.stem for path in folder.glob("*.py")} - shared
    assert found == {MODULES.get(name, name) for name in COMMANDS}
