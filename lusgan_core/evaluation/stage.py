"""Stage 6: compares a score's synthetic frames with each other and with real ones."""

from __future__ import annotations

from pydantic import Field

from lusgan_core.api import Options
from lusgan_core.calls.call import Product, StageCall, StageContext, data_of, new_call
from lusgan_core.calls.options_by_plugin import OptionsByPlugin
from lusgan_core.calls.provenance import Manifest
from lusgan_core.calls.section import Distribution, Measured, Section
from lusgan_core.domain import Record
from lusgan_core.encoder.stage import FEATURES, encoder_digest
from lusgan_core.evaluation.audit.record import AuditRecord
from lusgan_core.evaluation.real_frame import RealFrame as RealFrame
from lusgan_core.generation.stage import SampleSet
from lusgan_core.registry import Registry
from lusgan_core.selection.stage import ScoreDataset

VERSION = 4
"""Raised whenever the same call would give another result."""


OTHER = "score"
"""How the ceilings of real frames of other scores are named, each with its score."""
FIDELITY = "Score fidelity"
"""Under which an evaluation's record says why it was not measured."""
ENCODER = "LUS encoder"
"""Under which it says why the store's encoder is not used."""
FIRST_SYNTHETIC = "first synthetic"
"""Side of the values of the report's Table 1: the first synthetic frame."""


class EvaluationOptions(Options):
    """What is compared, and how much of it."""

    metrics: tuple[str, ...] = Field(
        (),
        description="Metrics on pairs of frames, and on sets of them; empty: every one that is "
        "installed, of which those that fail are left out",
    )
    metric_options: OptionsByPlugin = Field(
        default_factory=dict, description="Options of metrics that have some, by the metric's name"
    )
    likeness: str | None = Field(
        None,
        description="Metric on pairs by which frames are called alike: for nearest pairs, the "
        "table of the first frame, and the gates. Empty: MS-SSIM where it applies, else SSIM",
    )
    features: tuple[str, ...] = Field(
        ("lite0", "random"),
        min_length=1,
        description="Feature extractors on whose features sets of frames are compared",
    )
    feature_options: OptionsByPlugin = Field(
        default_factory=dict,
        description="Options of feature extractors that have some, by the extractor's name",
    )
    distance_frames: int = Field(
        1000,
        ge=2,
        le=100_000,
        description="Largest number of frames a side of a distance between sets, spread evenly "
        "over all of them",
    )
    real_frames: int | None = Field(
        None,
        ge=2,
        description="Real frames a score to compare with synthetic ones, spread evenly over clips; "
        "training and held-out patients have as many as their share. Empty: all",
    )
    synthetic_frames: int | None = Field(
        None,
        ge=2,
        description="Synthetic frames a score to compare, from the first on. Empty: all",
    )
    among_frames: int = Field(
        200,
        ge=2,
        le=100_000,
        description="Frames a score to compare with each other: synthetic ones, and real ones of "
        "different clips, which say what the values are to be held against",
    )
    audit_frames: int = Field(
        500,
        ge=0,
        le=100_000,
        description="Synthetic frames a score that the memorisation audit looks at, and frames of "
        "patients that it has not seen, as many at most; 0 leaves the audit out",
    )
    audit_copies: int = Field(
        50,
        ge=10,
        le=10_000,
        description="Planted copies a kind on which the audit measures its own sensitivity",
    )
    audit_features: str | None = Field(
        None,
        description="Feature extractor of the memorisation audit; it must not have seen training "
        "patients. Empty: lite0, or else random",
    )
    compat: str = Field("0.4.10", description="Version of sewar whose values the metrics give")


class NearestReal(Record):
    """The real frame that is most similar to a synthetic one."""

    synthetic: int
    value: float
    real: RealFrame


class Judged(Record):
    """How many frames the LUS encoder gives each score."""

    synthetic: dict[int, int]
    real: dict[int, int]
    """The same of held-out patients' frames."""


