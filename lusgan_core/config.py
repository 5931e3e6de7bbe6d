"""The options of a whole run: those of every stage put together, presets, and how they are set.

A run starts from a preset, then takes a file of options, then single settings; each may name only
options that exist. What comes out is checked whole, plugins' own options included.
"""

from __future__ import annotations

import json
import shlex
import tomllib
from collections.abc import Mapping, Sequence
from difflib import get_close_matches
from pathlib import Path
from typing import Any

from pydantic import BaseModel, Field, ValidationError

from lusgan_core.api import NoOptions, Options
from lusgan_core.domain import SCORES
from lusgan_core.errors import ConfigError, UnknownNameError
from lusgan_core.frames import PreprocessOptions
from lusgan_core.registry import Registry
from lusgan_core.stages.evaluate import EvaluationOptions
from lusgan_core.stages.generate import GenerationOptions
from lusgan_core.stages.report import ReportOptions, RunDescription
from lusgan_core.stages.select import SelectionOptions
from lusgan_core.training.options import Runtime, TrainingOptions
from lusgan_core.training.state import recipe
from lusgan_core.training.values import ValueMap


class RunConfig(Options):
    """Options of the pipeline, a section a stage."""

    scores: tuple[int, ...] = Field(SCORES, min_length=1, description="Severity scores to train")
    preprocessing: PreprocessOptions = Field(default_factory=PreprocessOptions)
    selection: SelectionOptions = Field(default_factory=SelectionOptions)
    training: TrainingOptions = Field(default_factory=TrainingOptions)
    generation: GenerationOptions = Field(default_factory=GenerationOptions)
    evaluation: EvaluationOptions = Field(default_factory=EvaluationOptions)
    report: ReportOptions = Field(default_factory=ReportOptions)
    runtime: Runtime = Field(
        default_factory=Runtime, description="How to run; changes no result, so it is in no key"
    )


class Preset(BaseModel):
    """A named starting point."""

    description: str
    settings: dict[str, Any]
    """Nested as in RunConfig; what is not named keeps its default."""
    deviations: tuple[str, ...] = ()
    """Where it departs from the reference that the report follows (RelativisticGAN)."""


PRESETS: dict[str, Preset] = {
    "paper": Preset(
        description="the report as published: Figure 1 and section 5, 256 x 256 grey, 4,000 "
        "iterations; wants a GPU",
        settings={"selection": {"held_out": 0.0}},
        deviations=(
            "The discriminator is Figure 1's: 6-32-64-128-64-32-16-1 channels with 2 x 2 logits "
            "(0.34 million weights); the reference goes up to 1024 channels.",
            "The first two layers of the discriminator have no batch normalisation; the "
            "reference normalises all middle layers.",
            "The generator ends at the image's channels; Figure 1 ends at 16, a slip.",
            "Real images stay in 0..1 against a generator that ends in tanh (-1..1): section 5 "
            "does not normalise, and negative values are clipped to black; the reference uses "
            "-1..1.",
            "Labels are smoothed to 0.7..1.2 and 0..0.3, and each is flipped with probability "
            "0.05 (2 of 48); the reference uses plain labels.",
            "Three generator steps follow each discriminator step, at rates 4e-4 and 2e-4; the "
            "reference takes one each at 2e-4.",
            "The discriminator's rate shrinks by 0.0005 an iteration. That gives 9.2e-5 after "
            "1,550 iterations; the report's 4.6e-5 fits a start of 1e-4.",
            "4,000 iterations of 48 images; the reference takes 100,000 of 32.",
            "Seed 999 is applied to everything; the report's own code never applied it.",
            "Frames are padded to the largest frame of the whole dataset; the report's code took "
            "the largest of each score, which lets the aspect ratio give the score away.",
        ),
    ),
    "demo": Preset(
        description="64 x 64 on two CPU cores, about a minute a score",
        settings={
            "preprocessing": {"image_size": 64, "geometry": "fit", "intensity": "percentile"},
            "training": {
                "backbone": "dcgan",
                "backbone_options": {"width": 16, "dropout": 0.0, "discriminator_norm": "none"},
                "loss": "RSGAN",
                "penalties": {"r1": {"weight": 1.0, "every": 4}},
                "iterations": 600,
                "batch_size": 32,
                "generator_steps": 1,
                "lr_generator": 1e-3,
                "lr_discriminator": 1e-3,
                "betas": [0.0, 0.99],
                "decay_discriminator": 0.0,
                "smooth_real": None,
                "smooth_fake": None,
                "flip_labels": 0.0,
                "value_range": "-1..1",
                "ema_half_life": 5000,
            },
            "generation": {"count": 64},
        },
    ),
}
DEFAULT_PRESET = "paper"


