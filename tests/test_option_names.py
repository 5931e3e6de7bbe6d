"""Options as people write them: without their section, in other spellings, as plain lists."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from lusgan_core.config import RunConfig, completed, resolve
from lusgan_core.errors import ConfigError, UnknownNameError
from lusgan_core.networks.device import pick_device
from lusgan_core.option_list import listed
from lusgan_core.option_names import leaves
from lusgan_core.registry import installed


def chosen(*settings: str, preset: str = "small") -> RunConfig:
    return resolve(preset, installed(), settings=settings)


@pytest.mark.parametrize(
    ("short", "full"),
    [
        ("batch_size=8", "training.batch_size=8"),
        ("seed=3", "training.seed=3"),
        ("loss=RaLSGAN", "training.loss=RaLSGAN"),
        ("penalties.r1.weight=2", "training.penalties.r1.weight=2"),
        ("monitor.every=50", "training.monitor.every=50"),
        ("image_size=32", "preprocessing.image_size=32"),
        ("loss=ralsgan", "training.loss=RaLSGAN"),
        ("training.backbone=Selu-SN", "training.backbone=selu_sn"),
        ("penalties.R1.weight=3", "training.penalties.r1.weight=3"),
        ('training.penalties={"R1": {}}', 'training.penalties={"r1": {}}'),
        ("generation.formats=PNG,mat", 'generation.formats=["png", "mat"]'),
        ("betas=0.5,0.9", "training.betas=[0.5, 0.9]"),
        ("metrics=SSIM,MS-SSIM", 'evaluation.metrics=["ssim", "msssim"]'),
        ("scores=0,3", "scores=[0, 3]"),
        ("scores=2", "scores=[2]"),
        ("device=gpu", "runtime.device=cuda"),
        ("runtime.device=GPU:1", "runtime.device=cuda:1"),
    ],
)
def test_both_ways_of_writing_an_option_mean_the_same(short: str, full: str) -> None:
    """A section that is clear, another case, a list without brackets, a GPU by its plain name."""
    assert chosen(short) == chosen(full)
    assert chosen(full) != chosen()


def test_a_plugin_that_is_spelt_in_two_ways_is_one() -> None:
    """What either spelling sets is kept."""
    both = chosen("penalties.r1.weight=3", "penalties.R1.every=4")
    assert both == chosen("penalties.r1.weight=3", "penalties.r1.every=4")


def test_a_name_of_several_sections_is_not_guessed() -> None:
    """The training's comes first; where it has none, the error lists them all."""
    with pytest.raises(ConfigError, match=r"encoder\.frames and training\.monitor\.frames"):
        chosen("frames=3")


def test_a_name_of_no_section_is_refused_as_before() -> None:
    with pytest.raises(ConfigError, match="unknown option bach_size"):
        chosen("bach_size=8")
    with pytest.raises(UnknownNameError, match="unknown loss 'RaLSGA'; did you mean 'RaLSGAN'"):
        chosen("loss=RaLSGA")


def test_files_and_forms_spell_plugins_as_they_like(tmp_path: Path) -> None:
    """What comes out has the installed name, so that keys do not depend on the spelling."""
    path = tmp_path / "mine.toml"
    path.write_text('[training]\nloss = "ralsgan"\n')
    config = resolve("small", installed(), [path])
    assert config.training.loss == "RaLSGAN"
    form = config.model_copy(update={"training": config.training.model_copy(
        update={"loss": "hinge"})})  # fmt: skip
    assert completed(form, installed()).training.loss == "Hinge"


def test_two_spellings_of_a_backbone_keep_its_options() -> None:
    """A preset's options for its backbone stay where the backbone is named in another case."""
    assert chosen("training.backbone=DCGAN") == chosen()


def test_a_gpu_by_its_plain_name_is_asked_for_before_any_work() -> None:
    """As an argument of a command, too."""
    with pytest.raises(Exception, match="no such device here"):
        pick_device("gpu:63")


def test_every_option_is_listed_with_what_it_may_be() -> None:
    """Stages' options and those of every plugin, with the values of the run."""
    registry = installed()
    rows = {row.name: row for row in listed(chosen("batch_size=8"), registry)}
    sections = ("training.backbone_options", "training.loss_options")
    assert rows.keys() >= leaves(RunConfig).keys() - set(sections)
    assert rows["training.batch_size"].value == "8"
    assert rows["training.batch_size"].allowed == "whole number, \u2265 1, \u2264 4096"
    assert rows["preprocessing.geometry"].allowed.startswith("paper, fit")
    assert "RaLSGAN" in rows["training.loss"].allowed
    assert rows["training.penalties.gp.weight"].value == ""
    assert json.loads(rows["training.penalties.r1.weight"].value) > 0
    for row in rows.values():
        assert row.allowed not in ("", "section"), row
        assert row.description, row


def test_a_section_is_listed_alone() -> None:
    """An unknown one is refused with the nearest."""
    registry = installed()
    names = [row.name for row in listed(chosen(), registry, "training.penalties.r1")]
    assert names == ["training.penalties.r1.weight", "training.penalties.r1.every"]
    with pytest.raises(UnknownNameError, match="did you mean 'training'"):
        listed(chosen(), registry, "trainin")
