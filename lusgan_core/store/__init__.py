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
    "existing_store",
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


def existing_store(uri: str | Path) -> Store:
    """Open a store that is there: a folder, or a place in S3 with something in it.

    Args:
        uri: Address of the store, as for ``open_store``, which would make a folder.

    Returns:
        The store.

    Raises:
        ConfigError: There is no such folder, or nothing below the prefix; nothing was made.
        StoreError: The place cannot be used.
    """
    text = str(uri)
    if "://" not in text or text.startswith("file://"):
        folder = Path(text.removeprefix("file://"))
        if not folder.is_dir():
            raise ConfigError(f"there is no store in {folder.absolute()}: {_WHICH}")
        return open_store(text)
    store = open_store(text)
    if store.uri.removeprefix("s3://").count("/") and next(store.list(), None) is None:
        raise ConfigError(f"there is nothing in {text}: {_WHICH}")
    return store


_WHICH = "name with --store the one that `lusgan run` or `lusgan up` was given"


def absolute_address(address: str) -> str:
    """An address that means the same in another folder and process: a folder's whole path."""
    return address if "://" in address else str(Path(address).expanduser().absolute())
