"""Asks a backbone whether it can be built in the sizes of a run, before the run begins."""

from __future__ import annotations

from contextlib import suppress

import torch

from lusgan_core.errors import PluginError
from lusgan_core.networks.value_range import ValueMap
from lusgan_core.plugin_guard import guarded, inside_plugin
from lusgan_core.registry import Registry
from lusgan_core.training.options import TrainingOptions
from lusgan_core.training.recipe import recipe


def check_sizes(
    options: TrainingOptions, image_size: int, channels: int, registry: Registry
) -> None:
    """Build the networks of a training once, and drop them, so that a refusal comes at once.

    They are built on the CPU: PyTorch's meta device needs no memory, but some seconds to load. What
    else goes wrong is left to the training, which tells it with its score.

    Args:
        options: Options of the training, complete.
        image_size: Side of the square frames, pixels.
        channels: 1 for grey, 3 for RGB.
        registry: Registry in which the backbone is looked up.

    Raises:
        ConfigError: The backbone refuses sizes or options.
    """
    made = recipe(options, image_size, channels, ValueMap(scale=1, offset=0), registry).record
    backbone = registry.backbone(made.backbone)
    chosen = backbone.options.model_validate(made.backbone_options)
    with guarded(backbone.name, watched=False), torch.random.fork_rng(devices=[]):
        for title, build in (
            ("generator", backbone.generator),
            ("discriminator", backbone.discriminator),
        ):
            with (
                suppress(PluginError),
                inside_plugin("backbone", backbone.name, f"building its {title}"),
            ):
                build(made.spec, chosen)
