"""``lusgan encoder``: the LUS encoders of a store, and how well they judge."""

from __future__ import annotations

from datetime import UTC
from typing import Annotated

import typer

from lusgan_cli import options
from lusgan_cli.console import out, print_json, visible


def encoder(
    store: options.Store = options.DEFAULT_STORE,
    renew: Annotated[
        bool,
        typer.Option(
            "--renew",
            help="Unpin the encoders: the next run trains another on the patients of that day, and "
            "measures with it",
        ),
    ] = False,
    json: options.Json = False,
) -> None:
    """Show the LUS encoder that a store measures with, and how well it judges held-out patients.

    It is made once and kept, so that a new exam redoes no score.
    """
    from lusgan_core.pipeline.encoders import list_encoders, unpin
    from lusgan_core.store import existing_store

    opened = existing_store(store)
    listed = list_encoders(opened)
    gone = unpin(opened, listed) if renew else ()
    if json:
        shown = [one.model_dump(mode="json") for one in listed]
        print_json({"encoders": shown, "unpinned": list(gone)})
        return
    if not listed:
        out.print("no encoder: a run makes one where encoder.network is `small` or `inception_v3`")
    for one in listed:
        created = f", {one.created.astimezone(UTC):%Y-%m-%d %H:%M} UTC" if one.created else ""
        accuracy = "accuracy unknown" if one.accuracy is None else f"accuracy {one.accuracy:.0%}"
        by = f" on {one.held_out_patients} held-out patients" if one.accuracy is not None else ""
        out.print(
            f"{visible(one.name)}: {visible(one.network)}, scores "
            f"{', '.join(map(str, one.scores))} of {one.patients} training patients{created}; "
            f"{accuracy}{by}",
            soft_wrap=True,
        )
        if one.doubt:
            out.print(f"  [yellow]it judges no scores:[/] {visible(one.doubt)}", soft_wrap=True)
    if gone:
        out.print("unpinned: the next `lusgan run` makes another, and evaluates every score again")
