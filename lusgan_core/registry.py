"""Checks plugins and hands out what they offer by name.

Built-in plugins are found by the same entry points as all others. What cannot be used is kept as
*broken*, with the reason; it affects only those who ask for it. Each record stands for itself: one
that is faulty, or whose name is taken, is left out, and the others of its plugin can be used. Of
two plugins that offer one name, a built-in one keeps it; between strangers neither has it, because
which comes first is chance.
"""

from __future__ import annotations

import os
from dataclasses import dataclass, field
from functools import cache, partial
from typing import Any, TypeVar

from lusgan_core.api import (
    Backbone,
    Exporter,
    FeatureExtractor,
    Gate,
    Loss,
    PairMetric,
    Penalty,
    Preset,
    Reader,
    SetMetric,
)
from lusgan_core.errors import PluginError, UnknownPluginError
from lusgan_core.plugin_guard import attempt, guarded
from lusgan_core.plugin_hooks import hooks_of, returned
from lusgan_core.plugin_identity import files_identity, weights_identity
from lusgan_core.plugin_points import OURS, PLUGINS, Choice, Point, choice, installed_points
from lusgan_core.record_checks import faults_of, shown

IN_CONTAINER = "LUSGAN_CONTAINER"
"""Environment variable that lusgan's container images set."""
BUILT_IN = (
    "lusgan_backbones",
    "lusgan_exporters",
    "lusgan_features",
    "lusgan_gates",
    "lusgan_losses",
    "lusgan_metrics",
    "lusgan_presets",
    "lusgan_readers",
)

Record = (
    Backbone
    | Loss
    | Penalty
    | PairMetric
    | SetMetric
    | FeatureExtractor
    | Reader
    | Gate
    | Preset
    | Exporter
)
R = TypeVar(
    "R",
    Backbone,
    Loss,
    Penalty,
    PairMetric,
    SetMetric,
    FeatureExtractor,
    Reader,
    Gate,
    Preset,
    Exporter,
)

KINDS: dict[str, tuple[str, tuple[type[Record], ...]]] = {
    "backbone": ("register_backbones", (Backbone,)),
    "loss": ("register_losses", (Loss,)),
    "penalty": ("register_penalties", (Penalty,)),
    "metric": ("register_metrics", (PairMetric, SetMetric)),
    "feature": ("register_features", (FeatureExtractor,)),
    "reader": ("register_readers", (Reader,)),
    "gate": ("register_gates", (Gate,)),
    "preset": ("register_presets", (Preset,)),
    "exporter": ("register_exporters", (Exporter,)),
}
"""Kind of plugin -> the hook that offers it and the types of its records."""


@dataclass(frozen=True)
class Provider:
    """A plugin: the distribution it came from and the module that its entry point names."""

    module: str
    distribution: str = ""
    version: str = ""

    @property
    def built_in(self) -> bool:
        """Whether it comes with lusgan."""
        return self.distribution == OURS and self.module in BUILT_IN

    def __str__(self) -> str:
        where = f"{self.distribution} {self.version}".strip() or "this process"
        return f"{self.module} ({where})"


@dataclass(frozen=True)
class Broken:
    """A plugin, or one record of it, that cannot be used, and why."""

    provider: Provider
    reason: str
    kind: str = ""
    """Kind of the record; empty where it is the whole plugin, or a hook of it."""
    name: str = ""