class EvaluationRecord(Record):
    """The measurements of one score."""

    score: int
    samples: str
    """Key of the file of synthetic frames."""
    training: int
    """Real frames of training patients that were compared with synthetic ones."""
    held_out: int
    """Real frames of held-out patients that were compared with synthetic ones."""
    synthetic: int
    among: int
    """Real frames compared with each other."""
    likeness: str | None
    """Name of the metric by which nearest frames are found; None where none applies."""
    values: tuple[Measured, ...]
    distributions: tuple[Distribution, ...]
    absent: dict[str, str]
    """Title of a metric that does not apply, or that nobody named and that failed -> why."""
    nearest: tuple[NearestReal, ...]
    """One for each synthetic frame."""
    nearest_training: tuple[float, ...]
    """Each synthetic frame's best value with frames of training patients."""
    nearest_held_out: tuple[float, ...]
    """The same with frames of held-out patients; empty if no patient is held out."""
    engine: str
    pairs: int
    identical: float = 1.0
    """The likeness of identical frames, from which distances are counted."""
    features: tuple[str, ...] = ()
    """The feature extractors that were used, by name and eight digits of what they compute."""
    audit: AuditRecord | None = None
    """The memorisation audit; ``absent`` says why where there is none."""
    judged: Judged | None = None
    """What the LUS encoder makes of the frames; None where it does not judge them."""
    encoder: str = ""
    """Eight digits of the LUS encoder that was used; empty if there was none."""

    def distance(self, value: float) -> float:
        """How far two frames are apart that are so much alike; 0 for identical ones."""
        return abs(self.identical - value)


def by_encoder(value: Measured) -> bool:
    """Whether a value was measured with the LUS encoder, so that another one gives another."""
    return value.metric.endswith(f"/{FEATURES}") or value.metric in ("fidelity", "encoder_accuracy")


def call(
    selected: Manifest,
    generated: Manifest,
    options: EvaluationOptions,
    registry: Registry,
    encoder: Manifest | None = None,
) -> StageCall:
    """Make the call that evaluates one score's samples.

    Args:
        selected: Manifest of the selection of the score's real frames.
        generated: Manifest of the generation of its synthetic frames.
        options: Options of the evaluation.
        registry: Registry that identifies metrics and feature extractors for the cache key.
        encoder: Manifest of the store's LUS encoder; None without one.

    Returns:
        The call, for ``run``.

    Raises:
        UnknownPluginError: A metric or feature extractor that is named is not installed.
    """
    from lusgan_core.evaluation.choice import choose

    dataset, samples = data_of(selected, ScoreDataset), data_of(generated, SampleSet)
    made = {} if encoder is None else {"encoder": encoder_digest(encoder)}
    named = {} if encoder is None else {"encoder": encoder.manifest_key}
    return new_call(
        "evaluate",
        VERSION,
        label=f"evaluate score {samples.score}",
        inputs={
            "samples": generated.artifacts["frames"].digest,
            "real": dataset.real_digest,
            **made,
        },
        options=options,
        arguments={
            "selected": selected.manifest_key,
            "generated": generated.manifest_key,
            **named,
        },
        manifest=lambda key: (
            f"evaluations/score-{samples.score}/{samples.model}/{key[:8]}/manifest.json"
        ),
        plugins=choose(options, registry).plugins,
        registry=registry,
    )


def run(call: StageCall, context: StageContext) -> Product:
    """Compare synthetic frames with each other, with real ones, and real ones with each other.

    Args:
        call: A call that ``call`` made.
        context: Store, registry and runtime.

    Returns:
        An ``EvaluationRecord`` with its artifact; see ``evaluate_score`` for errors.
    """
    from lusgan_core.evaluation.score import evaluate_score

    return evaluate_score(call, context)


def section(manifest: Manifest) -> Section:
    """Make the report's section on a score's evaluation."""
    from lusgan_core.evaluation.section import evaluation_section

    named = manifest.options.get("likeness") is not None
    return evaluation_section(data_of(manifest, EvaluationRecord), likeness_named=named)
