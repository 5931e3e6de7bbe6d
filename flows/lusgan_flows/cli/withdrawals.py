"""Takes withdrawn exams out of the store, and says what that means."""

from __future__ import annotations

from lusgan_core.exams import Discovery
from lusgan_core.store import Store
from lusgan_core.store.base import KEEPS_DELETED
from lusgan_core.withdrawal import settle
from lusgan_flows.cli.console import err, visible


def take_out(store: Store, source: str, found: Discovery, withdraw_all: bool) -> None:
    """Withdraw exams that are known and no longer in the source of that address.

    Raises ExamError where none of the known ones is left, unless ``withdraw_all``, and where there
    is no exam at all.
    """
    exams = settle(store, source, found, withdraw_all=withdraw_all)
    if not exams:
        return
    scores = sorted({score for exam in exams for score in exam.scores})
    emptied = sorted({score for exam in exams for score in exam.emptied})
    count = f"{len(exams)} exams were" if len(exams) > 1 else "1 exam was"
    said = f"{count} withdrawn"
    if scores:
        said += f"; models of scores {', '.join(map(str, scores))} saw them and are marked"
    if emptied:
        said += f", and scores {', '.join(map(str, emptied))} have no current model until one is "
        said += "promoted"
    err.print(f"[yellow]{said}; `lusgan prune --withdrawn` lists what was made from them[/]")
    warn_of_versions(store)


def warn_of_versions(store: Store) -> None:
    """Say, after something withdrawn was deleted, that the storage may still have it."""
    if store.keeps_deleted():
        err.print(f"[yellow]{visible(KEEPS_DELETED)}[/]")
