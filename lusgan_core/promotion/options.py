"""Options of promotion."""

from __future__ import annotations

from pydantic import Field

from lusgan_core.api import Options


class PromotionOptions(Options):
    """When a model becomes the current one of its score."""

    automatic: bool = Field(
        True,
        description="Promote a model that passes all gates; otherwise it is judged, and waits for "
        "`lusgan promote`",
    )
    max_generator_loss: float = Field(
        50.0, gt=0, description="Divergence: largest mean generator loss at the end of training"
    )
    min_discriminator_loss: float = Field(
        0.01,
        ge=0,
        le=1,
        description="Divergence: smallest discriminator loss at the end, as a share of its start; "
        "below it the generator has nothing to learn from",
    )
    min_diversity: float = Field(
        0.35,
        ge=0,
        description="Collapse: how much synthetic frames must differ from each other, as a share "
        "of how much real frames of different clips do",
    )
    keep_diversity: float = Field(
        0.5,
        ge=0,
        le=1,
        description="Collapse: share of the current model's diversity that must be kept",
    )
    near_copy: float = Field(
        0.33,
        ge=0,
        le=1,
        description="Near-copies: a synthetic frame counts as one below this share of the smallest "
        "distance between real frames of different clips, and to a held-out patient",
    )
    max_near_copies: float = Field(
        0.02, ge=0, le=1, description="Near-copies: largest share of synthetic frames that may be"
    )
