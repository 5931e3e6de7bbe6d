"""``lusgan status``: the state of a running stack."""

from __future__ import annotations

import dataclasses

from lusgan_cli import options
from lusgan_cli.console import out, print_json, visible
from lusgan_cli.stack import DEFAULT_HOME, HomeFolder, stack_settings


def status(home: HomeFolder = DEFAULT_HOME, json: options.Json = False) -> None:
    """Show what a running `lusgan up` is doing: runs, workers, current models."""
    from lusgan_ops.up.home import Home
    from lusgan_ops.up.login import login_file
    from lusgan_ops.up.status import status as ask_status

    found = ask_status(stack_settings(home))
    if json:
        print_json(dataclasses.asdict(found))
        return
    out.print(f"UI: {found.ui}; sign in with the line in {visible(str(login_file(Home(home))))}")
    out.print(f"workers: {found.workers}")
    for name in found.running:
        out.print(f"running: {visible(name)}")
    if found.waiting:
        out.print(f"waiting for another run to end: {found.waiting}")
    for name, state in found.recent:
        out.print(f"{state.lower()}: {visible(name)}")
    for score, model in sorted(found.models.items()):
        out.print(f"score {score}: {visible(model)}")
