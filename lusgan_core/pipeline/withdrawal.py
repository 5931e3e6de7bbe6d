"""What follows when an exam is withdrawn: a patient's consent ended, and it left the source.

Its records and shards are deleted and it is in no dataset any more. Models that saw it are marked,
and where one was current, nobody is: a score would rather have no model than that one. The next
chain finds datasets without the exam, so it trains the affected scores again by itself, and the
gates decide whether the new models become current.

What was made from the exam (samples, evaluations, reports, checkpoints) is listed in a record,
``withdrawals/<exam8>.json``, and deleted by ``lusgan prune --withdrawn``. The record names the exam
by eight digits of its digest; that of a patient is kept nowhere.

Everything can be done twice: the record is written first, so a run that is cut off leaves what the
next one needs, and the exam counts as known until all is done.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime

from lusgan_core.calls.call import data_of
from lusgan_core.calls.ledger import ExamLedger, LedgerEntry
from lusgan_core.domain import Record
from lusgan_core.errors import ExamError, MissingArtifactError
from lusgan_core.ingestion.discover import Discovery, no_exam
from lusgan_core.pipeline import index as traces
from lusgan_core.promotion.current import current_model, empty
from lusgan_core.promotion.withdrawal_marks import mark, unmark
from lusgan_core.reporting.stage import ReportRecord
from lusgan_core.store import Store
from lusgan_core.store.base import KEEPS_DELETED, key_part


class Withdrawal(Record):
    """What became of one withdrawn exam."""

    exam: str
    """Eight digits of the exam's digest."""
    at: datetime
    scores: tuple[int, ...] = ()
    """Those with a model that saw it."""
    emptied: tuple[int, ...] = ()
    """Those whose current model saw it: they have none until another is promoted."""
    models: tuple[str, ...] = ()
    """Folders of the models that saw it; they are marked."""
    evaluations: tuple[str, ...] = ()
    """Folders of evaluations that compared with its frames."""
    reports: tuple[str, ...] = ()
    """Folders of reports that count it, and may show its frames."""


def settle(
    store: Store, source: str, found: Discovery, *, withdraw_all: bool = False
) -> tuple[Withdrawal, ...]:
    """Withdraw the exams that are known and no longer in the source; take back those that are.

    ``found`` must be a whole discovery of the source of that address. Raises ExamError where every
    known exam is gone, or some are and no exam is there, unless ``withdraw_all``: another folder
    under the same address looks alike. Raises it too where no exam is there and none is gone.
    """
    _take_back(store, found)
    known = ExamLedger.load(store, source)
    gone = known.compare(found.exams, found.rejected).withdrawn
    if not found.exams and not gone:
        raise no_exam(source, found.rejected)
    nothing_left = not found.exams or len(gone) == len(known.exams)
    if gone and nothing_left and not withdraw_all:
        raise ExamError(
            f"none of the {len(known.exams)} known exams is in {source} any more: is it the right "
            "place? If they were all withdrawn, run the same command with --withdraw-all"
        )
    done = []
    for exam in gone:
        done.append(withdraw(store, exam))
        known = known.without({exam.codes})
        known.save(store)
    return tuple(done)


def described(store: Store, done: Sequence[Withdrawal]) -> tuple[str, ...]:
    """What withdrawals mean, in words for people: a sentence or two; nothing without any.

    Asks the store whether it keeps old versions of what was deleted.
    """
    if not done:
        return ()
    scores = sorted({score for one in done for score in one.scores})
    emptied = sorted({score for one in done for score in one.emptied})
    said = f"{len(done)} exams were withdrawn" if len(done) > 1 else "1 exam was withdrawn"
    if scores:
        said += f"; models of scores {', '.join(map(str, scores))} saw them and are marked"
    if emptied:
        said += f", and scores {', '.join(map(str, emptied))} have no current model until one is "
        said += "promoted"
    said += "; `lusgan prune --withdrawn` lists what was made from them"
    return (said, KEEPS_DELETED) if store.keeps_deleted() else (said,)


