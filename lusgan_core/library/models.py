"""Trains a model on frames in memory, keeps it in files, and generates from it."""

from __future__ import annotations

import csv
import io
import os
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from lusgan_core.calls.call import data_of
from lusgan_core.calls.provenance import Manifest
from lusgan_core.calls.section import Measured
from lusgan_core.domain import SCORES
from lusgan_core.errors import InputError, TooFewFramesError, TrainingError, TrainingStopped
from lusgan_core.library.inputs import (
    FrameSource,
    check_frames,
    check_number,
    check_square,
    settings,
)
from lusgan_core.library.progress import shown
from lusgan_core.library.scratch_store import scratch_store
from lusgan_core.networks.generator import GeneratorRecord
from lusgan_core.presets import DEFAULT_PRESET
from lusgan_core.progress import track
from lusgan_core.registry import installed
from lusgan_core.training.stage import ModelRecord

WEIGHTS, MANIFEST, HISTORY = "generator.safetensors", "manifest.json", "history.csv"
"""Names in a model's folder, here and in a store."""
KEPT = ("", "previews")
"""Folders below a model's folder whose files are kept with it."""
MOST = 1_000_000
"""Largest number of frames generated at once."""


@dataclass(frozen=True, repr=False, eq=False)
class Model:
    """A trained generator. ``train`` makes one, ``Model.load`` reads one."""

    weights: bytes
    """Content of its safetensors file: equal trainings have equal bytes on the CPU."""
    generator: GeneratorRecord
    """Backbone, sizes and value range: what its weights belong to."""
    manifest: Manifest | None = None
    """How it was trained; None where it was loaded from a single file."""
    files: Mapping[str, bytes] = field(default_factory=dict)
    """The training's history and previews, by name below the model's folder."""

    @property
    def image_size(self) -> int:
        """Side of the square frames that it generates, pixels."""
        return self.generator.image_size

    @property
    def score(self) -> int | None:
        """Severity score that it was trained on; None where that is not known."""
        return data_of(self.manifest, ModelRecord).score if self.manifest else None

    @property
    def values(self) -> tuple[Measured, ...]:
        """How the training ended: losses and the like; empty where that is not known."""
        return data_of(self.manifest, ModelRecord).values if self.manifest else ()

    @property
    def warnings(self) -> tuple[str, ...]:
        """What gives reason to look at the training; empty where nothing does."""
        return data_of(self.manifest, ModelRecord).warnings if self.manifest else ()

    @property
    def history(self) -> dict[str, NDArray[np.float64]]:
        """Losses, logits and learning rates by name, (iterations,) each; empty if not known."""
        if HISTORY not in self.files:
            return {}
        rows = list(csv.DictReader(io.StringIO(self.files[HISTORY].decode())))
        return {name: np.array([float(row[name]) for row in rows]) for name in rows[0]}

    def generate(
        self,
        number: int,
        *,
        seed: int = 7,
        first: int = 0,
        device: str = "auto",
        progress: bool = False,
    ) -> NDArray[np.uint8]:
        """Generate synthetic frames.

        Frame i of a seed is the same whatever else is generated, bit for bit on the CPU.

        Args:
            number: Number of frames, from 1.
            seed: Seed of the noise that they are made from.
            first: Number of the first frame, from 0.
            device: ``cpu``, ``cuda`` ...; ``auto`` takes a GPU if there is one.
            progress: Whether to show the progress on stderr.

        Returns:
            (number, S, S) uint8, or (number, S, S, 3) for a model of RGB frames.

        Raises:
            InputError: A number is out of bounds.
            UnknownPluginError: The model's backbone is not installed.
            MissingError: The device is not available.
        """
        count = check_number(number, "number", 1, MOST)
        seed = check_number(seed, "seed", 0, 2**63 - 1)
        first = check_number(first, "first", 0, 2**31)
        from lusgan_core.generation.frames import generate
        from lusgan_core.networks.device import pick_device
        from lusgan_core.networks.weights import load_network

        network = self.generator.build(installed()).to(pick_device(device))
        load_network(network, self.weights)
        size = self.generator.latent_size
        with shown(progress), track("generate", count, "frames") as task:
            batches = []
            for batch in generate(network, self.generator.values, size, seed, count, first):
                batches.append(batch)
                task.advance(len(batch))
        return np.concatenate(batches)

    def save(self, path: str | Path) -> Path:
        """Write the model.

        Args:
            path: A file that ends in ``.safetensors`` (weights and all that is needed to generate;
                replaced if it is there), or a new or empty folder (the training's history, too).

        Returns:
            The path, absolute.

        Raises:
            InputError: The folder holds something already, or is a file.
            OSError: The place cannot be written.
        """
        target = Path(path).expanduser().absolute()
        if target.suffix == ".safetensors":
            _write(target, self.weights)
            return target
        if target.exists() and (not target.is_dir() or any(target.iterdir())):
            raise InputError(
                f"{target} is there already: name a new or empty folder, or a file that ends in "
                ".safetensors"
            )
        for name, data in self.files.items():
            _write(target / name, data)
        if self.manifest is not None:
            _write(target / MANIFEST, self.manifest.model_dump_json(indent=1).encode())
        _write(target / WEIGHTS, self.weights)
        return target

    @classmethod
    def load(cls, path: str | Path) -> Model:
        """Read a model that ``save`` wrote, or that a training left in a store.

        Args:
            path: A ``.safetensors`` file, or a model's folder; in a store that is
                ``models/score-N/NAME``.

        Returns:
            The model.

        Raises:
            InputError: There is no such file or folder, or the folder holds no model.
            TrainingError: The file is damaged, or is not a generator of lusgan's.
            UnknownPluginError: The model's backbone is not installed.
        """
        place = Path(path).expanduser().absolute()
        weights = place / WEIGHTS if place.is_dir() else place
        if not weights.is_file():
            raise InputError(
                f"there is no model at {place}: expected a .safetensors file, or a folder with "
                f"{WEIGHTS}"
            )
        files: dict[str, bytes] = {}
        manifest = None
        if place.is_dir():
            files = _read_folder(place)
            manifest = _manifest(files.pop(MANIFEST, None), place)
            files.pop(WEIGHTS, None)
        return _model(weights.read_bytes(), manifest, files)

    def __repr__(self) -> str:
        """Backbone, sizes and, where it is known, how it was trained."""
        colour = "grey" if self.generator.channels == 1 else "RGB"
        said = f"{self.generator.backbone}, {self.image_size} px {colour}"
        if self.manifest:
            options, record = self.manifest.options, data_of(self.manifest, ModelRecord)
            said = (
                f"{options['loss']}, {said}, {record.iterations:,} iterations on "
                f"{record.training_frames:,} frames of score {record.score}"
            )
        return f"Model({said})"


