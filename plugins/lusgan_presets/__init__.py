"""The presets that come with lusgan: one file for each."""

from __future__ import annotations

from collections.abc import Sequence

from lusgan_core.api import Preset, hookimpl
from lusgan_presets import demo, paper, small

LUSGAN_API = 2


@hookimpl
def register_presets() -> Sequence[Preset]:
    """Offer the built-in presets."""
    return [paper.PRESET, small.PRESET, demo.PRESET]
