"""The options of a whole run: those of every stage put together, presets, and how they are set.

A run starts from a preset, then takes a file of options, then single settings; each may name only
options that exist. The result is validated as a whole, including the plugins' own options.
"""

from __future__ import annotations

import json
import shlex
import tomllib
from collections.abc import Mapping, Sequence
from difflib import get_close_matches
from pathlib import Path
from typing import Any, get_args

from pydantic import BaseModel, Field, ValidationError

from lusgan_core.api import NoOptions, Options
from lusgan_core.calls.runtime import Runtime
from lusgan_core.domain import SCORES
from lusgan_core.errors import ConfigError, LusganError, UnknownNameError
from lusgan_core.evaluation.choice import choose
from lusgan_core.evaluation.stage import EvaluationOptions
from lusgan_core.generation.stage import GenerationOptions
from lusgan_core.ingestion.stage import IngestionOptions
from lusgan_core.measures.pairs.results import LIKENESS
from lusgan_core.networks.value_range import ValueMap
from lusgan_core.preprocessing.stage import PreprocessingOptions
from lusgan_core.presets import deviations, preset_and_bases
from lusgan_core.promotion.stage import PromotionOptions
from lusgan_core.registry import Registry
from lusgan_core.reporting.stage import ReportOptions, RunDescription
from lusgan_core.selection.stage import SelectionOptions
from lusgan_core.training.options import TrainingOptions
from lusgan_core.training.recipe import check_parts, recipe


class RunConfig(Options):
    """Options of the pipeline, a section a stage."""

    scores: tuple[int, ...] = Field(SCORES, min_length=1, description="Severity scores to train")
    ingestion: IngestionOptions = Field(
        default_factory=IngestionOptions, description="How exams are found and read"
    )
    preprocessing: PreprocessingOptions = Field(
        default_factory=PreprocessingOptions, description="How frames become square images"
    )
    selection: SelectionOptions = Field(
        default_factory=SelectionOptions, description="Which patients are held out"
    )
    training: TrainingOptions = Field(
        default_factory=TrainingOptions, description="How each score's GAN is trained"
    )
    generation: GenerationOptions = Field(
        default_factory=GenerationOptions, description="Which synthetic frames are made"
    )
    evaluation: EvaluationOptions = Field(
        default_factory=EvaluationOptions, description="What is compared, and how much of it"
    )
    promotion: PromotionOptions = Field(
        default_factory=PromotionOptions,
        description="What a model must show before it replaces the current one",
    )
    report: ReportOptions = Field(default_factory=ReportOptions, description="How the report looks")
    runtime: Runtime = Field(
        default_factory=Runtime, description="How to run; changes no result, so it is in no key"
    )


def resolve(
    preset: str,
    registry: Registry,
    files: Sequence[Path] = (),
    settings: Sequence[str] = (),
    scores: Sequence[int] | None = None,
) -> RunConfig:
    """Resolve the options of a run: a preset, then files, then single settings.

    Args:
        preset: Name of the preset to start from.
        registry: Installed plugins; their own options are validated and their defaults filled in.
        files: Files of options, JSON where the suffix is ``.json``, else TOML; a later one wins.
        settings: ``NAME=VALUE`` texts such as ``training.batch_size=32``; VALUE is JSON or, where
            it is not valid JSON, text. They win over files.

            The penalties of a file, or of a setting that gives the section as one value, take the
            place of those before; ``training.penalties.r1.weight=2`` changes or adds one.
        scores: Severity scores to work on; None keeps those of preset, files and settings.

    Returns:
        The options, complete and validated.

    Raises:
        ConfigError: An option, file, preset, score or plugin cannot be used; one line says which,
            what was expected and what to do.
    """
    values = preset_values(preset, registry)
    for path in files:
        _merge(values, _read(path))
    together: dict[str, Any] = {}
    for setting in settings:
        name, equals, text = setting.partition("=")
        if not equals:
            raise ConfigError(
                f"--set {setting!r}: expected NAME=VALUE, e.g. training.batch_size=32"
            )
        _merge(together, _nested(name.strip(), _literal(text.strip())), lays_over=False)
    _merge(values, together)
    if scores is not None:
        values["scores"] = tuple(dict.fromkeys(scores))
    try:
        return _checked(values, registry)
    except ConfigError:
        broken = preset_problem(preset, registry)
        if broken:  # then the message should be about the preset, not about an option of the user's
            raise ConfigError(broken) from None
        raise


