"""Features in the store: each clip's frames and each sample set go through an extractor once.

    features/PATIENT/EXAM/CLIP/SCORE-DIGEST-EXTRACTOR.npz     of the frames of one score in a shard
    samples/.../features/DIGEST-EXTRACTOR.npz                 of a sample set, and of its ceilings

Those of a shard lie in a folder of its exam, so that they go with the exam when it is withdrawn;
those of a sample set lie beside it. ``EXTRACTOR`` is a name and eight digits of what it computes.
"""

from __future__ import annotations

import hashlib
import io
import zipfile
import zlib
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from lusgan_core.calls.provenance import digest_json
from lusgan_core.errors import MissingArtifactError
from lusgan_core.measures.features import Extract, build_extractor
from lusgan_core.registry import Registry
from lusgan_core.selection.dataset import clip_frames
from lusgan_core.selection.stage import ClipFrames
from lusgan_core.store import Store

Features = NDArray[np.float32]


@dataclass
class FeatureStore:
    """The features by one extractor that a store holds; what is missing or damaged is computed."""

    store: Store
    registry: Registry
    name: str
    """Name of the extractor."""
    options: dict[str, Any]
    device: str

    def __post_init__(self) -> None:
        self.record = self.registry.feature(self.name)
        options = self.record.options.model_validate(self.options).model_dump(mode="json")
        identity = self.registry.identity("feature", self.name)
        self.tag = f"{self.name}-{digest_json([identity, options])[:8]}"
        self._extract: Extract | None = None

    def of_clip(self, clip: ClipFrames, score: int) -> Features:
        """Return the features of all frames of a score in a clip's shard.

        Args:
            clip: The clip's frames of that score.
            score: Severity score, 0..3.

        Returns:
            Features (N, D) float32, in the order of the frames.

        Raises:
            PluginError: The extractor fails or breaks its contract.
            MissingArtifactError: Neither features nor shard are in the store.
        """
        folder = clip.key.removesuffix(".h5").replace("shards/", "features/", 1)
        key = f"{folder}/{score}-{clip.digest[:8]}-{self.tag}.npz"
        return self._kept(key, clip.frames, lambda: clip_frames(self.store, clip, score))

    def of_samples(self, frames_key: str, digest: str, frames: NDArray[np.uint8]) -> Features:
        """Return the features of synthetic frames, the first of a sample set or all of them.

        Args:
            frames_key: Key of the file of all frames of the set.
            digest: Digest of that file.
            frames: The frames, from the first on: (N, H, W) or (N, H, W, 3) uint8.

        Returns:
            Features (N, D) float32.

        Raises:
            PluginError: The extractor fails or breaks its contract.
        """
        folder = frames_key.rpartition("/")[0]
        key = f"{folder}/features/{digest[:8]}-{self.tag}.npz"
        return self._kept(key, len(frames), lambda: frames)

    def of_made(self, frames_key: str, frames: NDArray[np.uint8]) -> Features:
        """Return the features of frames that were made to be held beside synthetic ones.

        Args:
            frames_key: Key of the file of the synthetic frames, beside which features are kept.
            frames: (N, H, W) or (N, H, W, 3) uint8.

        Returns:
            Features (N, D) float32.

        Raises:
            PluginError: The extractor fails or breaks its contract.
        """
        digest = hashlib.sha256(frames.tobytes()).hexdigest()
        return self.of_samples(frames_key, digest, frames)

    def _kept(self, key: str, count: int, frames: Callable[[], NDArray[np.uint8]]) -> Features:
        found = self._read(key)
        if found is None or len(found) < count:
            if self._extract is None:
                self._extract = build_extractor(self.record, self.options, self.device)
            found = self._extract(frames())
            data = io.BytesIO()
            np.savez(data, features=found, key=key)
            self.store.put(key, data.getvalue())
        return found[:count]

    def _read(self, key: str) -> Features | None:
        """Features in the store; None where there are none, or damaged ones by their checksum, or
        those of another key."""
        try:
            data = self.store.get(key)
        except MissingArtifactError:
            return None
        try:
            with np.load(io.BytesIO(data), allow_pickle=False) as file:
                found: Features = file["features"]
                if str(file["key"]) != key:
                    return None
        except (ValueError, KeyError, OSError, EOFError, zipfile.BadZipFile, zlib.error):
            return None
        return found if found.ndim == 2 and found.shape[1] == self.record.size else None
