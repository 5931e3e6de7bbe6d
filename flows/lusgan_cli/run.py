"""``lusgan run``: the whole pipeline."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from lusgan_cli import options
from lusgan_cli.console import out, print_json, progress_shown, visible
from lusgan_cli.pipeline import run_pipeline, show
from lusgan_core.presets import DEFAULT_PRESET

if TYPE_CHECKING:
    from lusgan_core.config import RunConfig
    from lusgan_core.pipeline.plan import Plan, PlannedCall


def run(
    exams: options.Exams,
    store: options.Store = options.DEFAULT_STORE,
    preset: options.PresetName = DEFAULT_PRESET,
    config: options.ConfigFile = None,
    set_: options.Settings = None,
    scores: options.Scores = None,
    plan: Annotated[
        bool,
        typer.Option("--plan", help="Show what would be done, why, and how long it took last time"),
    ] = False,
    repair: Annotated[
        bool,
        typer.Option(
            "--repair",
            help="Train a finished model again whose weights are damaged, where no checkpoint is "
            "left to rebuild them from",
        ),
    ] = False,
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
    settings = [*(set_ or ()), *(["runtime.repair=true"] if repair else ())]
    resolved = options.chosen(preset, config, settings, scores)
    if plan:
        planned = plan_run(exams, store, resolved, preset)
        if json:
            print_json(planned.model_dump(mode="json"))
        else:
            show_plan(planned)
        return
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


def plan_run(exams: str, store: str, config: RunConfig, preset: str) -> Plan:
    """Work out what a run would do; only digests of the exams' files are written.

    Args:
        exams: Address of the exam source.
        store: Address of the store.
        config: Options of every stage.
        preset: Preset that they started from.

    Returns:
        The plan.

    Raises:
        ExamError: The exam source cannot be read.
        StoreError: The store cannot be read or written.
    """
    from lusgan_core.calls.ledger import ExamLedger
    from lusgan_core.pipeline.exam_digests import find_exams
    from lusgan_core.pipeline.plan import make_plan
    from lusgan_core.registry import installed
    from lusgan_core.store import open_store
    from lusgan_core.store.source import open_source

    where, source = open_store(store), open_source(exams)
    with progress_shown():
        found = find_exams(exams, store, config.ingestion.readers)
        ledger = ExamLedger.load(where, source.uri)
        gone = ledger.compare(found.exams, found.rejected, found.readers).withdrawn
        return make_plan(
            where, source, found, config, installed(), preset=preset, withdrawn=len(gone)
        )


def show_plan(plan: Plan) -> None:
    """Print a plan: one line for all calls of a stage with the same reasons, and last times."""
    if plan.withdrawn:
        out.print(f"[yellow]{plan.withdrawn} exams are gone: they would be taken out[/]")
    alike: dict[tuple[str, tuple[str, ...]], list[PlannedCall]] = {}
    for call in plan.calls:
        alike.setdefault((call.stage, call.reasons), []).append(call)
    for (stage, reasons), calls in alike.items():
        scores = [str(call.score) for call in calls if call.score is not None]
        if scores:
            what = f"{stage} score{'s' * (len(scores) > 1)} {', '.join(scores)}"
        elif stage == "report":
            what = stage
        else:
            what = f"{stage} {len(calls)} exam{'s' * (len(calls) > 1)}"
        times = [call.last_s for call in calls if call.last_s is not None]
        last = f"  [dim](last time {sum(times):,.1f} s)[/]" if times else ""
        out.print(f"{visible(what)}: {visible('; '.join(reasons))}{last}", soft_wrap=True)
    for score, reason in plan.failures.items():
        out.print(f"score {score}: [red]no model:[/] {visible(reason)}")
    if not plan.calls:
        out.print("nothing to do: everything was done before")
