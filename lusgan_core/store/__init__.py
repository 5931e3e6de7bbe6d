"""Artifacts: in a folder, or in any S3-compatible storage."""

from __future__ import annotations

from pathlib import Path

from lusgan_core.errors import ConfigError
from lusgan_core.store.base import Store, StoredObject, check_writable
from lusgan_core.store.local import LocalStore

__all__ = [
    "LocalStore",
    "Store",
    "StoredObject",
    "absolute_address",
    "check_writable",
    "open_store",
]


def open_store(uri: str | Path) -> Store:
    """Open the store at a folder's path, or at ``s3://bucket/prefix`` (see ``s3.address``).

    Raises ConfigError for an address of another kind, StoreError for a place that cannot be used.
    """
    text = str(uri)
    if text.startswith("s3://"):
        from lusgan_core.store.s3 import S3Store  # boto3 takes its time to import

        return S3Store(text)
    if "://" in text and not text.startswith("file://"):
        kind = text.partition("://")[0]
        raise ConfigError(f"stores of the kind {kind}:// are unknown: give a folder or s3://...")
    return LocalStore(Path(text.removeprefix("file://")))


def absolute_address(address: str) -> str:
    """An address that means the same in another folder and process: a folder's whole path."""
    return address if "://" in address else str(Path(address).expanduser().absolute())
