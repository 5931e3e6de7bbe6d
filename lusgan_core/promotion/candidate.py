"""Makes what gates are told of a model from the records of its training and evaluation."""

from __future__ import annotations

from lusgan_core.evaluation.stage import EvaluationRecord, by_encoder
from lusgan_core.judgement import Candidate
from lusgan_core.training.stage import ModelRecord


def candidate_of(
    model: ModelRecord, evaluated: EvaluationRecord, encoder: str | None = None
) -> Candidate:
    """Make a candidate of a model and its evaluation.

    Args:
        model: Record of the training.
        evaluated: Record of the evaluation of the model's samples.
        encoder: The LUS encoder of what it is compared with; values that another one measured are
            left out, since they are no comparison. None: nothing is left out.

    Returns:
        The candidate, with values of both.
    """
    values = evaluated.values
    if encoder is not None and encoder != evaluated.encoder:
        values = tuple(value for value in values if not by_encoder(value))
    return Candidate(
        score=model.score,
        model=model.name,
        values=model.values + values,
        likeness=evaluated.likeness,
        to_training=tuple(map(evaluated.distance, evaluated.nearest_training)),
        to_held_out=tuple(map(evaluated.distance, evaluated.nearest_held_out)),
        identical=evaluated.identical,
    )
