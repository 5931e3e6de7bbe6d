"""Checks a plugin's record when it is registered, as strictly as a pydantic model.

What is expected of a field is read from its annotation in ``lusgan_core.api``: callables, literals,
bounds on numbers (``Annotated[int, Field(ge=1)]``), members of sets, classes of options. A new kind
of record only annotates its fields precisely. Types that are not loaded (torch, numpy) are taken on
trust, since nothing heavy is imported to look at a plugin.

Beside the annotations: texts are one line, and empty only where that is the default; ``bounds`` are
ordered and hold ``identical``; options models are frozen, closed and described, and survive JSON.
"""

from __future__ import annotations

import dataclasses
import json
import math
import re
import sys
from collections.abc import Callable, Iterator, Mapping
from functools import cache
from typing import Any, get_args

from pydantic import BaseModel, SecretBytes, SecretStr, TypeAdapter, ValidationError
from pydantic.errors import PydanticSchemaGenerationError
from pydantic_core import CoreSchema, core_schema

from lusgan_core.api import Exporter, FeatureExtractor, Gate, Options, PairMetric, Reader, SetMetric
from lusgan_core.plugin_guard import described

NAME = re.compile(r"[A-Za-z][A-Za-z0-9_]*")
"""What a record may be called: names are parts of file names and arguments of commands."""
USED_UNNAMED = (Exporter, FeatureExtractor, Gate, PairMetric, Reader, SetMetric)
"""Records that are used without their options, or without being named at all."""
LONGEST = 1000
"""Characters that a text of a record has at most."""
NOT_JSON = (bytes, bytearray, set, frozenset, SecretStr, SecretBytes, Callable, type)
"""Types that an option cannot have: JSON lacks them, hides them, or gives them another order."""


def faults_of(record: object, kind: type[Any]) -> list[str]:
    """Look for what is wrong with a record.

    Args:
        record: What a hook returned, an instance of ``kind``.
        kind: The dataclass of ``lusgan_core.api`` whose annotations say what is expected.

    Returns:
        Sentences that name the field, what was found and what is expected; empty if all is well.
    """
    fields = {field.name: field for field in dataclasses.fields(kind)}
    faults = [
        f"{name} is no attribute of {kind.__name__}: choices: {', '.join(fields)}"
        for name in sorted(vars(record).keys() - fields.keys(), key=str)
    ]
    for name, field in fields.items():
        if not hasattr(record, name):
            faults.append(f"{name} is missing")
            continue
        value = getattr(record, name)
        adapter = _adapter(kind, name)  # type: ignore[arg-type]  # a class is hashable
        faults += _field_faults(name, value, field, adapter)
    return faults or list(_faults_between(record))


def _field_faults(
    name: str, value: Any, field: dataclasses.Field[Any], adapter: TypeAdapter[Any] | None
) -> list[str]:
    if adapter is not None:
        try:
            adapter.validate_python(value, strict=True)
        except ValidationError as error:
            first = error.errors(include_url=False, include_context=False)[0]
            expected = first["msg"].replace("Input should be", "expected")
            return [f"{name} is {shown(value)}: {expected}"]
    if isinstance(value, str):
        return list(_text_faults(name, value, empty=field.default == ""))
    if isinstance(value, type) and issubclass(value, Options):
        return [f"{name}: {fault}" for fault in option_faults(value)]
    return []


def _text_faults(name: str, text: str, *, empty: bool) -> Iterator[str]:
    if name == "name":
        if not NAME.fullmatch(text):
            yield f"{name} is {shown(text)}: a name is a letter, then letters, digits, underscores"
    elif not text.strip() and not (empty and not text):
        yield f"{name} is {shown(text)}, expected a text that is not empty"
    elif not text.isprintable():
        yield f"{name} is {shown(text)}, expected one line of characters that can be printed"
    if len(text) > LONGEST:
        yield f"{name} has {len(text):,} characters, expected {LONGEST:,} at most"


def _faults_between(record: Any) -> Iterator[str]:
    """Faults of fields that are right each for itself."""
    if isinstance(record, USED_UNNAMED):
        for name, field in record.options.model_fields.items():
            if field.is_required():
                model = record.options.__name__
                yield f"{model}.{name} has no default: it is used where nobody gives its options"
    if (bounds := getattr(record, "bounds", None)) is None:
        return
    low, high = bounds
    if not low < high:
        yield f"bounds are {bounds}, expected the lower one first"
        return
    identical = getattr(record, "identical", math.nan)
    if not (math.isnan(identical) or low <= identical <= high):
        yield f"identical is {identical}, expected a value within the bounds {bounds}, or NaN"


