"""Everything that a plugin may import; nothing else is guaranteed to stay.

A plugin is a module (or package) that an entry point of the group ``lusgan`` names. It holds one
or more functions marked ``@hookimpl``, each returning records of one kind::

    from lusgan_core.api import Loss, hookimpl

    @hookimpl
    def register_losses():
        return [Loss(name="my_loss", description="...", discriminator=..., generator=...)]

``lusgan_core.hookspecs`` shows a whole example for every hook. A plugin may state the version of
this boundary it was written for as ``LUSGAN_API = 2``.

Shapes: B batch (images), C channels, H height, W width, D latent size, L logits per input,
P pack (images that a discriminator sees at once).
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

import pluggy
from pydantic import BaseModel, ConfigDict, Field

from lusgan_core.clips import (
    LABELS,
    Belonging,
    Clip,
    ClipObjects,
    FoundClip,
    Listing,
    Refused,
    SourceStat,
)
from lusgan_core.domain import AREAS, SCORES, UNLABELLED
from lusgan_core.errors import ClipError, ConfigError, ExamError, LusganError, MissingError
from lusgan_core.judgement import Candidate, Verdict
from lusgan_core.measured import (
    HELD_OUT,
    REAL,
    SYNTHETIC,
    TRAINING,
    Measured,
    find,
    find_distance,
)
from lusgan_core.samples import MODEL_MADE, Export, ExportFolder, Samples
from lusgan_core.weight_files import check_fit, check_weights, read_weights

if TYPE_CHECKING:
    import numpy as np
    import torch
    from numpy.typing import NDArray
    from torch import Tensor, nn

    Frame = NDArray[np.uint8]
    """(H, W) grey or (H, W, 3) colour, 0..255."""

__all__ = [
    "API_VERSION",
    "AREAS",
    "HELD_OUT",
    "LABELS",
    "MODEL_MADE",
    "REAL",
    "SCORES",
    "SYNTHETIC",
    "TRAINING",
    "UNLABELLED",
    "Augmentation",
    "Backbone",
    "Belonging",
    "Candidate",
    "Clip",
    "ClipError",
    "ClipObjects",
    "ConfigError",
    "ExamError",
    "Export",
    "ExportFolder",
    "Exporter",
    "FeatureExtractor",
    "FoundClip",
    "Gate",
    "Listing",
    "Loss",
    "LusganError",
    "Measured",
    "Metric",
    "MissingError",
    "NetworkSpec",
    "NoOptions",
    "Options",
    "PairMetric",
    "Penalty",
    "PenaltyOptions",
    "Preset",
    "Reader",
    "Refused",
    "Samples",
    "SetMetric",
    "SourceStat",
    "Step",
    "Targets",
    "Verdict",
    "check_fit",
    "check_weights",
    "find",
    "find_distance",
    "hookimpl",
    "read_weights",
]

API_VERSION = 2
"""Version of the plugin boundary. Plugins of version 1 go on working: what version 2 added has
defaults. A plugin of any other version is refused."""

hookimpl = pluggy.HookimplMarker("lusgan")
"""Marks a function of a plugin as the implementation of the hook of the same name."""


class Options(BaseModel):
    """Base of every options model: frozen, closed, and with a description for each field."""

    model_config = ConfigDict(frozen=True, extra="forbid", defer_build=True)


class NoOptions(Options):
    """For plugins without options."""


@dataclass(frozen=True)
class NetworkSpec:
    """Sizes that a network must fit; the run decides them, not the backbone.

    Raises ConfigError for a size that backbones need not support.
    """

    image_size: int
    """Side of the square images, a power of two from 32 to 512."""
    channels: int
    """1 for grey, 3 for RGB."""
    latent_size: int
    """D, the length of a noise vector."""
    pack: int
    """Images the discriminator sees at once, stacked as channels (PacGAN); 1 is the usual GAN."""
    scores: int = 0
    """Number of scores that a conditional backbone tells apart; 0 for all other backbones."""

    def __post_init__(self) -> None:
        size = self.image_size
        if not 32 <= size <= 512 or size & (size - 1):
            raise ConfigError(f"image size {size}: expected a power of two from 32 to 512")
        if self.channels not in (1, 3):
            raise ConfigError(f"{self.channels} channels: expected 1 (grey) or 3 (RGB)")
        if self.latent_size < 1 or self.pack < 1:
            raise ConfigError(
                f"latent size {self.latent_size}, pack {self.pack}: expected at least 1 of each"
            )
        if self.scores < 0:
            raise ConfigError(f"{self.scores} scores: expected 0 (not conditional) or more")


@dataclass(frozen=True)
class Backbone:
    """A pair of networks.

    ``generator(spec, options)`` returns a module from noise (B, D), standard normal, to images
    (B, C, H, W) in the model's range. ``discriminator(spec, options)`` returns a module from
    packed images (B / P, C x P, H, W) to raw logits (B / P, L).

    Those of a *conditional* backbone take scores as well: the generator noise (B, D) and scores
    (B,), the discriminator packed images and one score a pack (B / P,), for the images of a pack
    have one score. Scores are int64, 0 to ``spec.scores`` - 1.

    All that a network carries from one step to the next is in its weights and buffers: checkpoints
    hold nothing else. Weights built with ``requires_grad`` off stay as they are; two names may
    share a weight.
    """

    name: str
    description: str
    generator: Callable[[NetworkSpec, Any], nn.Module]
    discriminator: Callable[[NetworkSpec, Any], nn.Module]
    options: type[Options] = NoOptions
    pack: Annotated[int, Field(ge=1)] = 1
    """The default of ``training.pack``."""
    conditional: bool = field(default=False, kw_only=True)
    """Whether both networks take scores. A pipeline trains each score by itself and refuses such a
    backbone for now; ``lusgan_core.training`` can train it."""
    licence: str = field(default="", kw_only=True)
    """Licence of its code, and of weights that come with it, e.g. ``Apache-2.0``; the report shows
    it. Empty: not stated."""
    version: str = ""
    """Goes up when the same options would give another result. A cache key holds it; where it is
    empty, the key holds a digest of all files of the distribution's packages instead, so that any
    change of these counts."""


@dataclass(frozen=True)
class Targets:
    """The discriminator's targets for real and fake inputs, each of the shape of its logits.

    1 and 0 unless label smoothing or flipping changed them; for a generator step always 1 and 0.
    """

    real: Tensor
    fake: Tensor


@dataclass(frozen=True)
class Step:
    """What a loss is given of a step beside logits; what its ``reads`` does not name is None.

    Several processes that share a batch are each given all of it, in its order, and compute the
    same loss; gradients reach the weights through a process's own part, and are summed.
    """

    real: Tensor | None = None
    """``images``: real inputs of the discriminator, (B / P, C x P, H, W) in the model's range; None
    in a generator step where ``generator_needs_real`` is false."""
    fake: Tensor | None = None
    """``images``: synthetic ones of the same shape; in a generator step they have a gradient."""
    noise: Tensor | None = None
    """``noise``: (B, D), what ``fake`` was made from; vectors i P to i P + P - 1 made input i."""
    iteration: int | None = None
    """``iteration``: iterations done before this one, from 0."""


LossFunction = Callable[..., "Tensor"]
"""(real_logits, fake_logits, targets, options) or, where a loss reads more than that,
(real_logits, fake_logits, targets, step, options)."""


@dataclass(frozen=True)
class Loss:
    """An adversarial loss on raw logits of the whole global batch.

    ``discriminator`` and ``generator`` take (real_logits, fake_logits, targets, options), logits
    shaped (N, L), and return a scalar to minimise. ``targets`` names those it reads, of ``real``
    and ``fake``: smoothing or flipping labels that a loss ignores is refused. Where ``reads``
    names anything, both functions take (real_logits, fake_logits, targets, step, options), step
    being a ``Step``.
    """

    name: str
    description: str
    discriminator: LossFunction
    generator: LossFunction
    options: type[Options] = NoOptions
    targets: frozenset[Literal["real", "fake"]] = frozenset({"real", "fake"})
    generator_needs_real: bool = True
    """Whether the generator's loss reads real logits (relativistic losses do)."""
    reads: frozenset[Literal["images", "noise", "iteration"]] = field(
        default=frozenset(), kw_only=True
    )
    """What the functions read beside logits and targets."""
    version: str = ""
    """Goes up when the same options would give another result; see ``Backbone.version``."""


