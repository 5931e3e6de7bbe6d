"""Types of a run's parameters, with choices, bounds and descriptions, as forms show them.

The options are themselves a parameter. Only what pydantic cannot know is added to their schema:
which plugins are installed, and the options of each. Descriptions of the other parameters are in
each flow's docstring.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Annotated, Any, Literal

from pydantic import Field, GetJsonSchemaHandler
from pydantic_core import CoreSchema

from lusgan_core.api import Backbone
from lusgan_core.calls.options_by_plugin import OptionsByPlugin
from lusgan_core.config import RunConfig, preset_problem
from lusgan_core.domain import SCORES
from lusgan_core.registry import Registry, installed

Exams = Annotated[str, Field(min_length=1)]
Store = Annotated[str, Field(min_length=1)]
Until = Literal["preprocess", "train", "generate", "evaluate", "report"]
Stage = Literal["preprocess", "train", "evaluate"]
"""Last stage of a run of the flow ``stage``; frames alone are made by the flow ``generate``."""
Number = Annotated[int, Field(ge=1, le=1_000_000)]
Seed = Annotated[int, Field(ge=0, lt=2**63)]
Seconds = Annotated[float, Field(ge=0, le=86_400)]


NOTHING = {"enum": [None]}
"""The schema of null in a form. Of ``{"type": "null"}`` it says: Property is type "None"."""


class _Optional:
    """Names the choice of no value, of a parameter or of all options below it."""

    def __get_pydantic_json_schema__(
        self, core_schema: CoreSchema, handler: GetJsonSchemaHandler
    ) -> dict[str, Any]:
        schema = handler(core_schema)
        _name_nothing(schema, handler)
        return schema


def _name_nothing(schema: dict[str, Any], handler: GetJsonSchemaHandler) -> None:
    """Replace null by ``NOTHING`` in a schema, and in all that it refers to."""
    schema = handler.resolve_ref_schema(schema)
    for number, choice in enumerate(schema.get("anyOf", ())):
        if choice.get("type") == "null":
            schema["anyOf"][number] = {"title": choice.get("title", "none"), **NOTHING}
        else:
            _name_nothing(choice, handler)
    for field in schema.get("properties", {}).values():
        _name_nothing(field, handler)


class _Presets:
    """Adds the names of the presets that can be used, the default one first."""

    def __get_pydantic_json_schema__(
        self, core_schema: CoreSchema, handler: GetJsonSchemaHandler
    ) -> dict[str, Any]:
        registry = installed()
        names = [name for name in registry.presets() if not preset_problem(name, registry)]
        return handler(core_schema) | {"enum": names}


class _Formats:
    """Adds the names of installed exporters."""

    def __get_pydantic_json_schema__(
        self, core_schema: CoreSchema, handler: GetJsonSchemaHandler
    ) -> dict[str, Any]:
        return handler(core_schema) | _several(installed().exporters())


class _FormatOptions:
    """Adds the options of installed exporters."""

    def __get_pydantic_json_schema__(
        self, core_schema: CoreSchema, handler: GetJsonSchemaHandler
    ) -> dict[str, Any]:
        return handler(core_schema) | _options_by_name({}, installed().exporters())


class _Readers:
    """Adds the names of installed readers, and the options of each."""

    def __get_pydantic_json_schema__(
        self, core_schema: CoreSchema, handler: GetJsonSchemaHandler
    ) -> dict[str, Any]:
        return handler(core_schema) | _any_of({}, installed().readers())


if TYPE_CHECKING:
    Score = int
    OptionalScore = int | None
else:
    Score = Literal[SCORES]
    OptionalScore = Annotated[Literal[SCORES] | None, _Optional()]
Preset = Annotated[str, _Presets()]
Formats = Annotated[tuple[str, ...], _Formats()]
FormatOptions = Annotated[OptionsByPlugin, _FormatOptions()]
Readers = Annotated[OptionsByPlugin, _Readers()]
Fields = dict[str, Any]
"""Schemas of a section's options by name."""


class _Choices:
    """Adds the names of installed plugins, and the scores there are, to the options' schema."""

    def __get_pydantic_json_schema__(
        self, core_schema: CoreSchema, handler: GetJsonSchemaHandler
    ) -> dict[str, Any]:
        schema, registry = handler(core_schema), installed()
        run = handler.resolve_ref_schema(schema)["properties"]
        run["scores"] |= {
            "items": {"type": "integer", "enum": list(SCORES)},
            "uniqueItems": True,
        }
        for section, offer in (
            ("ingestion", _offer_readers),
            ("training", _offer_parts),
            ("generation", _offer_exporters),
            ("evaluation", _offer_metrics),
            ("promotion", _offer_gates),
        ):
            offer(handler.resolve_ref_schema(run[section])["properties"], registry)
        _name_nothing(schema, handler)
        return schema


