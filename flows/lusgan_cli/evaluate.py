"""``lusgan evaluate``: compares one score's synthetic frames with real ones."""

from __future__ import annotations

from lusgan_cli import options
from lusgan_cli.pipeline import run_until
from lusgan_core.presets import DEFAULT_PRESET


def evaluate(
    exams: options.Exams,
    score: options.Score,
    store: options.Store = options.DEFAULT_STORE,
    preset: options.PresetName = DEFAULT_PRESET,
    config: options.ConfigFile = None,
    set_: options.Settings = None,
    verbose: options.Verbose = False,
    json: options.Json = False,
) -> None:
    """Compare one score's synthetic frames with real ones, with what that needs before."""
    run_until("evaluate", "evaluation", exams, score, store, preset, config, set_, verbose, json)
