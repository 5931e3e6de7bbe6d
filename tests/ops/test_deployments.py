"""What the server is told: the file of deployments, and the forms its flows have."""

from __future__ import annotations

import importlib
import json
from collections.abc import Iterator
from importlib.resources import files
from pathlib import Path
from typing import Any

import pytest
import yaml

from lusgan_core.config import RunConfig, completed, preset_values, resolve
from lusgan_core.pipeline.events import exam_event, resource_id
from lusgan_core.registry import installed
from lusgan_ops.deploy import DEPLOYMENTS, prefect_file
from lusgan_ops.pools import Kind
from lusgan_ops.up.home import UpSettings
from lusgan_ops.up.services import GPU_POOL, POOL

ROOT = Path(__file__).parents[2]
SHIPPED = files("lusgan_ops") / "deployments" / "prefect.yaml"
ASKED = UpSettings(
    exams="s3://exams", store="s3://artifacts", preset="demo", config={"scores": [2]},
    every_s=33, settle_s=44, debounce_s=22,
)  # fmt: skip


FLOWS = dict.fromkeys(("ingest", "train-score", "evaluate"), "stage")
"""Deployments whose flow has another name."""


def deployments(found: dict[str, Any]) -> dict[str, dict[str, Any]]:
    return {deployment["name"]: deployment for deployment in found["deployments"]}


@pytest.fixture(scope="module")
def schema() -> dict[str, Any]:
    """Return the form of ``pipeline``."""
    from prefect.utilities.callables import parameter_schema

    from lusgan_flows.pipeline import pipeline

    return parameter_schema(pipeline).model_dump_for_openapi()


def test_the_file_at_the_top_is_the_one_that_ships() -> None:
    """``deployments/prefect.yaml`` and the package data hold the same."""
    assert (ROOT / "deployments" / "prefect.yaml").read_bytes() == SHIPPED.read_bytes()


def test_every_flow_has_a_deployment_that_can_be_imported(prefect_server: dict[str, str]) -> None:
    """Entry points are modules, so that a worker needs no folder of ours."""
    found = deployments(yaml.safe_load(SHIPPED.read_text()))
    assert set(found) == set(DEPLOYMENTS)
    for name, deployment in found.items():
        module, _, attribute = deployment["entrypoint"].rpartition(".")
        flow = getattr(importlib.import_module(module), attribute)
        assert flow.name == FLOWS.get(name, name)
        assert deployment["work_pool"]["name"] == (GPU_POOL if name == "training" else POOL)


def test_the_options_in_the_file_are_the_presets() -> None:
    """The file asks for the options of the preset that it names."""
    for deployment in deployments(yaml.safe_load(SHIPPED.read_text())).values():
        if "preset" in deployment.get("parameters", {}):
            wanted = preset_values(deployment["parameters"]["preset"], installed())
            assert deployment["parameters"]["config"] == wanted


def test_what_up_was_asked_for_is_filled_in() -> None:
    """Addresses, options, times and the exact source take the place of the file's own."""
    found = deployments(prefect_file(ASKED, Kind.PROCESS, gpu=False))
    pipeline, watch = found["pipeline"], found["watch"]
    assert pipeline["parameters"] == {
        "exams": "s3://exams", "store": "s3://artifacts", "preset": "demo",
        "config": {"scores": [2]}, "settle_s": 44,
    }  # fmt: skip
    assert watch["parameters"] == {
        "exams": "s3://exams", "store": "s3://artifacts", "settle_s": 44
    }  # fmt: skip
    assert watch["schedules"] == [{"interval": 33, "slug": "watch"}]
    (trigger,) = pipeline["triggers"]
    assert trigger["within"] == 22
    assert trigger["match"] == {"prefect.resource.id": resource_id("s3://exams")}
    assert trigger["after"] == trigger["expect"]
    assert found["train-score"]["parameters"]["score"] == 0
    stages = {name: found[name]["parameters"]["until"] for name in FLOWS}
    assert stages == {
        "ingest": "preprocess", "train-score": "train", "evaluate": "evaluate"
    }  # fmt: skip
    assert found["generate"]["parameters"] == {"store": "s3://artifacts", "score": 0}


@pytest.mark.parametrize(
    ("hour", "run", "check"), [(2, "0 2 * * *", "0 5 * * *"), (22, "0 22 * * *", "0 1 * * *")]
)
def test_the_night_is_where_the_hospital_is(hour: int, run: str, check: str) -> None:
    """The nightly run comes at the hour and in the time zone asked for, the check of the store
    three hours later; looks go on as often as before."""
    asked = ASKED.model_copy(update={"nightly": hour, "timezone": "Europe/Berlin"})
    found = deployments(prefect_file(asked, Kind.PROCESS, gpu=False))
    at = {
        name: [(s["cron"], s["timezone"]) for s in one["schedules"] if "cron" in s]
        for name, one in found.items()
        if "schedules" in one
    }
    assert at == {
        "pipeline": [(run, "Europe/Berlin")], "verify": [(check, "Europe/Berlin")], "watch": [],
    }  # fmt: skip


