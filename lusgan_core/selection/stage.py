"""Stage 3: the frames that train a score, and the patients that are held out."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

from pydantic import Field, model_validator

from lusgan_core.api import Options
from lusgan_core.calls.call import Product, StageCall, StageContext, data_of, earlier, new_call
from lusgan_core.calls.provenance import Manifest, digest_json
from lusgan_core.calls.section import FrameAt, Section
from lusgan_core.domain import Record, ShardRecord
from lusgan_core.errors import ConfigError
from lusgan_core.preprocessing.stage import ExamShards
from lusgan_core.selection.sides_file import read_sides
from lusgan_core.selection.splits import held_out_patients, validation_patients

VERSION = 1
"""Goes up when the same call would give another result."""


class SelectionOptions(Options):
    """How patients are split."""

    held_out: float = Field(
        0.2,
        ge=0,
        lt=1,
        description="Share of patients that no model trains on; 0 holds nobody out",
    )
    validation: float = Field(
        0.0,
        ge=0,
        le=0.5,
        description="Share of a score's other patients whose frames the training looks at, to keep "
        "its best weights (training.monitor), and does not train on; one at least where there are "
        "four, none where there are fewer; 0: nobody's",
    )
    seed: int = Field(999, ge=0, lt=2**63, description="Seed of the split")
    sides: str = Field(
        "",
        description=(
            "CSV file with a line a patient: patient, and side (training or held_out) or fold; "
            "held_out and seed then decide on patients alone that it does not name. Its content "
            "counts, and not its path"
        ),
    )
    fold: int | None = Field(
        None, ge=0, description="The fold that is held out, where the file of sides has folds"
    )

    @model_validator(mode="after")
    def _fold_of_a_file(self) -> SelectionOptions:
        if self.fold is not None and not self.sides:
            raise ValueError("fold needs a file of sides: name one by selection.sides")
        return self


class ClipFrames(Record):
    """The frames of one score in one clip's shard."""

    patient: str
    clip: str
    key: str
    """Key of the shard in the store."""
    frames: int
    digest: str
    """Digest of these frames alone, so that other frames of the clip may change."""


class ScoreDataset(Record):
    """All frames of one score, by the side that their patients are on."""

    score: int
    training: tuple[ClipFrames, ...]
    held_out: tuple[ClipFrames, ...]
    validation: tuple[ClipFrames, ...] = ()
    """What the training looks at and does not train on; read by no later stage."""

    @property
    def looked_at(self) -> tuple[ClipFrames, ...]:
        """What the training may look at, on whichever side."""
        return *self.training, *self.validation

    @property
    def clips(self) -> tuple[ClipFrames, ...]:
        """All clips of the score, of every side."""
        return *self.looked_at, *self.held_out

    @property
    def training_frames(self) -> int:
        """Number of frames to train on."""
        return sum(clip.frames for clip in self.training)

    @property
    def held_out_frames(self) -> int:
        """Number of frames held out."""
        return sum(clip.frames for clip in self.held_out)

    @property
    def validation_frames(self) -> int:
        """Number of frames that the training looks at."""
        return sum(clip.frames for clip in self.validation)

    @property
    def validation_digest(self) -> str:
        """Digest of the frames that the training looks at, and whose they are."""
        return digest_json([[clip.patient, clip.clip, clip.digest] for clip in self.validation])

    @property
    def frames_digest(self) -> str:
        """Digest of the frames to train on: what a training depends on."""
        return digest_json([[clip.clip, clip.digest] for clip in self.training])

    @property
    def real_digest(self) -> str:
        """Digest of the frames of both sides and their places: what an evaluation depends on."""
        sides = (self.training, self.held_out)
        return digest_json([[[clip.key, clip.digest] for clip in side] for side in sides])


def told_sides(options: SelectionOptions) -> dict[str, bool] | None:
    """Read which patients a file of the user's holds out; None where there is no such file.

    Raises:
        ConfigError: The file cannot be used.
    """
    return read_sides(Path(options.sides), options.fold) if options.sides else None


