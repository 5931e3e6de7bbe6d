"""``lusgan prune``: lists and deletes what a store no longer needs."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import TYPE_CHECKING, Annotated, get_args

import typer

from lusgan_cli import options
from lusgan_cli.console import err, out, print_json, progress_shown, visible
from lusgan_core.progress import track

if TYPE_CHECKING:
    from lusgan_core.pipeline.pruning import Doomed, PrunePlan
    from lusgan_core.store import Store

COUNTED = ("shards", "features", "exam record", "damaged")
"""Kinds of which only the number is shown: the names of most hold patients' codes."""


def prune(
    store: options.Store = options.DEFAULT_STORE,
    withdrawn: Annotated[
        bool,
        typer.Option(
            "--withdrawn",
            help="Instead of what is old: all that was made from exams that were withdrawn",
        ),
    ] = False,
    yes: Annotated[
        bool, typer.Option("--yes", help="Delete what is listed; without it nothing is deleted")
    ] = False,
    json: options.Json = False,
) -> None:
    """List what a store could do without: old models, and shards that nothing needs.

    A model stays if it is current, was so before, is the newest of its score and options, or
    belongs to the newest study of usefulness. Nothing is deleted without `--yes`.
    """
    from lusgan_core.pipeline.pruning import carry_out, plan_old, plan_withdrawn
    from lusgan_core.store import existing_store
    from lusgan_core.store.base import KEEPS_DELETED

    where = existing_store(store)
    make = plan_withdrawn if withdrawn else plan_old
    plan = make(where)
    if yes and plan.busy:
        plan = _watched(where, plan, make)
    if json:
        print_json(plan.model_dump(mode="json") | {"deleted": yes})
    else:
        _show(plan, yes)
    if yes:
        carry_out(where, plan)
        if withdrawn and plan.items and where.keeps_deleted():
            err.print(f"[yellow]{visible(KEEPS_DELETED)}[/]")


def _watched(store: Store, plan: PrunePlan, make: Callable[[Store], PrunePlan]) -> PrunePlan:
    """The plan after the leases of busy models were watched for as long as void ones take."""
    from lusgan_core.pipeline.index import in_training
    from lusgan_core.training.lease import TTL_S

    seconds = int(TTL_S) + 5
    with progress_shown(), track("looking whether leases are renewed", seconds, "s") as task:
        for _ in range(seconds):
            if not any(in_training(store, folder) for folder in plan.busy):
                break
            time.sleep(1)
            task.advance()
    return make(store)


def _show(plan: PrunePlan, yes: bool) -> None:
    from lusgan_core.pipeline.pruning import What

    for kind in get_args(What):
        items = [item for item in plan.items if item.what == kind]
        if kind in COUNTED:
            _count(items)
            continue
        for item in items:
            out.print(f"{visible(item.name)}  {_mb(item.size)}  {item.why}", soft_wrap=True)
    for folder in plan.busy:
        err.print(
            f"[yellow]{visible(folder)} is being trained: stop it, then prune again. If its "
            "machine is gone, `--yes` finds out, by looking at it for three minutes[/]",
            soft_wrap=True,
        )
    if not plan.items:
        out.print("nothing to prune")
    elif yes:
        out.print(f"deleted: {_mb(plan.size)}")
    else:
        out.print(f"{_mb(plan.size)} in all; nothing was deleted: add --yes to delete it")


def _count(items: list[Doomed]) -> None:
    """Print counts of shards and exam records, whose names hold patients' codes."""
    for why in dict.fromkeys(item.why for item in items):
        alike = [item for item in items if item.why == why]
        count = sum(len(item.keys) for item in alike)
        out.print(f"{count} objects ({alike[0].what})  {_mb(sum(i.size for i in alike))}  {why}")


def _mb(size: int) -> str:
    return f"{size / 1e6:,.1f} MB"
