"""The state that a training carries from one iteration to the next."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.optim import Adam

from lusgan_core.networks.seeding import derive
from lusgan_core.plugin_guard import inside_plugin
from lusgan_core.registry import Registry
from lusgan_core.training.ema import Average
from lusgan_core.training.looks import Watch
from lusgan_core.training.network_checks import built
from lusgan_core.training.options import TrainingOptions
from lusgan_core.training.recipe import Recipe
from lusgan_core.training.shared.process_group import ALONE, Group

HISTORY = (
    "loss_discriminator",
    "loss_generator",
    "penalty",
    "real_logit",
    "fake_logit",
    "sign",
    "augmentation",
    "lr_discriminator",
    "lr_generator",
)
"""Columns of the history, a row an iteration. ``sign`` is E[sign(D(real) - D(fake))],
``augmentation`` the probability of each change after the iteration."""


@dataclass
class TrainingState:
    """Networks, optimisers, average and history. Learning rates follow from iteration and watch."""

    iteration: int
    generator: nn.Module
    discriminator: nn.Module
    generator_optimiser: Adam
    discriminator_optimiser: Adam
    average: Average | None
    history: NDArray[np.float32]
    """(iterations, len(HISTORY)); rows not trained yet are zero."""
    averaging_generator: nn.Module
    averaging_discriminator: nn.Module
    """The same two networks; where several processes train, gradients are averaged over all."""
    augmentation: Tensor
    """Probability of each augmentation that follows the discriminator's advantage, a scalar on the
    device."""
    discriminator_weights: tuple[nn.Parameter, ...]
    """The discriminator's weights that are trained: all but those its backbone has frozen."""
    watch: Watch = field(default_factory=Watch)
    """What the monitor carries from look to look."""
    torch_versions: tuple[str, ...] = field(default_factory=lambda: (str(torch.__version__),))
    """PyTorch's versions that trained it, in order: more than one if it was resumed by another."""

    @property
    def best_generator(self) -> nn.Module:
        """The network that generates: the average where there is one."""
        return self.average.network if self.average else self.generator

    @property
    def strength(self) -> Tensor:
        """Probability with which each augmentation changes an image: at least the monitor's."""
        return self.augmentation.clamp(min=self.watch.least_augmentation)

    def train_discriminator(self, on: bool) -> None:
        """Turn the gradients of the discriminator's trained weights on or off."""
        for weight in self.discriminator_weights:
            weight.requires_grad_(on)

    def networks(self) -> dict[str, nn.Module]:
        """Every network by the name it has in a checkpoint."""
        found = {"generator": self.generator, "discriminator": self.discriminator}
        return found | ({"average": self.average.network} if self.average else {})


def fresh_state(
    options: TrainingOptions,
    made: Recipe,
    device: torch.device,
    registry: Registry,
    group: Group = ALONE,
) -> TrainingState:
    """Build networks with new weights, which depend on the seed alone, and their optimisers.

    Args:
        options: Seed, learning rates, number of iterations and half-life of the average.
        made: The backbone with its options, and the networks' sizes.
        device: Device that the networks are put on.
        registry: Registry in which the backbone is looked up.
        group: Processes that train the networks together; ``ALONE`` if it is this process only.

    Returns:
        The state at iteration 0, its history all zero.

    Raises:
        ConfigError: The backbone refuses sizes or options.
        PluginError: The backbone fails, or its networks could not be trained to the end.
    """
    backbone = registry.backbone(made.record.backbone)
    network_options = backbone.options.model_validate(made.record.backbone_options)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(derive(options.seed, "weights"))
        networks = built(backbone, made.record.spec, network_options)
    generator, discriminator = group.networks(*(n.to(device) for n in networks.values()))
    rate_G, rate_D = options.lr_generator, options.lr_discriminator
    with inside_plugin("backbone", backbone.name, "copying its generator"):
        average = Average(generator, options.ema_half_life) if options.ema_half_life else None
    return TrainingState(
        iteration=0,
        generator=generator,
        discriminator=discriminator,
        generator_optimiser=Adam(generator.parameters(), rate_G, options.betas),
        discriminator_optimiser=Adam(discriminator.parameters(), rate_D, options.betas),
        average=average,
        history=np.zeros((options.iterations, len(HISTORY)), np.float32),
        averaging_generator=group.averaging(generator),
        averaging_discriminator=group.averaging(discriminator),
        augmentation=torch.tensor(options.augmentation_strength, device=device),
        discriminator_weights=tuple(w for w in discriminator.parameters() if w.requires_grad),
    )
