"""The legend of severity scores: what each looks like, in words and on a phantom frame.

The pictures are frames of the phantom simulator, kept as files so that a report needs no simulator;
a test compares them with what it draws. Descriptions after Soldati et al., J Ultrasound Med 39
(2020) 1413, doi:10.1002/jum.15285.
"""

from __future__ import annotations

import base64
from dataclasses import dataclass
from importlib.resources import files

SIDE, SEED = 128, 3
"""Pixels and seed of the phantom frames."""
DESCRIPTIONS = (
    "A smooth pleura, repeated below at equal distances (A-lines): air behind it",
    "A slightly irregular pleura, with single bright beams down to the bottom (B-lines)",
    "A broken pleura, with broad beams that run together",
    "White lung, with or without consolidations: no air below the pleura",
)


@dataclass(frozen=True)
class LegendEntry:
    """One score of the legend."""

    score: int
    description: str
    picture: str
    """A phantom frame as a ``data:`` URI."""


def legend_of_scores() -> tuple[LegendEntry, ...]:
    """Return the legend, from score 0 to 3."""
    folder = files("lusgan_core.reporting") / "legend"
    return tuple(
        LegendEntry(score, description, _uri((folder / f"score-{score}.png").read_bytes()))
        for score, description in enumerate(DESCRIPTIONS)
    )


def _uri(png: bytes) -> str:
    return "data:image/png;base64," + base64.b64encode(png).decode()
