"""What presets set, each with the presets that it is based on."""

from __future__ import annotations

from lusgan_core.api import Preset
from lusgan_core.errors import ConfigError
from lusgan_core.registry import Registry

DEFAULT_PRESET = "paper"


def preset_and_bases(name: str, registry: Registry) -> tuple[Preset, ...]:
    """Look up a preset and all that it is based on.

    Args:
        name: Name of the preset.
        registry: Installed plugins.

    Returns:
        The presets, the one that starts from defaults first, the one of that name last.

    Raises:
        UnknownPluginError: There is no such preset.
        ConfigError: It is based on a preset that is not installed, or on itself.
    """
    found = [registry.preset(name)]
    while base := found[-1].based_on:
        if base in {preset.name for preset in found}:
            raise ConfigError(f"preset {name} is based on itself, by way of {found[-1].name}")
        if base not in registry.presets():
            raise ConfigError(
                f"preset {found[-1].name} is based on {base}, which is not installed; "
                f"choices: {', '.join(sorted(registry.presets()))}"
            )
        found.append(registry.preset(base))
    return tuple(reversed(found))


def deviations(name: str, registry: Registry) -> tuple[str, ...]:
    """Collect where a preset departs from what it follows.

    Args:
        name: Name of the preset.
        registry: Installed plugins.

    Returns:
        A sentence each, those of the presets that it is based on first.

    Raises:
        UnknownPluginError: There is no such preset.
        ConfigError: It is based on a preset that is not installed, or on itself.
    """
    return tuple(text for one in preset_and_bases(name, registry) for text in one.deviations)
