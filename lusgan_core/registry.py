"""Finds plugins, checks them, and hands out what they offer by name.

Built-in plugins are found by the same entry points as all others. A plugin that cannot be used is
kept as *broken*, with the reason; it affects only those who ask for it.
"""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from functools import cache
from importlib import metadata
from typing import Any, TypeVar

import pluggy

from lusgan_core.api import API_VERSION, Backbone, Loss, PairMetric, Penalty, SetMetric
from lusgan_core.errors import PluginError, UnknownPluginError
from lusgan_core.hookspecs import LusganSpecs
from lusgan_core.plugin_identity import GROUP, files_identity

IN_CONTAINER = "LUSGAN_CONTAINER"
"""Environment variable that lusgan's container images set."""
BUILT_IN = ("lusgan_backbones", "lusgan_losses", "lusgan_metrics")

NAME = re.compile(r"[A-Za-z][A-Za-z0-9_]*")
"""What a record may be called: names are parts of file names and arguments of commands."""

Record = Backbone | Loss | Penalty | PairMetric | SetMetric
R = TypeVar("R", Backbone, Loss, Penalty, PairMetric, SetMetric)

KINDS: dict[str, tuple[str, tuple[type[Record], ...]]] = {
    "backbone": ("register_backbones", (Backbone,)),
    "loss": ("register_losses", (Loss,)),
    "penalty": ("register_penalties", (Penalty,)),
    "metric": ("register_metrics", (PairMetric, SetMetric)),
}
"""Kind of plugin -> the hook that offers it and the types of its records."""


@dataclass(frozen=True)
class Provider:
    """A plugin: the distribution it came from and the module that its entry point names."""

    module: str
    distribution: str = ""
    version: str = ""

    def __str__(self) -> str:
        where = f"{self.distribution} {self.version}".strip() or "this process"
        return f"{self.module} ({where})"


@dataclass(frozen=True)
class Broken:
    """A plugin that cannot be used, and why."""

    provider: Provider
    reason: str