def test_the_watch_looks_by_the_readers_of_the_pipeline() -> None:
    """Otherwise it would announce exams, or miss them, that the pipeline finds otherwise."""
    chosen = ASKED.model_copy(update={"config": {"ingestion": {"readers": {"mat": {}}}}})
    found = deployments(prefect_file(chosen, Kind.PROCESS, gpu=False))
    assert found["watch"]["parameters"]["readers"] == {"mat": {}}


def test_trainers_take_the_trainings() -> None:
    """With workers that train, the pipeline sends its trainings to their pool; else to nobody."""
    alone, helped = (
        deployments(
            prefect_file(ASKED.model_copy(update={"trainers": number}), Kind.PROCESS, gpu=False)
        )
        for number in (0, 2)
    )
    assert "train_on" not in alone["pipeline"]["parameters"]
    assert helped["pipeline"]["parameters"]["train_on"] == "training/training"
    pools = {name: deployment["work_pool"]["name"] for name, deployment in helped.items()}
    assert {name for name, pool in pools.items() if pool == GPU_POOL} == {
        "training", "train-score", "useful"
    }  # fmt: skip
    assert {d["work_pool"]["name"] for d in alone.values()} == {POOL}


def test_an_event_names_the_exam_by_eight_digits() -> None:
    """What is told of an exam is its source and eight digits of its digest."""
    told = exam_event("lusgan.exam.new", "/exams", "0123456789abcdef")
    assert told["payload"] == {"exam": "01234567"}
    assert told["resource"]["prefect.resource.id"] == resource_id("/exams")


def test_the_form_offers_what_is_installed(schema: dict[str, Any]) -> None:
    """Backbones, losses and scores are choices; a plugin that is added is one more."""
    training = schema["definitions"]["TrainingOptions"]["properties"]
    registry = installed()
    assert training["backbone"]["enum"] == sorted(registry.records["backbone"])
    assert training["loss"]["enum"] == sorted(registry.records["loss"])
    evaluation = schema["definitions"]["EvaluationOptions"]["properties"]
    assert evaluation["metrics"]["items"]["enum"] == sorted(registry.records["metric"])
    assert evaluation["features"]["items"]["enum"] == sorted(registry.features())
    assert evaluation["likeness"]["anyOf"][0]["enum"] == sorted(registry.pair_metrics())
    generation = schema["definitions"]["GenerationOptions"]["properties"]
    assert generation["formats"]["items"]["enum"] == sorted(registry.exporters())
    scores = schema["definitions"]["RunConfig"]["properties"]["scores"]
    assert scores["items"]["enum"] == [0, 1, 2, 3]


def choices(field: dict[str, Any]) -> dict[str, dict[str, Any]]:
    return {choice["title"]: choice for choice in field["anyOf"]}


def test_the_form_has_the_options_of_every_plugin(schema: dict[str, Any]) -> None:
    """Each backbone's options are fields with bounds and descriptions; a penalty is off unless it
    is chosen, since a form fills in the defaults of all that it shows."""
    training = schema["definitions"]["TrainingOptions"]["properties"]
    registry = installed()
    backbones = choices(training["backbone_options"])
    assert next(iter(backbones)) == "defaults"
    assert backbones["defaults"]["maxProperties"] == 0
    assert set(backbones) == {"defaults", *registry.records["backbone"]}
    width = backbones["dcgan"]["properties"]["width"]
    assert (width["minimum"], width["maximum"], width["default"]) == (4, 256, 32)
    assert width["description"].startswith("Channels next to the image")
    penalties = training["penalties"]["properties"]
    assert set(penalties) == set(registry.records["penalty"])
    for name, field in penalties.items():
        assert list(choices(field)) == ["off", "on"]
        assert "default" not in field
        assert field["description"] == registry.penalty(name).description
        weight = choices(field)["on"]["properties"]["weight"]
        assert weight["description"]
        assert weight["minimum"] == 0
    assert training["penalties"]["additionalProperties"] is False
    augmentations = training["augmentations"]["properties"]
    assert set(augmentations) == set(registry.records["augmentation"])
    most = choices(augmentations["shift"])["on"]["properties"]["most"]
    assert (most["minimum"], most["maximum"], most["default"]) == (0, 0.5, 0.1)


SECTIONS = [
    ("IngestionOptions", "readers", "reader", ["off", "on"]),
    ("PromotionOptions", "gates", "gate", ["off", "on"]),
    ("GenerationOptions", "format_options", "exporter", ["defaults", "options"]),
    ("EvaluationOptions", "metric_options", "metric", ["defaults", "options"]),
    ("EvaluationOptions", "feature_options", "feature", ["defaults", "options"]),
]


@pytest.mark.parametrize(("section", "name", "kind", "titles"), SECTIONS)
def test_options_of_each_kind_are_fields(
    schema: dict[str, Any], section: str, name: str, kind: str, titles: list[str]
) -> None:
    """Readers, gates, exporters, metrics and extractors have a field for each option, with its
    bounds and description; none is filled in unless it is chosen."""
    found = schema["definitions"][section]["properties"][name]
    records = installed().records[kind]
    having = {name for name, record in records.items() if record.options.model_fields}
    assert found["description"]
    assert set(found["properties"]) == (set(records) if titles == ["off", "on"] else having)
    assert having or kind == "reader"
    for plugin, field in found["properties"].items():
        assert list(choices(field)) == titles
        assert field["description"] == records[plugin].description
        own = choices(field)[titles[1]].get("properties", {})
        assert own.keys() == records[plugin].options.model_fields.keys()
        assert all(option["description"] for option in own.values())


