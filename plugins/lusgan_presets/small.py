"""The recipe for a machine without a GPU, 64 or 128 pixels."""

from __future__ import annotations

from lusgan_core.api import Preset

PRESET = Preset(
    name="small",
    version="2",
    description="64 x 64 or 128 x 128 on two CPU cores, augmented; minutes a score",
    settings={
        "preprocessing": {"image_size": 64, "geometry": "fit", "intensity": "percentile"},
        "training": {
            "backbone": "dcgan",
            "backbone_options": {"width": 16, "dropout": 0.0, "discriminator_norm": "none"},
            "loss": "RSGAN",
            "penalties": {"r1": {"weight": 1.0, "every": 4}},
            "augmentations": {
                "mirror": {},
                "shift": {"most": 0.1},
                "rotation": {},
                "gain": {"spread": 0.2},
                "depth_gain": {"spread": 0.4},
                "cutout": {"side": 0.3},
            },
            "augmentation_images": 20_000,
            "latent_size": 96,
            "iterations": 2200,
            "batch_size": 32,
            "generator_steps": 1,
            "lr_generator": 1e-3,
            "lr_discriminator": 1e-3,
            "betas": [0.0, 0.99],
            "decay_discriminator": 0.0,
            "cool_down": {"shape": "linear", "start": 0.7, "end": 0.05},
            "smooth_real": None,
            "smooth_fake": None,
            "flip_labels": 0.0,
            "value_range": "-1..1",
            "ema_half_life": 5000,
            "monitor": {"every": 100, "frames": 128, "keep_best": False},
        },
    },
)
