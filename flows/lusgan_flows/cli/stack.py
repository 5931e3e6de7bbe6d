"""``lusgan status``, ``lusgan doctor`` and ``lusgan notify``: questions to a local stack."""

from __future__ import annotations

import dataclasses
import os
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated
from uuid import uuid4

import typer

from lusgan_core.errors import ConfigError
from lusgan_flows.cli import options
from lusgan_flows.cli.console import out, print_json, visible
from lusgan_flows.cli.up import DEFAULT_HOME, HomeFolder

if TYPE_CHECKING:
    from lusgan_flows.up.home import UpSettings


def status(home: HomeFolder = DEFAULT_HOME, json: options.Json = False) -> None:
    """Show what a running `lusgan up` is doing: runs, workers, current models."""
    from lusgan_flows.up.status import status as ask_status

    found = ask_status(_settings(home))
    if json:
        print_json(dataclasses.asdict(found))
        return
    out.print(f"UI: {found.ui}")
    out.print(f"workers: {found.workers}")
    for name in found.running:
        out.print(f"running: {visible(name)}")
    if found.waiting:
        out.print(f"waiting for another run to end: {found.waiting}")
    for name, state in found.recent:
        out.print(f"{state.lower()}: {visible(name)}")
    for score, model in sorted(found.models.items()):
        out.print(f"score {score}: {visible(model)}")


def doctor(home: HomeFolder = DEFAULT_HOME, json: options.Json = False) -> None:
    """Look at server, worker, store, GPU, plugins and versions: what is wrong, and what to do.

    Exit code 1 if anything is wrong. Changes nothing.
    """
    from lusgan_flows.up.home import Home
    from lusgan_flows.up.status import examine

    findings = []
    for finding in examine(Home(home)):
        findings.append(finding)
        if not json:
            sign = "[green]well [/]" if finding.well else "[bold red]wrong[/]"
            out.print(f"{sign} {finding.what}: {visible(finding.text)}")
    if json:
        print_json([dataclasses.asdict(finding) for finding in findings])
    if not all(finding.well for finding in findings):
        raise typer.Exit(1)


def notify(
    exam: Annotated[str, typer.Argument(metavar="EXAM", help="PATIENT/EXAM, as its folder is")],
    home: HomeFolder = DEFAULT_HOME,
) -> None:
    """Say that an exam has arrived completely; a run starts without waiting for the next look.

    What the server is told names the exam by a digest.
    """
    from lusgan_core.exams import open_source
    from lusgan_core.store import open_store
    from lusgan_flows.arrivals import Announcements
    from lusgan_flows.event_names import NEW, exam_event
    from lusgan_flows.sources import find_exams
    from lusgan_flows.up.status import ask

    settings = _settings(home)
    codes = tuple(exam.strip("/").split("/")[-2:])
    source, store = open_source(settings.exams).uri, open_store(settings.store)
    found = {(e.patient, e.exam): e for e in find_exams(settings.exams, settings.store).exams}
    if len(codes) != 2 or codes not in found:
        raise ConfigError(
            "there is no such exam in the source: name it PATIENT/EXAM; `lusgan check` lists them"
        )
    digest = found[codes].digest
    Announcements.load(store, source).told(codes, digest, complete=True).save(store, source)
    event = {"id": str(uuid4()), "occurred": datetime.now(UTC).isoformat()}
    ask(settings, "/events", [event | exam_event(NEW, source, digest)])
    out.print(f"announced exam {digest[:8]}; a run starts within {settings.debounce_s + 15} s")


def _settings(home: Path) -> UpSettings:
    """What the stack was started with; this process's environment leads to its S3 server."""
    from lusgan_flows.up.home import Home
    from lusgan_flows.up.services import s3_environment

    place = Home(home)
    settings = place.settings()
    if settings.s3:
        os.environ.update(s3_environment(place, settings))
    return settings
