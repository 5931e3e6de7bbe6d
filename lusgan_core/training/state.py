"""All that a training carries from one iteration to the next, and no more."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn
from torch.optim import Adam

from lusgan_core.api import Loss, NetworkSpec, Penalty, PenaltyOptions
from lusgan_core.domain import Record
from lusgan_core.errors import ConfigError
from lusgan_core.registry import Registry
from lusgan_core.training.chance import derive
from lusgan_core.training.ema import Average
from lusgan_core.training.group import ALONE, Group
from lusgan_core.training.options import TrainingOptions
from lusgan_core.training.values import ValueMap

HISTORY = (
    "loss_discriminator",
    "loss_generator",
    "penalty",
    "real_logit",
    "fake_logit",
    "sign",
    "lr_discriminator",
    "lr_generator",
)
"""Columns of the history, a row an iteration. ``sign`` is E[sign(D(real) - D(fake))]."""


class GeneratorRecord(Record):
    """All it takes to build a trained generator again and to read what it puts out."""

    backbone: str
    backbone_options: dict[str, Any]
    image_size: int
    channels: int
    latent_size: int
    pack: int
    values: ValueMap

    @property
    def spec(self) -> NetworkSpec:
        """The sizes as a backbone takes them."""
        return NetworkSpec(self.image_size, self.channels, self.latent_size, self.pack)

    def build(self, registry: Registry) -> nn.Module:
        """A generator with untrained weights."""
        backbone = registry.backbone(self.backbone)
        options = backbone.options.model_validate(self.backbone_options)
        return backbone.generator(self.spec, options)


@dataclass(frozen=True)
class Recipe:
    """The plugins of a training with their options, ready to be called."""

    record: GeneratorRecord
    loss: Loss
    loss_options: Any
    penalties: tuple[tuple[Penalty, PenaltyOptions], ...]


def recipe(
    options: TrainingOptions, image_size: int, channels: int, values: ValueMap, registry: Registry
) -> Recipe:
    """Look the plugins up and check that they fit together.

    Raises UnknownPluginError for a name nobody offers, and ConfigError for labels that are
    smoothed or flipped though the loss ignores them, or a batch that the pack does not divide.
    """
    backbone = registry.backbone(options.backbone)
    loss = registry.loss(options.loss)
    pack = options.pack or backbone.pack
    if options.batch_size % pack:
        raise ConfigError(
            f"training.batch_size {options.batch_size} cannot be packed by {pack}: "
            f"choose a multiple of {pack}, or another training.pack"
        )
    ignored = options.touched_targets - loss.targets
    if ignored and not options.touched_targets & loss.targets:
        raise ConfigError(
            f"{loss.name} ignores labels, so smoothing or flipping them does nothing: set "
            "training.smooth_real=null, training.smooth_fake=null, training.flip_labels=0 and "
            "training.flip_batch=0, or choose another training.loss"
        )
    record = GeneratorRecord(
        backbone=backbone.name,
        backbone_options=backbone.options.model_validate(options.backbone_options).model_dump(),
        image_size=image_size,
        channels=channels,
        latent_size=options.latent_size,
        pack=pack,
        values=values,
    )
    penalties = tuple(
        (registry.penalty(name), registry.penalty(name).options.model_validate(given))
        for name, given in options.penalties.items()
    )
    return Recipe(record, loss, loss.options.model_validate(options.loss_options), penalties)


def check_parts(options: TrainingOptions, pack: int, processes: int) -> None:
    """Raise ConfigError where a batch cannot be shared out in whole packs, as many to each."""
    if options.batch_size % (pack * processes):
        least = pack * processes
        lower = options.batch_size // least * least
        choices = f"{lower} or {lower + least}" if lower else str(least)
        raise ConfigError(
            f"training.batch_size {options.batch_size} cannot be shared by {processes} processes "
            f"in packs of {pack}: choose {choices}, or another runtime.processes"
        )


@dataclass
class TrainingState:
    """Networks, optimisers, average and history. Learning rates follow from the iteration."""

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
    """The same two networks; where several processes train them, gradients become those of all."""

    @property
    def best_generator(self) -> nn.Module:
        """The network that generates: the average where there is one."""
        return self.average.network if self.average else self.generator

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
    """Networks with new weights, which depend on the seed alone."""
    backbone = registry.backbone(made.record.backbone)
    network_options = backbone.options.model_validate(made.record.backbone_options)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(derive(options.seed, "weights"))
        generator = backbone.generator(made.record.spec, network_options)
        discriminator = backbone.discriminator(made.record.spec, network_options)
    generator, discriminator = group.networks(generator.to(device), discriminator.to(device))
    rate_G, rate_D = options.lr_generator, options.lr_discriminator
    return TrainingState(
        iteration=0,
        generator=generator,
        discriminator=discriminator,
        generator_optimiser=Adam(generator.parameters(), rate_G, options.betas),
        discriminator_optimiser=Adam(discriminator.parameters(), rate_D, options.betas),
        average=Average(generator, options.ema_half_life) if options.ema_half_life else None,
        history=np.zeros((options.iterations, len(HISTORY)), np.float32),
        averaging_generator=group.averaging(generator),
        averaging_discriminator=group.averaging(discriminator),
    )
