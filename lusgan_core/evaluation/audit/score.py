"""Audits the sample set of one score, on frames and features of a store."""

from __future__ import annotations

import hashlib
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from lusgan_core.api import PairMetric
from lusgan_core.calls.call import StageContext
from lusgan_core.errors import LusganError, PluginError
from lusgan_core.evaluation.audit.compare import Measures, Part, audit
from lusgan_core.evaluation.audit.ratios import merge_patients
from lusgan_core.evaluation.audit.record import AuditRecord
from lusgan_core.evaluation.choice import identical_likeness
from lusgan_core.evaluation.feature_store import FeatureStore
from lusgan_core.evaluation.real_frame import RealFrame
from lusgan_core.evaluation.sides import FrameSets
from lusgan_core.evaluation.stage import EvaluationOptions
from lusgan_core.measures.features import build_extractor
from lusgan_core.measures.pairs.compare import compare_sets
from lusgan_core.measures.pairs.frameset import FrameSet
from lusgan_core.measures.sides import places
from lusgan_core.progress import track

TITLE = "Memorisation audit"
"""Under which an evaluation's record says why there is no audit."""
Frames = NDArray[np.uint8]
Floats = NDArray[np.float64]


class NoAuditError(LusganError):
    """There is nothing to audit by; the message says what is lacking."""


@dataclass(frozen=True)
class Audited:
    """What is audited, and by what."""

    sets: FrameSets
    training: Frames
    """Frames of training patients, in the order of ``sets``."""
    held_out: Frames
    """Frames of held-out patients, in the order of ``sets``."""
    extractor: str | None
    """Name of the feature extractor; None if none is installed."""
    likeness: PairMetric | None
    """The metric on pairs of frames, ready for use; None if none applies."""


def try_audit(
    context: StageContext,
    options: EvaluationOptions,
    audited: Audited,
    device: str,
    label: str,
) -> tuple[AuditRecord | None, dict[str, str]]:
    """Audit a sample set, if that is possible; see ``audit_samples``.

    Args:
        context: Store with shards and features, and the registry.
        options: Options of the evaluation.
        audited: The frames, and by what they are audited.
        device: Device of torch.
        label: Text for progress bars.

    Returns:
        What was found, or None and ``TITLE`` with the reason.
    """
    try:
        return audit_samples(context, options, audited, device, label), {}
    except NoAuditError as error:
        return None, {TITLE: str(error)}


def audit_samples(
    context: StageContext,
    options: EvaluationOptions,
    audited: Audited,
    device: str,
    label: str,
) -> AuditRecord:
    """Audit a sample set.

    Args:
        context: Store with shards and features, and the registry.
        options: Options of the evaluation.
        audited: The frames, and by what they are audited.
        device: Device of torch.
        label: Text for progress bars.

    Returns:
        What was found.

    Raises:
        NoAuditError: The options switch the audit off, or patients or measures are lacking.
        StoreError: Shards or features cannot be read or written.
    """
    _check_measures(options, audited, context)
    sets, most, name = audited.sets, options.audit_frames, audited.extractor or ""
    codes = _codes(audited)
    trained = {codes[place.patient] for place in sets.training}
    held_out = [n for n, p in enumerate(sets.held_out) if codes[p.patient] not in trained]
    _check_patients(len(trained), len(held_out), sets)
    chosen = np.array(held_out)[places(len(held_out), most)]
    given = options.feature_options.get(name, {})
    kept = FeatureStore(context.store, context.registry, name, given, device)
    try:
        extract = build_extractor(kept.record, given, device)
        training = _real(kept, audited, codes, np.arange(len(sets.training)), label, False)
        strangers = _real(kept, audited, codes, chosen, label, True)
        synthetic = sets.synthetic[:most]
        made = kept.of_samples(sets.samples, sets.samples_digest, synthetic).astype(np.float64)
        found = audit(
            training,
            strangers,
            Part(synthetic, made),
            Measures(
                lambda frames: extract(frames).astype(np.float64),
                _Dissimilarity(context, options, audited, device, label),
                kept.tag,
                audited.likeness.title if audited.likeness else "",
            ),
            copies=options.audit_copies,
            most=most,
        )
    except PluginError as error:
        raise NoAuditError(str(error)) from error
    shared = sum(list(codes.values()).count(code) > 1 for code in codes.values())
    return found.model_copy(update={"shared": shared})


