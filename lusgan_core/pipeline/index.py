"""Finds what stages left in a store, so that it can be pruned, withdrawn or listed.

Manifests are named ``manifest.json`` or by eight digits of their cache key; no other object that
ends in ``.json`` has such a name. No stage imports this, so it is part of no cache key.
"""

from __future__ import annotations

import json
import re
import time
from collections.abc import Iterable, Iterator

from lusgan_core.calls.call import data_of
from lusgan_core.calls.provenance import Manifest
from lusgan_core.errors import MissingArtifactError
from lusgan_core.selection.stage import ScoreDataset
from lusgan_core.store import Store
from lusgan_core.training.lease import TTL_S
from lusgan_core.training.stage import SEEN, SeenClips

_MANIFEST = re.compile(r"/(manifest|[0-9a-f]{8})\.json$")


def manifests(store: Store, prefix: str) -> Iterator[Manifest]:
    """Read every manifest below a prefix.

    Args:
        store: Store to read from.
        prefix: Start of the keys, e.g. ``models/``.

    Yields:
        Manifests in the order of their keys; damaged ones are skipped.
    """
    for item in list(store.list(prefix)):
        if _MANIFEST.search(item.key):
            try:
                yield Manifest.model_validate_json(store.get(item.key))
            except (MissingArtifactError, ValueError):
                continue


def model_folders(store: Store) -> dict[str, int]:
    """The folder of every model, finished or not -> its score."""
    folders: dict[str, int] = {}
    for item in store.list("models/score-"):
        parts = item.key.split("/")
        if len(parts) > 3:
            folders["/".join(parts[:3])] = int(parts[1].removeprefix("score-"))
    return folders


def seen_shards(store: Store, folder: str) -> tuple[str, ...] | None:
    """Look up the shards that a model was trained on.

    Args:
        store: Store with the model.
        folder: Key prefix of the model's folder.

    Returns:
        Keys of the shards; None if the folder does not say.
    """
    try:
        return SeenClips.model_validate_json(store.get(f"{folder}/{SEEN}")).shards
    except (MissingArtifactError, ValueError):
        return None


def in_training(store: Store, folder: str) -> bool:
    """Whether a model is being trained, by the lease on its folder.

    Args:
        store: Store with the model.
        folder: Key prefix of the model's folder.

    Returns:
        True if the lease was renewed within its time to live, or cannot be understood.
    """
    try:
        renewed = float(json.loads(store.get(f"{folder}/lease.json"))["renewed"])
    except MissingArtifactError:
        return False
    except (ValueError, KeyError, TypeError):
        return True  # being written at this moment, or by a newer version
    return time.time() - renewed < TTL_S


def datasets(store: Store) -> Iterator[tuple[Manifest, ScoreDataset]]:
    """Every score dataset with its manifest."""
    for manifest in manifests(store, "datasets/"):
        yield manifest, data_of(manifest, ScoreDataset)


def result_key(manifest: Manifest) -> str:
    """Where Prefect keeps its copy of a manifest, if the stage was run by it."""
    return f"results/{manifest.stage}-{manifest.cache_key}"


def erase(store: Store, keys: Iterable[str]) -> None:
    """Delete objects; manifests, and Prefect's copies of them, go before what they name.

    Args:
        store: Store to delete from.
        keys: Keys of the objects; those that are missing do not matter.
    """
    ordered = sorted(set(keys), key=lambda key: (not _MANIFEST.search(key), key))
    for key in ordered:
        if _MANIFEST.search(key):
            for manifest in manifests(store, key):
                store.delete(result_key(manifest))
        store.delete(key)


def below(store: Store, *prefixes: str) -> list[str]:
    """Keys of all objects below prefixes."""
    return [item.key for prefix in prefixes for item in store.list(prefix)]
