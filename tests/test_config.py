from __future__ import annotations

import json
import shlex
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from lusgan_core.api import Preset
from lusgan_core.config import (
    UNTOLD,
    RunConfig,
    completed,
    describe,
    preset_problem,
    resolve,
)
from lusgan_core.errors import ConfigError, UnknownNameError, UnknownPluginError
from lusgan_core.layered_options import flatten
from lusgan_core.registry import Provider, Registry, discover, installed
from lusgan_core.selection.splits import held_out_patients

PRESETS = installed().presets()


def with_settings(plugins: Registry, *settings: str, preset: str = "demo") -> RunConfig:
    return resolve(preset, plugins, settings=settings)


@pytest.mark.parametrize("preset", PRESETS)
def test_presets_resolve(plugins: Registry, preset: str) -> None:
    """Every preset is whole and valid as it is, and says what it is for."""
    config = resolve(preset, plugins)
    backbone = plugins.backbone(config.training.backbone)
    assert set(config.training.backbone_options) == set(backbone.options.model_fields)
    assert config.training.pack == (
        PRESETS[preset].settings.get("training", {}).get("pack") or backbone.pack
    )
    assert config.evaluation.metrics == ()
    assert PRESETS[preset].description


def test_paper_is_the_report(plugins: Registry) -> None:
    """The preset ``paper`` has the figures of the report's section 5."""
    training = resolve("paper", plugins).training
    assert (training.backbone, training.loss, training.pack) == ("pacgan2", "RaSGAN", 2)
    assert (training.iterations, training.batch_size, training.latent_size) == (4000, 48, 128)
    assert (training.lr_generator, training.lr_discriminator) == (4e-4, 2e-4)
    assert (training.generator_steps, training.discriminator_steps) == (3, 1)
    assert (training.smooth_real, training.smooth_fake) == ((0.7, 1.2), (0.0, 0.3))
    assert (training.seed, training.value_range) == (999, "0..1")
    codes = [str(code) for code in range(38)]
    selection = resolve("paper", plugins).selection
    assert len(held_out_patients(codes, selection.held_out, selection.seed)) == 1
    assert len(PRESETS["paper"].deviations) >= 8


def test_settings_lie_over_files_over_the_preset(plugins: Registry, tmp_path: Path) -> None:
    """The later of two files wins, and a single setting wins over both."""
    one, two = tmp_path / "one.toml", tmp_path / "two.json"
    one.write_text("[training]\niterations = 5\nbatch_size = 8\nseed = 1\n")
    two.write_text(json.dumps({"training": {"batch_size": 16, "seed": 2}}))
    config = resolve("demo", plugins, files=[one, two], settings=["training.seed=3"])
    training = config.training
    assert (training.iterations, training.batch_size, training.seed) == (5, 16, 3)
    assert training.loss == resolve("demo", plugins).training.loss


@pytest.mark.parametrize(
    ("text", "value"),
    [("null", None), ("none", None), ("", None), ("[0.8, 1.1]", (0.8, 1.1))],
)
def test_values_are_json_or_nothing(plugins: Registry, text: str, value: object) -> None:
    """A value is written as JSON; ``none`` and nothing at all stand for null."""
    config = with_settings(plugins, "training.loss=SGAN", f"training.smooth_real={text}")
    assert config.training.smooth_real == value


def test_another_backbone_starts_from_its_own_options(plugins: Registry) -> None:
    """The options that a preset gives its own backbone are no options of another one."""
    config = with_settings(plugins, "training.backbone=selu_sn")
    defaults = plugins.backbone("selu_sn").options()
    assert config.training.backbone_options == defaults.model_dump(mode="json")


def test_the_same_backbone_keeps_the_presets_options(plugins: Registry) -> None:
    """Naming the backbone that a preset has anyway changes nothing."""
    assert with_settings(plugins, "training.backbone=dcgan") == resolve("demo", plugins)


def test_one_option_of_a_plugin_leaves_the_others(plugins: Registry) -> None:
    """A dotted name sets that option alone."""
    usual = resolve("demo", plugins).training.backbone_options
    chosen = with_settings(plugins, "training.backbone_options.width=8").training.backbone_options
    assert chosen == usual | {"width": 8}