def preset_problem(name: str, registry: Registry) -> str:
    """Find out whether a preset can be used as it is.

    Args:
        name: Name of an installed preset.
        registry: Installed plugins.

    Returns:
        Why its settings are refused, with the name of the plugin; empty if they are fine.
    """
    try:
        _checked(preset_values(name, registry), registry)
    except Exception as error:  # options of a stranger's plugin may raise anything
        provider = registry.provider_of(f"preset/{name}").strip() or "this process"
        text = str(error) if isinstance(error, LusganError) else f"{type(error).__name__}: {error}"
        return f"the preset {name} ({provider}) cannot be used: {text}"
    return ""


def completed(config: RunConfig, registry: Registry, preset: str = "") -> RunConfig:
    """Validate options that did not come through ``resolve``, such as those of a form.

    Args:
        config: The options; those of plugins may be incomplete.
        registry: Installed plugins.
        preset: Preset that the form was filled in with. A backbone or loss that is chosen in place
            of the preset's, and refuses the options that the form still has from it, starts from
            its own defaults.

    Returns:
        The options, with the plugins' own defaults filled in.

    Raises:
        ConfigError: A score is unknown, or a plugin refuses its options.
        UnknownPluginError: A plugin is named that is not installed.
    """
    values = config.model_dump(mode="json")
    if preset:
        _drop_left_options(values["training"], preset, registry)
    return _checked(values, registry)


def _drop_left_options(training: dict[str, Any], preset: str, registry: Registry) -> None:
    """Empty options that the chosen plugin refuses and that are the preset's plugin's, in place."""
    usual = resolve(preset, registry).training
    for section, chosen, left in (
        (
            "backbone_options",
            registry.backbone(training["backbone"]),
            registry.backbone(usual.backbone),
        ),
        ("loss_options", registry.loss(training["loss"]), registry.loss(usual.loss)),
    ):
        given = training[section]
        refused = _filled(chosen.options, given) is None
        if refused and _filled(left.options, given) == getattr(usual, section):
            training[section] = {}


def _filled(model: type[Options], given: Mapping[str, Any]) -> dict[str, Any] | None:
    """Options with their defaults; None if the model refuses them."""
    try:
        return model.model_validate(given).model_dump(mode="json")
    except ValidationError:
        return None


def describe(config: RunConfig, preset: str, registry: Registry) -> RunDescription:
    """Describe a run's options, each beside its preset's value, for the report.

    Device, threads and processes are left out, since they change no result.

    Args:
        config: Options of the run, complete.
        preset: Name of the preset they started from.
        registry: Installed plugins.

    Returns:
        The options with their descriptions, the preset's deviations from its reference, and the
        command that asks for the same run.

    Raises:
        UnknownNameError: There is no such preset.
    """
    chosen = flatten(config.model_dump(mode="json", exclude={"runtime"}))
    usual = flatten(resolve(preset, registry).model_dump(mode="json", exclude={"runtime"}))
    changed = [name for name in chosen if chosen[name] != usual.get(name) and name != "scores"]
    words = ["lusgan run --exams EXAMS --store STORE", f"--preset {preset}"]
    if chosen["scores"] != usual["scores"]:
        words.append("--scores " + ",".join(map(str, chosen["scores"])))
    words += [f"--set {shlex.quote(f'{name}={json.dumps(chosen[name])}')}" for name in changed]
    return RunDescription(
        preset=preset,
        options=tuple(
            {
                "name": name,
                "value": json.dumps(value),
                "preset": json.dumps(usual.get(name)),
                "description": _description(name),
            }
            for name, value in chosen.items()
        ),
        deviations=deviations(preset, registry),
        presets=tuple(one.name for one in preset_and_bases(preset, registry)),
        command=" ".join(words),
    )


def _description(name: str) -> str:
    """Description of the option of that dotted name; empty where it belongs to a plugin."""
    model: type[BaseModel] = RunConfig
    *sections, last = name.split(".")
    for section in sections:
        inner = model.model_fields[section].annotation
        if not (isinstance(inner, type) and issubclass(inner, BaseModel)):
            return ""
        model = inner
    return model.model_fields[last].description or ""


