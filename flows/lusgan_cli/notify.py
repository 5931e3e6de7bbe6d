"""``lusgan notify``: announces that an exam has arrived completely."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Annotated
from uuid import uuid4

import typer

from lusgan_cli.console import out
from lusgan_cli.stack import DEFAULT_HOME, HomeFolder, stack_settings
from lusgan_core.errors import ConfigError


def notify(
    exam: Annotated[str, typer.Argument(metavar="EXAM", help="PATIENT/EXAM, as its folder is")],
    home: HomeFolder = DEFAULT_HOME,
) -> None:
    """Say that an exam has arrived completely; a run starts without waiting for the next look.

    What the server is told names the exam by a digest.
    """
    from lusgan_core.pipeline.arrivals import Announcements
    from lusgan_core.pipeline.events import NEW, exam_event
    from lusgan_core.pipeline.exam_digests import find_exams
    from lusgan_core.store import open_store
    from lusgan_core.store.source import open_source
    from lusgan_ops.prefect_api import ask

    settings = stack_settings(home)
    codes = tuple(exam.strip("/").split("/")[-2:])
    source, store = open_source(settings.exams).uri, open_store(settings.store)
    exams = find_exams(settings.exams, settings.store, settings.readers).exams
    found = {exam.codes: exam for exam in exams}
    if len(codes) != 2 or codes not in found:
        raise ConfigError(
            "there is no such exam in the source: name it PATIENT/EXAM; `lusgan check` lists them"
        )
    digest = found[codes].digest
    Announcements.load(store, source).told(codes, digest, complete=True).save(store, source)
    event = {"id": str(uuid4()), "occurred": datetime.now(UTC).isoformat()}
    ask(settings.api, "/events", [event | exam_event(NEW, source, digest)])
    out.print(f"announced exam {digest[:8]}; a run starts within {settings.debounce_s + 15} s")
