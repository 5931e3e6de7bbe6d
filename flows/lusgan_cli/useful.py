"""``lusgan useful``: do synthetic frames help a classifier of severity?"""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING, Annotated

import typer

from lusgan_cli import options
from lusgan_cli.console import err, out, print_json, progress_shown, visible
from lusgan_core.errors import TrainingStopped
from lusgan_core.presets import DEFAULT_PRESET

if TYPE_CHECKING:
    from lusgan_core.config import RunConfig
    from lusgan_core.measured import Measured
    from lusgan_core.pipeline.plan import Plan
    from lusgan_core.pipeline.study import Study
    from lusgan_core.usefulness.stage import StudyRecord


def useful(
    exams: Annotated[
        str,
        typer.Argument(
            metavar="EXAMS", help="Folder with exams as for `lusgan run`, or s3://bucket/prefix"
        ),
    ],
    store: options.Store = options.DEFAULT_STORE,
    preset: options.PresetName = DEFAULT_PRESET,
    folds: Annotated[
        int | None,
        typer.Option(
            help="Folds by patient, 5 unless given; each trains GANs of its own", min=2, max=100
        ),
    ] = None,
    seeds: Annotated[
        int | None,
        typer.Option(
            help="Classifiers of each kind and fold, 1 unless given; GANs are trained once a fold",
            min=1,
            max=100,
        ),
    ] = None,
    config: options.ConfigFile = None,
    set_: options.Settings = None,
    scores: options.Scores = None,
    plan: Annotated[
        bool, typer.Option("--plan", help="Show how many trainings it would make; make none")
    ] = False,
    verbose: options.Verbose = False,
    json: options.Json = False,
) -> None:
    """Find out whether synthetic frames help a classifier of severity on patients it has not seen.

    Patients are put into folds. In each, GANs and classifiers are trained on the other folds'
    patients: on real frames, augmented ones, oversampled ones, real and synthetic ones, synthetic
    ones alone. Each patient is judged once. Stop with Ctrl-C and run the same command to go on.
    """
    settings = list(set_ or ())
    settings += [f"usefulness.folds={folds}"] if folds is not None else []
    settings += [f"usefulness.seeds={seeds}"] if seeds is not None else []
    resolved = options.chosen(preset, config, settings, scores)
    if plan:
        _show_plan(_planned(exams, store, resolved), json)
        return
    study = _run(exams, store, resolved, preset, verbose)
    address = f"{store}/{study.manifest.artifacts['table'].key}"
    if json:
        told = study.record.model_dump(mode="json")
        print_json({"study": told, "rejected": len(study.rejected), "table": address})
        return
    for what in study.healed:
        out.print(f"[yellow]made again:[/] {visible(what)}")
    if study.rejected:
        out.print(f"{len(study.rejected)} clips rejected: `lusgan check` says why")
    show(study.record)
    out.print(f"table: {visible(address)}", soft_wrap=True)
    out.print("the next `lusgan run` with these options shows it in the report", soft_wrap=True)


def _planned(exams: str, store: str, config: RunConfig) -> Plan:
    from lusgan_core.pipeline.exam_digests import find_exams
    from lusgan_core.pipeline.plan import plan_study
    from lusgan_core.registry import installed
    from lusgan_core.store import open_store
    from lusgan_core.store.source import open_source

    with progress_shown():
        found = find_exams(exams, store, config.ingestion.readers)
        return plan_study(open_store(store), open_source(exams), found, config, installed())


def _run(exams: str, store: str, config: RunConfig, preset: str, verbose: bool) -> Study:
    """Run the flow in this process, unless the store shows that nothing is left to do."""
    from lusgan_cli.pipeline import without_gpu
    from lusgan_core.networks.device import check_devices
    from lusgan_core.pipeline.exam_digests import find_exams
    from lusgan_core.pipeline.study import peek_study
    from lusgan_core.registry import installed
    from lusgan_core.store import open_store
    from lusgan_ops.prefect_environment import prepare_prefect, start_server

    with progress_shown():
        found = find_exams(exams, store, config.ingestion.readers)
        study = peek_study(open_store(store), found, config, installed())
        if study is not None:
            err.print("nothing is new: everything was done before")
            return study
        check_devices(config.runtime)
        if advice := without_gpu(config.runtime, preset):
            err.print(f"[yellow]{visible(advice)}[/]")
        prepare_prefect(verbose)
        try:
            start_server()
            from lusgan_flows.useful_flow import useful as flow

            made: Study = flow(exams, store, config, preset=preset)
            return made
        except KeyboardInterrupt as stop:
            raise TrainingStopped(
                "stopped; what is finished is kept: run the same command again to go on"
            ) from stop


def _show_plan(plan: Plan, json: bool) -> None:
    calls = Counter(call.stage for call in plan.calls)
    if json:
        print_json({"calls": dict(calls), "done": plan.done})
        return
    if not plan.calls:
        out.print("nothing to do: everything was done before")
        return
    read = f"{calls['ingest']} exams to read, " if calls["ingest"] else ""
    out.print(
        f"{read}{calls['train']} GANs and {calls['classify']} classifiers to train; "
        f"{plan.done} results are in the store"
    )


def show(record: StudyRecord) -> None:
    """Print a study: the verdict, a row an arm, and what the values are to be held against."""
    from rich.table import Table

    from lusgan_core.usefulness.section import EXPERTS, find_metric, raters_in_words

    out.print(visible(record.text), style="bold", soft_wrap=True)
    out.print(
        f"{record.patients} patients, each judged once in {record.folds} folds and "
        f"{record.seeds} seed{'s' * (record.seeds > 1)}; {record.frames:,} frames; ranges: "
        "5% to 95%, with other patients",
        soft_wrap=True,
    )
    for name, title in (
        ("macro_f1", "macro-F1"),
        (f"recall/{record.minority}", f"recall of score {record.minority}, the rarest"),
        ("kappa", "kappa, agreement with the labels"),
        ("ece", "calibration error, 0 is best"),
    ):
        table = Table(box=None, pad_edge=False, title=title, title_justify="left")
        for column in ("trained on", "value", "5% to 95%", "change", "5% to 95%"):
            table.add_column(column, justify="left" if column == "trained on" else "right")
        for arm in record.arms:
            value = _cells(find_metric(arm.values, name), "")
            table.add_row(arm.title, *value, *_cells(find_metric(arm.differences, name), "+"))
        out.print(table)
    for sentence in (EXPERTS, *raters_in_words(record)):
        out.print(visible(sentence), soft_wrap=True)
    for note in record.notes:
        out.print(f"[yellow]{visible(note)}[/]", soft_wrap=True)


def _cells(value: Measured | None, sign: str) -> tuple[str, str]:
    """A value and its range, with a sign where it is a change."""
    if value is None or value.value is None:
        return ("", "") if sign else ("-", "")
    low_high = [f"{end:{sign}.2f}" for end in value.interval or ()]
    return f"{value.value:{sign}.2f}", " to ".join(low_high)
