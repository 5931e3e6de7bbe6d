"""``lusgan run``: the pipeline."""

from __future__ import annotations

from lusgan_cli import options
from lusgan_cli.pipeline import run_pipeline, show
from lusgan_core.presets import DEFAULT_PRESET


def run(
    exams: options.Exams,
    store: options.Store = options.DEFAULT_STORE,
    preset: options.PresetName = DEFAULT_PRESET,
    config: options.ConfigFile = None,
    set_: options.Settings = None,
    scores: options.Scores = None,
    strict: options.Strict = False,
    withdraw_all: options.WithdrawAll = False,
    task_runner: options.TaskRunner = "threads",
    verbose: options.Verbose = False,
    json: options.Json = False,
) -> None:
    """Take exams all the way: ingest, preprocess, train, generate, evaluate, report.

    What was done before and has not changed is not done again: a new exam costs its own ingestion
    and the scores whose frames it changed. Stop with Ctrl-C and run the same command to go on.
    """
    resolved = options.chosen(preset, config, set_, scores)
    outcome = run_pipeline(
        exams,
        store,
        resolved,
        preset=preset,
        strict=strict,
        withdraw_all=withdraw_all,
        task_runner=task_runner,
        verbose=verbose,
    )
    show(outcome, store, json)
    outcome.check()
