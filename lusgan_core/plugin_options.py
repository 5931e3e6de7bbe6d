"""Checks the options of the plugins that a run's sections name, and fills in their defaults."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from difflib import get_close_matches
from typing import Any

from pydantic import BaseModel, ValidationError

from lusgan_core.api import NoOptions, Options
from lusgan_core.errors import ConfigError, PluginError
from lusgan_core.evaluation.choice import choose
from lusgan_core.evaluation.stage import EvaluationOptions
from lusgan_core.generation.stage import GenerationOptions
from lusgan_core.ingestion.stage import IngestionOptions
from lusgan_core.measures.pairs.results import LIKENESS
from lusgan_core.networks.value_range import ValueMap
from lusgan_core.plugin_guard import attempt
from lusgan_core.preprocessing.stage import PreprocessingOptions
from lusgan_core.promotion.stage import PromotionOptions
from lusgan_core.registry import Registry
from lusgan_core.training.options import TrainingOptions
from lusgan_core.training.recipe import check_parts, recipe


def with_readers(options: IngestionOptions, registry: Registry) -> IngestionOptions:
    """Look readers up, and fill in their options.

    Args:
        options: Options of the ingestion, which may name readers.
        registry: Installed plugins.

    Returns:
        The options with those of every reader that they name.

    Raises:
        UnknownPluginError: A reader is not installed.
        ConfigError: One refuses its options.
    """
    filled = {
        name: _fill(registry.reader(name).options, given, f"ingestion.readers.{name}")
        for name, given in options.readers.items()
    }
    return options.model_copy(update={"readers": filled})


def with_parts(
    options: TrainingOptions, frames: PreprocessingOptions, processes: int, registry: Registry
) -> TrainingOptions:
    """Look the parts of a training up, fill in their options, and check that they fit together.

    Args:
        options: Options of the training, which name backbone, loss, penalties and augmentations.
        frames: Size and channels of the frames.
        processes: Number of processes that share a batch.
        registry: Installed plugins.

    Returns:
        The options with those of every part.

    Raises:
        UnknownPluginError: A part is not installed.
        ConfigError: One refuses its options, or they do not fit together.
    """
    backbone, loss = registry.backbone(options.backbone), registry.loss(options.loss)
    filled = options.model_copy(
        update={
            "backbone_options": _fill(
                backbone.options, options.backbone_options, "training.backbone_options"
            ),
            "pack": options.pack or backbone.pack,
            "loss_options": _fill(loss.options, options.loss_options, "training.loss_options"),
            "penalties": {
                name: _fill(registry.penalty(name).options, given, f"training.penalties.{name}")
                for name, given in options.penalties.items()
            },
            "augmentations": {
                name: _fill(
                    registry.augmentation(name).options, given, f"training.augmentations.{name}"
                )
                for name, given in options.augmentations.items()
            },
        }
    )
    recipe(filled, frames.image_size, frames.channels, ValueMap(scale=1, offset=0), registry)
    check_parts(filled, filled.pack or backbone.pack, processes)
    return filled


def with_exporters(options: GenerationOptions, registry: Registry) -> GenerationOptions:
    """Look exporters up, and fill in their options.

    Args:
        options: Options of the generation, which name exporters.
        registry: Installed plugins.

    Returns:
        The options with those of every exporter that they name.

    Raises:
        UnknownPluginError: An exporter is not installed.
        ConfigError: One refuses its options.
    """
    given, where = options.format_options, "generation.format_options"
    filled = {
        name: _fill(registry.exporter(name).options, given.get(name, {}), f"{where}.{name}")
        for name in options.formats
    }
    return options.model_copy(update={"format_options": filled})


def with_gates(
    options: PromotionOptions,
    evaluation: EvaluationOptions,
    frames: PreprocessingOptions,
    registry: Registry,
) -> PromotionOptions:
    """Look gates up, fill in their options, and check that they have something to measure.

    Args:
        options: Options of the promotion, which may name gates.
        evaluation: Options of the evaluation, which say what is measured.
        frames: Size and channels of the frames.
        registry: Installed plugins.

    Returns:
        The options with those of every gate that they name.

    Raises:
        UnknownPluginError: A gate is not installed.
        ConfigError: One refuses its options, or no metric that it needs is evaluated.
    """
    chosen = choose(evaluation, registry)
    measured = {metric.name for metric in chosen.sets} | {
        metric.name
        for metric in chosen.pairs
        if metric.min_size <= frames.image_size and frames.channels in metric.channels
    }
    likeness = (evaluation.likeness,) if evaluation.likeness else LIKENESS
    filled = {}
    for name, given in options.gates.items():
        gate = registry.gate(name)
        needs = [n for need in gate.needs for n in (likeness if need == "likeness" else (need,))]
        if needs and not measured & set(needs):
            raise ConfigError(
                f"promotion.gates.{name} has nothing to measure: add {' or '.join(needs)} to "
                f"evaluation.metrics (frames of {frames.image_size} pixels must suffice for it), "
                "or leave the gate out"
            )
        filled[name] = _fill(gate.options, given, f"promotion.gates.{name}")
    return options.model_copy(update={"gates": filled})


def with_metrics(chosen: EvaluationOptions, registry: Registry) -> EvaluationOptions:
    """Look metrics and feature extractors up, and fill in the options of all that are used.

    Args:
        chosen: Options of the evaluation, which may name some.
        registry: Installed plugins.

    Returns:
        The options with those of every metric and extractor that has some.

    Raises:
        UnknownPluginError: One that is named is not installed.
        ConfigError: One refuses its options, or options are given for one that is not used.
    """
    choice = choose(chosen, registry)
    metrics = {metric.name: metric.options for metric in choice.metrics}
    features = {name: registry.feature(name).options for name in choice.features}
    filled = _fill_named(features, chosen.feature_options, "feature_options")
    for name in choice.features:
        _check_extractor(name, filled.get(name, {}), registry)
    return chosen.model_copy(
        update={
            "metric_options": _fill_named(metrics, chosen.metric_options, "metric_options"),
            "feature_options": filled,
        }
    )


def _check_extractor(name: str, options: Mapping[str, Any], registry: Registry) -> None:
    """Raise ConfigError where what an extractor's options name, such as a file, cannot be used."""
    record = registry.feature(name)
    check = record.check
    if check is None:
        return
    try:
        attempt("check", lambda: check(record.options.model_validate(options)))
    except PluginError as error:
        reason = error.__cause__ if isinstance(error.__cause__, ConfigError) else error
        raise ConfigError(f"evaluation.feature_options.{name}: {reason}") from error


