"""The examples of ``docs/using-frames.md`` run as they stand, on a small data set."""

from __future__ import annotations

import importlib.util
import os
import re
import shlex
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from documents import ROOT, Block, blocks
from lusgan_cli import main

PAGE = blocks((ROOT / "docs" / "using-frames.md").read_text(encoding="utf-8"))
EXAMPLES = [block for block in PAGE if block.kind == "python"]
UPRIGHT = """
import numpy as np
from PIL import Image
assert batch["image"].shape == (16, 1, 32, 32) and batch["image"].max() <= 1
loaded = LoadImaged("image", reverse_indexing=False)(items[0])["image"]
assert np.array_equal(loaded, np.asarray(Image.open(items[0]["image"])))
"""
"""After MONAI's example: images are not transposed."""
IMPORT = re.compile(r"^(?:from|import) (\w+)", re.M)


def runs(block: Block) -> bool:
    """Whether a block is commands that are run."""
    return block.kind == "bash" and block.how == "run"


@pytest.fixture(scope="module")
def folder(trained_folder: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return the folder in which the page's commands were run."""
    folder = tmp_path_factory.mktemp("using")
    shutil.copytree(trained_folder / "lusgan-store", folder / "lusgan-store")
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        for line in [line for block in PAGE if runs(block) for line in block.commands]:
            patch.setattr(sys, "argv", shlex.split(line))
            try:
                main()
            except SystemExit as done:
                assert not done.code, line  # noqa: PT017
    return folder


@pytest.mark.parametrize("block", EXAMPLES, ids=lambda block: IMPORT.findall(block.text)[-1])
def test_examples_run(block: Block, folder: Path) -> None:
    """In a process of their own, where their packages are installed."""
    names = set(IMPORT.findall(block.text))
    lacking = sorted(name for name in names if importlib.util.find_spec(name) is None)
    if lacking:
        pytest.skip(f"not installed: {', '.join(lacking)}")
    offline = {"HF_HOME": str(folder / "hf"), "HF_HUB_OFFLINE": "1", "OMP_NUM_THREADS": "1"}
    checked = block.text + (UPRIGHT if "monai" in names else "")
    subprocess.run(
        [sys.executable, "-c", checked], cwd=folder, env=os.environ | offline, check=True,
        timeout=250,
    )  # fmt: skip


def test_there_is_an_example_for_each_framework() -> None:
    """And one in MATLAB."""
    named = {name for block in EXAMPLES for name in IMPORT.findall(block.text)}
    assert {"torchvision", "monai", "datasets", "h5py"} <= named
    assert any(block.kind == "matlab" for block in PAGE)


def test_files_that_matlab_is_shown_are_there(folder: Path) -> None:
    """Each path that the MATLAB example names leads to something in an export."""
    (block,) = [block for block in PAGE if block.kind == "matlab"]
    paths = [text for text in re.findall(r"'([^']+)'", block.text) if text.startswith("frames")]
    assert len(paths) == 4
    for path in paths:
        assert (folder / path).exists(), path
