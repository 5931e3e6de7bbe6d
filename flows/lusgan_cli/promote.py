"""``lusgan promote``, ``reject`` and ``rollback``: decide by hand on the models of a score."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from lusgan_cli import options
from lusgan_cli.console import out, print_json, visible

if TYPE_CHECKING:
    from lusgan_core.promotion.history import HistoryEntry

Score = Annotated[int, typer.Argument(help="Severity score, 0 to 3", show_default=False)]
Model = Annotated[
    str, typer.Argument(help="Model, by its name or the last digits of it", show_default=False)
]
Why = Annotated[str, typer.Option(help="Reason, for `lusgan history`; must name no patient")]
Reviewer = Annotated[str, typer.Option(help="Who decides; the user of this process unless given")]
Report = Annotated[
    str,
    typer.Option(
        metavar="RUN",
        help="The report that was looked at: eight digits or its address; the newest one that "
        "shows the model unless given",
    ),
]


def promote(
    score: Score,
    model: Model,
    store: options.Store = options.DEFAULT_STORE,
    why: Why = "",
    reviewer: Reviewer = "",
    report: Report = "",
    json: options.Json = False,
) -> None:
    """Make a model the current one of its score, whatever the gates say.

    Who decided, why and by which report is kept: `lusgan history` shows it.
    """
    from lusgan_core.pipeline.approval import review_of
    from lusgan_core.pipeline.models import promote_by_hand
    from lusgan_core.store import existing_store

    kept = existing_store(store)
    review = review_of(kept, score, model, reviewer, why, report)
    _show(promote_by_hand(kept, score, model, review), json)


def reject(
    score: Score,
    model: Model,
    store: options.Store = options.DEFAULT_STORE,
    why: Why = "",
    reviewer: Reviewer = "",
    report: Report = "",
    json: options.Json = False,
) -> None:
    """Note that a held-back model is not to be used: it waits no more, and gates do not promote it.

    Who decided, why and by which report is kept: `lusgan history` shows it.
    """
    from lusgan_core.pipeline.approval import review_of
    from lusgan_core.pipeline.models import reject_by_hand
    from lusgan_core.store import existing_store

    kept = existing_store(store)
    review = review_of(kept, score, model, reviewer, why, report)
    _show(reject_by_hand(kept, score, model, review), json)


def rollback(
    score: Score,
    store: options.Store = options.DEFAULT_STORE,
    why: Why = "",
    reviewer: Reviewer = "",
    report: Report = "",
    json: options.Json = False,
) -> None:
    """Go back to the model that was current before.

    The one that is left is not promoted again, except by hand. Who decided, why and by which report
    is kept: `lusgan history` shows it.
    """
    from lusgan_core.pipeline.approval import review_of_current
    from lusgan_core.promotion.current import roll_back
    from lusgan_core.store import existing_store

    kept = existing_store(store)
    review = review_of_current(kept, score, reviewer, why, report)
    _show(roll_back(kept, score, review), json)


def _show(entry: HistoryEntry, as_json: bool) -> None:
    if as_json:
        print_json(entry.model_dump(mode="json"))
    elif entry.action == "rejected":
        out.print(f"{visible(entry.about)} is rejected", soft_wrap=True)
    elif entry.model:
        before = f", in place of {visible(entry.left)}" if entry.left else ""
        out.print(
            f"score {entry.model.score}: {visible(entry.model.model)} is current{before}",
            soft_wrap=True,
        )
