"""Options of several plugins by name, as sections of stages hold them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any

from pydantic import BeforeValidator


def without_empty_ones(given: Any) -> Any:
    """Leave out plugins for which a form, or a setting, gives null: they are not named."""
    if isinstance(given, Mapping):
        return {name: options for name, options in given.items() if options is not None}
    return given


OptionsByPlugin = Annotated[dict[str, dict[str, Any]], BeforeValidator(without_empty_ones)]
"""Plugin's name -> its options."""
