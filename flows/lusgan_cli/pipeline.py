"""Runs the pipeline for the commands that need it, and shows its result."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from lusgan_cli import options
from lusgan_cli.console import err, out, print_json, progress_shown, visible
from lusgan_core.errors import TrainingStopped

if TYPE_CHECKING:
    from collections.abc import Mapping

    from lusgan_core.calls.provenance import Manifest
    from lusgan_core.calls.runtime import Runtime
    from lusgan_core.config import RunConfig
    from lusgan_core.pipeline.chain import Outcome


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
    """Run the flow, unless the store shows that nothing is new.

    Exams that were withdrawn from the source are first removed from the store; where none is left,
    nothing else is done.

    Args:
        exams: Address of the exam source.
        store: Address of the store.
        config: Options of every stage.
        preset: Preset that they started from.
        strict: Whether a clip that cannot be used ends the run.
        until: Last stage to run.
        withdraw_all: Treat all missing exams as withdrawn, even if none is left.
        task_runner: ``threads``, ``dask`` or ``dask=ADDRESS``.
        verbose: Whether to show Prefect's own log.

    Returns:
        The result of the run.

    Raises:
        ConfigError: The task runner cannot be used, or this machine has fewer GPUs than the
            training asks for.
        ExamError: None of the known exams is in the source any more.
        TrainingStopped: Ctrl-C; what is finished is kept.
    """
    from lusgan_core.calls.ledger import record_tried
    from lusgan_core.pipeline.chain import Outcome, peek
    from lusgan_core.pipeline.exam_digests import find_exams
    from lusgan_core.pipeline.withdrawal import described, settle
    from lusgan_core.registry import installed
    from lusgan_core.store import open_store
    from lusgan_core.store.source import open_source
    from lusgan_ops.preflight.checks import task_runner as check_task_runner

    check_task_runner(task_runner)
    where, source = open_store(store), open_source(str(exams)).uri
    with progress_shown():
        found = find_exams(exams, store, config.ingestion.readers)
        asked: dict[str, Any] = {"preset": preset, "strict": strict, "until": until}
        for sentence in described(where, settle(where, source, found, withdraw_all=withdraw_all)):
            err.print(f"[yellow]{visible(sentence)}[/]")
        if not found.exams:
            return Outcome(exams=0)
        outcome = peek(where, found, config, installed(), **asked)
        if outcome is not None:
            if until == "report":
                record_tried(where, source, found.exams)
            err.print("nothing is new: everything was done before")
            return outcome
        return _run_flow(exams, store, config, task_runner, verbose, asked)


def _run_flow(
    exams: str,
    store: str,
    config: RunConfig,
    task_runner: str,
    verbose: bool,
    asked: dict[str, Any],
) -> Outcome:
    """Set Prefect up and call the flow in this process."""
    from lusgan_core.networks.device import check_devices
    from lusgan_core.store import absolute_address
    from lusgan_ops.prefect_environment import prepare_prefect, start_server

    if asked["until"] != "preprocess":
        check_devices(config.runtime)
        advice = without_gpu(config.runtime, asked["preset"])
        if advice:
            err.print(f"[yellow]{visible(advice)}[/]")
    prepare_prefect(verbose)
    try:
        start_server()
        from lusgan_flows import task_runners
        from lusgan_flows.pipeline import pipeline

        with task_runners.opened(task_runner) as runner:
            flow = pipeline if runner is None else pipeline.with_options(task_runner=runner)
            if runner is not None:
                exams, store = absolute_address(exams), absolute_address(store)
            outcome: Outcome = flow(exams, store, config, **asked)
            return outcome
    except KeyboardInterrupt as stop:
        raise TrainingStopped(
            "stopped; what is finished is kept: run the same command again to go on"
        ) from stop


def without_gpu(runtime: Runtime, preset: str) -> str:
    """Advise on a preset that wants a GPU, where the training has none.

    Args:
        runtime: Names the device.
        preset: Name of the preset.

    Returns:
        A sentence that names presets to use instead; empty where all is well.
    """
    from lusgan_core.networks.device import pick_device
    from lusgan_core.registry import installed

    presets = installed().presets()
    if not presets[preset].wants_gpu or pick_device(runtime.device).type != "cpu":
        return ""
    others = [f"`--preset {name}`" for name, other in presets.items() if not other.wants_gpu]
    return (
        f"the preset {preset} wants a GPU, and there is none: a score takes many hours on a CPU. "
        f"Made for such a machine: {', '.join(others) or 'none that is installed'}"
    )


def show(outcome: Outcome, store: str, as_json: bool = False) -> None:
    """Print the result of a run: counts, models, warnings, failures, and where the report is.

    Args:
        outcome: The result.
        store: Address of the store, as the user gave it.
        as_json: Whether to print JSON rather than text.
    """
    from lusgan_core.pipeline.approval import held_back, in_a_line
    from lusgan_core.store import existing_store

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
                "healed": outcome.healed,
                "report": report,
            }
        )
        return
    held = held_back(existing_store(store), outcome)
    out.print(f"{outcome.exams} exams, {outcome.clips} clips", end="")
    rejected = len(outcome.rejected)
    out.print(f", {rejected} rejected (see the report)" if rejected else "")
    for score, manifests in done(outcome).items():
        out.print(visible(in_words(score, manifests, held.get(score))), soft_wrap=True)
    for what in outcome.healed:
        out.print(f"[yellow]made again:[/] {visible(what)}")
    for score, reason in outcome.failures.items():
        out.print(f"score {score}: [red]no model:[/] {visible(reason)}")
    if report:
        out.print(f"report: {visible(report)}", soft_wrap=True)
        out.print("its first screen says what is claimed of each score: open it in a browser")
    said = in_a_line(outcome, held)
    if said:
        out.print(f"[bold yellow]{visible(said)}[/]", soft_wrap=True)


def in_words(score: int, manifests: Mapping[str, Manifest], held: str | None = None) -> str:
    """Say in a line what became of a score, for who reads frames rather than numbers.

    Args:
        score: The score.
        manifests: Its manifests by stage, from the training on.
        held: The gates that hold it back; None if none does.

    Returns:
        How much it was trained on, what its evaluation claims, and whether gates hold it back.
    """
    from lusgan_core.calls.call import data_of
    from lusgan_core.evaluation.claims import claims
    from lusgan_core.evaluation.stage import EvaluationRecord

    model = manifests["train"]
    parts = [f"{model.counts['frames']:,} frames of {model.counts['patients']} patients"]
    if "evaluate" in manifests:
        found = claims(data_of(manifests["evaluate"], EvaluationRecord))
        parts += [f"{claim.question.lower()} {claim.answer.lower()}" for claim in found]
    else:
        parts += model.data["warnings"]
    if "promote" in manifests:
        parts.append(f"held back ({held})" if held is not None else "promoted")
    return f"score {score}: {'; '.join(parts)}"


def done(outcome: Outcome) -> dict[int, dict[str, Any]]:
    """The manifests of the scores that have a model."""
    return {s: m for s, m in outcome.scores.items() if "train" in m and s not in outcome.failures}


def run_until(
    stage: str,
    artifact: str,
    exams: str,
    score: int,
    store: str,
    preset: str,
    config: list[Path] | None,
    settings: list[str] | None,
    verbose: bool,
    as_json: bool,
) -> None:
    """Run the pipeline for one score up to a stage, and print where the stage's artifact is.

    Args:
        stage: Last stage to run: ``train``, ``generate`` or ``evaluate``.
        artifact: Name of the artifact in the stage's manifest.
        exams: Address of the exam source.
        score: Severity score, 0..3.
        store: Address of the store.
        preset: Name of the preset to start from.
        config: Files of options; None for none.
        settings: Single options as ``NAME=VALUE``; None for none.
        verbose: Whether to show Prefect's own log.
        as_json: Whether to print the stage's manifest as JSON instead.

    Raises:
        ScoresFailedError: The score has no model.
        LusganError: As ``run_pipeline`` and ``options.chosen``.
    """
    resolved = options.chosen(preset, config, settings, str(score))
    outcome = run_pipeline(exams, store, resolved, preset=preset, until=stage, verbose=verbose)
    outcome.check()
    manifest = outcome.scores[score][stage]
    if as_json:
        print_json(manifest.model_dump(mode="json"))
    else:
        out.print(visible(f"{store}/{manifest.artifacts[artifact].key}"))
