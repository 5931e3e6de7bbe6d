"""A store in a temporary folder, in which stages work on frames that are in memory.

What a stage takes from the stages before it is put there as they would have left it: shards and a
dataset for real frames, a sample set for synthetic ones, a folder for a model.
"""

from __future__ import annotations

import tempfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from lusgan_core.calls.call import (
    Product,
    StageContext,
    data_of,
    execute,
    new_call,
    reference_to,
)
from lusgan_core.calls.provenance import Manifest, digest_json
from lusgan_core.calls.runtime import Runtime
from lusgan_core.domain import ExamRecord, Record, ShardRecord
from lusgan_core.errors import InputError
from lusgan_core.generation.stage import SampleSet
from lusgan_core.library.inputs import check_labels
from lusgan_core.pipeline.runner import VERSIONS, Inline
from lusgan_core.preprocessing.stage import ExamShards
from lusgan_core.selection.stage import score_dataset
from lusgan_core.store import LocalStore
from lusgan_core.training.stage import ModelRecord

EXAM = "1"
"""The one exam of each group of frames."""


class ScratchStore(Inline):
    """Makes stage calls in a store of its own."""

    def real(
        self,
        frames: NDArray[np.uint8],
        score: int,
        groups: Sequence[Any] | NDArray[Any] | None = None,
        held_out: Sequence[bool] | NDArray[np.bool_] | None = None,
    ) -> tuple[Manifest, list[ShardRecord]]:
        """Put real frames in, a shard a group.

        Args:
            frames: (N, S, S) or (N, S, S, 3) uint8.
            score: Their severity score, 0..3.
            groups: A label a frame, of the patient that it is of; None: all are of one.
            held_out: (N,) bool, true for frames that no model was trained on; None: none is.

        Returns:
            Manifest of their dataset, and the shards' records.

        Raises:
            InputError: Labels do not fit the frames, or a group is on both sides.
        """
        codes = _codes(groups, len(frames))
        away = _sides(held_out, codes)
        shards = [
            self._shard(number, frames[codes == number], score)
            for number in range(int(codes.max()) + 1)
        ]
        names = frozenset(_patient(number) for number in np.unique(codes[away]).tolist())
        dataset = score_dataset(shards, score, names)
        manifest = self._leave(
            "select", f"datasets/score-{score}", dataset, {"real": dataset.real_digest}
        )
        return manifest, shards

    def exams(self, shards: Sequence[ShardRecord]) -> tuple[list[Manifest], list[Manifest]]:
        """Put in the records that ingestion and preprocessing leave of each group.

        Args:
            shards: The groups' shards.

        Returns:
            Manifests of ingestion, and of preprocessing.
        """
        ingested, preprocessed = [], []
        for shard in shards:
            where, inputs = shard.key.rpartition("/")[0], {"exam": shard.digest}
            exam = ExamRecord(patient=shard.patient, exam=EXAM, digest=shard.digest, clips=())
            ingested.append(self._leave("ingest", where.replace("shards", "exams"), exam, inputs))
            made = ExamShards(patient=shard.patient, exam=EXAM, shards=(shard,))
            preprocessed.append(self._leave("preprocess", where, made, inputs))
        return ingested, preprocessed

    def synthetic(self, frames: NDArray[np.uint8], score: int) -> Manifest:
        """Put synthetic frames in.

        Args:
            frames: (M, H, W) or (M, H, W, 3) uint8.
            score: Their severity score, 0..3.

        Returns:
            Manifest of their sample set.
        """
        folder = f"samples/score-{score}/given/frames"
        key = f"{folder}/frames.h5"
        self._write(key, frames, score)
        samples = SampleSet(
            score=score, model="given", folder=folder, frames_key=key, count=len(frames), seed=0
        )
        return self._leave("generate", folder, samples, {}, frames=key)

    def model(self, manifest: Manifest, files: Mapping[str, bytes]) -> None:
        """Put a model's files in, where its training had left them.

        Args:
            manifest: Manifest of the training.
            files: Content by name below the model's folder.
        """
        folder = data_of(manifest, ModelRecord).folder
        for name, data in files.items():
            self.context.store.put(f"{folder}/{name}", data)
        self.context.store.put(manifest.manifest_key, manifest.model_dump_json().encode())

    def _shard(self, number: int, frames: NDArray[np.uint8], score: int) -> ShardRecord:
        patient = _patient(number)
        key = f"shards/{patient}/{EXAM}/frames.h5"
        summary = self._write(key, frames, score)
        return ShardRecord(
            patient=patient,
            exam=EXAM,
            clip="frames",
            area=1,
            key=key,
            digest=summary.by_score[score].digest,
            frames=summary.frames,
            by_score=summary.by_score,
        )

    def _write(self, key: str, frames: NDArray[np.uint8], score: int) -> Any:
        from lusgan_core.preprocessing.shard import write_shard

        with tempfile.TemporaryDirectory(prefix="lusgan-") as folder:
            path = Path(folder) / "frames.h5"
            summary = write_shard(path, frames, [score] * len(frames), attributes={})
            self.context.store.put(key, path)
        return summary

    def _leave(
        self, stage: str, folder: str, data: Record, inputs: dict[str, str], **artifacts: str
    ) -> Manifest:
        """Write the manifest that a stage would have left with such data."""
        call = new_call(
            stage,
            VERSIONS[stage],
            label=stage,
            inputs={**inputs, "data": digest_json(data.model_dump(mode="json"))},
            options=None,
            arguments={},
            manifest=lambda key: f"{folder}/{key[:8]}.json",
        )
        store = self.context.store
        found = {name: reference_to(store, key) for name, key in artifacts.items()}
        return execute(call, self.context, lambda *_: Product(data, artifacts=found))


