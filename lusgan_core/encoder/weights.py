"""Reads a trained encoder from the store: its features, and the scores that it gives frames.

Shapes: N frames, H height, W width, D features; frames are (N, H, W) or (N, H, W, 3) uint8.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from lusgan_core.api import FeatureExtractor
from lusgan_core.calls.call import data_of
from lusgan_core.calls.provenance import Manifest
from lusgan_core.calls.records import whole
from lusgan_core.encoder.network import Encoder
from lusgan_core.encoder.stage import FEATURES, EncoderRecord
from lusgan_core.networks.residual import to_levels
from lusgan_core.networks.weights import load_network
from lusgan_core.registry import Provider, Registry
from lusgan_core.store import Store

AT_ONCE = 32
"""Frames that go through the network together."""
SMALLEST = 8
"""Pixels a side of the smallest frame that it takes."""


@dataclass(frozen=True)
class TrainedEncoder:
    """An encoder that is ready for use."""

    record: EncoderRecord
    network: Encoder
    device: str

    def features(self, frames: NDArray[np.uint8]) -> NDArray[np.float32]:
        """Compute features of frames: (N, D)."""
        parts = [features.cpu().numpy() for features, _ in self._passed(frames)]
        none = np.empty((0, self.record.size), np.float32)
        found: NDArray[np.float32] = np.concatenate([none, *parts])
        return found

    def scores(self, frames: NDArray[np.uint8]) -> NDArray[np.int64]:
        """Give each frame a severity score: (N,)."""
        parts = [logits.argmax(1).cpu().numpy() for _, logits in self._passed(frames)]
        places: NDArray[np.int64] = np.concatenate([np.empty(0, np.int64), *parts])
        found: NDArray[np.int64] = np.array(self.record.scores)[places]
        return found

    def _passed(self, frames: NDArray[np.uint8]) -> Iterator[tuple[Tensor, Tensor]]:
        with torch.no_grad():
            for first in range(0, len(frames), AT_ONCE):
                images = torch.tensor(frames[first : first + AT_ONCE], device=self.device)
                yield self.network(to_levels(images, self.record.side, self.record.channels))


def load_encoder(store: Store, manifest: Manifest, device: str) -> TrainedEncoder:
    """Read an encoder.

    Args:
        store: Store with its weights.
        manifest: Manifest of the encoder's stage.
        device: A device of torch.

    Returns:
        The encoder, in evaluation mode.

    Raises:
        DamagedError: The weights are not those that the manifest names; they were set aside, and
            the next run makes another encoder.
        MissingArtifactError: They are not in the store.
        ConfigError: torchvision is not installed.
    """
    record = data_of(manifest, EncoderRecord)
    data = whole(store, manifest.artifacts["encoder"])
    network = Encoder(record.network, record.channels, len(record.scores))
    load_network(network, data)
    return TrainedEncoder(record, network.eval().to(device), device)


def with_encoder(registry: Registry, store: Store, manifest: Manifest) -> Registry:
    """Add the features of an encoder to a registry's feature extractors.

    Args:
        registry: Installed plugins; it is left as it is.
        store: Store with the encoder's weights, which are read when features are computed.
        manifest: Manifest of the encoder's stage.

    Returns:
        A registry with one more feature extractor, ``lus``.
    """
    record, digest = data_of(manifest, EncoderRecord), manifest.artifacts["encoder"].digest
    extractor = FeatureExtractor(
        name=FEATURES,
        description="The LUS encoder of this store, trained on the severity of training patients",
        build=lambda device: load_encoder(store, manifest, device).features,
        licence="none: trained on the exams of this store",
        size=record.size,
        min_size=SMALLEST,
        version=digest[:16],
    )
    records = {**registry.records, "feature": {**registry.records["feature"], FEATURES: extractor}}
    providers = {**registry.providers, ("feature", FEATURES): Provider("lusgan_core.encoder")}
    return replace(registry, records=records, providers=providers)