def _offer_readers(fields: Fields, registry: Registry) -> None:
    fields["readers"] = _any_of(fields["readers"], registry.readers())


def _offer_parts(fields: Fields, registry: Registry) -> None:
    losses = registry.records["loss"]
    backbones = {
        name: record
        for name, record in registry.records["backbone"].items()
        if isinstance(record, Backbone) and not record.conditional  # runs refuse those
    }
    fields["backbone"] |= _one(backbones)
    fields["loss"] |= _one(losses)
    fields["backbone_options"] = _one_of(fields["backbone_options"], backbones)
    fields["loss_options"] = _one_of(fields["loss_options"], losses)
    for section, kind in (("penalties", "penalty"), ("augmentations", "augmentation")):
        fields[section] = _any_of(fields[section], registry.records[kind])


def _offer_exporters(fields: Fields, registry: Registry) -> None:
    fields["formats"] |= _several(registry.exporters())
    fields["format_options"] = _options_by_name(fields["format_options"], registry.exporters())


def _offer_metrics(fields: Fields, registry: Registry) -> None:
    metrics, features = registry.records["metric"], registry.features()
    fields["metrics"] |= _several(metrics)
    fields["metric_options"] = _options_by_name(fields["metric_options"], metrics)
    fields["likeness"]["anyOf"][0] |= _one(registry.pair_metrics())
    fields["features"] |= _several(features)
    fields["feature_options"] = _options_by_name(fields["feature_options"], features)


def _offer_gates(fields: Fields, registry: Registry) -> None:
    fields["gates"] = _any_of(fields["gates"], registry.gates())


def _one(records: Mapping[str, Any]) -> dict[str, Any]:
    """One name among those of plugins."""
    return {"enum": sorted(records)}


def _several(records: Mapping[str, Any]) -> dict[str, Any]:
    """Several names of plugins, each once."""
    return {"items": {"type": "string", "enum": sorted(records)}, "uniqueItems": True}


DEFAULTS = {"type": "object", "title": "defaults", "maxProperties": 0}
"""The first choice of a form, which asks for nothing: a form fills in the defaults of the rest."""


def _one_of(field: Mapping[str, Any], records: Mapping[str, Any]) -> dict[str, Any]:
    """The schema of the options of one plugin, whichever is chosen: its defaults, or its fields."""
    choices = [_options_of(record) for _, record in sorted(records.items())]
    return _texts(field) | {"anyOf": [DEFAULTS, *(c for c in choices if c.get("properties"))]}


def _any_of(field: Mapping[str, Any], records: Mapping[str, Any]) -> dict[str, Any]:
    """The schema of plugins by name with their options; each is off unless it is chosen."""
    return _by_name(field, records, dict.fromkeys(records, ("off", "on")))


def _options_by_name(field: Mapping[str, Any], records: Mapping[str, Any]) -> dict[str, Any]:
    """The schema of options of plugins that are chosen elsewhere; of the others, none."""
    having = [name for name, record in records.items() if _options_of(record).get("properties")]
    return _by_name(field, records, dict.fromkeys(having, ("defaults", "options")))


def _by_name(
    field: Mapping[str, Any], records: Mapping[str, Any], shown: Mapping[str, tuple[str, str]]
) -> dict[str, Any]:
    """A schema with a field for each plugin that is shown: null, under the first title, or its
    options, under the second; no field has a default, for a form would fill it in."""
    properties = {
        name: {
            "title": name,
            "description": records[name].description,
            "anyOf": [
                {"title": without, **NOTHING},
                _options_of(records[name]) | {"title": own},
            ],
        }
        for name, (without, own) in sorted(shown.items())
    }
    return _texts(field) | {
        "type": "object",
        "properties": properties,
        "propertyNames": _one(records),
        "additionalProperties": False if shown.keys() == records.keys() else DEFAULTS,
        "default": {},
    }


def _texts(field: Mapping[str, Any]) -> dict[str, Any]:
    return {name: field[name] for name in ("title", "description") if name in field}


def _options_of(record: Any) -> dict[str, Any]:
    """The schema of a plugin's options, under its name, whole in itself."""
    schema = record.options.model_json_schema()
    schema = _inlined(schema, schema.pop("$defs", {}))
    return {**schema, "title": record.name}


def _inlined(part: Any, definitions: Mapping[str, Any], above: tuple[str, ...] = ()) -> Any:
    """A schema with its definitions in the place of references; a model in itself is any object."""
    if isinstance(part, list):
        return [_inlined(item, definitions, above) for item in part]
    if not isinstance(part, dict):
        return part
    if "$ref" not in part:
        return {key: _inlined(value, definitions, above) for key, value in part.items()}
    name = str(part["$ref"]).rpartition("/")[2]
    if name in above:
        return {"type": "object"}
    found = _inlined(definitions[name], definitions, (*above, name))
    return found | {key: value for key, value in part.items() if key != "$ref"}


Config = Annotated[RunConfig, _Choices()]
