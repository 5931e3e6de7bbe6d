"""Options of a training: every choice of the report, and an average of the weights (EMA).

The defaults are the report's (section 5); ``paper`` in ``lusgan_core.config`` lists where the
report departs from the reference it follows.
"""

from __future__ import annotations

from typing import Annotated, Any, Self

from pydantic import Field, model_validator

from lusgan_core.api import Options
from lusgan_core.calls.options_by_plugin import OptionsByPlugin
from lusgan_core.networks.value_range import ValueRange
from lusgan_core.training.looks import MonitorOptions
from lusgan_core.training.schedule import CoolDown

Probability = Annotated[float, Field(ge=0, le=1)]
LearningRate = Annotated[float, Field(gt=0, le=1)]
Interval = Annotated[tuple[float, float], Field(min_length=2, max_length=2)]


class TrainingOptions(Options):
    """Options of the training of one score."""

    backbone: str = Field("pacgan2", description="Pair of networks; `lusgan plugins` lists them")
    backbone_options: dict[str, Any] = Field(
        default_factory=dict, description="Options of that backbone: dropout, noise layers, ..."
    )
    pack: int | None = Field(
        None,
        ge=1,
        le=8,
        description="Images the discriminator sees at once (PacGAN); empty: the backbone's own",
    )
    loss: str = Field("RaSGAN", description="Adversarial loss; `lusgan plugins` lists them")
    loss_options: dict[str, Any] = Field(default_factory=dict, description="Options of that loss")
    penalties: OptionsByPlugin = Field(
        default_factory=dict,
        description='Gradient penalties by name with their options, e.g. {"r1": {"weight": 1}}; a '
        "section given whole, in a file or form, replaces the preset's",
    )
    augmentations: OptionsByPlugin = Field(
        default_factory=dict,
        description="Changes of what the discriminator sees, real and synthetic images alike, by "
        'name with their options, e.g. {"mirror": {}, "shift": {"most": 0.1}}; a section given '
        "whole, in a file or form, replaces the preset's",
    )
    augmentation_strength: Probability = Field(
        0.0,
        description="Probability with which an augmentation changes an image, at the start",
    )
    augmentation_images: int = Field(
        20_000,
        ge=0,
        description="Images in which that probability goes from 0 to 1 while the discriminator is "
        "ahead, and back while it is not; 0: it stays as it is",
    )
    augmentation_target: float = Field(
        0.6,
        ge=-1,
        le=1,
        description="The discriminator is ahead where its mean sign(D(real) - D(fake)) is above "
        "this; 1: it tells all real images from synthetic ones",
    )

    latent_size: int = Field(128, ge=1, le=4096, description="Numbers in a noise vector")
    iterations: int = Field(4000, ge=1, le=10_000_000, description="Training iterations")
    batch_size: int = Field(
        48, ge=1, le=4096, description="Images a step, drawn at random without repetition"
    )
    generator_steps: int = Field(3, ge=1, le=100, description="Generator updates an iteration")
    discriminator_steps: int = Field(
        1, ge=1, le=100, description="Discriminator updates an iteration"
    )

    lr_generator: LearningRate = Field(4e-4, description="Learning rate of the generator (Adam)")
    lr_discriminator: LearningRate = Field(
        2e-4, description="Learning rate of the discriminator (Adam)"
    )
    betas: tuple[Probability, Probability] = Field(
        (0.5, 0.999), description="Adam's decay of the first and second moment"
    )
    decay_generator: float = Field(
        0.0,
        ge=0,
        lt=1,
        description="The generator's learning rate shrinks by this share an iteration",
    )
    decay_discriminator: float = Field(
        5e-4,
        ge=0,
        lt=1,
        description="The discriminator's learning rate shrinks by this share an iteration",
    )
    cool_down: CoolDown = Field(
        default_factory=CoolDown,
        description="How both learning rates fall towards the end, beside that",
    )

    smooth_real: Interval | None = Field(
        (0.7, 1.2), description="Labels of real images are drawn from here; empty: 1"
    )
    smooth_fake: Interval | None = Field(
        (0.0, 0.3), description="Labels of synthetic images are drawn from here; empty: 0"
    )
    flip_labels: Probability = Field(
        0.05, description="Each label of a discriminator step is flipped with this probability"
    )
    flip_batch: Probability = Field(
        0.0, description="All labels of a discriminator step are flipped with this probability"
    )
    input_noise: float = Field(
        0.0,
        ge=0,
        le=10,
        description="Standard deviation of white noise on what the discriminator sees",
    )

    value_range: ValueRange = Field(
        "0..1", description="Range that grey levels are brought to for the networks"
    )
    standardise: bool = Field(
        False, description="Then subtract the score's mean and divide by its standard deviation"
    )

    ema_half_life: int = Field(
        0,
        ge=0,
        description="Images after which a weight counts half in the average that generates; "
        "0: no average, the last weights generate",
    )
    monitor: MonitorOptions = Field(
        default_factory=MonitorOptions,
        description="When a training is looked at, and what follows: going back, augmentation, the "
        "best weights, an early end",
    )
    seed: int = Field(999, ge=0, lt=2**63, description="Seed of all that is drawn by chance")

    previews: int = Field(40, ge=2, le=500, description="Pictures in the progress animation")
    preview_frames: int = Field(16, ge=1, le=64, description="Frames on each of them")

    @model_validator(mode="after")
    def _intervals_rise(self) -> Self:
        for name in ("smooth_real", "smooth_fake"):
            interval = getattr(self, name)
            if interval is not None and interval[0] > interval[1]:
                raise ValueError(f"{name}: {interval[0]} is above {interval[1]}; give low, high")
        return self

    @property
    def touched_targets(self) -> frozenset[str]:
        """Which labels the options change: ``real``, ``fake``, both or none."""
        both = {"real", "fake"} if self.flip_labels or self.flip_batch else set()
        real = {"real"} if self.smooth_real else set()
        fake = {"fake"} if self.smooth_fake else set()
        return frozenset(both | real | fake)
