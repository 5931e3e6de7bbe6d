"""The parts of a data set: frames of one score on one side, read from the store one by one.

Shapes: S side of a square frame.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from lusgan_core.api import Samples
from lusgan_core.calls.call import data_of
from lusgan_core.calls.provenance import ArtifactRef, Manifest
from lusgan_core.calls.records import whole_file
from lusgan_core.exporting.record import TEST, TRAIN, PartRecord
from lusgan_core.generation.stage import SampleSet
from lusgan_core.preprocessing.shard import each_frame
from lusgan_core.selection.stage import ClipFrames, ScoreDataset
from lusgan_core.store import Store


@dataclass(frozen=True)
class Part:
    """Frames of one score on one side, all real or all of one model."""

    samples: Samples
    """What an exporter is told of them."""
    clips: tuple[ClipFrames, ...] = ()
    """Where real frames are."""
    file: ArtifactRef | None = None
    """Where synthetic frames are: the HDF5 file of a sample set."""
    state: str = ""
    why: str = ""
    folder: str = field(default="", compare=False)
    """The model's folder in the store."""

    @property
    def record(self) -> PartRecord:
        """What is written down of it."""
        told = self.samples
        return PartRecord(
            side=told.side,
            score=told.score,
            count=told.count,
            synthetic=told.synthetic,
            model=told.model,
            weights=told.weights,
            state=self.state,
            seed=told.seed if told.synthetic else None,
            patients=tuple(dict.fromkeys(told.patients)),
            why=self.why,
        )

    def frames(self, store: Store) -> Iterator[NDArray[np.uint8]]:
        """Read the frames, checked against their digests.

        Args:
            store: Where they are.

        Yields:
            (S, S) or (S, S, 3) uint8.

        Raises:
            StoreError: A file is missing, damaged, or is not what was written.
        """
        if self.file is not None:
            with whole_file(store, self.file) as path:
                yield from each_frame(path)
        for clip in self.clips:
            with store.local_copy(clip.key) as path:
                yield from each_frame(path, self.samples.score, clip.digest)


def synthetic_part(generated: Manifest, trained: Manifest, state: str, why: str = "") -> Part:
    """Make the part of a sample set; synthetic frames are on the training side, always.

    Args:
        generated: Manifest of the generation.
        trained: Manifest of the model's training.
        state: State of the model: ``current``, ``held back`` ...
        why: Why there are so many.

    Returns:
        The part.
    """
    made = data_of(generated, SampleSet)
    samples = Samples(
        score=made.score,
        model=made.model,
        seed=made.seed,
        count=made.count,
        weights=trained.artifacts["generator"].digest,
        side=TRAIN,
    )
    return Part(
        samples,
        file=generated.artifacts["frames"],
        state=state,
        why=why,
        folder=trained.manifest_key.rpartition("/")[0],
    )


def real_parts(dataset: ScoreDataset, letters: Mapping[str, str]) -> list[Part]:
    """Make the parts of a score's real frames.

    Args:
        dataset: The frames of both sides.
        letters: Code of each patient -> letter.

    Returns:
        A part for each side that has frames: training patients, held-out patients.
    """
    parts = []
    for side, clips in ((TRAIN, dataset.looked_at), (TEST, dataset.held_out)):
        ordered = sorted(clips, key=lambda clip: (letters[clip.patient], clip.key))
        patients: list[str] = []
        numbers: list[int] = []
        before: dict[str, int] = {}
        for clip in ordered:
            letter = letters[clip.patient]
            before[letter] = before.get(letter, 0) + 1
            patients += [letter] * clip.frames
            numbers += [before[letter]] * clip.frames
        if ordered:
            samples = Samples(
                score=dataset.score,
                model="",
                seed=0,
                count=len(patients),
                side=side,
                patients=tuple(patients),
                clips=tuple(numbers),
            )
            parts.append(Part(samples, clips=tuple(ordered)))
    return parts
