"""Types of a run's parameters, with choices, bounds and descriptions, as forms show them.

The options are themselves a parameter. Only what pydantic cannot know is added to their schema:
which plugins are installed. Descriptions of the other parameters are in each flow's docstring.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any, Literal

from pydantic import Field, GetJsonSchemaHandler
from pydantic_core import CoreSchema

from lusgan_core.config import RunConfig, preset_problem
from lusgan_core.domain import SCORES
from lusgan_core.registry import installed

Exams = Annotated[str, Field(min_length=1)]
Store = Annotated[str, Field(min_length=1)]
if TYPE_CHECKING:
    Score = int
else:
    Score = Literal[SCORES]
Until = Literal["preprocess", "train", "generate", "evaluate", "report"]
Stage = Literal["preprocess", "train", "evaluate"]
"""Last stage of a run of the flow ``stage``; frames alone are made by the flow ``generate``."""
Number = Annotated[int, Field(ge=1, le=1_000_000)]
Seed = Annotated[int, Field(ge=0, lt=2**63)]
Readers = dict[str, dict[str, Any]]
Seconds = Annotated[float, Field(ge=0, le=86_400)]


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
        return handler(core_schema) | _exporters(sorted(installed().exporters()))


def _exporters(names: list[str]) -> dict[str, Any]:
    """What a form offers where exporters are chosen."""
    return {"items": {"type": "string", "enum": names}, "uniqueItems": True}


Preset = Annotated[str, _Presets()]
Formats = Annotated[tuple[str, ...], _Formats()]


class _Choices:
    """Adds the names of installed plugins, and the scores there are, to the options' schema."""

    def __get_pydantic_json_schema__(
        self, core_schema: CoreSchema, handler: GetJsonSchemaHandler
    ) -> dict[str, Any]:
        schema = handler(core_schema)
        run = handler.resolve_ref_schema(schema)["properties"]
        run["scores"] |= {
            "items": {"type": "integer", "enum": list(SCORES)},
            "uniqueItems": True,
        }
        registry = installed()
        training = handler.resolve_ref_schema(run["training"])["properties"]
        training["backbone"]["enum"] = sorted(registry.records["backbone"])
        training["loss"]["enum"] = sorted(registry.records["loss"])
        training["penalties"]["propertyNames"] = {"enum": sorted(registry.records["penalty"])}
        ingestion = handler.resolve_ref_schema(run["ingestion"])["properties"]
        ingestion["readers"]["propertyNames"] = {"enum": sorted(registry.records["reader"])}
        generation = handler.resolve_ref_schema(run["generation"])["properties"]
        exporters = sorted(registry.exporters())
        generation["formats"] |= _exporters(exporters)
        generation["format_options"]["propertyNames"] = {"enum": exporters}
        promotion = handler.resolve_ref_schema(run["promotion"])["properties"]
        promotion["gates"]["propertyNames"] = {"enum": sorted(registry.gates())}
        return schema


Config = Annotated[RunConfig, _Choices()]
