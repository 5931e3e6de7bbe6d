"""The notebook of the documentation: it runs, and the project holds none of its outputs."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import nbformat
import pytest
from jupyter_client.kernelspec import KernelSpec
from jupyter_client.manager import AsyncKernelManager
from nbclient import NotebookClient

from documents import ROOT

pytestmark = pytest.mark.once

NOTEBOOK = ROOT / "docs/notebook.ipynb"


class ThisPython(AsyncKernelManager):
    """Starts the kernel in this environment, whichever others are registered."""

    @property
    def kernel_spec(self) -> KernelSpec:
        """The kernel of this Python."""
        return KernelSpec(
            argv=[sys.executable, "-m", "ipykernel_launcher", "-f", "{connection_file}"]
        )


def test_outputs_are_not_kept() -> None:
    """Cells hold no output and no count: a picture in one might be a patient's."""
    cells = [cell for cell in json.loads(NOTEBOOK.read_text())["cells"] if "outputs" in cell]
    assert len(cells) > 5
    assert not [cell["id"] for cell in cells if cell["outputs"] or cell["execution_count"]]


def test_it_runs(tmp_path: Path) -> None:
    """From a clip to a report; frames are shown on the way, and the page is written."""
    book = nbformat.read(NOTEBOOK, as_version=4)
    nbformat.validate(book)
    client = NotebookClient(
        book, timeout=240, kernel_manager_class=ThisPython,
        resources={"metadata": {"path": str(tmp_path)}},
    )  # fmt: skip
    client.execute()
    outputs = [out for cell in book.cells for out in cell.get("outputs", ())]
    assert sum("image/png" in out.get("data", {}) for out in outputs) == 4
    assert "<html" in (tmp_path / "page.html").read_text(encoding="utf-8")
