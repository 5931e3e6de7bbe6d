"""What every stage shares: a call that can be looked up before it is made.

A *call* says which stage, on what (references with digests), with which options. Its cache key is
the digest of all that can change the result: the stage's name and version, the digests of its
inputs, the options it reads and the plugins it uses. ``execute`` makes a call unless the store
already holds its result.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Set
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any, TypeVar

from pydantic import BaseModel

from lusgan_core.calls.interrupts import StopFlag
from lusgan_core.calls.provenance import (
    ArtifactRef,
    Manifest,
    digest_bytes,
    digest_file,
    digest_json,
    git_commit,
    library_versions,
    peak_rss_mb,
)
from lusgan_core.calls.records import aside_key, read_record, set_aside
from lusgan_core.calls.runtime import Runtime
from lusgan_core.domain import ClipFiles, ExamFiles, ExamRecord, Record
from lusgan_core.errors import AlreadyExistsError, MissingArtifactError
from lusgan_core.registry import Registry, installed
from lusgan_core.store import Store
from lusgan_core.store.base import key_part
from lusgan_core.store.source import ExamSource

T = TypeVar("T", bound=BaseModel)
SUMS = "SHA256SUMS"
"""Name of a list of the digests of the files beside it, in the format of ``sha256sum -c``."""


class StageCall(Record):
    """One call of one stage; JSON, so that it can cross to another machine."""

    stage: str
    label: str
    """For people: progress bars, task names. Never names a patient."""
    cache_key: str
    inputs: dict[str, str]
    """Digests of the inputs, by name."""
    options: dict[str, Any]
    """Resolved options, only those that this stage reads."""
    arguments: dict[str, Any]
    """What the stage needs to run: records of earlier stages."""
    version: int
    """Version of the stage; it goes up when the same call would give another result."""
    plugins: dict[str, str]
    """``kind/name`` of each plugin used -> its identity, see ``Registry.identity``."""
    manifest: str
    """Key of the manifest in the store."""
    unkeyed: tuple[str, ...] = ()
    """Names of options that change no result and are left out of the cache key."""

    @property
    def short_key(self) -> str:
        """Eight digits of the cache key, as names carry them."""
        return self.cache_key[:8]


@dataclass
class StageContext:
    """What a stage may use beside the call itself: store, exam source, plugins, runtime options."""

    store: Store
    source: ExamSource | None = None
    runtime: Runtime = field(default_factory=Runtime)
    registry: Registry = field(default_factory=installed)
    stop: StopFlag = field(default_factory=StopFlag)


@dataclass
class Product:
    """The result of a stage: artifacts in the store, by name, and facts for the next stage."""

    data: BaseModel
    artifacts: dict[str, ArtifactRef] = field(default_factory=dict)
    counts: dict[str, int] = field(default_factory=dict)
    timings_s: dict[str, float] = field(default_factory=dict)
    device: str = "cpu"
    seed: int | None = None


Stage = Callable[[StageCall, StageContext], Product]


def new_call(
    stage: str,
    version: int,
    *,
    label: str,
    inputs: dict[str, str],
    options: BaseModel | None,
    arguments: dict[str, Any],
    manifest: Callable[[str], str],
    plugins: tuple[tuple[str, str], ...] = (),
    registry: Registry | None = None,
    unkeyed: Set[str] = frozenset(),
) -> StageCall:
    """Put a call together and compute its cache key.

    Args:
        stage: Name of the stage, e.g. ``train``.
        version: Version of the stage; it goes up when the same call would give another result.
        label: Text for progress bars and task names; must not name a patient.
        inputs: Digests of the inputs, by name.
        options: The options that the stage reads; None for a stage without options.
        arguments: What the stage needs to run, as JSON; not part of the cache key.
        manifest: Gives the manifest's key in the store from the cache key (64 hex digits).
        plugins: (kind, name) of each plugin that the stage uses.
        registry: Where the plugins' identities come from; without it ``plugins`` are ignored.
        unkeyed: Names of options that change no result and are left out of the cache key.

    Returns:
        The call.
    """
    used = {
        f"{kind}/{name}": registry.identity(kind, name)
        for kind, name in plugins
        if registry is not None
    }
    chosen = options.model_dump(mode="json") if options else {}
    keyed = {name: value for name, value in chosen.items() if name not in unkeyed}
    key = digest_json([stage, version, inputs, keyed, used])
    return StageCall(
        stage=stage,
        label=label,
        cache_key=key,
        inputs=inputs,
        options=chosen,
        arguments=arguments,
        version=version,
        plugins=used,
        manifest=manifest(key),
        unkeyed=tuple(sorted(unkeyed)),
    )


def lookup(
    call: StageCall, store: Store, size: Callable[[str], int | None] | None = None
) -> Manifest | None:
    """Return the manifest that an earlier run of this call left, if its artifacts are still there.

    Args:
        call: The call to look for.
        store: Where its manifest would be.
        size: Gives the size in bytes of an object by its key, None where it is missing; pass it
            where sizes are known from a listing. The store is asked otherwise.

    Returns:
        The manifest; None where there is none, or where an artifact is missing or of another size.
    """
    found = left_by(call, store)
    return None if found is None or damaged(found, store, size) else found


def left_by(call: StageCall, store: Store) -> Manifest | None:
    """Return the manifest that an earlier run of this call left, whether or not artifacts remain.

    Args:
        call: The call to look for.
        store: Where its manifest would be.

    Returns:
        The manifest; None where there is none, it cannot be parsed, or it is of another cache key.
    """
    try:
        found = Manifest.model_validate_json(store.get(call.manifest))
    except (MissingArtifactError, ValueError):
        return None
    return found if found.cache_key == call.cache_key else None


def damaged(
    manifest: Manifest, store: Store, size: Callable[[str], int | None] | None = None
) -> str:
    """Find an artifact that is missing or of another size than recorded; its content is not read.

    Args:
        manifest: Names the artifacts and their sizes.
        store: Where they are.
        size: Gives the size in bytes of an object by its key, as for ``lookup``.

    Returns:
        Name of the first such artifact; empty if there is none. For a list of digests, the files
        that it lists must be there, too.
    """
    known = size or store.size
    for name, ref in manifest.artifacts.items():
        if known(ref.key) != ref.size:
            return name
        if name.endswith(f"/{SUMS}") and not _listed_are_there(store, ref.key):
            return name
    return ""


def _listed_are_there(store: Store, sums: str) -> bool:
    folder = sums.removesuffix(SUMS)
    there = {item.key.removeprefix(folder) for item in store.list(folder) if item.size}
    return all(name in there for _, name in listed_digests(store.get(sums)))


def listed_digests(sums: bytes) -> list[tuple[str, str]]:
    """(Digest, name) of each line of a list in the format of ``sha256sum``."""
    lines = sums.decode(errors="replace").splitlines()
    return [(digest, name) for digest, _, name in (line.partition("  ") for line in lines)]


def execute(call: StageCall, context: StageContext, stage: Stage) -> Manifest:
    """Make a call, or return the result of an earlier run. The manifest is written last.

    Args:
        call: The call to make.
        context: Store, exam source, plugins and runtime options.
        stage: The function that does the work; what it raises is passed on.

    Returns:
        The manifest as it is in the store. Where another run wrote one meanwhile, that one counts.
    """
    found = lookup(call, context.store)
    if found is not None:
        return found
    store, aside = context.store, aside_key(call.manifest)
    # a manifest that is damaged, or names artifacts that are gone, says until the end what was lost
    lost = set_aside(store, call.manifest) or store.exists(aside)
    started = time.monotonic()
    product = stage(call, context)
    seconds = {"total": round(time.monotonic() - started, 3), **product.timings_s}
    manifest = Manifest(
        stage=call.stage,
        cache_key=call.cache_key,
        label=call.label,
        manifest_key=call.manifest,
        created=datetime.now(UTC),
        inputs=call.inputs,
        options=call.options,
        seed=product.seed,
        version=call.version,
        git_commit=git_commit(),
        plugins={name: context.registry.provider_of(name) for name in call.plugins},
        identities=call.plugins,
        libraries=library_versions(),
        device=product.device,
        counts=product.counts,
        timings_s=seconds,
        peak_rss_mb=round(peak_rss_mb(), 1),
        artifacts=product.artifacts,
        data=product.data.model_dump(mode="json"),
    )
    written = _write(manifest, call, store)
    if lost:
        store.delete(aside)
    return written


def _write(manifest: Manifest, call: StageCall, store: Store) -> Manifest:
    """Write a manifest, or return the one that another run has written first."""
    data = manifest.sealed()
    try:
        store.put(call.manifest, data, if_absent=True)
    except AlreadyExistsError:
        other = lookup(call, store)
        if other is not None:
            return other
        store.put(call.manifest, data)
    return manifest


def stored(store: Store, key: str, data: bytes) -> ArtifactRef:
    """Put bytes into the store.

    Args:
        store: Where to put them.
        key: Key of the object; one that exists is replaced.
        data: Its content.

    Returns:
        The reference to the object: key, digest and size.

    Raises:
        StoreError: The object cannot be written.
    """
    store.put(key, data)
    return reference(key, data)


def stored_once(store: Store, key: str, data: bytes) -> ArtifactRef:
    """Put bytes into the store unless the key is taken: for content that differs from run to run.

    Args:
        store: Where to put them.
        key: Key of the object.
        data: Its content.

    Returns:
        The reference to the object that the store holds, which may be another run's.

    Raises:
        StoreError: The object cannot be written or read.
    """
    try:
        store.put(key, data, if_absent=True)
    except AlreadyExistsError:
        return reference_to(store, key)
    return reference(key, data)


def exam_folder(exam: ExamFiles | ExamRecord | ClipFiles) -> str:
    """The part of a key that names an exam."""
    return f"{key_part(exam.patient)}/{key_part(exam.exam)}"


def reference(key: str, data: bytes) -> ArtifactRef:
    """Make the reference to bytes that are in the store already.

    Args:
        key: Key of the object.
        data: Its whole content, for digest and size.

    Returns:
        The reference.
    """
    return ArtifactRef(key=key, digest=digest_bytes(data), size=len(data))


def reference_to(store: Store, key: str) -> ArtifactRef:
    """Make the reference to an object of the store, which is read once for its digest.

    Args:
        store: Where the object is.
        key: Its key.

    Returns:
        The reference.

    Raises:
        MissingArtifactError: There is no such object.
    """
    with store.local_copy(key) as path:
        return ArtifactRef(key=key, digest=digest_file(path), size=path.stat().st_size)


def earlier(context: StageContext, key: str) -> Manifest:
    """Read the manifest of an earlier stage.

    Args:
        context: Names the store.
        key: Key of the manifest.

    Returns:
        The manifest.

    Raises:
        MissingArtifactError: There is no such manifest.
        DamagedError: It is damaged.
    """
    return read_record(context.store, key, Manifest, fits=lambda m: m.manifest_key in (key, ""))


def data_of(manifest: Manifest, kind: type[T]) -> T:
    """Read the facts that a stage recorded in its manifest.

    Args:
        manifest: The manifest of the stage.
        kind: The type that the stage recorded; its fields are validated.

    Returns:
        The facts, as that type.
    """
    return kind.model_validate(manifest.data)
