"""``lusgan promote`` and ``lusgan rollback``: choose the current model of a score by hand."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from lusgan_cli import options
from lusgan_cli.console import out, print_json, visible

if TYPE_CHECKING:
    from lusgan_core.promotion.history import HistoryEntry

Score = Annotated[int, typer.Argument(help="Severity score, 0 to 3", show_default=False)]


def promote(
    score: Score,
    model: Annotated[
        str, typer.Argument(help="Model, by its name or the last digits of it", show_default=False)
    ],
    store: options.Store = options.DEFAULT_STORE,
    json: options.Json = False,
) -> None:
    """Make a model the current one of its score, whatever the gates say."""
    from lusgan_core.pipeline.models import promote_by_hand
    from lusgan_core.store import open_store

    _show(promote_by_hand(open_store(store), score, model), json)


def rollback(
    score: Score,
    store: options.Store = options.DEFAULT_STORE,
    json: options.Json = False,
) -> None:
    """Go back to the model that was current before.

    The one that is left is not promoted again, except by hand.
    """
    from lusgan_core.pipeline.models import known_score
    from lusgan_core.promotion.current import roll_back
    from lusgan_core.store import open_store

    known_score(score)
    _show(roll_back(open_store(store), score), json)


def _show(entry: HistoryEntry, as_json: bool) -> None:
    if as_json:
        print_json(entry.model_dump(mode="json"))
    elif entry.model:
        before = f", in place of {visible(entry.left)}" if entry.left else ""
        out.print(
            f"score {entry.model.score}: {visible(entry.model.model)} is current{before}",
            soft_wrap=True,
        )
