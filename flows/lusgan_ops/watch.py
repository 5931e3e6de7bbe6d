"""The flow ``watch``: compares the exam source with the ledger, and announces what is new."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import suppress
from typing import Any

import httpx
from prefect import flow
from prefect.events import emit_event
from prefect.exceptions import ObjectNotFound
from prefect.logging import get_run_logger
from prefect.runtime import flow_run

from lusgan_core.calls.ledger import Changes, ExamLedger
from lusgan_core.domain import ExamCodes
from lusgan_core.ingestion.discover import hiding, no_exam
from lusgan_core.pipeline import parameters
from lusgan_core.pipeline.arrivals import Announcements, last_changes, to_wait_for
from lusgan_core.pipeline.endpoints import check_endpoints
from lusgan_core.pipeline.events import CHANGED, LOOKED, NEW, WITHDRAWN, exam_event, resource
from lusgan_core.pipeline.exam_digests import find_exams
from lusgan_core.pipeline.last_look import record_look
from lusgan_core.store import Store, open_store
from lusgan_core.store.source import open_source
from lusgan_flows.board import board
from lusgan_flows.flow_runs import (
    LOOKING,
    NOTHING_NEW,
    forget_looks,
    looks_under_way,
    mark_lost,
    pipeline_cancelled,
    pipeline_is_active,
)

NONE_LEFT = (
    "none of the %d known exams is in %s: is it the right place? If they were all withdrawn, start "
    "a run of pipeline with withdraw_all (`lusgan run ... --withdraw-all`)"
)


@flow(name="watch", flow_run_name=LOOKING, persist_result=False)
def watch(
    exams: parameters.Exams,
    store: parameters.Store,
    settle_s: parameters.Seconds = 60.0,
    readers: parameters.Readers = {},  # noqa: B006  # nobody writes to it
) -> int:
    """Emit an event for each exam that is new, changed or withdrawn.

    Exams that are still arriving wait for a later run of this flow, and with them those that came
    shortly before, so that one pipeline run takes all of an upload. What was announced is announced
    again only if no run has tried it, none is under way, and nobody has cancelled the last one.

    Args:
        exams: Where the exams are: a folder with PATIENT/EXAM/*.mat, or s3://BUCKET/PREFIX.
        store: Where artifacts go: a folder, or s3://BUCKET/PREFIX.
        settle_s: Seconds without a change after which an exam counts as completely uploaded.
        readers: Options of readers by name, as ``ingestion.readers`` of the pipeline; empty for all
            that are installed.

    Returns:
        Number of events emitted.
    """
    check_endpoints(exams, store)
    told = _look(exams, store, settle_s, readers)
    if not told:
        with suppress(httpx.HTTPError, ObjectNotFound):  # what stays goes with the next look
            forget_looks()
    return told


def _look(exams: str, store: str, settle_s: float, readers: Mapping[str, Any]) -> int:
    active = pipeline_is_active()
    for flow_name in ("stage", "training"):
        mark_lost(flow_name)
    if looks_under_way(flow_run.get_id()):
        get_run_logger().info("an earlier look is still under way")
        return 0
    source, kept = open_source(exams), open_store(store)
    ledger = ExamLedger.load(kept, source.uri)
    found = find_exams(exams, store, readers)
    if not found.exams and ledger.exams:
        get_run_logger().warning(NONE_LEFT, len(ledger.exams), source.uri)
        _remember(kept, source.uri, 0, 0, 0)
        return 0
    if not found.exams:
        if hiding(found.rejected):
            raise no_exam(source.uri, found)
        get_run_logger().info("there are no exams yet")
    changes = ledger.compare(found.exams, found.rejected, found.readers)
    before = announced = Announcements.load(kept, source.uri)
    waiting = (
        to_wait_for(found, last_changes(source, found), announced, settle_s) if changes else {}
    )
    cancelled = pipeline_cancelled(exams) if changes else None
    told = 0
    for event, codes, digest in _events(changes):
        if codes not in waiting and announced.due(codes, digest, active, cancelled):
            emit_event(**exam_event(event, source.uri, digest))
            announced = announced.told(codes, digest)
            told += 1
    announced = announced.keeping(codes for _, codes, _ in _events(changes))
    if announced != before:
        announced.save(kept, source.uri)
    _remember(kept, source.uri, len(found.exams), told, len(waiting))
    with board() as shown:
        late = f", {len(waiting)} still arriving" if waiting else ""
        shown.name(f"announced {told} exams{late}" if told or late else NOTHING_NEW)
    return told


def _remember(store: Store, source: str, exams: int, announced: int, arriving: int) -> None:
    """Record the look; now and then tell the server, whose automation misses it."""
    if record_look(store, source, exams, announced, arriving):
        emit_event(LOOKED, resource(source))


def _events(changes: Changes) -> Iterator[tuple[str, ExamCodes, str]]:
    for exam in changes.new:
        yield NEW, exam.codes, exam.digest
    for exam in changes.changed:
        yield CHANGED, exam.codes, exam.digest
    for gone in changes.withdrawn:
        yield WITHDRAWN, gone.codes, gone.digest