def withdraw(store: Store, exam: LedgerEntry) -> Withdrawal:
    """Take an exam out of the store; what was made from it is marked and listed."""
    folder = f"{key_part(exam.patient)}/{key_part(exam.exam)}/"
    own = (f"exams/{folder}", f"shards/{folder}")
    found = _find(store, own)
    scores = tuple(sorted(set(found.models.values())))
    emptied = tuple(s for s in scores if _is_current(store, s, found.models))
    record = _merged(
        store,
        Withdrawal(
            exam=exam.short_digest,
            at=datetime.now(UTC),
            scores=scores,
            emptied=emptied,
            models=tuple(found.models),
            evaluations=tuple(found.evaluations),
            reports=tuple(found.reports),
        ),
    )
    store.put(_key(record.exam), record.model_dump_json(indent=1).encode())
    for folder in found.models:
        mark(store, folder, record.exam, record.at)
    for score in emptied:
        empty(store, score, "withdrawal", f"it saw exam {record.exam}, which was withdrawn")
    _reopen(store, scores)
    traces.erase(store, [*traces.below(store, *own), *found.datasets])
    return record


def withdrawals(store: Store) -> tuple[Withdrawal, ...]:
    """All withdrawals on record."""
    keys = [item.key for item in store.list("withdrawals/")]
    return tuple(Withdrawal.model_validate_json(store.get(key)) for key in keys)


@dataclass
class _Found:
    """What was made from an exam."""

    datasets: list[str] = field(default_factory=list)
    models: dict[str, int] = field(default_factory=dict)
    evaluations: list[str] = field(default_factory=list)
    reports: list[str] = field(default_factory=list)


def _find(store: Store, own: tuple[str, str]) -> _Found:
    found, real = _Found(), set()
    for manifest, dataset in traces.datasets(store):
        if any(clip.key.startswith(own[1]) for clip in (*dataset.training, *dataset.held_out)):
            found.datasets.append(manifest.manifest_key)
            real.add(dataset.real_digest)
    for folder, score in traces.model_folders(store).items():
        seen = traces.seen_shards(store, folder)
        if seen is None or any(key.startswith(own[1]) for key in seen):
            found.models[folder] = score  # one that does not say what it saw may have seen it
    for manifest in traces.manifests(store, "evaluations/"):
        if manifest.inputs.get("real") in real:
            found.evaluations.append(_folder(manifest.manifest_key))
    for manifest in traces.manifests(store, "reports/"):
        if any(key.startswith(own) for key in data_of(manifest, ReportRecord).stages):
            found.reports.append(_folder(manifest.manifest_key))
    return found


def _is_current(store: Store, score: int, folders: Iterable[str]) -> bool:
    current = current_model(store, score)
    return current is not None and current.folder in folders


def _reopen(store: Store, scores: Iterable[int]) -> None:
    """Take decisions on these scores back: who failed beside a marked model may pass now."""
    keys = traces.below(store, *(f"models/score-{score}/" for score in scores))
    traces.erase(store, [key for key in keys if key.split("/")[3] == "promotion"])


def _merged(store: Store, record: Withdrawal) -> Withdrawal:
    """The record with what an earlier try, that was cut off, has found."""
    try:
        before = Withdrawal.model_validate_json(store.get(_key(record.exam)))
    except MissingArtifactError:
        return record
    names = ("scores", "emptied", "models", "evaluations", "reports")
    both = {n: tuple(sorted({*getattr(before, n), *getattr(record, n)})) for n in names}
    return record.model_copy(update={"at": before.at, **both})


def _take_back(store: Store, found: Discovery) -> None:
    """Unmark models where an exam, the very same, is there again."""
    there = {exam.digest[:8] for exam in found.exams}
    for record in withdrawals(store):
        if record.exam in there:
            for folder in record.models:
                unmark(store, folder, record.exam)
            _reopen(store, record.scores)
            store.delete(_key(record.exam))


def _key(exam: str) -> str:
    return f"withdrawals/{exam}.json"


def _folder(manifest_key: str) -> str:
    return manifest_key.rpartition("/")[0]
