"""Copies a sample set's files out of the store: what a person wants in a folder."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from lusgan_core.calls.call import SUMS, listed_digests
from lusgan_core.calls.provenance import ArtifactRef, Manifest, digest_bytes
from lusgan_core.calls.records import damage, digits, set_aside, whole
from lusgan_core.errors import ConfigError, MissingArtifactError, StoreError
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


def empty(folder: Path) -> None:
    """Delete what a copy that broke off has left in a folder that was empty before."""
    for path in sorted(folder.rglob("*"), reverse=True):
        path.rmdir() if path.is_dir() else path.unlink()


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
        DamagedError: A file is missing from the store, or is not what was generated; the same
            command makes the samples again.
        StoreError: The store cannot be read.
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
    for exported, ref in samples.artifacts.items():
        exporter, _, name = exported.partition("/")
        if not name:  # the HDF5 file
            continue
        data = whole(store, ref)
        yield exported, data
        if name == SUMS:
            for digest, listed in listed_digests(data):
                yield f"{exporter}/{listed}", _listed(store, ref, listed, digest)


def _listed(store: Store, sums: ArtifactRef, name: str, digest: str) -> bytes:
    """A file that a list of digests names; where it is damaged, the list is set aside as well, so
    that the samples are made again."""
    key = f"{sums.key.rpartition('/')[0]}/{name}"
    try:
        data = store.get(key)
    except MissingArtifactError:
        data = b""
    found = digest_bytes(data)
    if found != digest:
        set_aside(store, sums.key)
        raise damage(store, key, digits(digest), digits(found) if data else "nothing")
    return data