def preset_values(name: str, registry: Registry) -> dict[str, Any]:
    """Put together what a preset and those that it is based on set.

    Args:
        name: Name of the preset.
        registry: Installed plugins.

    Returns:
        Options, nested by section.

    Raises:
        UnknownPluginError: There is no such preset.
        ConfigError: It is based on a preset that is not installed or on itself, or what it sets is
            no JSON.
    """
    values: dict[str, Any] = {}
    for preset in preset_and_bases(name, registry):
        try:
            _merge(values, json.loads(json.dumps(dict(preset.settings))))
        except (TypeError, ValueError) as error:
            raise ConfigError(
                f"the settings of preset {preset.name} are no JSON: {error}"
            ) from error
    return values


def flatten(values: Mapping[str, Any], above: str = "") -> dict[str, Any]:
    """Flatten nested options to ``{"training.batch_size": 32}``.

    Args:
        values: Options, nested by section. Sections that belong to plugins (``OPEN``) stay whole.
        above: What to put before every name, ending in a dot.

    Returns:
        Values by dotted name.
    """
    flat: dict[str, Any] = {}
    for name, value in values.items():
        path = f"{above}{name}"
        if isinstance(value, Mapping) and name not in OPEN:
            flat |= flatten(value, f"{path}.")
        else:
            flat[path] = value
    return flat


OPEN = {
    "readers",
    "backbone_options",
    "loss_options",
    "penalties",
    "format_options",
    "metric_options",
    "feature_options",
    "gates",
}
"""Sections whose names belong to plugins."""


LISTED = {"penalties"}
"""Those of them that say which plugins there are: a file that gives one gives all of it."""


class _Whole(dict[str, Any]):
    """A section given as one value (``--set training.penalties={...}``), not a name at a time."""


def _wholes(values: Mapping[str, Any]) -> dict[str, Any]:
    """Mark sections that name all plugins there are as given whole, at any depth."""
    return {
        name: _Whole(value)
        if name in LISTED and isinstance(value, Mapping)
        else _wholes(value)
        if isinstance(value, Mapping) and name not in OPEN
        else value
        for name, value in values.items()
    }


def _checked(values: dict[str, Any], registry: Registry) -> RunConfig:
    _empty_nones(values, RunConfig)
    try:
        config = RunConfig.model_validate(values)
    except ValidationError as error:
        raise ConfigError(_one_line(error, RunConfig)) from error
    unknown = [score for score in config.scores if score not in SCORES]
    if unknown:
        raise UnknownNameError("score", str(unknown[0]), map(str, SCORES))
    return _with_plugin_options(config, registry)


def _empty_nones(values: dict[str, Any], model: type[BaseModel]) -> None:
    """Replace the text ``none`` by None wherever an option may be empty, in place.

    Where an option has a choice of that name (``preprocessing.intensity``) the text stays.
    """
    for name, field in model.model_fields.items():
        value, kind = values.get(name), field.annotation
        if isinstance(value, dict) and isinstance(kind, type) and issubclass(kind, BaseModel):
            _empty_nones(value, kind)
        elif isinstance(value, str) and value.lower() == "none" and type(None) in get_args(kind):
            values[name] = None


def _with_plugin_options(config: RunConfig, registry: Registry) -> RunConfig:
    """Check the options of the plugins named, and fill in their defaults."""
    training = config.training
    backbone, loss = registry.backbone(training.backbone), registry.loss(training.loss)
    section = "training"
    filled = training.model_copy(
        update={
            "backbone_options": _fill(
                backbone.options, training.backbone_options, f"{section}.backbone_options"
            ),
            "pack": training.pack or backbone.pack,
            "loss_options": _fill(loss.options, training.loss_options, f"{section}.loss_options"),
            "penalties": {
                name: _fill(registry.penalty(name).options, given, f"{section}.penalties.{name}")
                for name, given in training.penalties.items()
            },
        }
    )
    size = config.preprocessing
    recipe(filled, size.image_size, size.channels, ValueMap(scale=1, offset=0), registry)
    check_parts(filled, filled.pack or backbone.pack, config.runtime.processes)
    readers = {
        name: _fill(registry.reader(name).options, given, f"ingestion.readers.{name}")
        for name, given in config.ingestion.readers.items()
    }
    return config.model_copy(
        update={
            "ingestion": config.ingestion.model_copy(update={"readers": readers}),
            "training": filled,
            "generation": with_exporters(config.generation, registry),
            "evaluation": _with_metric_options(config.evaluation, registry),
            "promotion": _with_gates(config, registry),
        }
    )


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


