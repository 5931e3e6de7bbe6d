"""``lusgan generate``: synthetic frames of one score."""

from __future__ import annotations

from typing import Annotated

import typer

from lusgan_cli import options
from lusgan_cli.pipeline import run_until
from lusgan_core.presets import DEFAULT_PRESET


def generate(
    exams: options.Exams,
    score: options.Score,
    count: Annotated[int | None, typer.Option(help="Frames; `generation.count` by default")] = None,
    seed: Annotated[int | None, typer.Option(help="Seed of the noise")] = None,
    formats: Annotated[
        str | None,
        typer.Option(
            help="`png`, `mat`, any other exporter, or several: `png,mat`; HDF5 is always written"
        ),
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
    run_until("generate", "frames", exams, score, store, preset, config, settings, verbose, json)
