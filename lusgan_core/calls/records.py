"""Reads what the store holds and checks that it is what was written there.

Whatever is found damaged is *set aside*: moved below ``damaged/``, so that nobody reads it again,
the same command makes it anew, and a person can still look at it. Records that nothing else could
replace (the ledger of exams, the history of current models, withdrawals and their marks) are *kept
twice*: the second copy lies beside the first, and stands in for it where it is damaged or gone.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TypeVar

from pydantic import ValidationError

from lusgan_core.calls.provenance import ArtifactRef, Sealed, digest_bytes, digest_file
from lusgan_core.errors import DamagedError, MissingArtifactError, StoreError
from lusgan_core.store import Store
from lusgan_core.store.base import ASIDE, COPY, shown

S = TypeVar("S", bound=Sealed)
MADE_AGAIN = "the same command makes it again"


def aside_key(key: str) -> str:
    """Where an object is moved when it proves damaged."""
    return f"{ASIDE}{key}"


def set_aside(store: Store, key: str) -> bool:
    """Move an object below ``damaged/``.

    Args:
        store: Store with the object.
        key: Its key.

    Returns:
        Whether there was such an object.

    Raises:
        StoreError: The store cannot be written.
    """
    try:
        with store.local_copy(key) as path:
            store.put(aside_key(key), path)
    except MissingArtifactError:
        return False
    store.delete(key)
    return True


def damage(
    store: Store, key: str, expected: str, found: str, then: str = MADE_AGAIN
) -> DamagedError:
    """Set a damaged object aside and make the error that names it.

    Args:
        store: Store with the object.
        key: Its key.
        expected: What should have been there, e.g. the first digits of a digest.
        found: What is there.
        then: What to do, or what will be done.

    Returns:
        The error, to raise.

    Raises:
        StoreError: The object cannot be set aside.
    """
    set_aside(store, key)
    what = f"{shown(key)} in {store.uri} is damaged: expected {expected}, found {found}"
    return DamagedError(f"{what}; it was set aside below {ASIDE}: {then}")


def digits(digest: str) -> str:
    """The beginning of a digest, as messages show it."""
    return f"sha256 {digest[:12]}"


def whole(store: Store, ref: ArtifactRef, then: str = MADE_AGAIN) -> bytes:
    """Read an artifact and check its digest.

    Args:
        store: Store with the artifact.
        ref: Its key and digest.
        then: What to do where it is damaged; see ``damage``.

    Returns:
        Its content.

    Raises:
        DamagedError: It is not what was written; it was set aside.
        MissingArtifactError: It is not in the store.
    """
    data = store.get(ref.key)
    found = digest_bytes(data)
    if found != ref.digest:
        raise damage(store, ref.key, digits(ref.digest), digits(found), then)
    return data


@contextmanager
def whole_file(store: Store, ref: ArtifactRef) -> Iterator[Path]:
    """Give a local file with an artifact's content, checked against its digest; see ``whole``.

    Args:
        store: Store with the artifact.
        ref: Its key and digest.

    Yields:
        The file, for the length of the block.
    """
    with store.local_copy(ref.key) as path:
        found = digest_file(path)
        if found == ref.digest:
            yield path
            return
    raise damage(store, ref.key, digits(ref.digest), digits(found))


def read_record(
    store: Store,
    key: str,
    kind: type[S],
    then: str = MADE_AGAIN,
    fits: Callable[[S], bool] = lambda _: True,
) -> S:
    """Read a record of the store.

    Args:
        store: Store with the record.
        key: Its key.
        kind: What it must be.
        then: What to do where it is damaged; see ``damage``.
        fits: Whether a record is the one of this key, and not another's.

    Returns:
        The record.

    Raises:
        DamagedError: It is no such record, or its digest does not fit; it was set aside.
        MissingArtifactError: It is not in the store.
    """
    try:
        return _parsed(store.get(key), kind, fits)
    except ValueError as error:
        raise damage(store, key, f"a {kind.__name__}", _first(error), then) from None


def _parsed(data: bytes, kind: type[S], fits: Callable[[S], bool]) -> S:
    record = kind.model_validate_json(data)
    if not fits(record):
        raise ValueError("it is that of another key")
    return record


def put_kept(store: Store, key: str, record: Sealed, *, if_absent: bool = False) -> None:
    """Write a record twice.

    Args:
        store: Store to write to.
        key: Key of the record.
        record: The record.
        if_absent: Whether to write only if the key is free.

    Raises:
        AlreadyExistsError: The key is taken, and ``if_absent``.
        StoreError: The store cannot be written.
    """
    data = record.sealed()
    store.put(key, data, if_absent=if_absent)
    store.put(f"{key}{COPY}", data)


def read_kept(
    store: Store, key: str, kind: type[S], then: str, fits: Callable[[S], bool] = lambda _: True
) -> S:
    """Read a record that is kept twice; a copy that is whole replaces one that is not.

    Args:
        store: Store with the record.
        key: Its key.
        kind: What it must be.
        then: What to do where both copies are damaged.
        fits: Whether a record is the one of this key, and not another's.

    Returns:
        The record.

    Raises:
        DamagedError: No copy is whole; what was found was set aside.
        MissingArtifactError: There is no copy.
    """
    try:
        return _parsed(store.get(key), kind, fits)
    except (MissingArtifactError, ValueError) as error:
        first: Exception = error
    try:
        copy = store.get(f"{key}{COPY}")
        record = _parsed(copy, kind, fits)
    except (MissingArtifactError, ValueError) as error:
        broken = next((e for e in (first, error) if isinstance(e, ValueError)), None)
        if broken is None:
            raise first from None
        set_aside(store, f"{key}{COPY}")
        raise damage(store, key, f"a {kind.__name__}", _first(broken), then) from None
    with contextlib.suppress(StoreError):  # who may only read gets the record, too
        set_aside(store, key)
        store.put(key, copy)
    return record


def peek(
    store: Store, key: str, kind: type[S], fits: Callable[[S], bool] = lambda _: True
) -> S | None:
    """Read a record, or its second copy, and leave everything as it is.

    Args:
        store: Store with the record.
        key: Its key.
        kind: What it must be.
        fits: Whether a record is the one of this key, and not another's.

    Returns:
        The record; None where no copy of it is whole.
    """
    for copy in (key, f"{key}{COPY}"):
        with contextlib.suppress(MissingArtifactError, ValueError):
            return _parsed(store.get(copy), kind, fits)
    return None


def delete_kept(store: Store, key: str) -> None:
    """Delete both copies of a record, the second one first, so that it never stands in.

    Args:
        store: Store to delete from.
        key: Key of the record.
    """
    store.delete(f"{key}{COPY}")
    store.delete(key)


def kept_keys(store: Store, prefix: str) -> list[str]:
    """List records that are kept twice, where either copy is there.

    Args:
        store: Store with the records.
        prefix: Start of their keys.

    Returns:
        Their keys, sorted.
    """
    return sorted({item.key.removesuffix(COPY) for item in store.list(prefix)})


def _first(error: ValueError) -> str:
    """The first thing that is wrong with a record, without its values, which may name patients."""
    if not isinstance(error, ValidationError):
        return str(error)
    one = error.errors(include_input=False, include_url=False)[0]
    where = ".".join(map(str, one["loc"]))
    return f"{where}: {one['msg']}" if where else str(one["msg"])