class PenaltyOptions(Options):
    """Options of every penalty."""

    weight: float = Field(1.0, ge=0, description="Factor of the penalty in the discriminator loss")
    every: int = Field(
        1, ge=1, description="Apply it every so many discriminator steps, that much stronger"
    )


@dataclass(frozen=True)
class Penalty:
    """A gradient penalty, added to any discriminator loss.

    ``value(discriminator, real, fake, rng, options)`` takes packed images (B / P, C x P, H, W) in
    the model's range and a ``torch.Generator`` for whatever is drawn by chance; it returns the
    unweighted scalar, which the training loop multiplies by ``weight``. A conditional
    discriminator comes bound to the scores of the batch, so it is called with images alone: as many
    packs as in ``real``, in the same order, or a multiple of that (``real`` and ``fake`` together).
    """

    name: str
    description: str
    value: Callable[[nn.Module, Tensor, Tensor, torch.Generator, Any], Tensor]
    options: type[PenaltyOptions] = PenaltyOptions
    version: str = ""
    """Goes up when the same options would give another result; see ``Backbone.version``."""


@dataclass(frozen=True)
class Augmentation:
    """A change of images before the discriminator sees them, of real and synthetic ones alike.

    ``apply(images, draws, options)`` takes images (B, C, H, W) whose grey levels are -1 (black) to
    1 (white), and returns as many of the same shape and type. It is differentiable, since the
    generator learns through it, and changes each image by itself. Whatever it does by chance
    follows from ``draws``, (B, ``draws``) numbers of the images' type, uniform and strictly between
    0 and 1 (``torch.special.ndtri`` makes them normal); it keeps no state and may not write to its
    inputs.

    The training decides which images are changed: each with a probability, the strength, that is
    the same for all augmentations and may follow the discriminator's advantage. So a change that is
    to leave the data's distribution as it is at full strength, such as a reflection, leaves
    half of the images alone by itself.
    """

    name: str
    description: str
    apply: Callable[[Tensor, Tensor, Any], Tensor]
    draws: Annotated[int, Field(ge=0, le=1000)] = 1
    """Numbers that it is given an image."""
    options: type[Options] = NoOptions
    version: str = ""
    """Goes up when the same options would give another result; see ``Backbone.version``."""