def _with_gates(config: RunConfig, registry: Registry) -> PromotionOptions:
    """Fill in the options of the gates that are named; refuse what has nothing to measure."""
    size, evaluation = config.preprocessing, config.evaluation
    chosen = choose(evaluation, registry)
    measured = {metric.name for metric in chosen.sets} | {
        metric.name
        for metric in chosen.pairs
        if metric.min_size <= size.image_size and size.channels in metric.channels
    }
    likeness = (evaluation.likeness,) if evaluation.likeness else LIKENESS
    filled = {}
    for name, given in config.promotion.gates.items():
        gate = registry.gate(name)
        needs = [n for need in gate.needs for n in (likeness if need == "likeness" else (need,))]
        if needs and not measured & set(needs):
            raise ConfigError(
                f"promotion.gates.{name} has nothing to measure: add {' or '.join(needs)} to "
                f"evaluation.metrics (frames of {size.image_size} pixels must suffice for it), or "
                "leave the gate out"
            )
        filled[name] = _fill(gate.options, given, f"promotion.gates.{name}")
    return config.promotion.model_copy(update={"gates": filled})


def _with_metric_options(chosen: EvaluationOptions, registry: Registry) -> EvaluationOptions:
    """Check the metrics and extractors that are named, and fill in the options of all."""
    choice = choose(chosen, registry)
    metrics = {metric.name: metric.options for metric in choice.metrics}
    features = {name: registry.feature(name).options for name in choice.features}
    return chosen.model_copy(
        update={
            "metric_options": _fill_named(metrics, chosen.metric_options, "metric_options"),
            "feature_options": _fill_named(features, chosen.feature_options, "feature_options"),
        }
    )


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
        raise ConfigError(_one_line(error, model, f"{where}.")) from error


def _one_line(error: ValidationError, model: type[BaseModel], above: str = "") -> str:
    """Describe the first validation error in one line."""
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


def _merge(values: dict[str, Any], more: Mapping[str, Any], *, lays_over: bool = True) -> None:
    """Lay options over others, in place; another backbone or loss starts from its own defaults.

    An open section that is given as a whole, or empty, replaces the one that was there. Settings
    that are given together are merged with ``lays_over`` off: their order means nothing, and a
    backbone that is named after its options keeps them.
    """
    for name, value in sorted(more.items()):  # a plugin's name comes before its options
        below = values.get(name)
        if name in OPEN and (isinstance(value, _Whole) or value == {}):
            values[name] = _Whole(value)
        elif isinstance(value, Mapping):
            values[name] = below = below if isinstance(below, dict) else {}
            _merge(below, value, lays_over=lays_over)
        else:
            if lays_over and name in ("backbone", "loss"):
                usual = TrainingOptions.model_fields[name].default
                if (usual if below is None else below) != value:
                    values.pop(f"{name}_options", None)
            values[name] = value


def _nested(name: str, value: Any) -> dict[str, Any]:
    first, dot, rest = name.partition(".")
    return {first: _nested(rest, value)} if dot else {first: value}


def _literal(text: str) -> Any:
    """Read a value as JSON; anything that is not JSON is text, and empty text is None."""
    try:
        value = json.loads(text)
        return _Whole(_wholes(value)) if isinstance(value, dict) else value
    except ValueError:
        return text or None


def _read(path: Path) -> dict[str, Any]:
    try:
        text = path.read_text(encoding="utf-8")
        values = json.loads(text) if path.suffix == ".json" else tomllib.loads(text)
    except OSError as error:
        raise ConfigError(f"--config {path}: {error.strerror}") from error
    except ValueError as error:
        raise ConfigError(f"--config {path} is not {path.suffix or 'TOML'}: {error}") from error
    if not isinstance(values, dict):
        raise ConfigError(f"--config {path}: expected sections such as [training]")
    return _wholes(values)
