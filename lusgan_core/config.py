"""The options of a whole run: those of every stage put together, presets, and how they are set.

A run starts from a preset, then takes a file of options, then single settings; each may name only
options that exist. The result is validated as a whole, including the plugins' own options.
"""

from __future__ import annotations

import json
import shlex
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from pydantic import BaseModel, Field, ValidationError

from lusgan_core.api import Options
from lusgan_core.calls.runtime import Runtime
from lusgan_core.domain import SCORES
from lusgan_core.encoder.stage import EncoderOptions, check_options
from lusgan_core.errors import ConfigError, LusganError, UnknownNameError
from lusgan_core.evaluation.stage import EvaluationOptions
from lusgan_core.generation.stage import GenerationOptions
from lusgan_core.ingestion.stage import IngestionOptions
from lusgan_core.layered_options import flatten, merge, read_file, setting
from lusgan_core.option_names import full_name, read_texts, respell
from lusgan_core.plugin_guard import guarded
from lusgan_core.plugin_options import (
    one_line,
    with_exporters,
    with_gates,
    with_metrics,
    with_parts,
    with_readers,
)
from lusgan_core.preprocessing.stage import PreprocessingOptions
from lusgan_core.presets import deviations, preset_and_bases
from lusgan_core.promotion.stage import PromotionOptions
from lusgan_core.registry import Broken, Registry
from lusgan_core.reporting.stage import ReportOptions, RunDescription
from lusgan_core.selection.stage import SelectionOptions
from lusgan_core.training.options import TrainingOptions
from lusgan_core.usefulness.stage import UsefulnessOptions

UNTOLD = {"runtime", "usefulness"}
"""Sections that change no result of a run."""


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
    encoder: EncoderOptions = Field(
        default_factory=EncoderOptions,
        description="The store's classifier of severity, for features and score fidelity",
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
    usefulness: UsefulnessOptions = Field(
        default_factory=UsefulnessOptions,
        description="How `lusgan useful` finds out whether synthetic frames help; no part of a run",
    )
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
            it is not valid JSON, text, or a list without brackets. The section may be left out
            where one section alone has an option of that name, or the training has one. They win
            over files.

            The penalties of a file, or of a setting that gives the section as one value, take the
            place of those before; ``training.penalties.r1.weight=2`` changes or adds one. So do
            readers, augmentations and gates.
        scores: Severity scores to work on; None keeps those of preset, files and settings.

    Returns:
        The options, complete and validated.

    Raises:
        ConfigError: An option, file, preset, score or plugin cannot be used; one line says which,
            what was expected and what to do.
    """
    values = preset_values(preset, registry)
    for path in files:
        given = read_file(path)
        respell(given, registry)
        merge(values, given)
    together: dict[str, Any] = {}
    for text in settings:
        merge(together, setting(completed_setting(text)), lays_over=False)
    respell(together, registry)
    merge(values, together)
    _some_left(values)
    if scores is not None:
        values["scores"] = tuple(dict.fromkeys(scores))
    try:
        return _checked(values, registry)
    except ConfigError:
        broken = preset_problem(preset, registry)
        if broken:  # then the message should be about the preset, not about an option of the user's
            raise ConfigError(broken) from None
        raise


def completed_setting(text: str) -> str:
    """Put the section before the name in ``NAME=VALUE``, where it was left out.

    Raises:
        ConfigError: Options of several sections are called so.
    """
    name, equals, value = text.partition("=")
    return f"{full_name(name.strip(), RunConfig)}{equals}{value}"


def _some_left(values: Mapping[str, Any]) -> None:
    """Refuse settings that take away every reader or gate: none would be all that are installed."""
    for section, name in (("ingestion", "readers"), ("promotion", "gates")):
        inside = values.get(section)
        given = inside.get(name) if isinstance(inside, Mapping) else None
        if isinstance(given, Mapping) and given and all(own is None for own in given.values()):
            raise ConfigError(
                f"{section}.{name}: {', '.join(given)} taken away, and none is left; where none is "
                f"named all that are installed are used, so name those to use ({section}.{name}="
                '{"NAME": {}})'
            )


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


def unusable(registry: Registry) -> list[Broken]:
    """List what is broken: plugins, records of them, and presets whose settings no run takes.

    Args:
        registry: Installed plugins.

    Returns:
        What cannot be used, each with where it comes from and the reason.
    """
    found = list(registry.broken)
    with guarded("the plugins", watched=False):  # options models are a plugin's own code
        for name in registry.presets():
            if problem := preset_problem(name, registry):
                provider = registry.providers["preset", name]
                found.append(Broken(provider, problem, "preset", name))
    return found


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

    Device, threads and processes are left out, since they change no result of a run; so is how
    studies are made.

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
    chosen = flatten(config.model_dump(mode="json", exclude=UNTOLD))
    usual = flatten(resolve(preset, registry).model_dump(mode="json", exclude=UNTOLD))
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
            merge(values, json.loads(json.dumps(dict(preset.settings))))
        except (TypeError, ValueError) as error:
            raise ConfigError(
                f"the settings of preset {preset.name} are no JSON: {error}"
            ) from error
    return values


def _checked(values: dict[str, Any], registry: Registry) -> RunConfig:
    read_texts(values, RunConfig)
    respell(values, registry)
    try:
        config = RunConfig.model_validate(values)
    except ValidationError as error:
        raise ConfigError(one_line(error, RunConfig)) from error
    unknown = [score for score in config.scores if score not in SCORES]
    if unknown:
        raise UnknownNameError("score", str(unknown[0]), map(str, SCORES))
    return _with_plugin_options(config, registry)


def _with_plugin_options(config: RunConfig, registry: Registry) -> RunConfig:
    """Check the options of the plugins named, and fill in their defaults."""
    frames = config.preprocessing
    check_options(config.encoder)
    return config.model_copy(
        update={
            "ingestion": with_readers(config.ingestion, registry),
            "training": with_parts(config.training, frames, config.runtime.processes, registry),
            "generation": with_exporters(config.generation, registry),
            "evaluation": with_metrics(config.evaluation, registry),
            "promotion": with_gates(config.promotion, config.evaluation, frames, registry),
        }
    )
