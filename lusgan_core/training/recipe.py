"""The plugins of a training with their options, looked up and checked against each other."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from lusgan_core.api import Augmentation, Backbone, Loss, Penalty, PenaltyOptions
from lusgan_core.errors import ConfigError
from lusgan_core.networks.generator import GeneratorRecord
from lusgan_core.networks.value_range import ValueMap
from lusgan_core.registry import Registry
from lusgan_core.training.options import TrainingOptions


@dataclass(frozen=True)
class Recipe:
    """The plugins of a training with their options, ready to be called."""

    record: GeneratorRecord
    loss: Loss
    loss_options: Any
    penalties: tuple[tuple[Penalty, PenaltyOptions], ...]
    augmentations: tuple[tuple[Augmentation, Any], ...] = ()
    """In the order in which they are applied, that of their names."""


def recipe(
    options: TrainingOptions,
    image_size: int,
    channels: int,
    values: ValueMap,
    registry: Registry,
    scores: int = 0,
) -> Recipe:
    """Look up the plugins of a training and check that they fit together.

    Args:
        options: Names and options of the plugins, batch size and labels.
        image_size: Side of the square frames, pixels.
        channels: 1 for grey, 3 for RGB.
        values: The map between grey levels and network values, for the generator's record.
        registry: Registry in which the plugins are looked up.
        scores: Number of scores that one training is given; 0: it has one score, and frames bring
            none.

    Returns:
        The plugins with their validated options.

    Raises:
        UnknownPluginError: A plugin that the options name is not installed.
        ConfigError: Labels are smoothed or flipped though the loss ignores them, the pack does
            not divide the batch size, or the backbone is conditional and there are no scores.
    """
    backbone = registry.backbone(options.backbone)
    _check_scores(backbone, scores, registry)
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
        scores=scores,
    )
    penalties = tuple(
        (registry.penalty(name), registry.penalty(name).options.model_validate(given))
        for name, given in options.penalties.items()
    )
    augmentations = tuple(
        (registry.augmentation(name), registry.augmentation(name).options.model_validate(given))
        for name, given in sorted(options.augmentations.items())
    )
    loss_options = loss.options.model_validate(options.loss_options)
    return Recipe(record, loss, loss_options, penalties, augmentations)


def _check_scores(backbone: Backbone, scores: int, registry: Registry) -> None:
    """Check that a backbone takes scores exactly where there are some."""
    if backbone.conditional == bool(scores):
        return
    records = registry.records["backbone"].values()
    wanted = (r.name for r in records if isinstance(r, Backbone) and r.conditional == bool(scores))
    reason = (
        "does not take scores, and this training is given some"
        if scores
        else "is conditional: it learns several scores at once, and a run trains each by itself"
    )
    raise ConfigError(
        f"training.backbone: {backbone.name} {reason}; choose another: "
        f"{', '.join(sorted(wanted)) or 'none is installed'}"
    )


def check_parts(options: TrainingOptions, pack: int, processes: int) -> None:
    """Check that processes can share each batch, every one with the same number of whole packs.

    Args:
        options: Options with the batch size.
        pack: Images that the discriminator sees at once.
        processes: Processes that share a batch.

    Raises:
        ConfigError: The batch size is no multiple of ``pack * processes``.
    """
    if options.batch_size % (pack * processes):
        least = pack * processes
        lower = options.batch_size // least * least
        choices = f"{lower} or {lower + least}" if lower else str(least)
        raise ConfigError(
            f"training.batch_size {options.batch_size} cannot be shared by {processes} processes "
            f"in packs of {pack}: choose {choices}, or another runtime.processes"
        )
