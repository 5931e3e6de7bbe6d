"""The options of a run as a flow parameter: a form with choices, bounds and descriptions.

They are the options themselves. Only what pydantic cannot know is added to their schema: which
plugins are installed.
"""

from __future__ import annotations

from typing import Annotated, Any

from pydantic import GetJsonSchemaHandler
from pydantic_core import CoreSchema

from lusgan_core.config import RunConfig
from lusgan_core.domain import SCORES
from lusgan_core.registry import installed


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
        return schema


Config = Annotated[RunConfig, _Choices()]
