"""Which plugins are installed, by their entry points, and which of them are to be loaded.

``LUSGAN_PLUGINS`` names those to load, by distribution or module, with commas between them; empty
loads the built-in ones alone, and without the variable all are loaded. Processes that are started
inherit it.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterable
from dataclasses import dataclass
from importlib import metadata
from typing import Any

from lusgan_core.plugin_identity import GROUP

PLUGINS = "LUSGAN_PLUGINS"
"""Environment variable that names the plugins to load."""
OURS = "lusgan"
"""The distribution whose plugins are built in."""


@dataclass(frozen=True)
class Point:
    """An entry point, and the distribution that it comes from."""

    entry: metadata.EntryPoint
    module: str
    distribution: str
    version: str

    @property
    def names(self) -> set[str]:
        """Names by which it can be chosen."""
        module = self.module.partition(":")[0].strip()
        return {_plain(name) for name in (self.distribution, module, self.entry.name) if name}


def installed_points() -> list[Point]:
    """Find the entry points of all plugins, by name; each module of a distribution once."""
    found: dict[tuple[str, str], Point] = {}
    for entry in metadata.entry_points(group=GROUP):
        name, version = _origin(entry.dist)
        found.setdefault((name, entry.value), Point(entry, entry.value, name, version))
    return sorted(found.values(), key=lambda point: (point.entry.name, point.distribution))


def _origin(distribution: Any) -> tuple[str, str]:
    """Name and version of a distribution, whose metadata may be missing or damaged."""
    try:
        return str(distribution.metadata["Name"] or ""), str(distribution.version or "")
    except Exception:
        return "", ""


@dataclass(frozen=True)
class Choice:
    """The plugins to load beside the built-in ones; None stands for all."""

    names: tuple[str, ...] | None = None

    @classmethod
    def of(cls, text: str | None) -> Choice:
        """What ``LUSGAN_PLUGINS`` says; None where it is not set."""
        if text is None:
            return cls()
        return cls(tuple(name for part in text.split(",") if (name := part.strip())))

    def takes(self, point: Point) -> bool:
        """Whether a plugin is to be loaded."""
        return self.names is None or bool(point.names & set(map(_plain, self.names)))

    def missing(self, points: Iterable[Point]) -> list[str]:
        """Names that are chosen, but that no installed plugin has."""
        there = set().union(*(point.names for point in points))
        return [name for name in self.names or () if _plain(name) not in there]


def choice() -> str | None:
    """What the environment says of plugins to load; None where it says nothing."""
    return os.environ.get(PLUGINS)


def _plain(name: str) -> str:
    """A name as packages compare them: ``My.Plugin`` is ``my-plugin``."""
    return re.sub(r"[-_.]+", "-", name).lower()
