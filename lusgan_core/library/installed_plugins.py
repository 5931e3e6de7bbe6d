"""Lists what is installed."""

from __future__ import annotations

from typing import Any

from pydantic import Field

from lusgan_core.config import unusable
from lusgan_core.domain import Record
from lusgan_core.registry import KINDS, installed


class InstalledPlugin(Record):
    """One thing that a plugin offers, or something of it that is broken."""

    kind: str
    """Kind of the plugin, as ``backbone`` or ``metric``; ``broken`` for a broken plugin."""
    name: str
    """What it is asked for by; of what is broken its plugin's module and distribution."""
    description: str
    """What it is; of what is broken, why it cannot be used."""
    provider: str
    """Distribution and version that offer it."""
    licence: str = ""
    """Licence of a backbone's or feature extractor's networks and weights, as it states it."""
    options: dict[str, Any] = Field(default_factory=dict)
    """Its options by name, each as JSON schema: type, default, bounds, description."""


def plugins() -> tuple[InstalledPlugin, ...]:
    """List what is installed, of every kind of plugin.

    Returns:
        What is installed, by kind and name; what is broken comes last, with the reason: plugins,
        records of them, and presets whose settings no run takes.
    """
    registry = installed()
    found = [
        InstalledPlugin(
            kind=kind,
            name=name,
            description=record.description,
            provider=registry.provider_of(f"{kind}/{name}"),
            licence=registry.licence_of(f"{kind}/{name}"),
            options=registry.options_of(record) or {},
        )
        for kind in KINDS
        for name, record in sorted(registry.records[kind].items())
    ]
    broken = [
        InstalledPlugin(
            kind="broken",
            name=str(one.provider),
            description=one.reason,
            provider=f"{one.provider.distribution} {one.provider.version}".strip(),
        )
        for one in unusable(registry)
    ]
    return (*found, *broken)
