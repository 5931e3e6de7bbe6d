"""Other values of options, to see whether an option makes a difference."""

from __future__ import annotations

import typing
from collections.abc import Iterator
from typing import Any, Literal

from pydantic import ValidationError
from pydantic.fields import FieldInfo

from lusgan_core.api import Options

BOUNDS = ("ge", "gt", "le", "lt")


def variations(model: type[Options]) -> dict[str, list[Options]]:
    """Vary one option at a time: switches, choices and numbers, but no texts.

    Args:
        model: An options model; every field has a default.

    Returns:
        For each option that can be varied, options in which it alone is off its default.
    """
    usual = model()
    found: dict[str, list[Options]] = {}
    for name, field in model.model_fields.items():
        values = [v for v in _values(field) if v != getattr(usual, name)]
        varied = [made for value in values if (made := _changed(usual, name, value)) is not None]
        if varied:
            found[name] = varied
    return found


def _changed(usual: Options, name: str, value: Any) -> Options | None:
    try:
        return type(usual).model_validate(usual.model_dump() | {name: value})
    except ValidationError:
        return None


def _values(field: FieldInfo) -> Iterator[Any]:
    kinds = {field.annotation, *typing.get_args(field.annotation)}
    if bool in kinds:
        yield from (False, True)
    elif typing.get_origin(field.annotation) is Literal:
        yield from typing.get_args(field.annotation)
    elif kinds & {int, float}:
        bounds = [getattr(rule, b, None) for rule in field.metadata for b in BOUNDS]
        yield from (bound for bound in bounds if bound is not None)
        if isinstance(field.default, int | float):
            kind = type(field.default)
            for value in (field.default + 1, field.default * 100, field.default / 100):
                yield kind(value)
