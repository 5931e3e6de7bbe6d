"""Reads a plugin: the version that it was written for, its hooks, and what these return."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from itertools import islice
from typing import Any

import pluggy

from lusgan_core.api import API_VERSION
from lusgan_core.errors import PluginError
from lusgan_core.hookspecs import LusganSpecs
from lusgan_core.plugin_identity import GROUP
from lusgan_core.record_checks import shown

VERSIONS = (1, API_VERSION)
"""Versions of the plugin boundary whose plugins can be used."""
MOST = 1000
"""Records that one hook may return."""

Hook = Callable[[], Any]


def hooks_of(plugin: object) -> dict[str, list[Hook]]:
    """Find the hooks that a plugin implements.

    Args:
        plugin: The module (or other object) with functions marked ``@hookimpl``.

    Returns:
        Functions by the name of the hook.

    Raises:
        PluginError: The API version is wrong, a hook is unknown, or there is none at all.
    """
    version = getattr(plugin, "LUSGAN_API", API_VERSION)
    if type(version) is not int or version not in VERSIONS:
        known = " or ".join(map(str, VERSIONS))
        raise PluginError(
            f"was written for plugin API {shown(version)}, this lusgan has {API_VERSION}: expected "
            f"LUSGAN_API = {known}; install a matching release of either"
        )
    manager = pluggy.PluginManager(GROUP)
    manager.add_hookspecs(LusganSpecs)
    try:
        manager.register(plugin)
        manager.check_pending()
    except pluggy.PluginValidationError as error:
        hooks = ", ".join(name for name in vars(LusganSpecs) if name.startswith("register_"))
        text = " ".join(str(error).split())
        raise PluginError(f"{text}; the hooks of lusgan are {hooks}") from error
    found = {
        caller.name: [implementation.function for implementation in caller.get_hookimpls()]
        for caller in manager.get_hookcallers(plugin) or ()
    }
    if not found:
        raise PluginError("implements no hook: mark one with @hookimpl of lusgan_core.api")
    return found


def returned(name: str, hook: Hook) -> list[Any]:
    """Call a hook.

    Args:
        name: Its name, for messages.
        hook: The function that implements it.

    Returns:
        What it offers: any objects, not yet checked.

    Raises:
        PluginError: It returned nothing, or what is no list.
    """
    found = hook()
    if found is None:
        raise PluginError(f"{name} returned None: is `return` missing?")
    if isinstance(found, str | bytes | Mapping):
        raise PluginError(f"{name} returned {shown(found)}, expected a list of records")
    records = list(islice(found, MOST + 1))
    if len(records) > MOST:
        raise PluginError(f"{name} returned more than {MOST:,} records")
    return records
