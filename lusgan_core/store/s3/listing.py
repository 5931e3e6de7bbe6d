"""Lists objects sorted by key, in bounded memory, whatever the order of the server.

AWS lists by key. Servers that keep folders (SeaweedFS) list them one by one, so that ``a/b`` comes
before ``a-b``, which is not the order of keys. Up to ``HELD`` objects are therefore sorted here;
where there are more, the folder is listed by itself and each folder in it by the same rule.
"""

from __future__ import annotations

import heapq
from collections.abc import Iterator
from typing import NamedTuple

from lusgan_core.store.s3.bucket import Answer, Bucket

HELD = 10_000


class Listed(NamedTuple):
    """One object or, inside this module, a folder, whose key ends in a slash."""

    key: str
    size: int
    etag: str
    changed: float = 0.0
    """When it was written, seconds since 1970."""


def flat(bucket: Bucket, prefix: str, what: str) -> Iterator[Listed]:
    """List the objects whose keys begin with a prefix, in the server's order.

    Args:
        bucket: Where to look.
        prefix: Beginning of the keys, below the address's prefix; empty for all.
        what: What messages call the listed objects; must not name a patient.

    Yields:
        The objects, with keys below the address's prefix.

    Raises:
        StoreError: The bucket cannot be listed.
    """
    for page in bucket.pages(prefix, what):
        yield from _objects(bucket, prefix, page)


def ordered(bucket: Bucket, prefix: str, what: str) -> Iterator[Listed]:
    """List the objects whose keys begin with a prefix, sorted by key.

    Args:
        bucket: Where to look.
        prefix: Beginning of the keys, below the address's prefix; empty for all.
        what: What messages call the listed objects; must not name a patient.

    Yields:
        The objects, with keys below the address's prefix.

    Raises:
        StoreError: The bucket cannot be listed.
    """
    held: list[Listed] = []
    for entry in flat(bucket, prefix, what):
        held.append(entry)
        if len(held) > HELD:
            break
    else:
        yield from sorted(held)
        return
    held.clear()
    for entry in _level(bucket, prefix, what):
        if entry.key.endswith("/"):
            yield from ordered(bucket, entry.key, what)
        else:
            yield entry


def _level(bucket: Bucket, prefix: str, what: str) -> Iterator[Listed]:
    """Objects and folders right below a prefix, sorted by key, folders with their slash.

    Servers may put a folder ``a/`` where ``a`` would be. It waits in a heap, together with whatever
    begins with ``a``, until the listing has passed ``a/``.
    """
    waiting: list[Listed] = []
    for page in bucket.pages(prefix, what, delimiter="/"):
        cut = len(bucket.address.name(""))
        folders = (Listed(f["Prefix"][cut:], 0, "") for f in page.get("CommonPrefixes", []))
        entries = [*_objects(bucket, prefix, page), *folders]
        for entry in sorted(entries, key=lambda e: e.key.removesuffix("/")):
            heapq.heappush(waiting, entry)
            while waiting and waiting[0].key <= entry.key.removesuffix("/"):
                yield heapq.heappop(waiting)
    yield from sorted(waiting)


def _objects(bucket: Bucket, prefix: str, page: Answer) -> Iterator[Listed]:
    """The objects on a page, their keys cut to what is below the address's prefix.

    Left out are markers of folders, and matches of servers that merge slashes.
    """
    base = bucket.address.name("")
    for item in page.get("Contents", []):
        name = item["Key"]
        if name.startswith(base + prefix) and not name.endswith("/"):
            written = item.get("LastModified")
            changed = written.timestamp() if written else 0.0
            yield Listed(name[len(base) :], item["Size"], item.get("ETag", ""), changed)