def test_a_section_given_whole_replaces(plugins: Registry, tmp_path: Path) -> None:
    """Penalties can be taken away: a whole or empty section takes the preset's place."""
    assert "r1" in resolve("demo", plugins).training.penalties
    assert with_settings(plugins, "training.penalties={}").training.penalties == {}
    other = with_settings(plugins, 'training.penalties={"r2": {"weight": 2}}').training.penalties
    assert list(other) == ["r2"]
    added = with_settings(plugins, "training.penalties.r2.weight=2").training.penalties
    assert list(added) == ["r1", "r2"]
    file = tmp_path / "none.toml"
    file.write_text("[training.penalties]\n")
    assert resolve("demo", plugins, files=[file]).training.penalties == {}
    mixed = ("training.penalties={}", "training.penalties.r2.weight=2")
    assert list(with_settings(plugins, *mixed).training.penalties) == ["r2"]


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("one.toml", "[training.penalties.r2]\nweight = 2\n"),
        ("one.toml", "[training]\npenalties = {r2 = {weight = 2}}\n"),
        ("one.json", '{"training": {"penalties": {"r2": {"weight": 2}}}}'),
    ],
)
def test_the_penalties_of_a_file_replace_the_presets(
    plugins: Registry, tmp_path: Path, name: str, text: str
) -> None:
    """However a file writes them down, its penalties are all there are; a setting adds to them."""
    file = tmp_path / name
    file.write_text(text)
    assert list(resolve("demo", plugins, files=[file]).training.penalties) == ["r2"]
    added = resolve("demo", plugins, files=[file], settings=["training.penalties.gp.weight=3"])
    assert {n: p["weight"] for n, p in added.training.penalties.items()} == {"r2": 2, "gp": 3}
    whole = with_settings(plugins, 'training={"penalties": {"r2": {"weight": 2}}}')
    assert list(whole.training.penalties) == ["r2"]


def test_the_gates_of_a_file_replace_those_below(plugins: Registry, tmp_path: Path) -> None:
    """As penalties do: which gates are asked is said by their names."""
    below, above = tmp_path / "below.toml", tmp_path / "above.toml"
    below.write_text("[promotion.gates.collapse]\n[promotion.gates.near_copies]\n")
    above.write_text("[promotion.gates.divergence]\nmax_generator_loss = 9.0\n")
    asked = resolve("demo", plugins, files=[below, above]).promotion.gates
    assert {name: given["max_generator_loss"] for name, given in asked.items()} == {"divergence": 9}


def test_a_penalty_that_is_null_is_off(plugins: Registry) -> None:
    """A form says null of a penalty that is not wanted; so may a setting, of the preset's."""
    form = RunConfig.model_validate({"training": {"penalties": {"r1": None, "r2": {}}}})
    assert list(completed(form, plugins).training.penalties) == ["r2"]
    assert with_settings(plugins, "training.penalties.r1=null").training.penalties == {}


@pytest.mark.parametrize("turned", [False, True])
@pytest.mark.parametrize("preset", PRESETS)
def test_options_given_beside_their_plugin_are_kept(
    plugins: Registry, preset: str, turned: bool
) -> None:
    """Whether a backbone is named before its options or after them means nothing."""
    settings = ["training.backbone=selu_sn", "training.backbone_options.dropout=0.25"]
    chosen = with_settings(plugins, *settings[:: -1 if turned else 1], preset=preset).training
    defaults = plugins.backbone("selu_sn").options()
    assert chosen.backbone_options == defaults.model_dump(mode="json") | {"dropout": 0.25}


def test_naming_the_usual_backbone_keeps_the_options_of_a_file(
    plugins: Registry, tmp_path: Path
) -> None:
    """``paper`` names no backbone, and has one: a file's options are that one's."""
    file = tmp_path / "one.toml"
    file.write_text("[training.backbone_options]\ndropout = 0.25\n")
    chosen = resolve("paper", plugins, files=[file], settings=["training.backbone=pacgan2"])
    assert chosen.training.backbone_options["dropout"] == 0.25


def test_a_form_with_another_backbone_starts_from_its_defaults(plugins: Registry) -> None:
    """Options that a form still has from the preset's backbone are dropped where the chosen one
    refuses them; those that a person has changed are not, and are refused by name."""
    form = resolve("demo", plugins).model_dump(mode="json")
    form["training"]["backbone"] = "selu_sn"
    chosen = completed(RunConfig.model_validate(form), plugins, "demo").training
    defaults = plugins.backbone("selu_sn").options()
    assert chosen.backbone_options == defaults.model_dump(mode="json")
    form["training"]["backbone_options"]["width"] = 8
    with pytest.raises(ConfigError, match=r"training\.backbone_options\.generator_norm"):
        completed(RunConfig.model_validate(form), plugins, "demo")


