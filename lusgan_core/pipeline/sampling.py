"""Synthetic frames from a finished model: one that is named, or the current one of a score.

No exam is needed, and nothing is trained. The frames are a sample set in the store, below the
model's name, so that a withdrawal and ``lusgan prune`` reach them with the model.
"""

from __future__ import annotations

from lusgan_core.calls.call import data_of
from lusgan_core.calls.provenance import Manifest
from lusgan_core.calls.records import read_record
from lusgan_core.errors import ConfigError, DamagedError
from lusgan_core.generation import stage as generate
from lusgan_core.generation.stage import GenerationOptions
from lusgan_core.pipeline.heal import leave_lost
from lusgan_core.pipeline.models import ListedModel, find_model, known_score, list_models
from lusgan_core.pipeline.runner import Runner
from lusgan_core.plugin_options import with_exporters
from lusgan_core.promotion.current import current_model
from lusgan_core.promotion.withdrawal_marks import mark_of
from lusgan_core.registry import Registry
from lusgan_core.store import Store
from lusgan_core.training.rebuild import is_lost
from lusgan_core.training.stage import ModelRecord


def choose_model(store: Store, score: int | None, name: str) -> ListedModel:
    """Find the model to generate frames from.

    Args:
        store: Store with the models.
        score: Severity score, 0 to 3; None where the name alone says which model is meant.
        name: Name of the model, or the end of it, as ``lusgan models`` prints it; empty for the
            current model of the score.

    Returns:
        The model, which may be one that the gates held back; see its ``state``.

    Raises:
        UnknownNameError: There is no such score or model, or several models end like that.
        ConfigError: Neither score nor name is given, the score has no current model, or the model
            was trained on an exam that was withdrawn.
    """
    if name:
        chosen = find_model(store, score, name)
    elif score is None:
        raise ConfigError(
            "no model is named: give --score for the current model of a score, or --model for "
            "one of those that `lusgan models` lists"
        )
    else:
        chosen = _current(store, score)
    refuse_withdrawn(store, chosen)
    return chosen


def _current(store: Store, score: int) -> ListedModel:
    known_score(score)
    listed, current = list_models(store, score), current_model(store, score)
    found = [model for model in listed if current and model.folder == current.folder]
    if found:
        return found[0]
    if current:
        raise ConfigError(
            f"the current model of score {score}, {current.model}, is not in the store any more: "
            "name another with --model, or make one current with `lusgan promote`"
        )
    usable = [model for model in listed if model.state != "withdrawn"]
    others = ", ".join(f"{model.model} ({model.state})" for model in usable)
    what = f"name one with --model: {others}" if others else "`lusgan run` trains one"
    raise ConfigError(f"score {score} has no current model: {what}")


def refuse_withdrawn(store: Store, model: ListedModel) -> None:
    """Check that a model has seen no exam that was withdrawn.

    Args:
        store: Store with the model.
        model: The model.

    Raises:
        ConfigError: It has.
    """
    if mark_of(store, model.folder) is not None:
        raise ConfigError(
            f"model {model.model} was trained on an exam that was withdrawn since: nothing is "
            "generated from it; `lusgan run` trains another without that exam"
        )


def remark(model: ListedModel) -> str:
    """Describe which model is used and what speaks against it, in one line."""
    state = "" if model.state == "held back" else f" ({model.state})"
    said = f"score {model.score}: {model.model}{state}"
    return f"{said}; held back: {model.held_back}" if model.held_back else said


def sample(
    runner: Runner,
    store: Store,
    model: ListedModel,
    options: GenerationOptions,
    registry: Registry,
) -> Manifest:
    """Generate frames from a model, unless the store holds the very same ones.

    Args:
        runner: Makes the call.
        store: Store with the model.
        model: The model, from ``choose_model``.
        options: How many frames, from which seed, in which formats; options of exporters that
            are not given have their defaults.
        registry: Installed plugins, with the model's backbone and the exporters.

    Returns:
        Manifest of the sample set.

    Raises:
        UnknownPluginError: The model's backbone, or an exporter, is not installed.
        ConfigError: An exporter refuses its options, or an exam that the model saw was withdrawn
            meanwhile.
        PluginError: An exporter failed.
        DamagedError: The model's weights are damaged, and no checkpoint gives them again.
    """
    trained = read_record(store, model.manifest, Manifest, "`lusgan run` makes it again")
    registry.backbone(data_of(trained, ModelRecord).generator.backbone)
    call = generate.call(trained, with_exporters(options, registry), registry)
    try:
        made = runner.one(call)
    except DamagedError as error:
        if is_lost(store, trained):
            leave_lost(store, model.score, model.folder, f"its weights are lost: {error}")
        raise
    refuse_withdrawn(store, model)
    return made