@dataclass
class Registry:
    """What is installed, by kind and name."""

    records: dict[str, dict[str, Record]] = field(
        default_factory=lambda: {kind: {} for kind in KINDS}
    )
    providers: dict[tuple[str, str], Provider] = field(default_factory=dict)
    broken: list[Broken] = field(default_factory=list)

    def add(self, plugin: object, provider: Provider) -> None:
        """Add one plugin: all that it offers or, if anything is wrong, nothing.

        Args:
            plugin: The module (or other object) whose hook implementations are called.
            provider: Where it comes from, for messages and cache keys.

        Raises:
            PluginError: The API version is wrong, a hook is unknown or there is none at all, a
                record is of the wrong type, or a name is malformed or taken; the message names both
                sides.
        """
        version = getattr(plugin, "LUSGAN_API", API_VERSION)
        if version != API_VERSION:
            raise PluginError(
                f"{provider} was written for plugin API {version}, this lusgan has {API_VERSION}: "
                "install a matching release of either"
            )
        manager = pluggy.PluginManager(GROUP)
        manager.add_hookspecs(LusganSpecs)
        try:
            manager.register(plugin)
            manager.check_pending()
        except pluggy.PluginValidationError as error:
            hooks = ", ".join(hook for hook, _ in KINDS.values())
            raise PluginError(f"{provider}: {error}; the hooks of lusgan are {hooks}") from error
        if not manager.get_hookcallers(plugin):
            raise PluginError(
                f"{provider} implements no hook: mark one with @hookimpl of lusgan_core.api"
            )
        offered: dict[tuple[str, str], Record] = {}
        for kind, (hook, types) in KINDS.items():
            for record in _call(manager, hook, provider):
                if not isinstance(record, types):
                    raise PluginError(
                        f"{provider}: {hook} returned {type(record).__name__}, "
                        f"expected {' or '.join(t.__name__ for t in types)}"
                    )
                if not NAME.fullmatch(record.name):
                    raise PluginError(
                        f"{provider}: {kind} {record.name!r}: a name is a letter, then letters, "
                        "digits and underscores"
                    )
                key = (kind, record.name)
                other = provider if key in offered else self.providers.get(key)
                if other is not None:
                    raise PluginError(
                        f"two plugins offer the {kind} {record.name!r}: {other} and {provider}; "
                        "uninstall or rename one"
                    )
                offered[key] = record
        for (kind, name), record in offered.items():
            self.records[kind][name] = record
            self.providers[kind, name] = provider

    def backbone(self, name: str) -> Backbone:
        """The backbone of that name; raises UnknownPluginError."""
        return self._get("backbone", name, Backbone)

    def loss(self, name: str) -> Loss:
        """The loss of that name; raises UnknownPluginError."""
        return self._get("loss", name, Loss)

    def penalty(self, name: str) -> Penalty:
        """The penalty of that name; raises UnknownPluginError."""
        return self._get("penalty", name, Penalty)

    def pair_metric(self, name: str) -> PairMetric:
        """The pair metric of that name; raises UnknownPluginError."""
        return self._get("metric", name, PairMetric)

    def set_metric(self, name: str) -> SetMetric:
        """The set metric of that name; raises UnknownPluginError."""
        return self._get("metric", name, SetMetric)

    def pair_metrics(self) -> dict[str, PairMetric]:
        """All pair metrics by name."""
        return {n: r for n, r in self.records["metric"].items() if isinstance(r, PairMetric)}

    def provider_of(self, label: str) -> str:
        """Distribution and version that offer a record; ``label`` is ``kind/name``."""
        kind, _, name = label.partition("/")
        provider = self.providers.get((kind, name))
        return f"{provider.distribution} {provider.version}" if provider else "not installed"

    @staticmethod
    def options_of(record: Record) -> dict[str, Any] | None:
        """The JSON schema of each option of a record by name; None for a kind that has none."""
        model = getattr(record, "options", None)
        return None if model is None else model.model_json_schema().get("properties", {})

    def identity(self, kind: str, name: str) -> str:
        """Identify what a record computes, as a text for cache keys; see ``plugin_identity``.

        Args:
            kind: ``backbone``, ``loss``, ``penalty`` or ``metric``.
            name: Name of the record; it must be in the registry.

        Returns:
            Distribution and the record's version; where it states none, a sha256 in hex over the
            files of its distribution.
        """
        record, provider = self.records[kind][name], self.providers[kind, name]
        if record.version:
            return f"{provider.distribution or provider.module} {record.version}"
        return files_identity(provider.distribution, provider.module)

    def _get(self, kind: str, name: str, kind_type: type[R]) -> R:
        record = self.records[kind].get(name)
        if isinstance(record, kind_type):
            return record
        choices = [n for n, r in self.records[kind].items() if isinstance(r, kind_type)]
        broken = [f"broken plugin {b.provider}: {b.reason}" for b in self.broken]
        hint = "; ".join(broken) or _install_hint()
        raise UnknownPluginError(kind, name, choices, hint)


def _install_hint() -> str:
    """How to make a plugin available that is not installed, here or in an image."""
    if os.environ.get(IN_CONTAINER):
        return (
            "No package in this image offers it: build the image with it "
            "(--build-arg PLUGINS=PACKAGE), or name another image in the work pool"
        )
    return "If a package offers it, install it where this run is executed"


def _call(manager: pluggy.PluginManager, hook: str, provider: Provider) -> Iterable[Any]:
    """What a plugin's hook returns, flattened."""
    caller: Callable[[], list[Any]] = getattr(manager.hook, hook)
    try:
        results = caller()
        return [record for result in results for record in result]
    except Exception as error:
        raise PluginError(f"{provider}: {hook} failed: {type(error).__name__}: {error}") from error


def discover() -> Registry:
    """Load every installed plugin, built-in ones first, so that their names cannot be taken."""
    registry = Registry()
    points = sorted(
        metadata.entry_points(group=GROUP), key=lambda p: (p.value not in BUILT_IN, p.name)
    )
    for point in points:
        dist = point.dist
        provider = Provider(point.value, dist.name if dist else "", dist.version if dist else "")
        try:
            plugin = point.load()
        except Exception as error:  # whatever a stranger's module raises on import
            registry.broken.append(
                Broken(provider, f"cannot be imported: {type(error).__name__}: {error}")
            )
            continue
        try:
            registry.add(plugin, provider)
        except PluginError as error:
            registry.broken.append(Broken(provider, str(error)))
    return registry


@cache
def installed() -> Registry:
    """The registry of this process, loaded once."""
    return discover()
