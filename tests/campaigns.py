"""Campaigns: tests of chance, of which the gate runs a sample and a person any length.

A test marked ``@pytest.mark.campaign("NAME")`` belongs to a campaign. Its fixture ``campaign`` says
how much to do and gives it chance; the rows it adds to the table are shown at the end. A test that
takes ``number`` as well is run once for each unit. ``make campaign`` lists the names, and
``make campaign NAME=kills N=50 SEED=7`` runs one, which is all that the options below are for.
"""

from __future__ import annotations

import random
from collections.abc import Mapping
from dataclasses import dataclass, field

import pytest


@dataclass(frozen=True)
class Kind:
    """A campaign that there is."""

    what: str
    """What it does, and what N counts."""
    sample: int
    """N in the gate."""


KINDS = {
    "faults": Kind("goes wrong N times between a store and its S3 server", 500),
    "kills": Kind("kills flow process, server, worker and S3 in turn, N times in all", 2),
    "pairs": Kind("kills N comparisons of images and damages what they left", 4),
    "parity": Kind("compares N x N pairs of frames of each kind with sewar", 2),
    "options": Kind("trains N times with options drawn at random", 4),
    "files": Kind("damages each of a few .mat files, masks and score files N times", 300),
}
TABLE = pytest.StashKey[list[Mapping[str, object]]]()


@dataclass(frozen=True)
class Campaign:
    """How much a test has to do, and with which chance."""

    size: int
    seed: int
    table: list[Mapping[str, object]] = field(default_factory=list)

    def chance(self, name: object) -> random.Random:
        """A generator for one part of the campaign; the same for the same seed and name."""
        return random.Random(f"{self.seed}: {name}")

    def row(self, **values: object) -> None:
        """Add a line to the table that is shown at the end."""
        self.table.append(values)


def pytest_addoption(parser: pytest.Parser) -> None:
    """Add what ``make campaign`` asks by."""
    group = parser.getgroup("campaigns")
    group.addoption("--campaign", metavar="NAME", help="run this campaign alone; empty: list them")
    group.addoption("--campaign-size", metavar="N", type=int, help="how much of it")
    group.addoption("--campaign-seed", metavar="SEED", type=int, default=0, help="of its chance")


def pytest_cmdline_main(config: pytest.Config) -> int | None:
    """List the campaigns, unless one that exists is asked for."""
    name = config.getoption("--campaign")
    if name is None or name in KINDS:
        return None
    print("make campaign NAME=... N=... [SEED=...], where NAME is one of:")
    for known, kind in KINDS.items():
        print(f"  {known:8}{kind.what} (in the gate: {kind.sample})")
    return 2 if name else 0


def pytest_configure(config: pytest.Config) -> None:
    """Begin with an empty table."""
    config.stash[TABLE] = []


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Leave out what does not belong to the campaign that is asked for."""
    name = config.getoption("--campaign")
    if name is not None:
        items[:] = [item for item in items if _name(item) == name]


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """Run a test that takes ``number`` once for each unit of its campaign."""
    name = _name(metafunc.definition)
    if name is not None and "number" in metafunc.fixturenames:
        metafunc.parametrize("number", range(_size(metafunc.config, name)))


@pytest.fixture
def campaign(request: pytest.FixtureRequest) -> Campaign:
    """Return how much to do, and with which chance."""
    name, config = _name(request.node), request.config
    assert name is not None, "a test that takes `campaign` names it: @pytest.mark.campaign(NAME)"
    return Campaign(_size(config, name), config.getoption("--campaign-seed"), config.stash[TABLE])


def pytest_terminal_summary(
    terminalreporter: pytest.TerminalReporter, config: pytest.Config
) -> None:
    """Show the table of a campaign that was asked for."""
    rows = config.stash[TABLE]
    if config.getoption("--campaign") is None or not rows:
        return
    columns = list(dict.fromkeys(name for row in rows for name in row))
    lines = [columns, *([str(row.get(name, "")) for name in columns] for row in rows)]
    widths = [max(len(line[n]) for line in lines) for n in range(len(columns))]
    terminalreporter.section(f"campaign, seed {config.getoption('--campaign-seed')}")
    for line in lines:
        padded = (cell.ljust(width) for cell, width in zip(line, widths, strict=True))
        terminalreporter.line("  ".join(padded).rstrip())


def _name(item: pytest.Item) -> str | None:
    """The campaign that a test belongs to."""
    marker = item.get_closest_marker("campaign")
    return None if marker is None else str(marker.args[0])


def _size(config: pytest.Config, name: str) -> int:
    """How much is asked for: the option counts where this campaign is asked for by name."""
    size = config.getoption("--campaign-size")
    return size if size and config.getoption("--campaign") == name else KINDS[name].sample