@dataclass
class Registry:
    """What is installed, by kind and name."""

    records: dict[str, dict[str, Record]] = field(
        default_factory=lambda: {kind: {} for kind in KINDS}
    )
    providers: dict[tuple[str, str], Provider] = field(default_factory=dict)
    broken: list[Broken] = field(default_factory=list)
    left_out: list[Provider] = field(default_factory=list)
    """Plugins that ``LUSGAN_PLUGINS`` does not name; they were not loaded."""
    changes: dict[Provider, list[str]] = field(default_factory=dict)
    """What plugins changed for the whole process when they were loaded, and was put back."""
    claims: dict[tuple[str, str], list[Provider]] = field(default_factory=dict)
    """Every plugin that offers a name, also where it did not get it."""

    def add(self, plugin: object, provider: Provider) -> None:
        """Add what one plugin offers.

        Args:
            plugin: The module (or other object) whose hook implementations are called.
            provider: Where it comes from, for messages and cache keys.

        Raises:
            PluginError: Something of it cannot be used and was left out: the API version is wrong,
                a hook is unknown or there is none at all, a record has faults, or its name is
                taken. The message says all of it.
        """
        before = len(self.broken)
        self.take(plugin, provider)
        if faults := self.broken[before:]:
            raise PluginError("; ".join(f"{fault.provider}: {fault.reason}" for fault in faults))

    def take(self, plugin: object, provider: Provider) -> None:
        """Add what one plugin offers; what cannot be used becomes ``broken``.

        Args:
            plugin: The module (or other object) whose hook implementations are called.
            provider: Where it comes from, for messages and cache keys.
        """
        try:
            hooks = attempt("cannot be looked at", lambda: hooks_of(plugin))
        except PluginError as error:
            self.broken.append(Broken(provider, str(error)))
            return
        for kind, (hook, types) in KINDS.items():
            for call in hooks.get(hook, ()):
                try:
                    records = attempt(f"{hook} failed", partial(returned, hook, call))
                except PluginError as error:
                    self.broken.append(Broken(provider, str(error)))
                    continue
                for record in records:
                    self._take_record((kind, hook), types, record, provider)

    def _take_record(
        self,
        place: tuple[str, str],
        types: tuple[type[Record], ...],
        record: Any,
        provider: Provider,
    ) -> None:
        (kind, hook), named = place, ""
        try:
            faults, named = attempt(f"a {kind} cannot be looked at", lambda: _faults(types, record))
        except PluginError as error:
            faults = [str(error)]
        if faults:
            what = f"{kind} {named!r}" if named else f"a record of {hook}"
            reason = f"{what}: {'; '.join(faults)}"
            self.broken.append(Broken(provider, reason, kind, named))
            return
        claims = self.claims.setdefault((kind, named), [])
        claims.append(provider)
        if len(claims) == 1:
            self.records[kind][named] = record
            self.providers[kind, named] = provider
        else:
            self._clash(kind, named, claims)

    def _clash(self, kind: str, name: str, claims: list[Provider]) -> None:
        """Note that several plugins offer a name; the built-in one keeps it, if there is one."""
        first, *_, last = claims
        losers, others = [last], " and ".join(map(str, dict.fromkeys(claims)))
        offer = "two plugins offer" if first != last else "one plugin offers twice"
        if not first.built_in and self.records[kind].pop(name, None) is not None:
            del self.providers[kind, name]
            losers = [first, last]
        for loser in dict.fromkeys(losers):
            reason = f"{offer} the {kind} {name!r}: {others}; uninstall or rename one"
            self.broken.append(Broken(loser, reason, kind, name))

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

    def set_metrics(self) -> dict[str, SetMetric]:
        """All set metrics by name."""
        return {n: r for n, r in self.records["metric"].items() if isinstance(r, SetMetric)}

    def metric(self, name: str) -> PairMetric | SetMetric:
        """The metric of that name, on pairs or on sets; raises UnknownPluginError."""
        record = self.records["metric"].get(name)
        if isinstance(record, PairMetric | SetMetric):
            return record
        raise self._unknown("metric", name, PairMetric, SetMetric)

    def feature(self, name: str) -> FeatureExtractor:
        """The feature extractor of that name; raises UnknownPluginError."""
        return self._get("feature", name, FeatureExtractor)

    def features(self) -> dict[str, FeatureExtractor]:
        """All feature extractors by name."""
        records = self.records["feature"].items()
        return {name: record for name, record in records if isinstance(record, FeatureExtractor)}

    def reader(self, name: str) -> Reader:
        """The reader of that name; raises UnknownPluginError."""
        return self._get("reader", name, Reader)

    def readers(self) -> dict[str, Reader]:
        """All readers by name."""
        return {n: r for n, r in self.records["reader"].items() if isinstance(r, Reader)}

    def gate(self, name: str) -> Gate:
        """The gate of that name; raises UnknownPluginError."""
        return self._get("gate", name, Gate)

    def gates(self) -> dict[str, Gate]:
        """All gates by name."""
        return {n: r for n, r in self.records["gate"].items() if isinstance(r, Gate)}

    def preset(self, name: str) -> Preset:
        """The preset of that name; raises UnknownPluginError."""
        return self._get("preset", name, Preset)

    def presets(self) -> dict[str, Preset]:
        """All presets by name."""
        return {n: r for n, r in self.records["preset"].items() if isinstance(r, Preset)}

    def exporter(self, name: str) -> Exporter:
        """The exporter of that name; raises UnknownPluginError."""
        return self._get("exporter", name, Exporter)

    def exporters(self) -> dict[str, Exporter]:
        """All exporters by name."""
        return {n: r for n, r in self.records["exporter"].items() if isinstance(r, Exporter)}

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
            kind: Kind of the record, one of ``KINDS``.
            name: Name of the record; it must be in the registry.

        Returns:
            Distribution and the record's version; where it states none, a sha256 in hex over the
            files of its distribution. A feature extractor's files of weights count as well; where
            they cannot be read that is what counts, and whoever uses the extractor is told.
        """
        record, provider = self.records[kind][name], self.providers[kind, name]
        if record.version:
            code = f"{provider.distribution or provider.module} {record.version}"
        else:
            code = files_identity(provider.distribution, provider.module)
        if not isinstance(record, FeatureExtractor) or record.weights is None:
            return code
        weights = record.weights
        try:
            return f"{code} {attempt('weights', lambda: weights_identity(weights()))}"
        except PluginError:
            return f"{code} without its weights"

    def _get(self, kind: str, name: str, kind_type: type[R]) -> R:
        record = self.records[kind].get(name)
        if isinstance(record, kind_type):
            return record
        raise self._unknown(kind, name, kind_type)

    def _unknown(self, kind: str, name: str, *types: type[Record]) -> UnknownPluginError:
        choices = [n for n, r in self.records[kind].items() if isinstance(r, types)]
        return UnknownPluginError(kind, name, choices, self._hint(kind, name))

    def _hint(self, kind: str, name: str) -> str:
        """Why a record is not there: it is broken, or left out, or not installed."""
        if own := [b for b in self.broken if (b.kind, b.name) == (kind, name)]:
            return "; ".join(f"broken plugin {b.provider}: {b.reason}" for b in own)
        whole = [b for b in self.broken if not b.kind]
        hints = [f"broken plugin {b.provider}: {b.reason}" for b in whole[:SHOWN]]
        if len(whole) > SHOWN:
            hints.append(f"{len(whole) - SHOWN} more are broken: `lusgan plugins` tells why")
        if self.left_out:
            plugins = ", ".join(map(str, self.left_out[:SHOWN]))
            more = f" and {len(self.left_out) - SHOWN} more" if len(self.left_out) > SHOWN else ""
            hints.append(f"left out by {PLUGINS}: {plugins}{more}")
        return "; ".join(hints) or _install_hint()


SHOWN = 3
"""Plugins that an error names, at most."""


def _install_hint() -> str:
    """How to make a plugin available that is not installed, here or in an image."""
    if os.environ.get(IN_CONTAINER):
        return (
            "No package in this image offers it: build the image with it "
            "(--build-arg PLUGINS=PACKAGE), or name another image in the work pool"
        )
    return "If a package offers it, install it where this run is executed"


def _faults(types: tuple[type[Record], ...], record: Any) -> tuple[list[str], str]:
    """What is wrong with a record, and its name, as far as it has one."""
    for kind_type in types:
        if isinstance(record, kind_type):
            name = getattr(record, "name", None)
            return faults_of(record, kind_type), name if isinstance(name, str) else ""
    expected = " or ".join(t.__name__ for t in types)
    return [f"{shown(record)} is of type {type(record).__name__}, expected {expected}"], ""


def discover(chosen: Choice | None = None) -> Registry:
    """Load the installed plugins, built-in ones first, so that their names cannot be taken.

    Args:
        chosen: Which of those that are not built in to load; None for what ``LUSGAN_PLUGINS`` says.

    Returns:
        A registry of what they offer, of what cannot be used, and of what was left out.
    """
    chosen = Choice.of(choice()) if chosen is None else chosen
    registry = Registry()
    points = installed_points()
    by_provider = {Provider(p.module, p.distribution, p.version): p for p in points}
    for provider, point in sorted(by_provider.items(), key=lambda item: not item[0].built_in):
        if provider.built_in or chosen.takes(point):
            _load(registry, provider, point)
        else:
            registry.left_out.append(provider)
    for name in chosen.missing(points):
        reason = f"{PLUGINS} names it: correct the name, or install what offers it"
        registry.broken.append(Broken(Provider(name, "not installed"), reason))
    return registry


def _load(registry: Registry, provider: Provider, point: Point) -> None:
    """Import one plugin and take what it offers, so that nothing it does reaches others."""
    with guarded(str(provider), watched=not provider.built_in) as changes:
        try:
            plugin = attempt("cannot be imported", point.entry.load)
        except PluginError as error:
            registry.broken.append(Broken(provider, str(error)))
        else:
            registry.take(plugin, provider)
    if changes:
        registry.changes[provider] = changes


def installed() -> Registry:
    """The registry of this process, loaded once for each value of ``LUSGAN_PLUGINS``."""
    return _installed(choice())


@cache
def _installed(text: str | None) -> Registry:
    return discover(Choice.of(text))
