"""Stage 5: synthetic frames of a score, in the formats that users of them read."""

from __future__ import annotations

import io
import tempfile
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any, Literal

import numpy as np
import scipy.io
from numpy.typing import NDArray
from pydantic import Field

from lusgan_core.api import Options
from lusgan_core.domain import AREAS, SCORES
from lusgan_core.frames.shard import write_shard
from lusgan_core.generation import generate
from lusgan_core.progress import track
from lusgan_core.provenance import ArtifactRef, Manifest, digest_bytes
from lusgan_core.registry import Registry
from lusgan_core.stages.base import (
    Product,
    StageCall,
    StageContext,
    data_of,
    earlier,
    new_call,
    reference_to,
    stored,
)
from lusgan_core.stages.records import SampleSet
from lusgan_core.stages.train import Model
from lusgan_core.store import Store
from lusgan_core.training.checkpoint import load_network
from lusgan_core.training.device import pick_device
from lusgan_core.training.previews import png_bytes

CLIP_FRAMES = 60
"""Synthetic frames in one .mat file; about what a real clip has."""
MAT_TEXT = b"MATLAB 5.0 MAT-file, synthetic frames by lusgan"
MAT_TEXT_BYTES = 116
"""Length of the free text that a MAT-file starts with."""


class GenerationOptions(Options):
    """How many frames to make, and as what."""

    count: int = Field(100, ge=1, le=1_000_000, description="Synthetic frames a score")
    seed: int = Field(7, ge=0, lt=2**63, description="Seed of the noise they are made from")
    formats: tuple[Literal["png", "mat"], ...] = Field(
        ("png",),
        description="Formats beside the HDF5 file that is always written: `png`, one file a "
        "frame; `mat`, clips and score matrices in the hospital's layout",
    )
    batch_size: int = Field(
        32, ge=1, le=4096, description="Frames held in memory at once; changes no frame"
    )


def call(trained: Manifest, options: GenerationOptions, registry: Registry) -> StageCall:
    """The call for one trained model."""
    model = data_of(trained, Model)
    return new_call(
        "generate",
        label=f"generate score {model.score}",
        inputs={"generator": trained.artifacts["generator"].digest, "score": str(model.score)},
        options=options,
        arguments={"trained": trained.manifest_key},
        manifest=lambda key: (
            f"samples/score-{model.score}/{model.name}/seed-{options.seed}-{key[:8]}/manifest.json"
        ),
        plugins=(("backbone", model.generator.backbone),),
        unkeyed={"batch_size"},
        registry=registry,
    )


def run(call: StageCall, context: StageContext) -> Product:
    """Make the frames and write them in each format."""
    options = GenerationOptions.model_validate(call.options)
    trained = earlier(context, call.arguments["trained"])
    model = data_of(trained, Model)
    folder = call.manifest.rpartition("/")[0]
    device = pick_device(context.runtime.device)
    network = model.generator.build(context.registry).to(device)
    load_network(network, context.store.get(trained.artifacts["generator"].key))
    batches = generate(
        network,
        model.generator.values,
        model.generator.latent_size,
        options.seed,
        options.count,
        batch_size=options.batch_size,
    )
    formats = _Formats(context.store, folder, model.score, options)
    with tempfile.TemporaryDirectory(prefix="lusgan-") as scratch:
        path = Path(scratch) / "frames.h5"
        frames = formats.passing(call.label, batches)
        write_shard(path, frames, [model.score] * options.count, attributes={"seed": options.seed})
        context.store.put(f"{folder}/frames.h5", path)
    artifacts = formats.finish()
    artifacts["frames"] = reference_to(context.store, f"{folder}/frames.h5")
    data = SampleSet(
        score=model.score,
        model=model.name,
        folder=folder,
        frames_key=f"{folder}/frames.h5",
        count=options.count,
        seed=options.seed,
    )
    counts = {"frames": options.count}
    return Product(data, artifacts, counts, device=device.type, seed=options.seed)


class _Formats:
    """Writes frames on their way to the HDF5 file as PNG and .mat files too."""

    def __init__(self, store: Store, folder: str, score: int, options: GenerationOptions) -> None:
        self.store, self.folder, self.score, self.options = store, folder, score, options
        self._sums: list[str] = []
        self._clip: list[NDArray[np.uint8]] = []
        self._mats: dict[str, ArtifactRef] = {}

    def passing(
        self, label: str, batches: Iterable[NDArray[np.uint8]]
    ) -> Iterator[NDArray[np.uint8]]:
        """Hand on every frame of every batch, and write it in each format on the way."""
        with track(label, self.options.count, "frames") as task:
            number = 0
            for batch in batches:
                for frame in batch:
                    if "png" in self.options.formats:
                        self._png(number, frame)
                    if "mat" in self.options.formats:
                        self._clip.append(frame)
                        if len(self._clip) == CLIP_FRAMES:
                            self._mat()
                    yield frame
                    number += 1
                task.advance(len(batch))

    def finish(self) -> dict[str, ArtifactRef]:
        """Write what is left; returns the artifacts that a manifest should name."""
        found = {}
        if self._sums:
            text = "".join(self._sums).encode()
            found["png"] = stored(self.store, f"{self.folder}/png/SHA256SUMS", text)
        if self._clip:
            self._mat()
        return found | self._mats

    def _png(self, number: int, frame: NDArray[np.uint8]) -> None:
        name = f"frame-{number:06d}.png"
        data = png_bytes(frame)
        self.store.put(f"{self.folder}/png/{name}", data)
        self._sums.append(f"{digest_bytes(data)}  {name}\n")

    def _mat(self) -> None:
        """Write a clip and its score matrix, named and laid out as the hospital's are."""
        number = len(self._mats) // 2
        exam, area = 1 + number // len(AREAS), AREAS[number % len(AREAS)]
        patient = f"S{self.score}"
        name = f"{self.folder}/mat/{patient}/{exam}/convex_{patient}_{exam}_{area}"
        frames = np.stack(self._clip)
        grey = frames if frames.ndim == 3 else frames.mean(axis=3).round().astype(np.uint8)
        colour = np.repeat(grey[..., None], 3, axis=3)  # as scanners do: three equal channels
        levels = np.arange(1, max(SCORES) + 1)[:, None]
        matrix = np.repeat((self.score >= levels).astype(np.float64), len(frames), axis=1)
        for suffix, variable, value in (
            ("", "frames", colour.transpose(1, 2, 3, 0)),
            ("_score", "Score_matrix", matrix),
        ):
            ref = stored(self.store, f"{name}{suffix}.mat", _mat_bytes(variable, value))
            self._mats[f"mat/{exam}/{area}{suffix}"] = ref
        self._clip.clear()


def _mat_bytes(variable: str, value: NDArray[Any]) -> bytes:
    """A compressed version 5 MAT-file; scipy's time stamp is overwritten, so bytes repeat."""
    out = io.BytesIO()
    scipy.io.savemat(out, {variable: value}, do_compression=True)
    out.getbuffer()[:MAT_TEXT_BYTES] = MAT_TEXT.ljust(MAT_TEXT_BYTES)
    return out.getvalue()
