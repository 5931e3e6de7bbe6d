"""Withdraws exams that left the source, e.g. because a patient's consent ended.

Their records, shards and features are deleted, and so are LUS encoders and studies of usefulness
that saw them; they are in no dataset any more. Models that saw them are marked, and where one was
current, its score has no current model from then on: having none is better than using that one. The
next run finds datasets without the exam, so it trains the affected scores again by itself, and the
gates decide whether the new models become current.

What was made from an exam (samples, evaluations, reports, checkpoints) is listed in a record,
``withdrawals/<exam8>.json``, and deleted by ``lusgan prune --withdrawn``. The record names the exam
by eight digits of its digest; the patient's code is kept nowhere.

Every step can be repeated: the record is written first, so a run that is cut off leaves what the
next one needs, and the exam stays in the ledger until all is done.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime

from lusgan_core.calls.call import data_of
from lusgan_core.calls.ledger import ExamLedger, LedgerEntry
from lusgan_core.calls.provenance import Sealed, short_digest
from lusgan_core.calls.records import delete_kept, kept_keys, put_kept, read_kept
from lusgan_core.errors import ExamError, MissingArtifactError
from lusgan_core.exporting.key import forget
from lusgan_core.exporting.record import exports
from lusgan_core.ingestion.discover import Discovery, no_exam
from lusgan_core.pipeline import index, studies
from lusgan_core.pipeline.encoders import erase, that_saw
from lusgan_core.pipeline.heal import heal_current
from lusgan_core.promotion.current import current_model, empty
from lusgan_core.promotion.history import Action, Review, append, read_history
from lusgan_core.promotion.withdrawal_marks import mark, mark_of, unmark
from lusgan_core.reporting.stage import ReportRecord
from lusgan_core.store import Store
from lusgan_core.store.base import ASIDE, KEEPS_DELETED, key_part

THEN = "prune what the models of `lusgan models` that are marked as withdrawn have left"
OF_MODELS = (f"{ASIDE}models/", f"{ASIDE}samples/")
"""What was set aside and goes with a model; all else may name the exam."""


class Withdrawal(Sealed):
    """The record of one withdrawn exam."""

    exam: str
    """Eight digits of the exam's digest."""
    at: datetime
    scores: tuple[int, ...] = ()
    """Scores with a model that saw it."""
    emptied: tuple[int, ...] = ()
    """Scores whose current model saw it: they have none until another is promoted."""
    models: tuple[str, ...] = ()
    """Folders of the models that saw it; they are marked."""
    evaluations: tuple[str, ...] = ()
    """Folders of evaluations that compared with its frames."""
    reports: tuple[str, ...] = ()
    """Folders of reports that count it, and may show its frames."""
    exports: tuple[str, ...] = ()
    """Names of exported data sets with its frames, or with frames of models that saw it."""
    encoders: tuple[str, ...] = ()
    """LUS encoders that saw it; they are deleted."""
    studies: tuple[str, ...] = ()
    """Folders of studies of usefulness with its patient; they are deleted."""


