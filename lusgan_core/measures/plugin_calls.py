"""Calls what a plugin computes for a measure, and tells its failures."""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeVar

from lusgan_core.errors import PluginError
from lusgan_core.measures.pairs.memory import out_of_memory
from lusgan_core.plugin_guard import described, is_stop

T = TypeVar("T")


def measured_by(plugin: str, wrong: str, function: Callable[[], T]) -> T:
    """Return what a plugin's function returns.

    Args:
        plugin: Kind and name of its record, for messages.
        wrong: What did not go well if it raises, e.g. ``cannot be built``.
        function: What to call.

    Returns:
        Its result.

    Raises:
        PluginError: It raised anything but lack of memory or a stop, which pass through.
    """
    try:
        return function()
    except out_of_memory():
        raise
    except BaseException as error:  # whatever a stranger's code raises, SystemExit too
        if is_stop(error):
            raise
        raise PluginError(f"{plugin} {wrong}: {described(error)}") from error
