"""The flow ``watch``: compares the exam source with what is known, and tells of what is new."""

from __future__ import annotations

from collections.abc import Iterator

from prefect import flow
from prefect.events import emit_event
from prefect.logging import get_run_logger
from prefect.runtime import flow_run

from lusgan_core.exams import open_source
from lusgan_core.exams.discover import no_exam
from lusgan_core.known import Changes, Codes, KnownExams
from lusgan_core.store import open_store
from lusgan_flows import forms
from lusgan_flows.arrivals import Announcements, last_changes, to_wait_for
from lusgan_flows.artifacts import board
from lusgan_flows.cancelled_runs import pipeline_cancelled
from lusgan_flows.event_names import CHANGED, NEW, WITHDRAWN, exam_event
from lusgan_flows.lost_runs import looks_under_way, pipeline_is_active
from lusgan_flows.sources import find_exams

NONE_LEFT = (
    "none of the %d known exams is in %s: is it the right place? If they were all withdrawn, start "
    "a run of pipeline with withdraw_all (`lusgan run ... --withdraw-all`)"
)


@flow(name="watch", flow_run_name="watch", persist_result=False)
def watch(exams: forms.Exams, store: forms.Store, settle_s: forms.Seconds = 60.0) -> int:
    """Emit an event for each exam that is new, changed or withdrawn; returns how many.

    Exams that are still arriving wait for a later look, and with them those that came shortly
    before, so that one run takes all of an upload. What was announced is announced again only
    if no run has tried it, none is under way, and nobody has cancelled the last one.

    Args:
        exams: Where the exams are: a folder with PATIENT/EXAM/*.mat, or s3://BUCKET/PREFIX.
        store: Where artifacts go: a folder, or s3://BUCKET/PREFIX.
        settle_s: Seconds without a change after which an exam counts as completely uploaded.
    """
    active = pipeline_is_active()
    if looks_under_way(flow_run.get_id()):
        get_run_logger().info("an earlier look is still under way")
        return 0
    source, kept = open_source(exams), open_store(store)
    known = KnownExams.load(kept, source.uri)
    found = find_exams(exams, store)
    if not found.exams and known.exams:
        get_run_logger().warning(NONE_LEFT, len(known.exams), source.uri)
        return 0
    if not found.exams:
        if found.rejected:
            raise no_exam(source.uri, found.rejected)
        get_run_logger().info("there are no exams yet")
    changes = known.compare(found)
    before = announced = Announcements.load(kept, source.uri)
    waiting = to_wait_for(found, last_changes(source), announced, settle_s) if changes else {}
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
    with board() as shown:
        late = f", {len(waiting)} still arriving" if waiting else ""
        shown.name(f"announced {told} exams{late}" if told or late else "nothing new")
    return told


def _events(changes: Changes) -> Iterator[tuple[str, Codes, str]]:
    for exam in changes.new:
        yield NEW, (exam.patient, exam.exam), exam.digest
    for exam in changes.changed:
        yield CHANGED, (exam.patient, exam.exam), exam.digest
    for gone in changes.withdrawn:
        yield WITHDRAWN, gone.codes, gone.digest
