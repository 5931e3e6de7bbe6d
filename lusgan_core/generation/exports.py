"""Hands frames to exporters, which are plugins, and records what they write.

An exporter writes below ``<samples>/<its name>/`` and nowhere else. What goes wrong in one ends the
generation with its name in the error, and what it had written is deleted.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from lusgan_core.api import Export, Exporter, Samples
from lusgan_core.calls.call import SUMS, stored
from lusgan_core.calls.provenance import ArtifactRef, digest_bytes
from lusgan_core.errors import LusganError, PluginError, StoreError
from lusgan_core.plugin_guard import described, is_stop
from lusgan_core.store import Store
from lusgan_core.store.base import check_key


@dataclass(frozen=True)
class Writer:
    """The ``ExportFolder`` that an exporter is given: it can write, and nothing else."""

    put: Callable[[str, bytes], str]


class Folder:
    """The folder of one exporter, and what was written into it."""

    def __init__(self, store: Store, prefix: str) -> None:
        self._store, self.prefix = store, prefix
        self.written: dict[str, tuple[str, int]] = {}
        """Name of each file -> sha256 of its content, and its size in bytes."""

    def put(self, name: str, data: bytes) -> str:
        """See ``ExportFolder.put``.

        Raises:
            PluginError: The name leads out of the folder or was written before, or the content is
                not bytes.
            StoreError: The file cannot be written.
        """
        try:
            check_key(name)
        except (StoreError, AttributeError, TypeError) as error:
            raise PluginError(
                f"cannot write {name!r}: a name is a path below the exporter's own folder"
            ) from error
        if name == SUMS:
            raise PluginError(f"wrote {SUMS}, which lusgan writes: set file_per_frame for it")
        if name in self.written:
            raise PluginError(f"wrote {name!r} twice: each file is written once, and whole")
        if type(data) is not bytes:
            raise PluginError(f"wrote {type(data).__name__} to {name!r}, expected bytes")
        self.written[name] = digest_bytes(data), len(data)
        self._store.put(f"{self.prefix}/{name}", data)
        return self.written[name][0]

    def empty(self) -> None:
        """Delete what was written, as far as the store lets us."""
        for name in self.written:
            with contextlib.suppress(StoreError):
                self._store.delete(f"{self.prefix}/{name}")

    def references(self) -> dict[str, ArtifactRef]:
        """References to all files, by name."""
        return {
            name: ArtifactRef(key=f"{self.prefix}/{name}", digest=digest, size=size)
            for name, (digest, size) in self.written.items()
        }

    def list_of_digests(self) -> dict[str, ArtifactRef]:
        """Write the digests of all files into one, in the format of ``sha256sum -c``."""
        lines = "".join(f"{digest}  {name}\n" for name, (digest, _) in self.written.items())
        return {SUMS: stored(self._store, f"{self.prefix}/{SUMS}", lines.encode())}


class Exports:
    """The exports of one sample set, each into a folder of its own."""

    def __init__(
        self, store: Store, folder: str, chosen: Sequence[tuple[Exporter, Any]], samples: Samples
    ) -> None:
        """Open every export.

        Args:
            store: Store that the files go to.
            folder: Key prefix of the sample set.
            chosen: Exporters, each with its options.
            samples: What the exporters are told of the frames.

        Raises:
            PluginError: An exporter cannot be opened.
        """
        self._open: list[tuple[Exporter, Folder, Export]] = []
        self._folders: list[Folder] = []
        for exporter, options in chosen:
            target = Folder(store, f"{folder}/{exporter.name}")
            self._folders.append(target)
            with self._named(exporter):
                export = exporter.open(Writer(target.put), samples, options)
                self._open.append((exporter, target, export))

    def add(self, frame: NDArray[np.uint8]) -> None:
        """Give every exporter the next frame; raises PluginError if one fails."""
        for exporter, _, export in self._open:
            with self._named(exporter):
                export.add(frame)

    def finish(self) -> dict[str, ArtifactRef]:
        """End every export; raises PluginError if one fails, or does not tell what it wrote.

        Returns:
            References to the files, as ``png/frame-000000.png``; for an exporter that writes a file
            a frame, to the list of their digests alone.
        """
        found: dict[str, ArtifactRef] = {}
        for exporter, folder, export in self._open:
            with self._named(exporter):
                _check_names(export.finish(), folder)
                listed = exporter.file_per_frame
                refs = folder.list_of_digests() if listed else folder.references()
            found |= {f"{exporter.name}/{name}": ref for name, ref in refs.items()}
        return found

    @contextlib.contextmanager
    def _named(self, exporter: Exporter) -> Iterator[None]:
        """Name the exporter in whatever goes wrong in it, and delete what all have written."""
        try:
            yield
        except BaseException as error:  # whatever a stranger's code raises, SystemExit too
            for folder in self._folders:
                folder.empty()
            if isinstance(error, StoreError) or is_stop(error):
                raise
            text = str(error) if isinstance(error, LusganError) else described(error)
            raise PluginError(f"the exporter {exporter.name} failed: {text}") from error


def _check_names(names: object, folder: Folder) -> None:
    if isinstance(names, str) or not isinstance(names, Sequence):
        raise PluginError(
            f"finish returned {type(names).__name__}, expected the names of its files"
        )
    if not names or sorted(map(str, names)) != sorted(folder.written):
        raise PluginError(
            f"finish returned {len(names)} names, {len(folder.written)} files were written: "
            "expected the name of each file once, and at least one file"
        )
