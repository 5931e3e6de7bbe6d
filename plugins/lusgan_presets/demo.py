"""A whole run on a laptop."""

from __future__ import annotations

from lusgan_core.api import Preset

PRESET = Preset(
    name="demo",
    version="1",
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
            "preview_frames": 9,
        },
        "generation": {"count": 64},
        "evaluation": {"among_frames": 64},
    },
)