@contextmanager
def scratch_store(device: str = "auto", threads: int | None = None) -> Iterator[ScratchStore]:
    """Open a store in a temporary folder for the length of a block.

    Args:
        device: Where networks and metrics run: ``cpu``, ``cuda`` ...; ``auto`` takes a GPU if any.
        threads: CPU threads; None for the usual number.

    Yields:
        The store, empty.

    Raises:
        InputError: The number of threads is below 1.
    """
    if threads is not None and threads < 1:
        raise InputError(f"threads is {threads}, expected at least 1")
    with tempfile.TemporaryDirectory(prefix="lusgan-") as folder:
        runtime = Runtime(device=device, threads=threads, checkpoint_s=3600)
        yield ScratchStore(StageContext(LocalStore(Path(folder)), runtime=runtime))


def _patient(number: int) -> str:
    """Code of a group of frames; the label that it was given is kept nowhere."""
    return f"group-{number:06d}"


def _codes(groups: object, count: int) -> NDArray[np.int64]:
    """Number the groups in the order in which they come."""
    if groups is None:
        return np.zeros(count, np.int64)
    seen: dict[Any, int] = {}
    labels = check_labels(groups, count, "groups").tolist()
    return np.array([seen.setdefault(label, len(seen)) for label in labels], np.int64)


def _sides(held_out: object, codes: NDArray[np.int64]) -> NDArray[np.bool_]:
    """Which frames are held out, checked to be whole groups and not all."""
    if held_out is None:
        return np.zeros(len(codes), np.bool_)
    away = check_labels(held_out, len(codes), "held_out")
    if away.dtype != np.bool_:
        raise InputError(f"held_out is {away.dtype}, expected bool: true for frames held out")
    if away.all():
        raise InputError("held_out: every frame is held out, expected some that were trained on")
    both = sorted(set(codes[away].tolist()) & set(codes[~away].tolist()))
    if both:
        raise InputError(
            f"{len(both)} groups have frames on both sides of held_out: hold out whole patients, "
            "and give each frame's patient as groups"
        )
    return away