def resolve(
    preset: str,
    registry: Registry,
    files: Sequence[Path] = (),
    settings: Sequence[str] = (),
    scores: Sequence[int] | None = None,
) -> RunConfig:
    """The options of a run: a preset, then files (TOML or JSON), then ``a.b=c`` settings.

    Raises ConfigError, in one line that says which option, what was expected and what to do.
    """
    values = preset_values(preset)
    for path in files:
        _merge(values, _read(path))
    together: dict[str, Any] = {}
    for setting in settings:
        name, equals, text = setting.partition("=")
        if not equals:
            raise ConfigError(
                f"--set {setting!r}: expected NAME=VALUE, e.g. training.batch_size=32"
            )
        _merge(together, _nested(name.strip(), _literal(text.strip())))
    _merge(values, together)
    if scores is not None:
        values["scores"] = tuple(dict.fromkeys(scores))
    return _checked(values, registry)


def describe(config: RunConfig, preset: str, registry: Registry) -> RunDescription:
    """A run's options in words: each beside what its preset says, and the command that asks for it.

    How a run was run (device, threads) is left out, since it changes no result.
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
        deviations=PRESETS[preset].deviations,
        command=" ".join(words),
    )


def _description(name: str) -> str:
    """What the option of that dotted name is for."""
    model: type[BaseModel] = RunConfig
    *sections, last = name.split(".")
    for section in sections:
        inner = model.model_fields[section].annotation
        if not (isinstance(inner, type) and issubclass(inner, BaseModel)):
            return ""
        model = inner
    return model.model_fields[last].description or ""


def preset_values(name: str) -> dict[str, Any]:
    """A preset's settings, nested. Raises UnknownNameError."""
    if name not in PRESETS:
        raise UnknownNameError("preset", name, PRESETS)
    return json.loads(json.dumps(PRESETS[name].settings))  # type: ignore[no-any-return]


def flatten(values: Mapping[str, Any], above: str = "") -> dict[str, Any]:
    """Nested options as ``{"training.batch_size": 32}``."""
    flat: dict[str, Any] = {}
    for name, value in values.items():
        path = f"{above}{name}"
        if isinstance(value, Mapping) and name not in OPEN:
            flat |= flatten(value, f"{path}.")
        else:
            flat[path] = value
    return flat


OPEN = {"backbone_options", "loss_options", "penalties"}
"""Sections whose names belong to plugins."""


def _checked(values: dict[str, Any], registry: Registry) -> RunConfig:
    try:
        config = RunConfig.model_validate(values)
    except ValidationError as error:
        raise ConfigError(_one_line(error, RunConfig)) from error
    unknown = [score for score in config.scores if score not in SCORES]
    if unknown:
        raise UnknownNameError("score", str(unknown[0]), map(str, SCORES))
    return _with_plugin_options(config, registry)


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
    metrics = config.evaluation.metrics or tuple(sorted(registry.pair_metrics()))
    for name in metrics:
        registry.pair_metric(name)
    evaluation = config.evaluation.model_copy(update={"metrics": metrics})
    return config.model_copy(update={"training": filled, "evaluation": evaluation})


def _fill(model: type[Options], given: Mapping[str, Any], where: str) -> dict[str, Any]:
    try:
        return model.model_validate(given).model_dump(mode="json")
    except ValidationError as error:
        raise ConfigError(_one_line(error, model, f"{where}.")) from error


def _one_line(error: ValidationError, model: type[BaseModel], above: str = "") -> str:
    """The first thing wrong, in one line."""
    first = error.errors()[0]
    path = above + ".".join(str(part) for part in first["loc"])
    if first["type"] == "extra_forbidden":
        known = _known(model, first["loc"][:-1])
        near = get_close_matches(str(first["loc"][-1]), known, n=1)
        hint = f"; did you mean {near[0]!r}?" if near else ""
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


def _merge(values: dict[str, Any], more: Mapping[str, Any]) -> None:
    """Lay options over others; another backbone or loss starts from its own defaults."""
    for name, value in sorted(more.items()):  # a plugin's name comes before its options
        below = values.get(name)
        if isinstance(value, Mapping):
            values[name] = below = below if isinstance(below, dict) else {}
            _merge(below, value)
        else:
            if name in ("backbone", "loss") and below != value:
                values.pop(f"{name}_options", None)
            values[name] = value


def _nested(name: str, value: Any) -> dict[str, Any]:
    first, dot, rest = name.partition(".")
    return {first: _nested(rest, value)} if dot else {first: value}


def _literal(text: str) -> Any:
    """A value as JSON spells it; anything else is text."""
    try:
        return json.loads(text)
    except ValueError:
        return None if text.lower() in ("none", "") else text


def _read(path: Path) -> dict[str, Any]:
    try:
        text = path.read_text()
        values = json.loads(text) if path.suffix == ".json" else tomllib.loads(text)
    except OSError as error:
        raise ConfigError(f"--config {path}: {error.strerror}") from error
    except ValueError as error:
        raise ConfigError(f"--config {path} is not {path.suffix or 'TOML'}: {error}") from error
    if not isinstance(values, dict):
        raise ConfigError(f"--config {path}: expected sections such as [training]")
    return values
