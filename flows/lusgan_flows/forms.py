"""Types of flow parameters that the UI draws with choices and bounds.

Options of a run are in ``options_form``, apart because they bring PyTorch along, which a look at
the exam source can do without. Descriptions of parameters are in each flow's docstring.
"""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from lusgan_core.domain import SCORES
from lusgan_core.presets import PRESETS

Exams = Annotated[str, Field(min_length=1)]
Store = Annotated[str, Field(min_length=1)]
Preset = Literal[tuple(PRESETS)]  # type: ignore[valid-type]
Until = Literal["preprocess", "train", "generate", "evaluate", "report"]
Score = Literal[SCORES]  # type: ignore[valid-type]
Seconds = Annotated[float, Field(ge=0, le=86_400)]

__all__ = ["Exams", "Preset", "Score", "Seconds", "Store", "Until"]