ROUND_TRIPS: list[tuple[str, ...]] = [
    (),
    ("training.batch_size=16", "training.betas=[0.5, 0.9]", "training.decay_generator=1e-5"),
    ("training.penalties={}",),
    ('training.penalties={"gp": {"weight": 3}}', "training.smooth_real=null"),
    ("training.backbone=pacgan2", "training.loss=SGAN", "training.flip_labels=0.1"),
    ('report.title="It\'s 100 % \\"quoted\\" $HOME `x` \\u00e9"', "report.show_codes=true"),
    ("preprocessing.geometry=paper", 'generation.formats=["png", "mat"]', "scores=[1, 3]"),
    ('evaluation.metrics=["mse"]', "training.pack=2", "selection.held_out=0"),
    ("promotion.gates.collapse.min_diversity=0.2", "promotion.automatic=false"),
    ("promotion.min_diversity=0.2",),
    ("generation.format_options.png.say_synthetic=false",),
]


@pytest.mark.parametrize("preset", PRESETS)
@pytest.mark.parametrize("settings", ROUND_TRIPS)
def test_the_command_in_the_report_asks_for_the_same_run(
    plugins: Registry, preset: str, settings: tuple[str, ...]
) -> None:
    """Options, told as a command and read by a shell, resolve to the same options again."""
    config = with_settings(plugins, *settings, preset=preset)
    words = shlex.split(describe(config, preset, plugins).command)
    assert words[:2] == ["lusgan", "run"]
    given = dict[str, list[str]]()
    for name, value in zip(words[2::2], words[3::2], strict=True):
        given.setdefault(name, []).append(value)
    scores = [int(s) for text in given.get("--scores", []) for s in text.split(",")] or None
    again = resolve(given["--preset"][0], plugins, settings=given.get("--set", []), scores=scores)
    assert again == config


def test_description_tells_every_option_beside_the_presets(plugins: Registry) -> None:
    """A report can show each option, what its preset says, and what it is for."""
    config = with_settings(plugins, "training.batch_size=16", "runtime.device=cpu")
    told = describe(config, "demo", plugins)
    options = {option["name"]: option for option in told.options}
    assert set(options) == set(flatten(config.model_dump(exclude=UNTOLD)))
    assert all(option["description"] for option in options.values())
    assert (options["training.batch_size"]["value"], options["training.batch_size"]["preset"]) == (
        "16", "32",
    )  # fmt: skip
    assert "runtime" not in told.command


@pytest.mark.parametrize(
    ("setting", "said"),
    [
        ("training.batch_sise=4", r"option training\.batch_sise; did you mean 'batch_size'"),
        ("trainning.seed=4", r"unknown option trainning; did you mean 'training'"),
        ("xyzzy=4", r"unknown option xyzzy; choices: scores, ingestion"),
        ("training.batch_size=many", r"training\.batch_size: .*integer.* got 'many'"),
        ("training.batch_size=0", r"training\.batch_size: .*greater than or equal to 1, got 0"),
        ("training.lr_generator=NaN", r"training\.lr_generator: .* got nan"),
        ("training.smooth_real=[1.2, 0.7]", r"smooth_real: 1\.2 is above 0\.7"),
        ("preprocessing.image_size=100", r"image_size: 100 is not a power of two; choose 32, 64"),
        ("preprocessing.image_size=1024", r"image_size: .*less than or equal to 512, got 1024"),
        ("preprocessing.channels=2", r"channels: .*1 or 3, got 2"),
        ("preprocessing.geometry=cylinder", r"geometry: .*'fit' or 'polar', got 'cylinder'"),
        ("selection.held_out=1", r"held_out: .*less than 1, got 1"),
        ("generation.formats=[\"gif\"]", r"unknown exporter 'gif'; choices: dicom, hdf5, mat"),
        ("generation.formats=[\"png\", \"png\"]", r"formats: png is named twice"),
        ("generation.format_options.mat.x=1", r"format_options: mat is none of formats"),
        ("generation.format_options.png.x=1", r"generation\.format_options\.png\.x.*say_synthetic"),
        ("promotion.gates.collapse.min_diversity=-1", r"collapse\.min_diversity: .*, got -1"),
        ("promotion.min_diversity=-1", r"promotion\.gates\.collapse\.min_diversity: .*, got -1"),
        ("promotion.gates=5", r"option promotion\.gates: .*, got 5"),
        ("training.backbone_options.depth=3", r"training\.backbone_options\.depth;? .*width"),
        ("training.backbone_options.width=0", r"training\.backbone_options\.width: .*, got 0"),
        ("training.penalties.r1.wait=1", r"training\.penalties\.r1\.wait.*weight"),
        ("training.loss_options.x=1", r"unknown option training\.loss_options\.x; choices: none"),
        ("ingestion.readers.mat.x=1", r"option ingestion\.readers\.mat\.x; choices: axes"),
        ("ingestion.readers.matt={}", r"unknown reader 'matt'; did you mean 'mat'"),
        ("training=5", r"option training: .*, got 5"),
        ("training.batch_size", r"expected NAME=VALUE"),
        ("scores=[]", r"option scores: .*at least 1"),
    ],
)  # fmt: skip
def test_what_is_wrong_is_said_in_one_line(plugins: Registry, setting: str, said: str) -> None:
    """Each message names the option, what was expected and what came, and fits on one line."""
    with pytest.raises(ConfigError, match=said) as error:
        with_settings(plugins, setting)
    assert "\n" not in str(error.value)