def call(
    preprocessed: Sequence[Manifest],
    score: int,
    options: SelectionOptions,
    told: Mapping[str, bool] | None = None,
    folder: str = "datasets",
) -> StageCall:
    """Make the call for one score, over the shards of all exams.

    Args:
        preprocessed: Manifests of the preprocessing of each exam.
        score: Severity score, 0..3.
        options: How patients are split.
        told: Code of each patient -> whether that patient is held out; None for what the options
            say.
        folder: Prefix of keys in the store.

    Returns:
        The call; its result is a ``ScoreDataset``.

    Raises:
        ConfigError: The file of sides cannot be used.
    """
    told = told_sides(options) if told is None else dict(told)
    sides = {} if told is None else {"sides": digest_json(sorted(told.items()))}
    return new_call(
        "select",
        VERSION,
        label=f"select frames of score {score}",
        inputs={
            "shards": digest_json(sorted(m.cache_key for m in preprocessed)),
            "score": str(score),
            **sides,
        },
        options=options,
        arguments={
            "score": score,
            "preprocessed": [m.manifest_key for m in preprocessed],
            "sides": told,
        },
        manifest=lambda key: f"{folder}/score-{score}/{key[:8]}.json",
        unkeyed={"sides", "fold"},
    )


def run(call: StageCall, context: StageContext) -> Product:
    """Select the frames of a score; the split of patients is the same for every score.

    Args:
        call: A call that ``call`` made.
        context: Names the store, where manifests are read; shards are not.

    Returns:
        A ``ScoreDataset``, with the numbers of frames on both sides.

    Raises:
        MissingArtifactError: The manifest of an exam is not in the store.
        ConfigError: The file of sides names none of the patients.
    """
    options = SelectionOptions.model_validate(call.options)
    keys = call.arguments["preprocessed"]
    exams = [data_of(earlier(context, key), ExamShards) for key in keys]
    shards = [shard for exam in exams for shard in exam.shards]
    told, patients = call.arguments.get("sides"), {shard.patient for shard in shards}
    if told is not None and patients and not patients & told.keys():
        raise ConfigError(
            f"{options.sides} names none of the {len(patients)} patients: they are called as in "
            "`lusgan check`"
        )
    held_out = held_out_patients(patients, options.held_out, options.seed, told)
    score = call.arguments["score"]
    others = (s.patient for s in shards if score in s.by_score and s.patient not in held_out)
    validation = validation_patients(others, options.validation, options.seed)
    dataset = score_dataset(shards, score, held_out, validation)
    counts = {"training": dataset.training_frames, "held_out": dataset.held_out_frames}
    if options.validation:
        counts["validation"] = dataset.validation_frames
    if told is not None:
        counts |= {"patients_told": len(patients & told.keys()), "patients": len(patients)}
    return Product(dataset, counts=counts, seed=options.seed)


def score_dataset(
    shards: Sequence[ShardRecord],
    score: int,
    held_out: frozenset[str],
    validation: frozenset[str] = frozenset(),
) -> ScoreDataset:
    """Select the frames of one score from shards, clips in the order of patient, exam and name.

    Args:
        shards: Records of all shards.
        score: Severity score, 0..3.
        held_out: Codes of the patients that no model trains on.
        validation: Codes of those that this score's training looks at and does not train on.

    Returns:
        The frames of each side, by clip; clips without frames of this score are left out.
    """
    sides: dict[str, list[ClipFrames]] = {"training": [], "validation": [], "held_out": []}
    for shard in sorted(shards, key=lambda s: (s.patient, s.exam, s.clip)):
        count = shard.by_score.get(score)
        if count is not None:
            own = "validation" if shard.patient in validation else "training"
            sides["held_out" if shard.patient in held_out else own].append(
                ClipFrames(
                    patient=shard.patient,
                    clip=shard.clip,
                    key=shard.key,
                    frames=count.frames,
                    digest=count.digest,
                )
            )
    return ScoreDataset(score=score, **{name: tuple(clips) for name, clips in sides.items()})


def frames_at(clips: Sequence[ClipFrames], score: int, most: int) -> tuple[FrameAt, ...]:
    """Choose some frames of clips, at equal distances over all of them.

    Args:
        clips: The clips, each with its number of frames of this score.
        score: Severity score of the frames, 0..3.
        most: Largest number of frames to choose.

    Returns:
        Places of the frames in the store, in the order of the clips.
    """
    every = [(clip.key, row) for clip in clips for row in range(clip.frames)]
    if len(every) > most:
        step = (len(every) - 1) / max(most - 1, 1)
        every = [every[round(step * number)] for number in range(most)]
    return tuple(FrameAt(key=key, row=row, score=score) for key, row in every)


def section(exams: Sequence[ExamShards], held_out: frozenset[str], rejected: int) -> Section:
    """Make the section on the data: how many frames of each score each patient has.

    Args:
        exams: All exams, preprocessed.
        held_out: Codes of the patients that no model trains on.
        rejected: Number of clips that could not be used.

    Returns:
        The section.
    """
    from lusgan_core.selection.section import data_section

    return data_section(exams, held_out, rejected)