@dataclass(frozen=True)
class PairMetric:
    """A measure of how alike two frames are.

    ``value(a, b)`` on two uint8 frames of equal shape is enough; it returns a real number. Frames
    are read-only, because other metrics get the same ones. A metric that can share work between
    pairs also gives ``prepare`` (frames (N, H, W) or (N, H, W, 3) uint8 -> anything) and
    ``compare`` (two prepared sets -> (N, M) float64); the built-in ones name a ``kernel`` of the
    all-pairs engine instead, which must give what ``value`` gives.

    Where ``options`` is not ``NoOptions``, each of the three functions gets the options as its last
    argument; where ``uses_device`` is set, it also gets the keyword ``device``, a device of torch
    such as ``cpu`` or ``cuda:1``.

    ``prepare`` gets a few frames at a time, 16 or fewer, and each frame once, as long as what it
    returns takes less than 256 MB for the whole comparison; beyond that as often as there are
    blocks of 1,024 or fewer second frames. What it returns must not be changed by ``compare``.
    """

    name: str
    title: str
    """As shown in tables, e.g. ``MS-SSIM``."""
    description: str
    better: Literal["higher", "lower"]
    """Which direction means more alike."""
    identical: float
    """Its value for two identical frames; NaN where that depends on the frame."""
    value: Callable[..., float]
    unit: str = ""
    bounds: tuple[float, float] = (float("-inf"), float("inf"))
    symmetric: bool = True
    min_size: Annotated[int, Field(ge=1)] = 1
    """Smallest side of a frame, pixels; below, the metric is absent."""
    channels: Annotated[frozenset[Literal[1, 3]], Field(min_length=1)] = frozenset({1, 3})
    """Channel counts it applies to."""
    prepare: Callable[..., Any] | None = None
    compare: Callable[..., NDArray[np.float64]] | None = None
    kernel: str | None = None
    options: type[Options] = NoOptions
    uses_device: bool = False
    version: str = ""
    """Goes up when the same options would give another result; see ``Backbone.version``."""

    @property
    def target(self) -> float | None:
        """The value that the most alike pairs are nearest to, where values can go beyond it.

        None where ``better`` alone says which pairs are more alike.
        """
        furthest = self.bounds[1] if self.better == "higher" else self.bounds[0]
        return (
            self.identical if math.isfinite(self.identical) and furthest != self.identical else None
        )

    @property
    def more_alike(self) -> str:
        """Which values mean more alike, in words: ``higher``, ``lower`` or ``nearer to 1``."""
        return self.better if self.target is None else f"nearer to {self.target:g}"