def option_faults(model: type[Options]) -> Iterator[str]:
    """Look for what is wrong with an options model.

    Args:
        model: The model of a plugin's options.

    Yields:
        Sentences that name the model, the option and what is expected.
    """
    where = model.__name__
    try:
        model.model_rebuild()
        fields = model.model_fields
        if not model.model_config.get("frozen") or model.model_config.get("extra") != "forbid":
            yield f"{where} must stay frozen and closed, as Options is"
        for name, field in fields.items():
            if not (isinstance(field.description, str) and field.description.strip()):
                yield f"{where}.{name} has no description"
            if (unfit := _not_json(field.annotation)) is not None:
                yield f"{where}.{name} is of type {unfit}, expected one that survives JSON"
            if field.exclude or field.alias or field.validation_alias:
                yield f"{where}.{name} has an alias, or is left out of JSON: expected neither"
        yield from _default_faults(model)
        json.dumps(model.model_json_schema())
    except Exception as error:  # whatever a stranger's model raises
        yield f"{where} cannot be used: {described(error)}"


def _not_json(annotation: Any) -> str | None:
    """Name of a type within an annotation that JSON cannot hold; None if there is none."""
    if annotation in (set, frozenset, Callable, type):
        return str(getattr(annotation, "__name__", annotation))
    if isinstance(annotation, type) and issubclass(annotation, NOT_JSON[:6]):
        return annotation.__name__
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        inner = (_not_json(field.annotation) for field in annotation.model_fields.values())
        return next(filter(None, inner), None)
    origin = getattr(annotation, "__origin__", None)
    if origin in NOT_JSON or getattr(origin, "__name__", "") in ("Set", "MutableSet", "Callable"):
        return str(annotation)
    return next(filter(None, map(_not_json, get_args(annotation))), None)


def _default_faults(model: type[Options]) -> Iterator[str]:
    """Options whose default does not come back from JSON as it was."""
    if any(field.is_required() for field in model.model_fields.values()):
        return
    made = model()
    values: dict[str, Any] = {}
    for name in model.model_fields:
        value = getattr(made, name)
        try:
            dumped = made.model_dump(mode="json", include={name}, warnings=False)
            values |= json.loads(json.dumps(dumped, allow_nan=False))
        except Exception:  # pydantic's, or that of a stranger's serializer
            yield f"{model.__name__}.{name} is {shown(value)} by default, which JSON cannot hold"
    try:
        again = model.model_validate(values)
    except ValidationError as error:
        for first in error.errors(include_url=False, include_context=False)[:1]:
            name = ".".join(map(str, first["loc"]))
            yield f"{model.__name__}.{name} is {shown(first['input'])} by default: {first['msg']}"
        return
    for name in values:
        before, after = getattr(made, name), getattr(again, name)
        if type(before) is not type(after) or before != after:
            yield (
                f"{model.__name__}.{name} is {shown(before)} by default, but {shown(after)} after "
                "a way through JSON"
            )


def shown(value: object) -> str:
    """A value as it appears in an error: on one line, and not too long."""
    try:
        text = repr(value)
    except Exception:
        text = f"a {type(value).__name__}"
    text = " ".join(text.split())
    return text if len(text) <= 60 else f"{text[:57]}..."


@cache
def _adapter(kind: type[Any], name: str) -> TypeAdapter[Any] | None:
    """What checks the values of a field; None where its type says nothing."""
    (field,) = (field for field in dataclasses.fields(kind) if field.name == name)
    annotation: Any = field.type
    if isinstance(annotation, str):
        annotation = eval(annotation, {}, _Names(vars(sys.modules[kind.__module__])))
    try:
        return TypeAdapter(annotation)
    except PydanticSchemaGenerationError:  # a class that pydantic knows nothing of
        return None


class _Anything(type):
    """Stands for a type that is not loaded: whatever is made of it takes every value."""

    def __getattr__(cls, name: str) -> type[NotLoaded]:
        if name.startswith("__"):
            raise AttributeError(name)
        return NotLoaded

    def __getitem__(cls, parameters: object) -> type[NotLoaded]:
        return NotLoaded


class NotLoaded(metaclass=_Anything):
    """The type that annotations name where the real one is imported for type checkers alone."""

    @classmethod
    def __get_pydantic_core_schema__(cls, source: object, handler: object) -> CoreSchema:
        """Every value passes."""
        return core_schema.any_schema()


class _Names(dict[str, Any]):
    """Names of a module and Python's own; others stand for types that are not loaded."""

    def __init__(self, module: Mapping[str, Any]) -> None:
        builtins = vars(sys.modules["builtins"])
        super().__init__({**builtins, **module})

    def __missing__(self, name: str) -> type[NotLoaded]:
        return NotLoaded
