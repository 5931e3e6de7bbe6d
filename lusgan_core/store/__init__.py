"""Artifacts: a folder, and later anything that speaks S3."""

from __future__ import annotations

from pathlib import Path

from lusgan_core.errors import ConfigError
from lusgan_core.store.base import Store, StoredObject
from lusgan_core.store.local import LocalStore

__all__ = ["LocalStore", "Store", "StoredObject", "open_store"]


def open_store(uri: str | Path) -> Store:
    """The store at a folder's path. Raises ConfigError for a kind of address nobody serves."""
    text = str(uri)
    if "://" in text and not text.startswith("file://"):
        raise ConfigError(f"{text}: this release keeps artifacts in a folder; name a path")
    return LocalStore(Path(text.removeprefix("file://")))