@pytest.mark.parametrize(
    ("setting", "kind", "near"),
    [
        ("training.backbone=dcgam", UnknownPluginError, "dcgan"),
        ("training.loss=RaSGAM", UnknownPluginError, "RaSGAN"),
        ("training.penalties.r11.weight=1", UnknownPluginError, "r1"),
        ('evaluation.metrics=["mmse"]', UnknownPluginError, "mse"),
        ("promotion.gates.colapse.min_diversity=1", UnknownPluginError, "collapse"),
        ('generation.formats=["pngs"]', UnknownPluginError, "png"),
        ("scores=[0, 7]", UnknownNameError, None),
    ],
)
def test_unknown_names_list_the_choices(
    plugins: Registry, setting: str, kind: type[UnknownNameError], near: str | None
) -> None:
    """A name that nothing answers to is told beside all choices and the nearest spelling."""
    with pytest.raises(kind) as error:
        with_settings(plugins, setting)
    text = str(error.value)
    assert all(choice in text for choice in error.value.choices)
    assert near is None or f"did you mean {near!r}" in text


def test_unknown_preset_lists_the_choices(plugins: Registry) -> None:
    """The same for presets."""
    with pytest.raises(
        UnknownNameError, match=r"'papr'; did you mean 'paper'.* demo, paper, small"
    ):
        resolve("papr", plugins)


def test_a_gate_that_is_named_must_have_something_to_measure(plugins: Registry) -> None:
    """Without a metric of likeness, or with none that suits small frames, naming is refused; any
    metric will do that the options name as likeness."""
    named = "promotion.gates.collapse.min_diversity=0.2"
    for metrics in ('["mse"]', '["mse", "msssim"]'):  # MS-SSIM needs 176 pixels, the demo has 64
        with pytest.raises(ConfigError, match=r"gates\.collapse has nothing .* msssim or ssim"):
            with_settings(plugins, f"evaluation.metrics={metrics}", named)
    with_settings(plugins, 'evaluation.metrics=["mse", "ssim"]', named)
    with_settings(plugins, 'evaluation.metrics=["mse"]', "evaluation.likeness=mse", named)
    with_settings(plugins, 'evaluation.metrics=["mse"]', "promotion.gates.divergence={}")
    assert with_settings(plugins, 'evaluation.metrics=["mse"]').promotion.gates == {}


def with_presets(*presets: Preset) -> Registry:
    """Return the installed plugins and more presets."""
    registry = discover()
    for preset in presets:
        registry.records["preset"][preset.name] = preset
        registry.providers["preset", preset.name] = Provider("theirs", "their-dist", "2.0")
    return registry


def test_a_preset_may_start_from_another() -> None:
    """It has the other's settings but for its own, and the other's deviations before its own."""
    theirs = Preset(
        "theirs", "Like paper", {"training": {"loss": "SGAN", "penalties": {"r1": {"weight": 2}}}},
        deviations=("Another loss.",), based_on="paper",
    )  # fmt: skip
    more = Preset("more", "Like theirs", {"training": {"penalties": {}}}, based_on="theirs")
    registry = with_presets(theirs, more)
    paper, config = resolve("paper", registry), resolve("theirs", registry)
    assert config.training.loss == "SGAN"
    assert config.training.penalties["r1"]["weight"] == 2
    assert config.selection == paper.selection != RunConfig().selection
    told = describe(config, "theirs", registry)
    assert told.deviations == (*PRESETS["paper"].deviations, "Another loss.")
    assert resolve("more", registry).training.penalties == {}
    assert resolve("more", registry).training.loss == "SGAN"


