"""What studies of usefulness left in a store.

Studies of one split of patients share a folder: ``studies/1f3a90c2/`` holds the frames of each fold
(``datasets/``), its classifiers, and a folder for each result. GANs are among the other models.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

from lusgan_core.calls.call import data_of
from lusgan_core.calls.provenance import Manifest
from lusgan_core.config import RunConfig
from lusgan_core.errors import MissingArtifactError
from lusgan_core.pipeline import index
from lusgan_core.selection.stage import ScoreDataset
from lusgan_core.store import Store
from lusgan_core.usefulness.stage import FOLDER, configuration

_RESULT = re.compile(rf"^{FOLDER}\w+/\w+/manifest\.json$")
_DATASET = re.compile(rf"^{FOLDER}\w+/datasets/")


def newest_study(store: Store, config: RunConfig) -> Manifest | None:
    """Find the newest study of GANs that are trained as these options say.

    Args:
        store: Store with studies.
        config: The options.

    Returns:
        Manifest of the stage ``useful``; None where there is no such study.
    """
    wanted = configuration(config.preprocessing, config.training)
    found = []
    for item in list(store.list(FOLDER)):
        if _RESULT.match(item.key):
            try:
                manifest = Manifest.model_validate_json(store.get(item.key))
            except (MissingArtifactError, ValueError):
                continue
            if manifest.inputs.get("configuration") == wanted:
                found.append(manifest)
    return max(found, key=lambda m: m.created.timestamp() if m.created else 0.0, default=None)


def study_datasets(store: Store) -> Iterator[tuple[str, Manifest, ScoreDataset]]:
    """Read the frames of every fold.

    Args:
        store: Store with studies.

    Yields:
        Folder of the study, manifest of the selection, and the frames of one score in one fold.
    """
    for item in list(store.list(FOLDER)):
        if _DATASET.match(item.key):
            for manifest in index.manifests(store, item.key):
                yield "/".join(item.key.split("/")[:2]), manifest, data_of(manifest, ScoreDataset)


def that_saw(store: Store, shards: str) -> tuple[str, ...]:
    """Name the folders of studies with frames of some shards.

    Args:
        store: The store.
        shards: Start of the shards' keys.

    Returns:
        The folders.
    """
    return tuple(
        sorted(
            {
                folder
                for folder, _, data in study_datasets(store)
                if any(clip.key.startswith(shards) for clip in data.clips)
            }
        )
    )
