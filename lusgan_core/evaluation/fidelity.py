"""Score fidelity: how many synthetic frames the LUS encoder judges as their score.

The share says nothing by itself, since scores are hard to tell apart and patients differ. Beside it
stands the same share of frames of held-out patients, with its range over patients. An encoder that
judges held-out patients no better than chance measures nothing here.

Shapes: N frames.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace

import numpy as np
from numpy.typing import NDArray

from lusgan_core.calls.call import StageContext, data_of
from lusgan_core.calls.provenance import Manifest
from lusgan_core.calls.section import HELD_OUT, SYNTHETIC, Measured
from lusgan_core.encoder.stage import FEATURES, EncoderRecord
from lusgan_core.evaluation.sides import FrameSets, frames_a_side
from lusgan_core.evaluation.stage import ENCODER, FIDELITY, EvaluationOptions, Judged
from lusgan_core.measures.distances import MANY
from lusgan_core.measures.sides import places
from lusgan_core.selection.dataset import load_frames

DRAWS = 1000
"""Draws of a bootstrap over patients."""
SEED = 12
LEAST = 0.5
"""Share of held-out patients' frames of a score that the encoder must judge as that score."""


@dataclass(frozen=True)
class Widened:
    """What an evaluation works with, widened by the store's encoder where it is of use."""

    context: StageContext
    options: EvaluationOptions
    sets: FrameSets
    encoder: Manifest | None = None
    """None where there is none, or none of use."""
    absent: dict[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Fidelity:
    """What was measured, or why it was not."""

    values: tuple[Measured, ...] = ()
    judged: Judged | None = None
    absent: dict[str, str] = field(default_factory=dict)


def widened(
    context: StageContext, options: EvaluationOptions, encoder: Manifest | None, sets: FrameSets
) -> Widened:
    """Add the encoder's features to those that distances are taken on, and its other scores.

    Args:
        context: Store, registry and runtime.
        options: Options of the evaluation.
        encoder: Manifest of the store's encoder; None without one.
        sets: The frames that are compared.

    Returns:
        All with the encoder; as they are without one, and where it was trained on patients who are
        held out now, with the reason.
    """
    if encoder is None:
        return Widened(context, options, sets)
    record = data_of(encoder, EncoderRecord)
    if record.patients & {clip.patient for clip in sets.dataset.held_out}:
        reason = (
            "it was trained on patients who are held out now; `lusgan encoder --renew` has the "
            "next run make another"
        )
        return Widened(context, options, sets, absent={ENCODER: reason})
    from lusgan_core.encoder.weights import with_encoder

    registry = with_encoder(context.registry, context.store, encoder)
    others = {s: clips for s, clips in record.clips.items() if s != sets.dataset.score}
    return Widened(
        replace(context, registry=registry),
        options.model_copy(update={"features": (*options.features, FEATURES)}),
        replace(sets, others=others),
        encoder,
    )


def measure_fidelity(
    context: StageContext,
    options: EvaluationOptions,
    encoder: Manifest | None,
    sets: FrameSets,
    device: str,
) -> Fidelity:
    """Have the encoder judge synthetic frames, and frames of held-out patients.

    Args:
        context: Store with shards and the encoder.
        options: Options of the evaluation.
        encoder: Manifest of the store's encoder; None without one, or if it is of no use here.
        sets: The frames.
        device: Device of torch.

    Returns:
        Measured values, or the reason why there are none.

    Raises:
        StoreError: Shards or weights cannot be read.
    """
    if encoder is None:
        return Fidelity()
    record, score = data_of(encoder, EncoderRecord), sets.dataset.score
    reason = _unfit(record, score, sets)
    if reason:
        return Fidelity(absent={FIDELITY: reason})
    from lusgan_core.encoder.weights import load_encoder

    judge = load_encoder(context.store, encoder, device)
    count = frames_a_side(sets, options)
    real, owners, _ = load_frames(
        context.store, sets.dataset.held_out, score, options.distance_frames
    )
    clips = sets.dataset.held_out
    patients = [clips[owner].patient for owner in owners.tolist()]
    of_real = judge.scores(real)
    of_made = judge.scores(sets.synthetic[places(len(sets.synthetic), count)])
    share, beside = float((of_made == score).mean()), float((of_real == score).mean())
    measured = Measured(
        metric="fidelity",
        title=FIDELITY,
        between=(SYNTHETIC,),
        statistic="share",
        value=share,
        better="higher",
        bounds=(0.0, 1.0),
        number=len(of_made),
        floor=beside,
        floor_range=_range(of_real == score, patients),
    )
    accuracy = Measured(
        metric="encoder_accuracy",
        title="Accuracy of the LUS encoder",
        between=(HELD_OUT,),
        statistic="mean",
        value=record.accuracy,
        better="higher",
        bounds=(0.0, 1.0),
        number=record.held_out_patients,
        floor=record.chance,
        interval=record.accuracy_range,
    )
    if beside < LEAST:
        why = (
            f"the LUS encoder judges {beside:.0%} of held-out patients' frames of this score as "
            f"that score, less than {LEAST:.0%}"
        )
        return Fidelity(values=(accuracy,), absent={FIDELITY: why})
    judged = Judged(synthetic=_counts(of_made, record), real=_counts(of_real, record))
    return Fidelity((measured, accuracy), judged)


def _unfit(record: EncoderRecord, score: int, sets: FrameSets) -> str:
    """Why an encoder's judgement tells nothing of a score's frames; empty if it does."""
    if score not in record.scores:
        return "the LUS encoder has seen no frame of this score"
    if record.doubt:
        return f"the LUS encoder cannot judge: {record.doubt}"
    if not sets.dataset.held_out:
        return "no patient who is held out has this score, so nothing stands beside the share"
    return ""


def _range(right: NDArray[np.bool_], patients: list[str]) -> tuple[float, float] | None:
    """Range of a share with other patients, 5 to 95 %, by a bootstrap; None for few of them."""
    names, codes = np.unique(patients, return_inverse=True)
    if len(names) < MANY:
        return None
    frames, hits = np.bincount(codes), np.bincount(codes, right.astype(float))
    drawn = np.random.default_rng(SEED).integers(0, len(names), (DRAWS, len(names)))
    low, high = np.quantile(hits[drawn].sum(1) / frames[drawn].sum(1), (0.05, 0.95)).tolist()
    return low, high


def _counts(given: NDArray[np.int64], record: EncoderRecord) -> dict[int, int]:
    return {score: int((given == score).sum()) for score in record.scores}
