"""The documentation as a site: whole, written from the code where it is reference, and offline."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from html.parser import HTMLParser
from pathlib import Path

import pytest

from documents import ROOT
from lusgan_cli import COMMANDS
from lusgan_core.config import RunConfig

LOADS = {"img": "src", "script": "src", "link": "href", "iframe": "src", "source": "src"}
"""What a browser loads by itself: the element, and the attribute that says from where."""
ELSEWHERE = re.compile(r"(https?:)?//")


class Loads(HTMLParser):
    """Collects what a page has a browser load."""

    def __init__(self) -> None:
        super().__init__()
        self.found: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        """Note the address that an element names."""
        given = dict(attrs)
        if given.get("rel") not in ("canonical", "next", "prev"):
            self.found.append(given.get(LOADS.get(tag, "")) or "")


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Build the site as `make docs` does, a warning being an error; returns its folder."""
    folder = tmp_path_factory.mktemp("site")
    command = [
        sys.executable,
        "-m",
        "mkdocs",
        "build",
        "--strict",
        "--quiet",
        f"--site-dir={folder}",
    ]
    subprocess.run(
        command, cwd=ROOT, check=True, timeout=200, env=os.environ | {"NO_MKDOCS_2_WARNING": "1"}
    )
    return folder


def test_nothing_is_loaded_from_the_network(site: Path) -> None:
    """No page, and no style of one, has a browser load anything from elsewhere."""
    pages = sorted(site.rglob("*.html"))
    assert len(pages) > 25
    for page in pages:
        loads = Loads()
        loads.feed(page.read_text(encoding="utf-8"))
        assert [address for address in loads.found if address]
        assert not [address for address in loads.found if ELSEWHERE.match(address)], page.name
    for style in site.rglob("*.css"):
        assert not re.findall(r"(?:url\(|@import )['\"]?(?:https?:)?//", style.read_text("utf-8"))


def test_reference_pages_hold_what_the_code_has(site: Path) -> None:
    """Every command, and every section and option of a run, is on its page."""
    commands = (site / "reference/cli.html").read_text(encoding="utf-8")
    assert all(f"lusgan {name}</code>" in commands for name in COMMANDS)
    options = (site / "reference/options.html").read_text(encoding="utf-8")
    training = RunConfig.model_fields["training"].annotation
    assert training is not None
    assert all(f"<code>{name}" in options for name in training.model_fields if name != "monitor")
    functions = (site / "reference/api.html").read_text(encoding="utf-8")
    assert 'id="lusgan_core.library.models.train"' in functions
    assert "lusgan.model.held-back" in (site / "reference/events.html").read_text("utf-8")
    assert "<td>130</td>" in (site / "reference/exit-codes.html").read_text("utf-8")


def test_what_is_not_run_says_so(site: Path) -> None:
    """The reader of a block that no test runs is told why."""
    text = (site / "how-to/kubernetes.html").read_text(encoding="utf-8")
    assert "Not run by the tests: it takes a cluster" in text


def test_every_page_is_in_the_navigation() -> None:
    """A page that nothing leads to is found by nobody."""
    listed = re.findall(r": (\S+\.md)$", (ROOT / "mkdocs.yml").read_text(encoding="utf-8"), re.M)
    pages = {path.relative_to(ROOT / "docs").as_posix() for path in (ROOT / "docs").rglob("*.md")}
    assert set(listed) == pages
    assert len(listed) == len(pages)


def test_the_layout_of_a_store_is_as_the_page_says(trained_folder: Path) -> None:
    """Each file of a store fits a name on the page, and each name of what a run leaves a file."""
    page = (ROOT / "docs/reference/store.md").read_text(encoding="utf-8")
    rows = re.findall(r"^\| (`.*?) \|", page, re.M)
    names = [name for row in rows for name in re.findall("`(.*?)`", row)]
    patterns = {name: re.compile(pattern(name)) for name in names}
    store = trained_folder / "lusgan-store"
    files = {path.relative_to(store).as_posix() for path in store.rglob("*") if path.is_file()}
    found = {
        name: [file for file in files if made.fullmatch(file.removesuffix(".copy"))]
        for name, made in patterns.items()
    }
    beside = {f for f in files if re.match(r"(evaluations|reports)/.*/manifest\.json$", f)}
    assert not files - beside - {file for those in found.values() for file in those}
    rarely = (
        "encoders", "exports", "withdrawals", "damaged", "results", "features", "studies",
        "current/history/withdrawals",
    )  # fmt: skip
    assert not [
        name
        for name in names
        if not found[name] and not name.startswith(rarely) and "-KEY.json" not in name
    ]


def pattern(name: str) -> str:
    """Return a regular expression of the keys that a name on the page stands for."""
    parts = {
        **dict.fromkeys(("PATIENT", "EXAM", "CLIP", "MODEL"), "[^/]+"),
        **dict.fromkeys(("N", "STEP"), r"\d+"),
        **dict.fromkeys(("FORMAT", "LETTER"), r"\w+"),
        "KEY": r"\w{8,}",
        "NAME": ".+",
    }
    words = re.split(r"([A-Z]+)", name)
    return "".join(parts.get(word) or re.escape(word) for word in words)
