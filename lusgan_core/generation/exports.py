"""Hands frames to exporters, which are plugins, and records what they write.

An exporter writes below ``<samples>/<its name>/`` and nowhere else. What goes wrong in one ends the
generation with its name in the error, and what it had written is deleted.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from lusgan_core.api import Export, Exporter, Samples
from lusgan_core.calls.call import SUMS, reference
from lusgan_core.calls.provenance import ArtifactRef
from lusgan_core.errors import LusganError, PluginError, StoreError
from lusgan_core.plugin_guard import described, is_stop
from lusgan_core.store import Store
from lusgan_core.store.base import check_key


@dataclass(frozen=True)
class Writer:
    """The ``ExportFolder`` that an exporter is given: it can write, and nothing else."""

    put: Callable[[str, bytes], str]


class Target(Protocol):
    """What files go to: a store, or a folder."""

    def put(self, key: str, data: bytes) -> None:
        """Write an object whole.

        Args:
            key: Key of the object.
            data: Its content.

        Raises:
            StoreError: It cannot be written.
        """

    def delete(self, key: str) -> None:
        """Remove an object, if it is there."""


class Folder:
    """The folder of one exporter, and what was written into it."""

    def __init__(self, target: Target, prefix: str, stem: str = "") -> None:
        """Start without a file.

        Args:
            target: What files go to.
            prefix: Key prefix of the folder.
            stem: Begins the name of each file, so that several exports can share a folder.
        """
        self._target, self._prefix, self._stem = target, prefix, stem
        self.written: dict[str, ArtifactRef] = {}
        """Name of each file, as the exporter calls it -> where it is."""

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
        above, slash, base = name.rpartition("/")
        key = f"{self._prefix}/{above}{slash}{self._stem}{base}"
        self.written[name] = reference(key, data)
        self._target.put(key, data)
        return self.written[name].digest

    def empty(self) -> None:
        """Delete what was written, as far as the store lets us."""
        for ref in self.written.values():
            with contextlib.suppress(StoreError):
                self._target.delete(ref.key)

    def list_of_digests(self) -> dict[str, ArtifactRef]:
        """Write the digests of all files into one, in the format of ``sha256sum -c``."""
        lines = "".join(f"{ref.digest}  {name}\n" for name, ref in self.written.items()).encode()
        self._target.put(f"{self._prefix}/{SUMS}", lines)
        return {SUMS: reference(f"{self._prefix}/{SUMS}", lines)}


class OneExport:
    """The export of one set of frames by one exporter; what fails in it is told with its name."""

    def __init__(self, exporter: Exporter, options: Any, folder: Folder, samples: Samples) -> None:
        """Open it.

        Args:
            exporter: The exporter.
            options: Its options.
            folder: Where its files go.
            samples: What it is told of the frames.

        Raises:
            PluginError: It cannot be opened.
        """
        self.exporter, self.folder = exporter, folder
        with self._named():
            self._export: Export = exporter.open(Writer(folder.put), samples, options)

    def add(self, frame: NDArray[np.uint8]) -> None:
        """Hand over the next frame; raises PluginError if the exporter fails."""
        with self._named():
            self._export.add(frame)

    def finish(self) -> list[ArtifactRef]:
        """End it; raises PluginError if the exporter fails, or does not tell what it wrote.

        Returns:
            The files, in the exporter's order.
        """
        with self._named():
            names = self._export.finish()
            _check_names(names, self.folder)
        return [self.folder.written[name] for name in names]

    @contextlib.contextmanager
    def _named(self) -> Iterator[None]:
        """Name the exporter in whatever goes wrong in it."""
        try:
            yield
        except BaseException as error:  # whatever a stranger's code raises, SystemExit too
            if isinstance(error, StoreError) or is_stop(error):
                raise
            text = str(error) if isinstance(error, LusganError) else described(error)
            raise PluginError(f"the exporter {self.exporter.name} failed: {text}") from error


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
        self._folders = [Folder(store, f"{folder}/{exporter.name}") for exporter, _ in chosen]
        with self._emptied():
            self._open = [
                OneExport(exporter, options, target, samples)
                for (exporter, options), target in zip(chosen, self._folders, strict=True)
            ]

    def add(self, frame: NDArray[np.uint8]) -> None:
        """Give every exporter the next frame; raises PluginError if one fails."""
        with self._emptied():
            for export in self._open:
                export.add(frame)

    def finish(self) -> dict[str, ArtifactRef]:
        """End every export; raises PluginError if one fails, or does not tell what it wrote.

        Returns:
            References to the files, as ``png/frame-000000.png``; for an exporter that writes a file
            a frame, to the list of their digests alone.
        """
        found: dict[str, ArtifactRef] = {}
        with self._emptied():
            for export in self._open:
                export.finish()
                folder, listed = export.folder, export.exporter.file_per_frame
                refs = folder.list_of_digests() if listed else folder.written
                found |= {f"{export.exporter.name}/{name}": ref for name, ref in refs.items()}
        return found

    @contextlib.contextmanager
    def _emptied(self) -> Iterator[None]:
        """Where one fails, delete what all have written."""
        try:
            yield
        except BaseException:
            for folder in self._folders:
                folder.empty()
            raise


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
