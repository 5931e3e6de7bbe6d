"""Copies a sample set's files out of the store: what a person wants in a folder."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from lusgan_core.calls.call import data_of
from lusgan_core.calls.provenance import Manifest, digest_bytes
from lusgan_core.errors import ConfigError, MissingArtifactError, StoreError
from lusgan_core.generation.exports import SUMS
from lusgan_core.generation.stage import SampleSet
from lusgan_core.store import Store


def check_empty(folder: Path) -> None:
    """Check that files can be copied to a folder without mixing with others.

    Raises ConfigError where it is a file, or holds anything.
    """
    if folder.exists() and not folder.is_dir():
        raise ConfigError(f"{folder} is a file: name a folder for the frames")
    if folder.is_dir() and any(folder.iterdir()):
        raise ConfigError(
            f"{folder} is not empty, and the frames would mix with what is there: name a new "
            "folder, or an empty one"
        )


def copy_out(store: Store, samples: Manifest, folder: Path) -> int:
    """Copy what exporters made of a sample set to a folder.

    PNG files come to lie in the folder itself, those of any other exporter below its name. Lists
    of digests (``SHA256SUMS``) lie beside what they list, and ``manifest.json``, which names model
    and seed, in the folder.

    Args:
        store: Store with the sample set.
        samples: Its manifest.
        folder: Where to; made if it is not there. It must be empty.

    Returns:
        Number of files copied, not counting lists and the manifest.

    Raises:
        ConfigError: The folder cannot be written or is not empty.
        StoreError: A file is missing from the store, or is not what was generated.
    """
    check_empty(folder)
    count = 0
    try:
        for name, data in _files(store, samples):
            path = folder / name.removeprefix("png/")
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(data)
            count += path.name != SUMS
        folder.mkdir(parents=True, exist_ok=True)
        (folder / "manifest.json").write_text(samples.model_dump_json(indent=1), encoding="utf-8")
    except StoreError:
        raise
    except OSError as error:
        raise ConfigError(f"{folder} cannot be written: {error.strerror}") from error
    return count


def _files(store: Store, samples: Manifest) -> Iterator[tuple[str, bytes]]:
    """Name and content of each file of each exporter, checked against its digest."""
    where = data_of(samples, SampleSet).folder
    for exported, ref in samples.artifacts.items():
        exporter, _, name = exported.partition("/")
        if not name:  # the HDF5 file
            continue
        data = _checked(store, ref.key, ref.digest)
        yield exported, data
        if name == SUMS:
            for line in data.decode().splitlines():
                digest, _, listed = line.partition("  ")
                yield (
                    f"{exporter}/{listed}",
                    _checked(store, f"{where}/{exporter}/{listed}", digest),
                )


def _checked(store: Store, key: str, digest: str) -> bytes:
    """An object of the store; raises StoreError where it is not the one with that digest."""
    try:
        data = store.get(key)
    except MissingArtifactError:
        data = b""
    if digest_bytes(data) != digest:
        raise StoreError(
            f"{key} is missing from the store, or is not what was generated: delete "
            f"{key.rpartition('/')[0]} from the store with its manifest, and generate it again"
        )
    return data
