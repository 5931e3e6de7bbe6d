"""Usefulness: do synthetic frames help a classifier of severity on patients that it has not seen?

A *study* puts patients into folds. Each fold's GANs are trained on the other folds' patients alone,
classifiers are trained on the same patients, with and without synthetic frames, and every patient
is judged once a seed, by classifiers and GANs that have not seen them. This stage compares the
arms.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

from pydantic import Field, field_validator

from lusgan_core.api import Options
from lusgan_core.calls.call import Product, StageCall, StageContext, new_call
from lusgan_core.calls.provenance import Manifest, digest_json
from lusgan_core.calls.section import Measured, Section
from lusgan_core.classification.stage import TITLES, Arm, ClassifierOptions
from lusgan_core.domain import Record

VERSION = 1
"""Goes up when the same call would give another result."""
FOLDER = "studies/"

Verdict = Literal["helps", "does not help", "harms", "cannot tell"]


class UsefulnessOptions(ClassifierOptions):
    """How a study is made."""

    folds: int = Field(
        5, ge=2, le=100, description="Folds by patient; each trains GANs and classifiers of its own"
    )
    seeds: int = Field(
        1,
        ge=1,
        le=100,
        description="Classifiers of each arm and fold, each with a seed of its own; a fold's GANs "
        "are trained once",
    )
    seed: int = Field(999, ge=0, lt=2**62, description="Seed of the folds, and the first of these")
    arms: tuple[Arm, ...] = Field(
        tuple(TITLES),
        description="What classifiers are trained on; `real` is what the others are compared with",
    )
    worth: float = Field(
        0.05,
        gt=0,
        le=1,
        description="Gain of macro-F1 that would be worth having: where the interval excludes it, "
        "the verdict is that synthetic frames do not help",
    )

    @field_validator("arms")
    @classmethod
    def _arms_in_order(cls, arms: tuple[Arm, ...]) -> tuple[Arm, ...]:
        if "real" not in arms:
            raise ValueError("the arm `real` is missing, with which the others are compared")
        return tuple(arm for arm in TITLES if arm in arms)


class Raters(Record):
    """The agreement of two raters of these clips."""

    names: tuple[str, str]
    clips: int
    """Clips, or stretches of frames, that both scored."""
    kappa: float | None


class ArmRecord(Record):
    """One arm of a study, as it was measured."""

    arm: Arm
    title: str
    real: tuple[int, int]
    """Real frames that its classifiers were trained on: fewest and most of the folds."""
    synthetic: tuple[int, int]
    values: tuple[Measured, ...]
    """``macro_f1``, ``recall/SCORE``, ``kappa``, ``ece``, each with its interval over patients."""
    differences: tuple[Measured, ...] = ()
    """The same less the arm ``real``, patient by patient; none for that arm."""


class StudyRecord(Record):
    """What a study found."""

    verdict: Verdict
    text: str
    """The verdict in a sentence or two, with the numbers that it rests on."""
    decisive: str = ""
    """The arm on which it rests; empty where there is none."""
    scores: tuple[int, ...]
    minority: int
    """The score with the fewest real frames."""
    folds: int
    seeds: int
    patients: int
    frames: int
    """Held-out frames that were judged, of all folds."""
    arms: tuple[ArmRecord, ...]
    raters: tuple[Raters, ...] = ()
    notes: tuple[str, ...] = ()
    """What could not be done, and how the study went on."""
    configuration: str = ""
    """Digest of how its frames were made and its GANs trained, see ``configuration``."""


def configuration(preprocessing: Options, training: Options) -> str:
    """Digest of what a study of one configuration says something about.

    Args:
        preprocessing: How frames are made.
        training: How GANs are trained.

    Returns:
        64 hex digits.
    """
    return digest_json([preprocessing.model_dump(mode="json"), training.model_dump(mode="json")])


def call(
    judged: Sequence[Manifest],
    options: UsefulnessOptions,
    *,
    configuration: str,
    raters: Sequence[Raters],
    notes: Sequence[str],
    folder: str,
) -> StageCall:
    """Make the call that compares the arms of a study.

    Args:
        judged: Manifests of all its classifiers.
        options: How it was made.
        configuration: Digest of how frames were made and GANs trained.
        raters: How far raters of these clips agree.
        notes: What could not be done.
        folder: Prefix of keys in the store.

    Returns:
        The call; its result is a ``StudyRecord``.
    """
    told = {"raters": [one.model_dump(mode="json") for one in raters], "notes": list(notes)}
    return new_call(
        "useful",
        VERSION,
        label="usefulness",
        inputs={
            "judged": digest_json(sorted(m.cache_key for m in judged)),
            "configuration": configuration,
            "told": digest_json(told),
        },
        options=options,
        arguments={"judged": [m.manifest_key for m in judged], **told},
        manifest=lambda key: f"{folder}/{key[:8]}/manifest.json",
    )


def run(call: StageCall, context: StageContext) -> Product:
    """Compare the arms of a study.

    Args:
        call: A call that ``call`` made.
        context: Store with the judgements.

    Returns:
        A ``StudyRecord``, with its table as CSV and JSON.

    Raises:
        DamagedError: A judgement is damaged.
        MissingArtifactError: One is missing.
    """
    from lusgan_core.usefulness.study import compare

    return compare(call, context)


def section(record: StudyRecord) -> Section:
    """Make the report's section on a study."""
    from lusgan_core.usefulness.section import study_section

    return study_section(record)


def claims(record: StudyRecord, score: int) -> Section:
    """Make the part of a score's page that says whether its frames help.

    Args:
        record: The study.
        score: Severity score of the page.

    Returns:
        A section with one claim.
    """
    from lusgan_core.usefulness.section import score_section

    return score_section(record, score)
