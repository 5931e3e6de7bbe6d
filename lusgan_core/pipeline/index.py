"""Finds what stages left in a store, so that it can be pruned, withdrawn or listed.

Manifests are named ``manifest.json`` or by eight digits of their cache key; no other object that
ends in ``.json`` has such a name. No stage imports this, so it is part of no cache key.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator

from lusgan_core.calls.call import data_of
from lusgan_core.calls.provenance import Manifest
from lusgan_core.errors import MissingArtifactError
from lusgan_core.selection.stage import ScoreDataset
from lusgan_core.store import Store
from lusgan_core.training.lease import is_held
from lusgan_core.training.stage import SEEN, SeenClips

MANIFEST = re.compile(r"^(?!withdrawals/).*/(manifest|[0-9a-f]{8})\.json$")
"""Keys of manifests."""


MADE_LAST = (
    "reports",
    "studies",
    "evaluations",
    "samples",
    "models",
    "datasets",
    "shards",
    "exams",
)
"""Where manifests lie; each kind is made from some that come behind it."""


def manifests(store: Store, prefix: str) -> Iterator[Manifest]:
    """Read every manifest below a prefix.

    Args:
        store: Store to read from.
        prefix: Start of the keys, e.g. ``models/``.

    Yields:
        Manifests in the order of their keys; damaged ones are skipped.
    """
    for item in list(store.list(prefix)):
        if MANIFEST.search(item.key):
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
        Keys of the shards; where the folder does not say, those of the dataset that it was trained
        on; None if there is none either.
    """
    try:
        seen = SeenClips.model_validate_json(store.get(f"{folder}/{SEEN}"))
        if seen.folder in (folder, ""):
            return seen.shards
    except (MissingArtifactError, ValueError):
        pass
    for manifest in manifests(store, f"{folder}/manifest.json"):
        for _, dataset in datasets(store):
            if dataset.frames_digest == manifest.inputs.get("frames"):
                return tuple(clip.key for clip in dataset.looked_at)
    return None


def in_training(store: Store, folder: str) -> bool:
    """Whether a model is, or may be, in training, by the lease on its folder.

    Args:
        store: Store with the model.
        folder: Key prefix of the model's folder.

    Returns:
        True if there is a lease whose holder is not known to have ended; see ``lease.Watch`` for
        one of another machine.
    """
    return is_held(store, f"{folder}/lease.json")


def datasets(store: Store) -> Iterator[tuple[Manifest, ScoreDataset]]:
    """Every score dataset with its manifest."""
    for manifest in manifests(store, "datasets/"):
        yield manifest, data_of(manifest, ScoreDataset)


def result_key(manifest: Manifest) -> str:
    """Where Prefect keeps its copy of a manifest, if the stage was run by it."""
    return f"results/{manifest.stage}-{manifest.cache_key}"


def erase(store: Store, keys: Iterable[str]) -> None:
    """Delete objects, in an order that lets whoever is killed meanwhile be followed by another.

    Checkpoints go first: nobody looks for them as long as there is a model, and a folder that has
    neither checkpoint nor manifest is what a deletion left, not a training to go on with. Then
    manifests go, those that are made from others before these, each with Prefect's copy; then what
    they name; and at last the marks of withdrawn models, by which they are found.

    Args:
        store: Store to delete from.
        keys: Keys of the objects; those that are missing do not matter.
    """

    def turn(key: str) -> tuple[int, int, str]:
        if "/checkpoints/" in key:
            return 0, 0, key
        if MANIFEST.search(key):
            top = key.partition("/")[0]
            return 1, MADE_LAST.index(top) if top in MADE_LAST else len(MADE_LAST), key
        return (3 if "/withdrawn.json" in key else 2), 0, key

    for key in sorted(set(keys), key=turn):
        if MANIFEST.search(key):
            for manifest in manifests(store, key):
                store.delete(result_key(manifest))
        store.delete(key)


def below(store: Store, *prefixes: str) -> list[str]:
    """Keys of all objects below prefixes."""
    return [item.key for prefix in prefixes for item in store.list(prefix)]
