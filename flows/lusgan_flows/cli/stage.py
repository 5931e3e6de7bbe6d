"""``lusgan train``, ``generate`` and ``evaluate``: the pipeline up to one stage, for one score."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from lusgan_core.config import resolve
from lusgan_core.presets import DEFAULT_PRESET
from lusgan_core.registry import installed
from lusgan_flows.cli import options
from lusgan_flows.cli.console import out, print_json, visible
from lusgan_flows.cli.run import run_pipeline

Score = Annotated[int, typer.Option(help="Severity score to work on", show_default=False)]


def train(
    exams: options.Exams,
    score: Score,
    store: options.Store = options.DEFAULT_STORE,
    preset: options.PresetName = DEFAULT_PRESET,
    config: options.ConfigFile = None,
    set_: options.Settings = None,
    verbose: options.Verbose = False,
    json: options.Json = False,
) -> None:
    """Train one score, with what it needs before; prints the model's folder."""
    _until("train", "generator", exams, score, store, preset, config, set_, verbose, json)


def generate(
    exams: options.Exams,
    score: Score,
    count: Annotated[int | None, typer.Option(help="Frames; `generation.count` by default")] = None,
    seed: Annotated[int | None, typer.Option(help="Seed of the noise")] = None,
    formats: Annotated[
        str | None, typer.Option(help="`png`, `mat` or both: `png,mat`; HDF5 is always written")
    ] = None,
    store: options.Store = options.DEFAULT_STORE,
    preset: options.PresetName = DEFAULT_PRESET,
    config: options.ConfigFile = None,
    set_: options.Settings = None,
    verbose: options.Verbose = False,
    json: options.Json = False,
) -> None:
    """Generate frames of one score, training it first if there is no model of it yet."""
    settings = list(set_ or ())
    settings += [f"generation.count={count}"] if count is not None else []
    settings += [f"generation.seed={seed}"] if seed is not None else []
    if formats is not None:
        names = ", ".join(f'"{name.strip()}"' for name in formats.split(",") if name.strip())
        settings.append(f"generation.formats=[{names}]")
    _until("generate", "frames", exams, score, store, preset, config, settings, verbose, json)


def evaluate(
    exams: options.Exams,
    score: Score,
    store: options.Store = options.DEFAULT_STORE,
    preset: options.PresetName = DEFAULT_PRESET,
    config: options.ConfigFile = None,
    set_: options.Settings = None,
    verbose: options.Verbose = False,
    json: options.Json = False,
) -> None:
    """Compare one score's synthetic frames with real ones, with what that needs before."""
    _until("evaluate", "evaluation", exams, score, store, preset, config, set_, verbose, json)


def _until(
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
    resolved = resolve(preset, installed(), config or (), settings or (), [score])
    outcome = run_pipeline(exams, store, resolved, preset=preset, until=stage, verbose=verbose)
    outcome.check()
    manifest = outcome.scores[score][stage]
    if as_json:
        print_json(manifest.model_dump(mode="json"))
    else:
        out.print(visible(f"{store}/{manifest.artifacts[artifact].key}"))
