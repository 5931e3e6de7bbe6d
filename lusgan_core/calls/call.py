"""What every stage shares: a call that can be looked up before it is made.

A *call* says which stage, on what (references with digests), with which options. Its cache key is
the digest of all that can change the result: the stage's name and version, the digests of its
inputs, the options it reads and the plugins it uses. ``execute`` makes a call unless the store
already holds what it would leave.
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
from lusgan_core.calls.runtime import Runtime
from lusgan_core.domain import ClipFiles, ExamFiles, ExamRecord, Record
from lusgan_core.errors import AlreadyExistsError, MissingArtifactError
from lusgan_core.registry import Registry, installed
from lusgan_core.store import Store
from lusgan_core.store.base import key_part
from lusgan_core.store.source import ExamSource

T = TypeVar("T", bound=BaseModel)


class StageCall(Record):
    """One call of one stage; JSON, so that it can cross to another machine."""

    stage: str
    label: str
    """For people: progress bars, task names. Never names a patient."""
    cache_key: str
    inputs: dict[str, str]
    """Digests of what goes in."""
    options: dict[str, Any]
    """Resolved, those alone that this stage reads."""
    arguments: dict[str, Any]
    """What the stage needs to run: records of earlier stages."""
    version: int
    """Of the stage: it goes up when the same call would leave something else."""
    plugins: dict[str, str]
    """``kind/name`` of each plugin used -> what identifies what it computes."""
    manifest: str
    """Key of the manifest in the store."""
    unkeyed: tuple[str, ...] = ()
    """Options that change no result, and are in no key."""

    @property
    def short_key(self) -> str:
        """Eight digits of the cache key, as names carry them."""
        return self.cache_key[:8]


@dataclass
class StageContext:
    """Where a stage runs: what it may use beside the call itself."""

    store: Store
    source: ExamSource | None = None
    runtime: Runtime = field(default_factory=Runtime)
    registry: Registry = field(default_factory=installed)
    stop: StopFlag = field(default_factory=StopFlag)


@dataclass
class Product:
    """What a stage leaves: artifacts by name (keys in the store) and facts for the next stage."""

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
    """Put a call together and work out its cache key.

    ``version`` is the stage's; ``manifest`` gives the manifest's key in the store from the cache
    key; ``plugins`` are (kind, name) pairs that ``registry`` hands out; ``unkeyed`` options change
    no result.
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
    """What the call left when it was made before, if all of it is still there.

    Args:
        call: The call.
        store: Where its manifest would be.
        size: Answers for the store how large an object is, if somebody knows without asking.

    Returns:
        Its manifest; None where there is none, or an artifact is missing or of another size.
    """
    found = left_by(call, store)
    return None if found is None or damaged(found, size or store.size) else found


def left_by(call: StageCall, store: Store) -> Manifest | None:
    """The manifest that the call left when it was made before, whatever became of artifacts."""
    try:
        found = Manifest.model_validate_json(store.get(call.manifest))
    except (MissingArtifactError, ValueError):
        return None
    return found if found.cache_key == call.cache_key else None


def damaged(manifest: Manifest, size: Callable[[str], int | None]) -> str:
    """Name of the first artifact that is missing or of another size; empty if none is."""
    artifacts = manifest.artifacts.items()
    return next((name for name, ref in artifacts if size(ref.key) != ref.size), "")


def execute(call: StageCall, context: StageContext, stage: Stage) -> Manifest:
    """Make the call, or hand out what it left before. The manifest is written last."""
    found = lookup(call, context.store)
    if found is not None:
        return found
    context.store.delete(call.manifest)  # one that names artifacts that are gone, if any
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
    return _write(manifest, call, context.store)


def _write(manifest: Manifest, call: StageCall, store: Store) -> Manifest:
    """Write a manifest unless another run was first: then its result counts."""
    data = manifest.model_dump_json(indent=1).encode()
    try:
        store.put(call.manifest, data, if_absent=True)
    except AlreadyExistsError:
        other = lookup(call, store)
        if other is not None:
            return other
        store.put(call.manifest, data)
    return manifest


def stored(store: Store, key: str, data: bytes) -> ArtifactRef:
    """Put bytes into the store and return the reference to them."""
    store.put(key, data)
    return reference(key, data)


def stored_once(store: Store, key: str, data: bytes) -> ArtifactRef:
    """The same for bytes that differ from run to run: whoever is first counts."""
    try:
        store.put(key, data, if_absent=True)
    except AlreadyExistsError:
        return reference_to(store, key)
    return reference(key, data)


def exam_folder(exam: ExamFiles | ExamRecord | ClipFiles) -> str:
    """The part of a key that names an exam."""
    return f"{key_part(exam.patient)}/{key_part(exam.exam)}"


def reference(key: str, data: bytes) -> ArtifactRef:
    """The reference to bytes that are in the store under ``key``."""
    return ArtifactRef(key=key, digest=digest_bytes(data), size=len(data))


def reference_to(store: Store, key: str) -> ArtifactRef:
    """The reference to an object of the store, read once for its digest."""
    with store.local_copy(key) as path:
        return ArtifactRef(key=key, digest=digest_file(path), size=path.stat().st_size)


def earlier(context: StageContext, key: str) -> Manifest:
    """A manifest that an earlier stage left under that key."""
    return Manifest.model_validate_json(context.store.get(key))


def data_of(manifest: Manifest, kind: type[T]) -> T:
    """The facts a manifest carries, as the type that the stage left."""
    return kind.model_validate(manifest.data)