@pytest.mark.parametrize(
    ("settings", "based_on", "said"),
    [
        ({"training": {"batch_sise": 4}}, "", "did you mean 'batch_size'"),
        ({"training": {"backbone": "gone"}}, "", "unknown backbone 'gone'"),
        ({"training": {"batch_size": {1}}}, "", "set is not JSON serializable"),
        ({}, "gone", "is based on gone, which is not installed; choices: demo, paper, small"),
        ({}, "theirs", "is based on itself"),
    ],
)
def test_a_broken_preset_says_why(settings: dict[str, Any], based_on: str, said: str) -> None:
    """What its settings lack is told with the plugin's name, and breaks no other preset."""
    registry = with_presets(Preset("theirs", "Broken", settings, based_on=based_on))
    assert preset_problem("demo", registry) == ""
    problem = preset_problem("theirs", registry)
    assert problem.startswith("the preset theirs (their-dist 2.0) cannot be used: ")
    assert said in problem
    with pytest.raises(ConfigError) as caught:
        resolve("theirs", registry)
    assert said in str(caught.value)


def test_what_a_user_sets_over_a_good_preset_is_told_as_the_users(plugins: Registry) -> None:
    """A wrong option of the user's is not blamed on the preset."""
    with pytest.raises(ConfigError) as caught:
        with_settings(plugins, "training.batch_size=0")
    assert "preset" not in str(caught.value)


def test_options_that_cannot_go_together_are_refused(plugins: Registry) -> None:
    """Labels smoothed for a loss that ignores them, and a batch that the pack does not divide."""
    with pytest.raises(ConfigError, match="ignores labels"):
        with_settings(plugins, "training.loss=RaHinge", preset="paper")
    with pytest.raises(ConfigError, match="multiple of 2"):
        with_settings(plugins, "training.batch_size=7", preset="paper")


@pytest.mark.parametrize(
    ("name", "content", "said"),
    [
        ("missing.toml", None, "No such file"),
        ("bad.toml", b"training: yes", r"is not \.toml"),
        ("bad.json", b"{", r"is not \.json"),
        ("list.json", b"[1]", r"expected sections such as \[training\]"),
        ("latin.toml", b'[report]\ntitle = "\xe9"', r"is not \.toml"),
        ("unknown.toml", b"[trainin]\nseed = 1", "did you mean 'training'"),
    ],
)
def test_files_that_cannot_be_used_are_named(
    plugins: Registry, tmp_path: Path, name: str, content: bytes | None, said: str
) -> None:
    """A file of options that is missing, of another format or wrong inside says so."""
    if content is not None:
        (tmp_path / name).write_bytes(content)
    with pytest.raises(ConfigError, match=said):
        resolve("demo", plugins, files=[tmp_path / name])


def test_every_field_has_a_description() -> None:
    """A form made from the schema explains every section and every option."""
    schema = RunConfig.model_json_schema()

    def undescribed(part: Any, path: str) -> Iterator[str]:
        for name, field in part.get("properties", {}).items():
            if not field.get("description"):
                yield f"{path}.{name}"

    missing = list(undescribed(schema, "run"))
    for name, part in schema["$defs"].items():
        missing += undescribed(part, name)
    assert not missing


def test_null_takes_a_plugin_away_wherever_plugins_are_named(plugins: Registry) -> None:
    """A gate that a setting makes null is not asked; where none would be left, which would mean
    all that are installed, the setting is refused."""
    all_but = 'promotion.gates={"collapse": {}, "near_copies": {}}'
    left = with_settings(plugins, all_but, "promotion.gates.collapse=null").promotion.gates
    assert list(left) == ["near_copies"]
    for section in ("promotion.gates.collapse", "ingestion.readers.mat"):
        with pytest.raises(ConfigError, match="none is left; where none is named all"):
            with_settings(plugins, f"{section}=null")


def test_options_of_metrics_and_extractors_are_filled_in(plugins: Registry) -> None:
    """Those that are named keep their values, all others get defaults; one of a metric that is not
    used, or that the metric has not, is refused with the choices."""
    some = with_settings(
        plugins, 'evaluation.metrics=["ssim", "kid"]', "evaluation.feature_options.random.seed=4"
    ).evaluation
    assert some.metric_options == {"kid": {"degree": 3}}
    assert some.feature_options == {"random": {"seed": 4}}
    for setting, match in (
        ("evaluation.metric_options.kid.degrees=2", "kid.degrees; did you mean 'degree'"),
        ("evaluation.metric_options.kidd.degree=2", "kidd is not used; used are"),
        ('evaluation.features=["randm"]', "unknown feature 'randm'; did you mean 'random'"),
        ("evaluation.likeness=sim", "unknown metric 'sim'; did you mean"),
    ):
        with pytest.raises(ConfigError, match=match):
            with_settings(plugins, setting)