@dataclass(frozen=True)
class SetMetric:
    """A measure of how alike two sets of frames are, from their features.

    ``value(features_a, features_b)`` takes (N, D) and (M, D) float64 arrays, of which neither may
    be written to. Where ``options`` is not ``NoOptions`` it gets the options as its last argument;
    where ``uses_device`` is set, also the keyword ``device``, as pair metrics do.

    Frames of one patient, or of one clip, are no independent draws. A metric that leaves pairs of
    them out names what they share as ``grouped_by``: it is called as ``value(features_a,
    features_b, groups_a, groups_b)``, with an integer for each frame, (N,) and (M,), that frames of
    one patient (or clip) share. Every synthetic frame is a group of its own, and a set of real
    frames has two groups at least.

    The first set is the real one that the second is held against. The evaluation takes the value of
    held-out real frames and synthetic ones, and sets beside it, at equal counts, the value of the
    same held-out frames and training ones (the floor), and of frames that are known to be bad.
    """

    name: str
    title: str
    description: str
    better: Literal["higher", "lower"]
    identical: float
    """Its value for two identical sets; NaN where that depends on the set."""
    value: Callable[..., float]
    unit: str = ""
    bounds: tuple[float, float] = (float("-inf"), float("inf"))
    features: tuple[str, ...] = ()
    """Feature extractors that it is defined on; empty: those of ``evaluation.features``."""
    min_frames: Annotated[int, Field(ge=1)] = 2
    """Smallest number of frames a side; below, the metric is absent."""
    options: type[Options] = NoOptions
    uses_device: bool = False
    version: str = ""
    """Goes up when the same options would give another result; see ``Backbone.version``."""
    grouped_by: Literal["", "patient", "clip"] = field(default="", kw_only=True)
    """What frames share of which it leaves pairs out; empty: it takes no groups."""


Metric = PairMetric | SetMetric


@dataclass(frozen=True)
class FeatureExtractor:
    """Turns frames into vectors of features, which set metrics compare.

    ``build(device)`` returns a function from frames, (N, H, W) grey or (N, H, W, 3) colour, uint8,
    to features (N, D) float32; where ``options`` is not ``NoOptions`` it is
    ``build(device, options)``. ``device`` is a device of torch such as ``cpu`` or ``cuda:1``. The
    features of a frame depend on that frame alone: not on the frames beside it, nor on chance. The
    frames may not be written to.
    """

    name: str
    description: str
    build: Callable[..., Callable[[NDArray[np.uint8]], NDArray[np.float32]]]
    licence: str
    """Licence of its code and weights, e.g. ``Apache-2.0``; the report shows it."""
    size: Annotated[int, Field(ge=1)]
    """D, the number of features of a frame."""
    min_size: Annotated[int, Field(ge=1)] = 1
    """Smallest side of a frame, pixels."""
    weights: Callable[[], Sequence[Path]] | None = None
    """Returns the files of weights that it loads, if any; their content is part of cache keys."""
    options: type[Options] = NoOptions
    version: str = ""
    """Goes up when the same options would give another result; see ``Backbone.version``."""
    check: Callable[[Any], None] | None = None
    """Takes the options before a run, and raises ConfigError where what they name cannot be used,
    so that a file that is missing is found before hours of training. None: nothing to check."""


