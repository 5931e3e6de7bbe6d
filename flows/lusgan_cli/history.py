"""``lusgan history``: who made which model current, when and why, and whether that is intact."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from lusgan_cli import options
from lusgan_cli.console import err, out, print_json, visible

if TYPE_CHECKING:
    from lusgan_core.promotion.history import Broken, HistoryEntry


def history(
    score: Annotated[
        int | None,
        typer.Argument(
            help="Severity score, 0 to 3; without it, all, and the withdrawals of exams",
            show_default=False,
        ),
    ] = None,
    store: options.Store = options.DEFAULT_STORE,
    json: options.Json = False,
) -> None:
    """Show who made which model current, or withdrew an exam, when, why and by which report.

    Each entry holds the digest of the one before, so that one that was changed or removed is found:
    it is named, and the exit code is 1 until `lusgan verify --repair` has noted it. A history that
    somebody wrote anew as a whole is not found: for that, keep the digests that this command prints
    somewhere else.
    """
    from lusgan_core.domain import SCORES
    from lusgan_core.pipeline.models import known_score
    from lusgan_core.promotion.history import as_they_are, broken
    from lusgan_core.store import existing_store

    if score is not None:
        known_score(score)
    kept = existing_store(store)
    chosen: tuple[int | None, ...] = (*SCORES, None) if score is None else (score,)
    found = {_name(one): as_they_are(kept, one)[0].values() for one in chosen}
    lost = {_name(one): broken(kept, one) for one in chosen}
    if json:
        print_json(
            {
                name: {
                    "entries": [
                        e.model_dump(mode="json", exclude_defaults=True) | {"digest": e.digest}
                        for e in entries
                    ],
                    "broken": [one.model_dump(mode="json") for one in lost[name]],
                }
                for name, entries in found.items()
            }
        )
    else:
        for name, entries in found.items():
            _show(name, sorted(entries, key=lambda e: e.number), lost[name])
        if not any(found.values()):
            out.print("no model was ever current, and no exam withdrawn")
    news = [(name, one) for name, of in lost.items() for one in of if not one.noted]
    if news:
        name, first = news[0]
        said = (
            f"{len(news)} entries of the history are not what was written, the first one of "
            f"{name}, number {first.number}: `lusgan verify --repair` notes them"
        )
        err.print(f"[bold red]lusgan:[/] {said}", soft_wrap=True)
        raise typer.Exit(1)


def _name(score: int | None) -> str:
    return "withdrawals" if score is None else f"score {score}"


def _show(name: str, entries: list[HistoryEntry], lost: tuple[Broken, ...]) -> None:
    changed = {one.number: one for one in lost}
    lines = {entry.number: _line(entry) for entry in entries}
    lines |= {one.number: "[bold red]gone[/]" for one in lost if not one.found}
    for number, line in sorted(lines.items()):
        note = ""
        if number in changed and changed[number].found:
            note = " [bold red]changed since it was written[/]"
        if number in changed and changed[number].noted:
            note += " (noted)"
        out.print(f"{name}  {number}  {line}{note}", soft_wrap=True)


def _line(entry: HistoryEntry) -> str:
    from datetime import UTC

    changed = entry.action in ("promoted", "rolled back") and entry.model is not None
    subject = entry.model.model if changed and entry.model else entry.about
    by = entry.who or {"hand": "a person", "gates": "its gates"}.get(entry.by, entry.by)
    parts = [
        f"{entry.at.astimezone(UTC):%Y-%m-%d %H:%M} UTC",
        f"[bold]{entry.action}[/] {visible(subject)}".rstrip(),
        f"by {visible(by)}" + (f" ({visible(entry.account)})" if entry.account else ""),
    ]
    parts += [f"in place of {visible(entry.left)}"] if entry.left else []
    parts += [visible(entry.reason)] if entry.reason else []
    parts += [f"report {entry.report.key.split('/')[-2]}"] if entry.report else []
    return "; ".join(parts) + f"; [dim]{entry.digest[:12]}[/]"
