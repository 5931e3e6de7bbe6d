"""``lusgan verify``: checks that a store holds what was written there."""

from __future__ import annotations

from typing import Annotated

import typer

from lusgan_cli import options
from lusgan_cli.console import out, print_json, progress_shown, visible


def verify(
    store: options.Store = options.DEFAULT_STORE,
    repair: Annotated[
        bool,
        typer.Option(
            "--repair",
            help="Set aside what is damaged, so that the next run makes it again, and rebuild "
            "weights from checkpoints",
        ),
    ] = False,
    json: options.Json = False,
) -> None:
    """Check a whole store: is everything what was written there?

    Every artifact is read and compared with its digest. Exit code 1 if anything is damaged and was
    not repaired. With `--json` the full keys are shown, which hold codes of patients.
    """
    from lusgan_core.pipeline.verify import verify as look
    from lusgan_core.store import existing_store

    with progress_shown():
        found = look(existing_store(store), repair=repair)
    if json:
        print_json(found.model_dump(mode="json"))
    else:
        for one in found.damages:
            text = f"{one.name}: expected {one.expected}, found {one.found}; {one.then}"
            out.print(visible(text), soft_wrap=True)
        said = f"{len(found.damages)} damaged" if found.damages else "all is what was written"
        out.print(f"{found.objects:,} objects, {found.size / 1e6:,.1f} MB read: {said}")
        if found.damages and repair:
            out.print("`lusgan run` makes again what was set aside")
    if found.damages and not repair:
        raise typer.Exit(1)
