"""``lusgan train``: the pipeline up to the training of one score."""

from __future__ import annotations

from lusgan_cli import options
from lusgan_cli.pipeline import run_until
from lusgan_core.presets import DEFAULT_PRESET


def train(
    exams: options.Exams,
    score: options.Score,
    store: options.Store = options.DEFAULT_STORE,
    preset: options.PresetName = DEFAULT_PRESET,
    config: options.ConfigFile = None,
    set_: options.Settings = None,
    verbose: options.Verbose = False,
    json: options.Json = False,
) -> None:
    """Train one score, with what it needs before; prints the model's folder."""
    run_until("train", "generator", exams, score, store, preset, config, set_, verbose, json)
