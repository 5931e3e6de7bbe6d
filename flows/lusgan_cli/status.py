"""``lusgan status``: the state of a running stack."""

from __future__ import annotations

import dataclasses
import time
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from lusgan_cli import options
from lusgan_cli.console import err, out, print_json, visible
from lusgan_cli.stack import DEFAULT_HOME, HomeFolder, stack_settings
from lusgan_core.errors import ConfigError

if TYPE_CHECKING:
    from lusgan_ops.up.status import Status

REFRESH_S = 5.0


def status(
    home: HomeFolder = DEFAULT_HOME,
    watch: Annotated[
        bool, typer.Option("--watch", help="Go on showing it, in place, until Ctrl-C")
    ] = False,
    alarm_after: Annotated[
        float,
        typer.Option(
            metavar="HOURS", help="Hours without a look for new exams that are a problem", min=0.1
        ),
    ] = 6.0,
    json: options.Json = False,
) -> None:
    """Show what `lusgan up` is doing, what waits and why, and what needs a person.

    Exit code 1 if anything needs one: the server or the store does not answer, no worker is online,
    a disk is full, or nobody has looked for new exams for hours. So a line of cron that throws
    stdout away mails what is wrong, whatever has ended.
    """
    from lusgan_ops.up.home import Home
    from lusgan_ops.up.status import status as ask_status

    if watch and json:
        raise ConfigError("--watch shows it to a person: leave --json out, or ask again and again")
    settings, place = stack_settings(home), Home(home)
    found = ask_status(place, settings, alarm_after)
    if watch:
        from rich.live import Live

        with Live(console=out, auto_refresh=False) as live:
            while True:
                live.update("\n".join(lines(found, place.path)), refresh=True)
                time.sleep(REFRESH_S)
                found = ask_status(place, settings, alarm_after)
    if json:
        shown = dataclasses.asdict(found)
        shown["held_back"] = [one.model_dump(mode="json") for one in found.held_back]
        look = found.last_look
        shown["last_look"] = look.model_dump(mode="json") if look else None
        print_json(shown)
    else:
        for line in lines(found, place.path):
            out.print(line, soft_wrap=True)
    for problem in found.problems:
        err.print(f"[bold red]lusgan:[/] {visible(problem)}", soft_wrap=True)
    if found.problems:
        raise typer.Exit(1)


def lines(found: Status, home: Path) -> Iterator[str]:
    """Write a state as lines for a person.

    Args:
        found: The state.
        home: Folder of the stack.

    Yields:
        Lines with rich's markup.
    """
    for problem in found.problems:
        yield f"[bold red]needs you:[/] {visible(problem)}"
    yield f"UI: {found.ui}; sign in with the line in {visible(str(home / 'login'))}"
    yield f"workers: {found.workers}"
    for run in found.running:
        yield f"running: [bold]{visible(run.name)}[/], since {_time(run.at)}"
        for work in run.progress:
            left = "" if work.left_s is None else f", about {_lasting(work.left_s)} left"
            yield f"  {visible(work.what)}: {work.percent:g}%{left}"
    if not found.running:
        yield "running: nothing"
    for wait in found.waiting:
        yield f"waiting: {visible(wait.what)}: {visible(wait.why)}"
    for run in found.recent:
        said = f": {visible(run.message)}" if run.message and run.message not in run.name else ""
        yield f"{run.state.lower()}: {visible(run.name)}, {_time(run.at)}{said}"
    for one in found.held_back:
        by = f" by {', '.join(one.gates)}" if one.gates else ""
        yield f"held back{by}: score {one.score}: {visible(one.model)}: {visible(one.reason)}"
        yield f"  report {visible(one.report) or 'none yet'}; `lusgan promote` or `lusgan reject`"
    for row in found.rejected or ():
        yield f"rejected: {row['clips']} clips of {row['exams']} exams: {visible(row['reason'])}"
    if found.rejected is None:
        yield "rejected: not known, no run on the server has a table of it; see the last report"
    elif not found.rejected:
        yield "rejected: no clip"
    for score, model in sorted(found.models.items()):
        yield f"score {score}: {visible(model)}"
    if found.last_look:
        look = found.last_look
        ago = _lasting(look.silent_h * 3600)
        yield f"last look for new exams: {ago} ago; {look.exams} exams, {look.arriving} arriving"
    else:
        yield "last look for new exams: none yet"
    yield f"GPU: {visible('; '.join(found.gpus)) or 'no GPU'}"
    for folder, free in found.free_gb.items():
        yield f"disk: {free:,.1f} GB left in {visible(folder)}"


def _time(text: str) -> str:
    from datetime import UTC, datetime

    if not text:
        return "an unknown time"
    return f"{datetime.fromisoformat(text).astimezone(UTC):%Y-%m-%d %H:%M} UTC"


def _lasting(seconds: float) -> str:
    """A length of time in its largest unit that is not below one."""
    for unit, length in (("d", 86_400), ("h", 3600), ("min", 60)):
        if seconds >= length:
            return f"{seconds / length:.0f} {unit}"
    return f"{seconds:.0f} s"