def train(
    frames: FrameSource,
    *,
    preset: str = DEFAULT_PRESET,
    score: int = 0,
    device: str = "auto",
    threads: int | None = None,
    progress: bool = True,
    **options: Any,
) -> Model:
    """Train a generator on frames, all as if of one severity score.

    The same frames, options and versions give the same weights, bit for bit on the CPU; nothing is
    looked up from an earlier call. Nothing is kept of a training that is stopped.

    Args:
        frames: (N, S, S) or (N, S, S, 3) uint8, S being 32, 64, 128, 256 or 512, as ``preprocess``
            returns them; at least ``batch_size`` of them.
        preset: Preset that options start from: ``demo`` (a minute on two cores), ``small`` (some
            minutes) or ``paper`` (wants a GPU).
        score: Severity score of the frames, 0..3; a label, which changes no frame.
        device: ``cpu``, ``cuda`` ...; ``auto`` takes a GPU if there is one.
        threads: CPU threads; None for PyTorch's own choice.
        progress: Whether to show the progress on stderr.
        **options: Options of the training by name: ``seed``, ``iterations``, ``batch_size``,
            ``loss``, ``backbone``, ``backbone_options``, ``penalties`` ...; see
            ``lusgan_core.training.options.TrainingOptions``.

    Returns:
        The model.

    Raises:
        InputError: The frames are of another type or size, or there is no such score.
        TooFewFramesError: The frames do not fill a batch.
        ConfigError: An option or preset is unknown or out of bounds.
        UnknownPluginError: A backbone, loss or penalty is not installed.
        TrainingError: A loss or weight became NaN or infinite.
        MissingError: The device is not available.
        KeyboardInterrupt: The training was stopped.
    """
    from lusgan_core.config import resolve
    from lusgan_core.training import stage

    given = check_frames(frames)
    check_square(given)
    score = check_number(score, "score", SCORES[0], SCORES[-1])
    size, channels = given.shape[1], 3 if given.ndim == 4 else 1
    sizes = {"image_size": size, "channels": channels}
    asked = [*settings("training", options), *settings("preprocessing", sizes)]
    chosen = resolve(preset, installed(), settings=asked).training
    if len(given) < chosen.batch_size:
        raise TooFewFramesError(
            f"{len(given)} frames do not fill a batch of {chosen.batch_size}: give more frames, or "
            "a smaller batch_size"
        )
    with shown(progress), scratch_store(device, threads) as stages:
        selected, _ = stages.real(given, score)
        call = stage.call(selected, chosen, size, channels, installed())
        try:
            manifest = stages.one(call)
        except TrainingStopped:
            raise KeyboardInterrupt("the training was stopped; nothing of it is kept") from None
        store, folder = stages.context.store, stage.folder_of(call)
        names = [item.key.removeprefix(f"{folder}/") for item in store.list(f"{folder}/")]
        files = {name: store.get(f"{folder}/{name}") for name in names if _is_kept(name)}
    files.pop(MANIFEST)
    return _model(files.pop(WEIGHTS), manifest, files)


