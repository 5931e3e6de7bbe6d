"""The flow ``stage``: the pipeline up to one stage, for one score or all."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from prefect import flow
from prefect.client.schemas.objects import State
from prefect.runtime import flow_run

from lusgan_core.pipeline import parameters
from lusgan_core.pipeline.chain import Outcome
from lusgan_flows.pipeline import THREADS
from lusgan_flows.pipeline_run import run_flow


def named(asked: Mapping[str, Any]) -> str:
    """Make the name of a run from what it was asked for; one that fails at once keeps it."""
    score = asked["score"]
    return f"{asked['until']}" if score is None else f"{asked['until']} of score {score}"


@flow(
    name="stage",
    flow_run_name=lambda: named(flow_run.parameters),
    description="The pipeline up to one stage",
    task_runner=THREADS,
    persist_result=False,
)
def stage(
    exams: parameters.Exams,
    store: parameters.Store,
    config: parameters.Config,
    until: parameters.Stage,
    score: parameters.OptionalScore = None,
    preset: parameters.Preset = "paper",
) -> Outcome | State[Outcome]:
    """Run the pipeline up to a stage, with what that needs before it.

    Args:
        exams: Where the exams are: a folder with PATIENT/EXAM/*.mat, or s3://BUCKET/PREFIX.
        store: Where artifacts go: a folder, or s3://BUCKET/PREFIX.
        config: Options of every stage.
        until: Last stage to run.
        score: Severity score to work on; empty: those of the options.
        preset: Preset that the options started from.

    Returns:
        The result of the run; as the data of a state where there is something to say.
    """
    chosen = config if score is None else config.model_copy(update={"scores": (score,)})
    return run_flow(exams, store, chosen, preset=preset, until=until)
