"""Options of promotion."""

from __future__ import annotations

from typing import Any

from pydantic import Field, model_validator

from lusgan_core.api import Options
from lusgan_core.calls.options_by_plugin import OptionsByPlugin

LIMITS = {
    "max_generator_loss": "divergence",
    "min_discriminator_loss": "divergence",
    "min_diversity": "collapse",
    "keep_diversity": "collapse",
    "near_copy": "near_copies",
    "max_near_copies": "near_copies",
}
"""Limits that were options of promotion in lusgan 0.1 -> the gates whose options they are now."""


class PromotionOptions(Options):
    """When a model becomes the current one of its score."""

    automatic: bool = Field(
        True,
        description="Promote a model that passes all gates; otherwise it is judged, and waits for "
        "`lusgan promote`",
    )
    gates: OptionsByPlugin = Field(
        default_factory=dict,
        description="Gates by name with their options: these are asked and no others, e.g. "
        '{"collapse": {"min_diversity": 0.2}}. None: every one that is installed, with its '
        "defaults; `lusgan plugins` lists them",
    )

    @model_validator(mode="before")
    @classmethod
    def _limits_of_the_first_edition(cls, given: Any) -> Any:
        """Take a limit where lusgan 0.1 had it; its three gates are asked then, as they were."""
        old = given.keys() & LIMITS.keys() if isinstance(given, dict) else set()
        gates = given.get("gates") or {gate: {} for gate in LIMITS.values()} if old else None
        if not isinstance(gates, dict) or not all(isinstance(own, dict) for own in gates.values()):
            return given
        for name in sorted(old):
            gates = {**gates, LIMITS[name]: {**gates.get(LIMITS[name], {}), name: given[name]}}
        return {**{n: v for n, v in given.items() if n not in old}, "gates": gates}
