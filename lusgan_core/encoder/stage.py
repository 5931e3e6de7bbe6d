"""The LUS encoder: a network trained to tell the severity of training patients' frames.

It is made once a store, and pinned: its key holds how frames are made and patients split, and not
the frames, so that a new exam finds it as it is and redoes no score. Its manifest is the pin:
``lusgan encoder --renew`` deletes it, and so does a withdrawal of an exam that it saw; the next run
makes a new one. What is measured with it has its weights' digest in its key.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from importlib.util import find_spec
from typing import Literal

from pydantic import Field, model_validator

from lusgan_core.api import Options
from lusgan_core.calls.call import Product, StageCall, StageContext, data_of, new_call
from lusgan_core.calls.provenance import Manifest, digest_json
from lusgan_core.calls.section import Section
from lusgan_core.domain import SCORES, Record
from lusgan_core.errors import ConfigError, TooFewFramesError
from lusgan_core.preprocessing import stage as preprocess
from lusgan_core.preprocessing.stage import ExamShards, PreprocessingOptions
from lusgan_core.selection.splits import held_out_patients
from lusgan_core.selection.stage import (
    ClipFrames,
    ScoreDataset,
    SelectionOptions,
    score_dataset,
    told_sides,
)
from lusgan_core.weight_files import check_weights

VERSION = 1
"""Raised whenever the same call would give another result."""
FEATURES = "lus"
"""Name of its features among those of feature extractors."""
ENOUGH = 2
"""Training patients, and scores that they show, from which on there is something to learn."""

Network = Literal["none", "small", "inception_v3"]


class EncoderOptions(Options):
    """How the LUS encoder is trained."""

    network: Network = Field(
        "none",
        description="`small`: a residual network, a minute or two on a CPU core; `inception_v3`: "
        "torchvision's, for a GPU (extra `inception`); `none`: no encoder",
    )
    steps: int = Field(400, ge=1, le=1_000_000, description="Training steps")
    batch_size: int = Field(64, ge=2, le=4096, description="Frames a step")
    learning_rate: float = Field(1e-3, gt=0, le=1, description="Learning rate (AdamW)")
    frames: int = Field(
        2000, ge=2, le=1_000_000, description="Frames a score at most, spread evenly over clips"
    )
    file: str = Field(
        "",
        description="Weights that inception_v3 starts from: path of a safetensors file; empty: "
        "drawn at random",
    )
    sha256: str = Field(
        "", pattern=r"^([0-9a-fA-F]{64})?$", description="Digest of that file, 64 hex digits"
    )
    seed: int = Field(999, ge=0, lt=2**63, description="Seed of weights, batches and changes")

    @model_validator(mode="after")
    def _file_of_inception(self) -> EncoderOptions:
        if self.file and self.network != "inception_v3":
            raise ValueError(f"weights of a file are for inception_v3, not for {self.network}")
        return self


class EncoderRecord(Record):
    """A trained encoder, and how well it judges patients that it has not seen."""

    network: str
    size: int
    """Number of features of a frame."""
    side: int
    """Pixels a side to which frames are resized."""
    channels: int
    scores: tuple[int, ...]
    """Scores that it tells from each other."""
    clips: dict[int, tuple[ClipFrames, ...]]
    """Score -> clips of training patients whose frames it was trained on."""
    held_out_clips: tuple[str, ...] = ()
    """Keys of shards of held-out patients, by which it was judged."""
    confusion: tuple[tuple[int, ...], ...] = ()
    """Frames of held-out patients: a row a true score, a column a score that they were given."""
    held_out_patients: int = 0
    accuracy: float | None = None
    """Mean over scores of the share of held-out patients' frames that is judged right."""
    accuracy_range: tuple[float, float] | None = None
    """The same with other held-out patients, 5 to 95 %."""
    chance: float | None = None
    """The accuracy of always giving one score."""
    doubt: str = ""
    """Why its judgement of a frame's score is not to be relied on; empty if it is."""

    @property
    def patients(self) -> frozenset[str]:
        """Codes of the patients whose frames it was trained on."""
        return frozenset(clip.patient for clips in self.clips.values() for clip in clips)

    @property
    def seen(self) -> frozenset[str]:
        """Keys of all shards that it was trained on or judged by."""
        own = {clip.key for clips in self.clips.values() for clip in clips}
        return frozenset(own | set(self.held_out_clips))


