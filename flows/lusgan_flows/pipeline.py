"""The flow behind ``lusgan run`` and the deployment ``pipeline``: exams in, report out."""

from __future__ import annotations

from typing import Any

from prefect import flow
from prefect.client.schemas.objects import State
from prefect.task_runners import ThreadPoolTaskRunner

from lusgan_core.pipeline import parameters
from lusgan_core.pipeline.chain import Outcome
from lusgan_flows.pipeline_run import run_flow

WORKERS = 4
"""Number of exams that are ingested or preprocessed at the same time."""
THREADS: Any = ThreadPoolTaskRunner(max_workers=WORKERS)


@flow(
    name="pipeline",
    flow_run_name="look for new exams",
    description="Exams to synthetic frames and a report, one GAN per severity score",
    task_runner=THREADS,
    validate_parameters=True,
    persist_result=False,
)
def pipeline(
    exams: parameters.Exams,
    store: parameters.Store,
    config: parameters.Config,
    preset: parameters.Preset = "paper",
    strict: bool = False,
    until: parameters.Until = "report",
    settle_s: parameters.Seconds = 0.0,
    withdraw_all: bool = False,
    train_on: str = "",
) -> Outcome | State[Outcome]:
    """Run the whole pipeline; what was done before and has not changed is not done again.

    Args:
        exams: Where the exams are: a folder with PATIENT/EXAM/*.mat, or s3://BUCKET/PREFIX.
        store: Where artifacts go: a folder, or s3://BUCKET/PREFIX.
        config: Options of every stage.
        preset: Preset that the options started from; the report compares them with it.
        strict: Fail if any clip cannot be used.
        until: Last stage to run.
        settle_s: Seconds without a change after which an exam counts as completely uploaded; one
            that is still arriving is left for the next run. 0: take everything as it is.
        withdraw_all: Treat all missing exams as withdrawn, even if none is left.
        train_on: Deployment that trains the scores, several at once, as FLOW/DEPLOYMENT
            ("training/training" of `lusgan up`). Empty: one after the other, in this run.

    Returns:
        The result of the run; as the data of a state where there is something to say.
    """
    return run_flow(
        exams,
        store,
        config,
        preset=preset,
        strict=strict,
        until=until,
        settle_s=settle_s,
        withdraw_all=withdraw_all,
        train_on=train_on,
    )
