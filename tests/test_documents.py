"""What the project's documents name is there: commands, options, files, modules, targets."""

from __future__ import annotations

import importlib
import re
import tomllib

import pytest
import yaml

from documents import FOLDERS, ROOT, check_line, check_path, quoted

DOCUMENTS = sorted(
    path.relative_to(ROOT).as_posix()
    for path in (*ROOT.glob("*.md"), *(p for name in FOLDERS for p in (ROOT / name).rglob("*.md")))
)
LINK = re.compile(r"\]\((?!https?://|#)([^)#]+)(?:#[^)]*)?\)")
MODULE = re.compile(r"lusgan_\w+(\.\w+)+")
TARGET = re.compile(r"\bmake ([a-z0-9]+)\b")


def text_of(document: str) -> str:
    return (ROOT / document).read_text(encoding="utf-8")


@pytest.mark.parametrize("document", DOCUMENTS)
def test_commands_are_those_of_the_command_line(document: str) -> None:
    """Each command of lusgan that a text mentions exists, with the options that it names."""
    for span in quoted(text_of(document)):
        if re.search(r"(^|\s)lusgan\s", span):
            check_line(span, whole=False)


@pytest.mark.parametrize("document", DOCUMENTS)
def test_files_and_modules_are_there(document: str) -> None:
    """Each file and module that a text names is in the project, and each link leads somewhere."""
    text, beside = text_of(document), (ROOT / document).parent
    for span in quoted(text):
        check_path(span, beside)
        if MODULE.fullmatch(span):
            found_in_module(span)
    for target in LINK.findall(text):
        assert (beside / target).exists(), target


def found_in_module(dotted: str) -> None:
    """Import the module, or the module before the last part and look that up in it."""
    try:
        importlib.import_module(dotted)
    except ModuleNotFoundError:
        module, _, name = dotted.rpartition(".")
        assert hasattr(importlib.import_module(module), name), dotted


@pytest.mark.parametrize("document", DOCUMENTS)
def test_targets_of_make_are_there(document: str) -> None:
    """Each ``make TARGET`` that a document shows is a target of the Makefile."""
    targets = re.findall(r"^([a-z0-9]+):", (ROOT / "Makefile").read_text(encoding="utf-8"), re.M)
    text = text_of(document)
    shown = [*quoted(text), *re.findall(r"^ *make [a-z0-9]+", text, re.M)]
    named = {name for span in shown for name in TARGET.findall(span)}
    assert named <= set(targets)


@pytest.mark.parametrize("document", DOCUMENTS)
def test_links_within_a_document_lead_to_a_heading(document: str) -> None:
    """Each link to a part of the same document names a heading of it, as code hosts do."""
    text = text_of(document)
    assert set(re.findall(r"\]\(#([^)]+)\)", text)) <= {anchor(h) for h in headings(text)}


def headings(text: str) -> list[str]:
    return re.findall(r"^#+ (.*)$", text, re.M)


def anchor(heading: str) -> str:
    """Return what a link to a heading names: small letters, no punctuation, hyphens for spaces."""
    return re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-")


def test_decisions_have_a_date_and_a_status_and_are_in_the_index() -> None:
    """Each decision says when it was written and whether it is in force, and the index lists it."""
    text = text_of("DECISIONS.md")
    titles = re.findall(r"^### (.*)$", text, re.M)
    entry = r"^### .*\n\n\*\d{4}-\d\d-\d\d, (in force|superseded by .*)\.\*$"
    states = re.findall(entry, text, re.M)
    assert len(states) == len(titles) == len(set(titles))
    index = re.findall(r"^ *- \[(.*?)\]\(#.*?\)( \(superseded\))?$", text, re.M)
    marks = {title: bool(mark) for title, mark in index}
    for title, state in zip(titles, states, strict=True):
        assert marks[title] == state.startswith("superseded"), title


def test_the_citation_says_what_the_package_says() -> None:
    """Title, version, licence, authors and description are those of the package."""
    citation = yaml.safe_load(text_of("CITATION.cff"))
    project = tomllib.loads(text_of("pyproject.toml"))["project"]
    assert (citation["title"], citation["version"]) == (project["name"], project["version"])
    assert citation["license"] == project["license"]
    assert citation["authors"] == project["authors"]
    assert citation["abstract"] == f"{project['description']}."
    assert citation["keywords"] == project["keywords"]


def test_there_are_documents() -> None:
    """The documents that a newcomer looks for are among those that are checked."""
    wanted = {"README.md", "CONTRIBUTING.md", "DECISIONS.md", "CHANGELOG.md", "SECURITY.md"}
    assert {*wanted, "lusgan_core/README.md", "deployments/SCALE.md"} <= set(DOCUMENTS)
