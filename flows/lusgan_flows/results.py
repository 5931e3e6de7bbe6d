"""Keeps Prefect's task results in the store, beside the artifacts they refer to.

Any worker then finds cached results, on any machine. The block that Prefect saves holds the store's
address and nothing else: credentials come from the environment of each process.
"""

from __future__ import annotations

import asyncio
from functools import cached_property
from typing import Any

from prefect.filesystems import WritableFileSystem
from pydantic import Field

from lusgan_core.calls.provenance import short_digest
from lusgan_core.store import Store, open_store

FOLDER = "results"


class StoreResults(WritableFileSystem):
    """Task results below ``results/`` in a store."""

    _block_type_name = "lusgan store"
    _block_type_slug = "lusgan-store"
    _description = "Keeps task results in a lusgan store: a folder, or s3://BUCKET/PREFIX."

    uri: str = Field(description="Address of the store; credentials come from the environment.")

    @cached_property
    def _store(self) -> Store:
        return open_store(self.uri)

    def read_path(self, path: str, **_: Any) -> bytes:  # type: ignore[override]
        """The result of that name, with ``path`` below the store's ``results/``.

        Raises MissingArtifactError, StoreError.
        """
        return self._store.get(f"{FOLDER}/{path}")

    def write_path(  # type: ignore[override]
        self, path: str, content: bytes, **_: Any
    ) -> None:
        """Keep a result, whole or not at all.

        Args:
            path: Name of the result, below the store's ``results/``.
            content: The result as Prefect serialised it.

        Raises:
            StoreError: The result cannot be written.
        """
        self._store.put(f"{FOLDER}/{path}", content)

    async def aread_path(self, path: str) -> bytes:
        """As ``read_path``."""
        return await asyncio.to_thread(self.read_path, path)

    async def awrite_path(self, path: str, content: bytes) -> None:
        """As ``write_path``."""
        await asyncio.to_thread(self.write_path, path, content)


def results_of(store: Store) -> StoreResults:
    """The block of a store on Prefect's server, created at its first use."""
    block = StoreResults(uri=store.uri)
    block.save(f"lusgan-{short_digest(store.uri)}", overwrite=True)
    return block