def _is_kept(name: str) -> bool:
    """Whether a file of a model's folder belongs to the model, and not to the work on it."""
    return name.rpartition("/")[0] in KEPT and name not in ("lease.json", "clips.json")


def _model(weights: bytes, manifest: Manifest | None, files: Mapping[str, bytes]) -> Model:
    from lusgan_core.networks.weights import from_bytes, load_network

    _, header = from_bytes(weights)
    try:
        record = GeneratorRecord.model_validate(header["generator"])
    except (KeyError, TypeError, ValueError):
        raise TrainingError(
            "a model file does not say what its weights belong to: it is no generator of lusgan's"
        ) from None
    load_network(record.build(installed()), weights)
    return Model(weights, record, manifest, files)


def _manifest(data: bytes | None, place: Path) -> Manifest | None:
    if data is None:
        return None
    try:
        manifest = Manifest.model_validate_json(data)
        data_of(manifest, ModelRecord)
    except ValueError as error:
        raise TrainingError(
            f"{place / MANIFEST} is damaged: load {WEIGHTS} in that folder instead"
        ) from error
    return manifest


def _read_folder(place: Path) -> dict[str, bytes]:
    paths = [path for folder in KEPT for path in sorted((place / folder).glob("*"))]
    names = [path.relative_to(place).as_posix() for path in paths if path.is_file()]
    return {name: (place / name).read_bytes() for name in names if _is_kept(name)}


def _write(path: Path, data: bytes) -> None:
    """Write a file whole or not at all."""
    path.parent.mkdir(parents=True, exist_ok=True)
    descriptor, partial = tempfile.mkstemp(dir=path.parent, prefix=".partial-")
    try:
        with os.fdopen(descriptor, "wb") as stream:
            stream.write(data)
        Path(partial).replace(path)
    except BaseException:
        Path(partial).unlink(missing_ok=True)
        raise