def settle(
    store: Store, source: str, found: Discovery, *, withdraw_all: bool = False
) -> tuple[Withdrawal, ...]:
    """Withdraw the exams of the ledger that left the source; undo it for those that came back.

    Args:
        store: Store with the ledger and all that was made from the exams.
        source: Address of the exam source.
        found: A whole discovery of that source: an exam that it lacks counts as withdrawn.
        withdraw_all: Whether to withdraw exams even if that leaves none. Another folder under the
            same address looks just like that, so the caller has to confirm it.

    Returns:
        A record of each exam that was withdrawn now.

    Raises:
        ExamError: No exam of the ledger is left in the source, or no exam at all, and
            ``withdraw_all`` is not set; or there is neither an exam nor one to withdraw.
    """
    heal_current(store)
    _mark_again(store)
    _take_back(store, found)
    known = ExamLedger.load(store, source)
    gone = known.compare(found.exams, found.rejected, found.readers).withdrawn
    if not found.exams and not gone:
        raise no_exam(source, found)
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
    """Describe withdrawals to a person.

    Args:
        store: Store that the exams were withdrawn from; it is asked whether it keeps deleted
            objects.
        done: Records of the withdrawals.

    Returns:
        A sentence or two; empty if there was no withdrawal.
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
    if any(one.encoders for one in done):
        said += "; the LUS encoder saw them, and the next run makes another"
    if any(one.studies for one in done):
        said += "; studies with their patients are deleted: `lusgan useful` makes another"
    said += "; `lusgan prune --withdrawn` lists what was made from them"
    exported = sorted({name for one in done for name in one.exports})
    if exported:
        said += (
            f". Exported data sets hold their frames, or frames of such models: "
            f"{', '.join(exported)}; delete every copy"
        )
    return (said, KEEPS_DELETED) if store.keeps_deleted() else (said,)


def withdraw(store: Store, exam: LedgerEntry) -> Withdrawal:
    """Take an exam out of the store; mark and list what was made from it.

    Args:
        store: Store to delete from.
        exam: The exam's entry in the ledger, which the caller removes afterwards.

    Returns:
        The record of the withdrawal, which is also written to the store.
    """
    place = f"{key_part(exam.patient)}/{key_part(exam.exam)}/"
    own = (f"exams/{place}", f"shards/{place}")
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
            exports=_exported(store, own[1], found.models),
            encoders=that_saw(store, own[1]),
            studies=studies.that_saw(store, own[1]),
        ),
    )
    put_kept(store, _key(record.exam), record)
    for folder in found.models:
        mark(store, folder, record.exam, record.at)
    scored = (
        f"; models of scores {', '.join(map(str, record.scores))} saw it" if record.scores else ""
    )
    _log(store, "withdrawn", record.exam, f"it left the exam source{scored}")
    for score in emptied:
        empty(store, score, "withdrawal", f"it saw exam {record.exam}, which was withdrawn")
    _reopen(store, scores)
    erase(store, record.encoders)
    index.erase(store, index.below(store, *(f"{folder}/" for folder in record.studies)))
    features = f"features/{place}"
    aside = [key for key in index.below(store, ASIDE) if not key.startswith(OF_MODELS)]
    index.erase(store, [*index.below(store, *own, features), *found.datasets, *aside])
    if not index.below(store, f"exams/{key_part(exam.patient)}/"):
        forget(store, exam.patient)
    return record


def withdrawals(store: Store) -> tuple[Withdrawal, ...]:
    """All withdrawals on record."""
    return tuple(_record(store, key) for key in kept_keys(store, "withdrawals/"))


def _record(store: Store, key: str) -> Withdrawal:
    return read_kept(store, key, Withdrawal, THEN, lambda record: _key(record.exam) == key)


@dataclass
class _Found:
    """What was made from an exam."""

    datasets: list[str] = field(default_factory=list)
    models: dict[str, int] = field(default_factory=dict)
    evaluations: list[str] = field(default_factory=list)
    reports: list[str] = field(default_factory=list)


def _find(store: Store, own: tuple[str, str]) -> _Found:
    found, real = _Found(), set()
    for manifest, dataset in index.datasets(store):
        if any(clip.key.startswith(own[1]) for clip in dataset.clips):
            found.datasets.append(manifest.manifest_key)
            real.add(dataset.real_digest)
    for folder, score in index.model_folders(store).items():
        seen = index.seen_shards(store, folder)
        if seen is None or any(key.startswith(own[1]) for key in seen):
            found.models[folder] = score  # without a list of what it saw, it may have seen it
    for manifest in index.manifests(store, "evaluations/"):
        if manifest.inputs.get("real") in real:
            found.evaluations.append(_folder(manifest.manifest_key))
    for manifest in index.manifests(store, "reports/"):
        if any(key.startswith(own) for key in data_of(manifest, ReportRecord).stages):
            found.reports.append(_folder(manifest.manifest_key))
    return found


def _exported(store: Store, shards: str, models: Iterable[str]) -> tuple[str, ...]:
    """Exported data sets with frames of some shards or models, or of which nobody knows what."""
    own, folders = {short_digest(key) for key in index.below(store, shards)}, set(models)
    return tuple(
        name
        for name, one in exports(store).items()
        if one is None or own & set(one.shards) or folders & set(one.models)
    )


def _is_current(store: Store, score: int, folders: Iterable[str]) -> bool:
    current = current_model(store, score)
    return current is not None and current.folder in folders


def _reopen(store: Store, scores: Iterable[int]) -> None:
    """Take back decisions on these scores: models held back beside a marked one may pass now."""
    keys = index.below(store, *(f"models/score-{score}/" for score in scores))
    index.erase(store, [key for key in keys if key.split("/")[3] == "promotion"])


def _merged(store: Store, record: Withdrawal) -> Withdrawal:
    """The record together with what an earlier attempt, which was cut off, has found."""
    try:
        before = _record(store, _key(record.exam))
    except MissingArtifactError:
        return record
    names = (
        "scores",
        "emptied",
        "models",
        "evaluations",
        "reports",
        "exports",
        "encoders",
        "studies",
    )
    both = {n: tuple(sorted({*getattr(before, n), *getattr(record, n)})) for n in names}
    return record.model_copy(update={"at": before.at, **both})


def _mark_again(store: Store) -> None:
    """Mark models whose marks are gone: by hand, or by a damage of both copies."""
    for record in withdrawals(store):
        for folder in record.models:
            known = mark_of(store, folder)
            if (known is None or record.exam not in known.exams) and index.below(store, folder):
                mark(store, folder, record.exam, record.at)


def _take_back(store: Store, found: Discovery) -> None:
    """Unmark models whose withdrawn exam is in the source again, with the very same content."""
    there = {exam.digest[:8] for exam in found.exams}
    for record in withdrawals(store):
        if record.exam in there:
            for folder in record.models:
                unmark(store, folder, record.exam)
            _reopen(store, record.scores)
            _log(store, "returned", record.exam, "it is in the exam source again")
            delete_kept(store, _key(record.exam))


def _log(store: Store, action: Action, exam: str, why: str) -> None:
    """Enter a withdrawal, or its end, in the history, unless an attempt before this one has."""
    of_it = [entry.action for entry in read_history(store, None) if entry.about == exam]
    if of_it[-1:] != [action]:
        append(store, None, action, "withdrawal", review=Review(why=why), about=exam)


def _key(exam: str) -> str:
    return f"withdrawals/{exam}.json"


def _folder(manifest_key: str) -> str:
    return manifest_key.rpartition("/")[0]
