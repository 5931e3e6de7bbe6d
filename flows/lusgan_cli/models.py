"""``lusgan models``: the models of a store, and which are current."""

from __future__ import annotations

from datetime import UTC

from lusgan_cli import options
from lusgan_cli.console import out, print_json, visible


def models(store: options.Store = options.DEFAULT_STORE, json: options.Json = False) -> None:
    """List the models of a store: trained on how much, promoted, held back or withdrawn."""
    from lusgan_core.pipeline.models import list_models
    from lusgan_core.store import existing_store

    listed = list_models(existing_store(store))
    if json:
        print_json([model.model_dump(mode="json") for model in listed])
        return
    if not listed:
        out.print("no models")
    for model in listed:
        created = f", {model.created.astimezone(UTC):%Y-%m-%d %H:%M} UTC" if model.created else ""
        out.print(
            f"score {model.score}: {visible(model.model)}  [bold]{model.state}[/]  "
            f"{model.frames:,} frames of {model.patients} patients{created}",
            soft_wrap=True,
        )
        if model.reason:
            out.print(f"  {visible(model.reason)}", soft_wrap=True)
