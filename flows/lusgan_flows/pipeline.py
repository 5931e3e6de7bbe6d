"""The flow behind ``lusgan run``: exams in, report out."""

from __future__ import annotations

from prefect import flow
from prefect.task_runners import ThreadPoolTaskRunner

from lusgan_core.config import RunConfig
from lusgan_core.exams import Discovery
from lusgan_core.registry import installed
from lusgan_flows.chain import Outcome, run_chain
from lusgan_flows.sources import find_exams
from lusgan_flows.tasks import Place, PrefectRunner

WORKERS = 4
"""Exams ingested and preprocessed side by side."""


@flow(
    name="pipeline",
    description="Exams to synthetic frames and a report, one GAN per severity score",
    task_runner=ThreadPoolTaskRunner(max_workers=WORKERS),
    validate_parameters=True,
    persist_result=False,
)
def pipeline(
    exams: str,
    store: str,
    config: RunConfig,
    preset: str = "paper",
    strict: bool = False,
    until: str = "report",
) -> Outcome:
    """Run the whole pipeline; what was done before and has not changed is not done again.

    Args:
        exams: Folder with PATIENT/EXAM/*.mat.
        store: Folder for artifacts.
        config: Options of every stage.
        preset: Name of the preset the options started from, for the report.
        strict: Fail if any clip cannot be used.
        until: Last stage to run.
    """
    place = Place(store=store, exams=exams, runtime=config.runtime)
    found: Discovery = find_exams(exams, store)
    return run_chain(
        PrefectRunner(place), found, config, installed(), preset=preset, strict=strict, until=until
    )