def datasets(
    preprocessed: Sequence[Manifest],
    selection: SelectionOptions,
    told: Mapping[str, bool] | None,
) -> tuple[ScoreDataset, ...]:
    """The frames of every score, of both sides.

    Args:
        preprocessed: Manifests of the preprocessing of each exam.
        selection: How patients are split.
        told: What ``told_sides`` made of it.

    Returns:
        A data set a score.
    """
    shards = [shard for m in preprocessed for shard in data_of(m, ExamShards).shards]
    patients = {shard.patient for shard in shards}
    held_out = held_out_patients(patients, selection.held_out, selection.seed, told)
    return tuple(score_dataset(shards, score, held_out) for score in SCORES)


def check_enough(sets: Sequence[ScoreDataset]) -> None:
    """Raise TooFewFramesError where training patients are too few, or of one score."""
    scores = [one.score for one in sets if one.training]
    patients = {clip.patient for one in sets for clip in one.training}
    if min(len(scores), len(patients)) < ENOUGH:
        raise TooFewFramesError(
            f"a LUS encoder learns from {ENOUGH} training patients and {ENOUGH} scores at least, "
            f"there are {len(patients)} with {len(scores)}: add exams, or set encoder.network=none"
        )


def call(
    preprocessed: Sequence[Manifest],
    options: EncoderOptions,
    preprocessing: PreprocessingOptions,
    selection: SelectionOptions,
) -> StageCall:
    """Make the call for a store's encoder.

    Args:
        preprocessed: Manifests of the preprocessing of each exam; not part of the key.
        options: How the encoder is trained.
        preprocessing: How frames were made.
        selection: How patients are split.

    Returns:
        The call; its result is an ``EncoderRecord``.

    Raises:
        ConfigError: The file of sides cannot be used.
    """
    frames = [preprocess.VERSION, preprocessing.model_dump(mode="json")]
    told = told_sides(selection)
    # not by the lines of a file of sides: one more would make another encoder; one that saw
    # patients who are held out is not used, and that is said
    split = [selection.held_out, selection.seed, bool(told), selection.fold]
    return new_call(
        "encode",
        VERSION,
        label="LUS encoder",
        inputs={
            "frames": digest_json(frames),
            "split": digest_json(split),
        },
        options=options,
        unkeyed={"file"},  # sha256 says what is in it
        arguments={
            "preprocessed": [m.manifest_key for m in preprocessed],
            "selection": selection.model_dump(mode="json"),
            "sides": told,
        },
        manifest=lambda key: f"encoders/{key[:8]}/manifest.json",
    )


def encoder_digest(manifest: Manifest) -> str:
    """Digest of an encoder's weights and record: what depends on it has this in its key."""
    return digest_json([manifest.artifacts["encoder"].digest, manifest.data])


def check_options(options: EncoderOptions) -> None:
    """Check before a run that an encoder can be made; raises ConfigError if not."""
    if options.network == "inception_v3" and find_spec("torchvision") is None:
        raise ConfigError(
            "encoder.network=inception_v3 needs torchvision: pip install 'lusgan[inception]'"
        )
    if options.file:
        check_weights(options.file, options.sha256)


def run(call: StageCall, context: StageContext) -> Product:
    """Train the encoder, and judge it by held-out patients.

    Args:
        call: A call that ``call`` made.
        context: Store with shards, and runtime.

    Returns:
        An ``EncoderRecord``, with the weights as its artifact.

    Raises:
        TooFewFramesError: Training patients are too few, or of one score.
        ConfigError: torchvision is not installed, or the file of weights cannot be used.
        StoreError: Shards cannot be read.
    """
    from lusgan_core.encoder.training import train_encoder

    return train_encoder(call, context)


def section(record: EncoderRecord) -> Section:
    """Make the report's section on the encoder."""
    from lusgan_core.encoder.section import encoder_section

    return encoder_section(record)