def _fill_named(
    models: Mapping[str, type[Options]], given: Mapping[str, Mapping[str, Any]], section: str
) -> dict[str, dict[str, Any]]:
    """Options by plugin's name, for those plugins that have some."""
    where = f"evaluation.{section}"
    for name in given:
        if name not in models:
            used = ", ".join(sorted(models)) or "none"
            raise ConfigError(f"option {where}.{name}: {name} is not used; used are {used}")
    filled = {name: _fill(m, given.get(name, {}), f"{where}.{name}") for name, m in models.items()}
    return {name: values for name, values in filled.items() if values}


def _fill(model: type[Options], given: Mapping[str, Any], where: str) -> dict[str, Any]:
    try:
        return model.model_validate(given).model_dump(mode="json")
    except ValidationError as error:
        raise ConfigError(one_line(error, model, f"{where}.")) from error


def one_line(error: ValidationError, model: type[BaseModel], above: str = "") -> str:
    """Describe the first validation error in one line.

    Args:
        error: What pydantic found.
        model: The model that refused the options.
        above: What to put before the option's name, ending in a dot.

    Returns:
        The option, what is wrong with it or which there are, and what was given.
    """
    first = error.errors()[0]
    path = above + ".".join(str(part) for part in first["loc"])
    if first["type"] == "extra_forbidden":
        known = _known(model, first["loc"][:-1])
        near = get_close_matches(str(first["loc"][-1]), known, n=1)
        hint = f"; did you mean {near[0]!r}?" if near else ";"
        choices = ", ".join(known) or "none" if model is not NoOptions else "none"
        return f"unknown option {path}{hint} choices: {choices}"
    message = first["msg"].removeprefix("Value error, ")
    more = f" (and {error.error_count() - 1} more)" if error.error_count() > 1 else ""
    return f"option {path}: {message}, got {first['input']!r}{more}"


def _known(model: type[BaseModel], path: Sequence[int | str]) -> list[str]:
    """Names of the options of the section at that path."""
    for part in path:
        inner = model.model_fields[str(part)].annotation
        if not (isinstance(inner, type) and issubclass(inner, BaseModel)):
            return []
        model = inner
    return list(model.model_fields)