@dataclass(frozen=True)
class Reader:
    """A reader of exams: which objects of a source are clips, and what is in a clip.

    ``find(listing)`` goes through all objects of a source and yields a ``FoundClip`` for each clip,
    a ``Refused`` for each object that looks like one and cannot be used, and a ``Belonging`` for
    each that it read besides; what it yields nothing for is left to other readers. Two readers that
    yield the same object are an error. An ``ExamError`` says that the source cannot be used at all.

    ``open(objects)`` opens one clip, as a context manager that closes all that it opened. Opening
    reads the header alone. It may be called in several threads at once, and in another process than
    ``find``. Both get a trailing ``options`` where the options model is not ``NoOptions``.

    A ``ClipError``, from ``open`` or while frames or scores are read, rejects the clip; its text is
    shown as the reason and names no patient and no path. Any other error rejects the clip too, and
    is told with the name of the plugin.
    """

    name: str
    description: str
    layout: str
    """How clips must lie in a source, as told where none is found: ``clips at PATIENT/...``."""
    find: Callable[..., Iterable[FoundClip | Refused | Belonging]]
    open: Callable[..., AbstractContextManager[Clip]]
    options: type[Options] = NoOptions
    version: str = ""
    """Goes up when the same options would give another result; see ``Backbone.version``."""


@dataclass(frozen=True)
class Gate:
    """A requirement that a model has to meet before it becomes the current one of its score.

    ``check(candidate, current, options)`` takes a ``Candidate`` and the score's current model (None
    if there is none, or it was never evaluated) and returns a ``Verdict``. It decides by these
    alone. What it cannot measure it does not hold back: it returns ``Verdict.not_measured(why)``.
    """

    name: str
    description: str
    check: Callable[[Candidate, Candidate | None, Any], Verdict]
    options: type[Options] = NoOptions
    needs: tuple[str, ...] = ()
    """Metrics of which at least one must be evaluated, or the gate has nothing to measure; a run
    that names the gate and evaluates none of them is refused. ``likeness`` stands for the metric by
    which frames are called alike. Empty: it needs none."""
    version: str = ""
    """Goes up when the same options would give another result; see ``Backbone.version``."""


@dataclass(frozen=True)
class Preset:
    """A named starting point of a run's options.

    It enters no cache key: only the options that it sets do.
    """

    name: str
    description: str
    settings: Mapping[str, Any]
    """Nested as in a file of options, e.g. ``{"training": {"loss": "SGAN"}}``; JSON. What is not
    named keeps its default, or the value of the preset that it is based on."""
    deviations: tuple[str, ...] = ()
    """Where it departs from the work that it follows, a sentence each, for the report."""
    based_on: str = ""
    """Name of the preset that it starts from; its deviations come first in the report."""
    version: str = ""
    """Goes up when the settings change; for readers alone."""
    wants_gpu: bool = False
    """Whether it takes hours without a GPU: a run without one says so first, and names presets that
    want none."""


@dataclass(frozen=True)
class Exporter:
    """A file format of synthetic frames, beside the HDF5 file that is always written.

    ``open(folder, samples, options)`` takes an ``ExportFolder`` and the ``Samples`` that are to
    come, and returns an ``Export``. The same frames must give the same bytes: no time stamps, no
    state kept from one export to the next. Every file says that its frames are synthetic, unless
    ``samples.synthetic`` is false: `lusgan export --include-real` hands real frames out, too.
    """

    name: str
    """Also that of its folder and in ``generation.formats``."""
    description: str
    open: Callable[[ExportFolder, Samples, Any], Export]
    options: type[Options] = NoOptions
    file_per_frame: bool = False
    """Whether it writes a file a frame; the run's record then names the list of their digests,
    ``SHA256SUMS``, which is written into the folder, instead of each file. The first names that
    ``finish`` returns are those of the frames, in their order."""
    score_folders: bool = True
    """Whether `lusgan export` gives the files of each score a folder of their own, ``score-2``, as
    ImageFolder and the like expect; False where the format's own layout tells scores apart."""
    version: str = ""
    """Goes up when the same options would give another result; see ``Backbone.version``."""