def test_flows_beside_the_pipeline_have_options_of_plugins() -> None:
    """``watch`` has the options of readers, ``generate`` those of exporters."""
    from prefect.utilities.callables import parameter_schema

    from lusgan_flows.generate_flow import generate
    from lusgan_ops.watch import watch

    readers = parameter_schema(watch).model_dump_for_openapi()["properties"]["readers"]
    assert set(readers["properties"]) == set(installed().readers())
    formats = parameter_schema(generate).model_dump_for_openapi()["properties"]["format_options"]
    png = choices(formats["properties"]["png"])["options"]["properties"]
    assert png["say_synthetic"]["type"] == "boolean"


@pytest.mark.parametrize("name", ["pipeline", "generate", "stage", "verify"])
def test_no_field_of_a_form_is_of_type_none(name: str) -> None:
    """Prefect's form says 'Property is type "None"' of such a field, which tells nobody anything.

    What may have no value offers that as a choice with a name.
    """
    from prefect.utilities.callables import parameter_schema

    module = importlib.import_module(f"lusgan_flows.{name}{'' if name == 'pipeline' else '_flow'}")
    shown = parameter_schema(getattr(module, name)).model_dump_for_openapi()
    assert '"type": "null"' not in json.dumps(shown)
    nothing = [choice for choice in parts(shown) if choice.get("enum") == [None]]
    assert all(choice["title"] in ("none", "off", "defaults") for choice in nothing)
    assert nothing or name == "verify"


def parts(schema: Any) -> Iterator[dict[str, Any]]:
    """Yield every object of a schema, at any depth."""
    if isinstance(schema, list | dict):
        for part in schema.values() if isinstance(schema, dict) else schema:
            yield from parts(part)
    if isinstance(schema, dict):
        yield schema


@pytest.mark.parametrize("preset", installed().presets())
def test_what_a_form_sends_is_what_is_run(schema: dict[str, Any], preset: str) -> None:
    """A preset's options, as a form sends them, pass the server's check against the schema and
    come back from the manifest's JSON as they were."""
    from prefect.utilities.schema_tools.validation import validate

    registry = installed()
    usual = resolve(preset, registry)
    sent = usual.model_dump(mode="json")
    penalties = sent["training"]["penalties"]
    for name in registry.records["penalty"]:
        penalties.setdefault(name, None)
    for title, name, _, _ in SECTIONS:
        section = sent[title.removesuffix("Options").lower()]
        for plugin in schema["definitions"][title]["properties"][name]["properties"]:
            section[name].setdefault(plugin, None)
    for name in registry.records["augmentation"]:
        sent["training"]["augmentations"].setdefault(name, None)
    whole = {"exams": "e", "store": "s", "config": sent, "preset": preset}
    assert [error.message for error in validate(whole, schema)] == []
    taken = completed(RunConfig.model_validate(sent), registry, preset)
    assert RunConfig.model_validate_json(taken.model_dump_json()) == usual


@pytest.mark.parametrize(
    ("section", "name", "value"),
    [
        ("training", "backbone_options", {"width": 4, "depth": 2}),
        ("training", "backbone_options", {"width": 1}),
        ("training", "penalties", {"r1": {"weight": -1}}),
        ("training", "penalties", {"r7": {}}),
        ("training", "augmentations", {"shift": {"most": 0.9}}),
        ("training", "augmentations", {"twist": {}}),
        ("ingestion", "readers", {"mmat": {}}),
        ("promotion", "gates", {"collapse": {"min_diversity": -1}}),
        ("generation", "format_options", {"png": {"say_synthetic": "perhaps"}}),
        ("evaluation", "metric_options", {"kid": {"degree": 0}}),
        ("evaluation", "metric_options", {"ssim": {"degree": 3}}),
        ("evaluation", "feature_options", {"randm": {}}),
    ],
)
def test_a_form_refuses_options_that_no_plugin_takes(
    schema: dict[str, Any], section: str, name: str, value: object
) -> None:
    """The server says no before a run is made, as it does of the other options."""
    from prefect.utilities.schema_tools.validation import is_valid

    sent = {"exams": "e", "store": "s", "config": {section: {name: value}}}
    assert not is_valid(sent, schema)


def test_every_field_of_the_form_has_a_description(schema: dict[str, Any]) -> None:
    """A person who opens the form reads what each parameter and option is for."""
    config = schema["properties"].pop("config", {})
    missing = [name for name, field in schema["properties"].items() if not field.get("description")]
    for title, section in schema["definitions"].items():
        if "enum" in section:
            continue
        fields = section["properties"].items()
        missing += [f"{title}.{name}" for name, field in fields if not field.get("description")]
    assert config
    assert missing == []
