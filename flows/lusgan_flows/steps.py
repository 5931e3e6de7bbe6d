"""Flows that end before the report: the pipeline up to one stage, each a deployment of its own.

Their arguments are those of ``pipeline``.
"""

from __future__ import annotations

from prefect import flow
from prefect.task_runners import ThreadPoolTaskRunner

from lusgan_flows import forms
from lusgan_flows.chain import Outcome
from lusgan_flows.options_form import Config
from lusgan_flows.pipeline import WORKERS
from lusgan_flows.runs import run_flow


@flow(
    name="ingest",
    flow_run_name="ingest",
    task_runner=ThreadPoolTaskRunner(max_workers=WORKERS),
    persist_result=False,
)
def ingest(
    exams: forms.Exams, store: forms.Store, config: Config, preset: forms.Preset = "paper"
) -> Outcome:
    """Read exams and write shards, without training anything.

    Args:
        exams: Where the exams are: a folder with PATIENT/EXAM/*.mat, or s3://BUCKET/PREFIX.
        store: Where artifacts go: a folder, or s3://BUCKET/PREFIX.
        config: Options of every stage; those of preprocessing count.
        preset: Preset that the options started from.
    """
    return run_flow(exams, store, config, preset=preset, until="preprocess")


@flow(
    name="train-score",
    flow_run_name="train score {score}",
    task_runner=ThreadPoolTaskRunner(max_workers=WORKERS),
    persist_result=False,
)
def train_score(
    exams: forms.Exams,
    store: forms.Store,
    config: Config,
    score: forms.Score,
    preset: forms.Preset = "paper",
) -> Outcome:
    """Train one severity score, with what it needs before.

    Args:
        exams: Where the exams are: a folder with PATIENT/EXAM/*.mat, or s3://BUCKET/PREFIX.
        store: Where artifacts go: a folder, or s3://BUCKET/PREFIX.
        config: Options of every stage; its scores do not count.
        score: Severity score to train.
        preset: Preset that the options started from.
    """
    return _one_score(exams, store, config, score, preset, "train")


@flow(
    name="generate",
    flow_run_name="generate score {score}",
    task_runner=ThreadPoolTaskRunner(max_workers=WORKERS),
    persist_result=False,
)
def generate(
    exams: forms.Exams,
    store: forms.Store,
    config: Config,
    score: forms.Score,
    preset: forms.Preset = "paper",
) -> Outcome:
    """Make synthetic frames of one severity score, training it first if it has no model yet.

    Args:
        exams: Where the exams are: a folder with PATIENT/EXAM/*.mat, or s3://BUCKET/PREFIX.
        store: Where artifacts go: a folder, or s3://BUCKET/PREFIX.
        config: Options of every stage; `generation` says how many frames, and its seed.
        score: Severity score to generate.
        preset: Preset that the options started from.
    """
    return _one_score(exams, store, config, score, preset, "generate")


@flow(
    name="evaluate",
    flow_run_name="evaluate score {score}",
    task_runner=ThreadPoolTaskRunner(max_workers=WORKERS),
    persist_result=False,
)
def evaluate(
    exams: forms.Exams,
    store: forms.Store,
    config: Config,
    score: forms.Score,
    preset: forms.Preset = "paper",
) -> Outcome:
    """Compare one score's synthetic frames with real ones, with what that needs before.

    Args:
        exams: Where the exams are: a folder with PATIENT/EXAM/*.mat, or s3://BUCKET/PREFIX.
        store: Where artifacts go: a folder, or s3://BUCKET/PREFIX.
        config: Options of every stage; `evaluation` says what is compared.
        score: Severity score to evaluate.
        preset: Preset that the options started from.
    """
    return _one_score(exams, store, config, score, preset, "evaluate")


def _one_score(
    exams: str, store: str, config: Config, score: int, preset: str, until: str
) -> Outcome:
    chosen = config.model_copy(update={"scores": (score,)})
    return run_flow(exams, store, chosen, preset=preset, until=until)
