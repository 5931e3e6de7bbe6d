"""Other values of options, to see whether an option makes a difference."""

from __future__ import annotations

import typing
from collections.abc import Callable, Collection, Iterator
from typing import Any, Literal

from pydantic import ValidationError
from pydantic.fields import FieldInfo

from lusgan_core.api import Options
from lusgan_core.errors import ConfigError

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
        for values in (_values(field), _between(field)):
            others = [value for value in values if value != getattr(usual, name)]
            varied = [made for v in others if (made := _changed(usual, name, v)) is not None]
            if varied:
                found[name] = varied
                break
    return found


def unread(
    model: type[Options], result: Callable[[Any], Any], idle: Collection[str] = ()
) -> list[str]:
    """Find options that change nothing.

    Args:
        model: An options model; every field has a default.
        result: What comes of some options, to be compared by ``==``. It may raise ConfigError for
            options that do not fit, which shows that they are read.
        idle: Options that are not tried.

    Returns:
        Names of the options that can be varied and give the result of the defaults, however far
        they are off them.
    """
    usual = model()
    before = result(usual)

    def off_by(options: Options, name: str) -> float:
        one, two = getattr(options, name), getattr(usual, name)
        return abs(one - two) if isinstance(one, int | float) and two is not None else 0.0

    def differs(options: Options) -> bool:
        try:
            return bool(result(options) != before)
        except ConfigError:
            return True

    return [
        name
        for name, varied in variations(model).items()
        if name not in idle
        and not any(map(differs, sorted(varied, key=lambda options: off_by(options, name))))
    ]


def _changed(usual: Options, name: str, value: Any) -> Options | None:
    try:
        return type(usual).model_validate(usual.model_dump() | {name: value})
    except ValidationError:
        return None


def _between(field: FieldInfo) -> Iterator[float]:
    """A number between bounds that are not allowed themselves, as in 0 < share < 1."""
    bounds = [getattr(rule, b, None) for rule in field.metadata for b in BOUNDS]
    given = [bound for bound in bounds if bound is not None]
    if len(given) > 1 and float in {field.annotation, *typing.get_args(field.annotation)}:
        yield (min(given) + max(given)) / 2
        yield (3 * min(given) + max(given)) / 4


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
