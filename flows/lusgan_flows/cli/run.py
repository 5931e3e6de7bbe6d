"""``lusgan run``: the pipeline."""

from __future__ import annotations

from typing import Any

from lusgan_core.config import RunConfig
from lusgan_core.errors import TrainingStopped
from lusgan_core.exams import open_source
from lusgan_core.known import remember
from lusgan_core.presets import DEFAULT_PRESET
from lusgan_core.registry import installed
from lusgan_core.store import open_store
from lusgan_core.training.device import check_devices
from lusgan_flows import task_runners
from lusgan_flows.chain import Outcome, peek
from lusgan_flows.cli import options
from lusgan_flows.cli.console import err, out, print_json, progress_shown, visible
from lusgan_flows.cli.withdrawals import take_out
from lusgan_flows.settings import prepare_prefect, start_server
from lusgan_flows.sources import absolute, find_exams


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


def run_pipeline(
    exams: str,
    store: str,
    config: RunConfig,
    *,
    preset: str,
    strict: bool = False,
    until: str = "report",
    withdraw_all: bool = False,
    task_runner: str = "threads",
    verbose: bool = False,
) -> Outcome:
    """Run the flow, unless a look into the store shows that nothing is new.

    Exams that were withdrawn from the source are taken out of the store before; where none is left,
    that is all. Raises ConfigError where ``task_runner`` cannot be had, or this machine has fewer
    GPUs than the training asks for.
    """
    task_runners.check(task_runner)
    where, source = open_store(store), open_source(str(exams)).uri
    with progress_shown():
        found = find_exams(exams, store)
        asked: dict[str, Any] = {"preset": preset, "strict": strict, "until": until}
        take_out(where, source, found, withdraw_all)
        if not found.exams:
            return Outcome(exams=0)
        outcome = peek(where, found, config, installed(), **asked)
        if outcome is not None:
            if until == "report":
                remember(where, source, found)
            err.print("nothing is new: everything was done before")
            return outcome
        if until != "preprocess":
            check_devices(config.runtime)
        prepare_prefect(verbose)
        try:
            start_server()
            from lusgan_flows.pipeline import pipeline

            with task_runners.opened(task_runner) as runner:
                if runner is None:
                    return pipeline(exams, store, config, **asked)
                flow = pipeline.with_options(task_runner=runner)
                return flow(absolute(exams), where.uri, config, **asked)
        except KeyboardInterrupt as stop:
            raise TrainingStopped(
                "stopped; what is finished is kept: run the same command again to go on"
            ) from stop


def show(outcome: Outcome, store: str, as_json: bool = False) -> None:
    """Print what a run came to."""
    report = f"{store}/{outcome.report.artifacts['page'].key}" if outcome.report else None
    if as_json:
        print_json(
            {
                "exams": outcome.exams,
                "clips": outcome.clips,
                "rejected": [r.model_dump() for r in outcome.rejected],
                "models": {s: m["train"].data["name"] for s, m in done(outcome).items()},
                "promoted": {
                    s: m["promote"].data["promoted"]
                    for s, m in done(outcome).items()
                    if "promote" in m
                },
                "failures": outcome.failures,
                "report": report,
            }
        )
        return
    out.print(f"{outcome.exams} exams, {outcome.clips} clips", end="")
    rejected = len(outcome.rejected)
    out.print(f", {rejected} rejected (see the report)" if rejected else "")
    for score, manifests in done(outcome).items():
        model = manifests["train"]
        out.print(
            f"score {score}: {model.counts['frames']:,} frames of {model.counts['patients']} "
            f"patients, {model.counts['iterations']:,} iterations"
        )
        for warning in model.data["warnings"]:
            out.print(f"  [yellow]{visible(warning)}[/]")
        if "promote" in manifests and not manifests["promote"].data["promoted"]:
            reason = manifests["promote"].data["held_back"]
            out.print(f"  [yellow]held back: {visible(reason)}[/]")
    for score, reason in outcome.failures.items():
        out.print(f"score {score}: [red]no model:[/] {visible(reason)}")
    if report:
        out.print(f"report: {visible(report)}")


def done(outcome: Outcome) -> dict[int, dict[str, Any]]:
    """The scores that have a model."""
    return {s: m for s, m in outcome.scores.items() if "train" in m and s not in outcome.failures}
