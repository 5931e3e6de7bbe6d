"""Options of a training: defaults of the report, bounds, and descriptions."""

from __future__ import annotations

import pytest
from pydantic import ValidationError

from lusgan_core.calls.runtime import Runtime
from lusgan_core.training.options import TrainingOptions


def test_defaults_are_those_of_the_report():
    """Section 5 of the report: RaSGAN, batch 48, 4,000 iterations, 3 G steps, rates, seed 999."""
    chosen = TrainingOptions()
    expected = {
        "backbone": "pacgan2", "loss": "RaSGAN", "latent_size": 128, "batch_size": 48,
        "iterations": 4000, "generator_steps": 3, "discriminator_steps": 1,
        "lr_generator": 4e-4, "lr_discriminator": 2e-4, "decay_discriminator": 5e-4,
        "decay_generator": 0.0, "smooth_real": (0.7, 1.2), "smooth_fake": (0.0, 0.3),
        "flip_labels": 0.05, "value_range": "0..1", "standardise": False, "seed": 999,
        "ema_half_life": 0, "input_noise": 0.0, "flip_batch": 0.0, "betas": (0.5, 0.999),
    }  # fmt: skip
    assert {name: getattr(chosen, name) for name in expected} == expected


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("batch_size", 0), ("iterations", 0), ("lr_generator", 0), ("lr_discriminator", -1),
        ("decay_generator", 1.0), ("flip_labels", 1.5), ("betas", (0.5,)), ("latent_size", 0),
        ("smooth_real", (1.2, 0.7)), ("value_range", "0..255"), ("seed", -1), ("pack", 0),
        ("generator_steps", 0), ("input_noise", -0.1), ("bacth_size", 4), ("preview_frames", 0),
    ],
)  # fmt: skip
def test_values_out_of_bounds_are_refused(name, value):
    """A number out of its range, an interval upside down, an option that does not exist."""
    with pytest.raises(ValidationError, match=name):
        TrainingOptions.model_validate({name: value})


@pytest.mark.parametrize("model", [TrainingOptions, Runtime])
def test_every_option_is_described(model):
    """Forms and `--help` show a sentence for each option, in a model that takes no other."""
    for name, field in model.model_fields.items():
        assert field.description, name
    assert model.model_config["extra"] == "forbid"
    assert model.model_config["frozen"]


@pytest.mark.parametrize(
    ("changes", "touched"),
    [
        ({"smooth_real": None, "smooth_fake": None, "flip_labels": 0}, set()),
        ({"smooth_fake": None, "flip_labels": 0}, {"real"}),
        ({"smooth_real": None, "flip_labels": 0}, {"fake"}),
        ({"smooth_real": None, "smooth_fake": None, "flip_labels": 0.1}, {"real", "fake"}),
        (
            {"smooth_real": None, "smooth_fake": None, "flip_labels": 0, "flip_batch": 0.1},
            {"real", "fake"},
        ),
    ],
)
def test_touched_targets_are_those_that_options_change(changes, touched):
    """Smoothing touches its side; flipping either way touches both."""
    assert TrainingOptions.model_validate(changes).touched_targets == touched