def _check_measures(options: EvaluationOptions, audited: Audited, context: StageContext) -> None:
    """Raise NoAuditError where the audit is off, or there is nothing to measure by."""
    if options.audit_frames == 0:
        raise NoAuditError("evaluation.audit_frames is 0, which switches it off")
    if audited.extractor is None:
        raise NoAuditError("no feature extractor is installed for it")
    if audited.likeness is None:
        raise NoAuditError("it takes SSIM or MS-SSIM; add ssim to evaluation.metrics")
    least = context.registry.feature(audited.extractor).min_size
    height, width = audited.sets.synthetic.shape[1:3]
    if min(height, width) < least:
        raise NoAuditError(
            f"{audited.extractor} needs {least} pixels a side, frames are {height} x {width}"
        )


def _check_patients(trained: int, held_out_frames: int, sets: FrameSets) -> None:
    """Raise NoAuditError where too few patients have frames of the score."""
    if not sets.held_out:
        raise NoAuditError(
            "no patient who is held out has this score, so nothing says how alike frames of "
            "different patients are; raise selection.held_out, or add exams"
        )
    if not held_out_frames:
        raise NoAuditError(
            "every held-out patient shares a clip with a training patient: look for exams that are "
            "there under two codes"
        )
    if trained < 2:
        raise NoAuditError("it takes frames of two training patients, there is one")


def _codes(audited: Audited) -> dict[str, str]:
    """Each patient's code -> one code for all patients who share a clip or a frame with another."""
    sets = audited.sets
    clips = (*sets.dataset.training, *sets.dataset.held_out)
    marks = [(clip.patient, {clip.digest}) for clip in clips]
    for side, frames in ((sets.training, audited.training), (sets.held_out, audited.held_out)):
        for place, frame in zip(side, frames, strict=True):
            if np.ptp(frame):  # a plain frame is nobody's
                marks.append((place.patient, {hashlib.sha256(frame.tobytes()).hexdigest()}))
    return merge_patients(marks)


def _real(
    kept: FeatureStore,
    audited: Audited,
    codes: dict[str, str],
    chosen: NDArray[np.int64],
    label: str,
    held_out: bool,
) -> Part:
    """Real frames of one side with their features; those of a clip are read once."""
    sets = audited.sets
    clips = sets.dataset.held_out if held_out else sets.dataset.training
    places: Sequence[RealFrame] = sets.held_out if held_out else sets.training
    places = [places[number] for number in chosen.tolist()]
    by_key = {clip.key: clip for clip in clips}
    features: dict[str, NDArray[np.float32]] = {}
    shards = list(dict.fromkeys(place.shard for place in places))
    with track(f"{label}: audit, {kept.name} features", len(shards), "clips") as task:
        for shard in shards:
            features[shard] = kept.of_clip(by_key[shard], sets.dataset.score)
            task.advance()
    frames = audited.held_out if held_out else audited.training
    return Part(
        frames[chosen],
        np.array([features[place.shard][place.frame] for place in places], np.float64),
        tuple(place.model_copy(update={"patient": codes[place.patient]}) for place in places),
    )


@dataclass(frozen=True)
class _Dissimilarity:
    """How unlike frames are to all training frames, by the metric on pairs."""

    context: StageContext
    options: EvaluationOptions
    audited: Audited
    device: str
    label: str

    def __call__(self, frames: Frames) -> Floats:
        """Compute it for frames (M, H, W[, 3]): (M, N)."""
        metric, runtime = self.audited.likeness, self.context.runtime
        assert metric is not None  # checked before
        label = f"{self.label}: audit, {metric.title}"
        with tempfile.TemporaryDirectory() as folder, track(label, 0, "pairs") as task:

            def progress(done: int, total: int) -> None:
                task.total = total
                task.update(done)

            found = compare_sets(
                FrameSet(self.audited.training),
                FrameSet(frames),
                [metric],
                top=1,
                matrix=Path(folder),
                device=self.device,
                threads=runtime.threads,
                compat=self.options.compat,
                progress=progress,
            ).metrics[metric.name]
            assert found.matrix is not None
            values: Floats = np.load(found.matrix)
        return np.abs(identical_likeness(metric) - values.T)
