"""One iteration: discriminator steps, then generator steps.

Shapes: B batch, C channels, H height, W width, P pack. Networks take values in the model's range.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor
from torch.optim import Adam

from lusgan_core.networks.seeding import Batches, derive, generator
from lusgan_core.training import label_noise as labels
from lusgan_core.training.options import TrainingOptions
from lusgan_core.training.recipe import Recipe
from lusgan_core.training.shared.process_group import ALONE, Group
from lusgan_core.training.state import TrainingState


def pack(images_BCHW: Tensor, count: int) -> Tensor:
    """Put images side by side as channels, for a discriminator of packs (PacGAN, Lin et al. 2018).

    Args:
        images_BCHW: Images (B, C, H, W).
        count: Images in a pack, P; divides B.

    Returns:
        Packs (B / P, C x P, H, W).
    """
    if count == 1:
        return images_BCHW
    batch, channels, height, width = images_BCHW.shape
    return images_BCHW.reshape(batch // count, count * channels, height, width)


@dataclass
class Trainer:
    """Runs iterations; holds all that they need besides the state.

    ``frames`` are (N, H, W) or (N, H, W, 3) uint8, on the device that trains.
    """

    options: TrainingOptions
    recipe: Recipe
    frames: Tensor
    group: Group = ALONE
    """The processes that share each batch."""

    def __post_init__(self) -> None:
        self._batches = Batches(len(self.frames), self.options.batch_size, self.options.seed)
        self._device = self.frames.device

    def iterate(self, state: TrainingState) -> Tensor:
        """Train one iteration; returns its row of the history, (len(HISTORY),), on the device."""
        options, number = self.options, state.iteration
        own = self.group.counters
        torch.manual_seed(derive(options.seed, "layers", number, *own))  # dropout and noise layers
        lr_D = options.lr_discriminator * (1 - options.decay_discriminator) ** number
        lr_G = options.lr_generator * (1 - options.decay_generator) ** number
        _set_rate(state.discriminator_optimiser, lr_D)
        _set_rate(state.generator_optimiser, lr_G)
        state.discriminator.requires_grad_(True)
        batch = number * (options.discriminator_steps + options.generator_steps)
        for within in range(options.discriminator_steps):
            step = number * options.discriminator_steps + within
            of_D = self._discriminator_step(state, step, batch + within)
        state.discriminator.requires_grad_(False)
        batch += options.discriminator_steps
        for within in range(options.generator_steps):
            step = number * options.generator_steps + within
            loss_G = self._generator_step(state, step, batch + within)
            if state.average:
                seen = (step + 1) * options.batch_size
                state.average.update(state.generator, options.batch_size, seen)
        state.iteration += 1
        loss_D, penalty, real, fake, sign = of_D
        rates = torch.tensor([lr_D, lr_G], device=self._device)
        return torch.cat([torch.stack([loss_D, loss_G, penalty, real, fake, sign]), rates])

    def _discriminator_step(
        self, state: TrainingState, step: int, batch: int
    ) -> tuple[Tensor, ...]:
        options, made, group = self.options, self.recipe, self.group
        chance = generator(options.seed, "discriminator", step)
        real = self._seen(self._real(batch), chance)
        with torch.no_grad():
            fake = self._seen(state.generator(self._noise(chance)), chance)
        real_logits = group.gather(state.averaging_discriminator(real))
        fake_logits = group.gather(state.averaging_discriminator(fake))
        targets = labels.drawn(real_logits, fake_logits, options, chance)
        loss = made.loss.discriminator(real_logits, fake_logits, targets, made.loss_options)
        penalty = torch.zeros((), device=self._device)
        for kind, given in made.penalties:
            if step % given.every == 0:
                rng = generator(
                    options.seed, kind.name, step, *group.counters, device=self._device.type
                )
                value = kind.value(state.discriminator, real, fake, rng, given)
                penalty = penalty + given.weight * given.every * value
        state.discriminator_optimiser.zero_grad(set_to_none=True)
        (group.size * loss + penalty).backward()  # type: ignore[no-untyped-call]
        state.discriminator_optimiser.step()
        penalty = group.mean(penalty.detach()) if made.penalties else penalty
        real_logits, fake_logits = real_logits.detach(), fake_logits.detach()
        sign = (real_logits - fake_logits).sign().mean()
        return loss.detach(), penalty, real_logits.mean(), fake_logits.mean(), sign

    def _generator_step(self, state: TrainingState, step: int, batch: int) -> Tensor:
        options, made, group = self.options, self.recipe, self.group
        chance = generator(options.seed, "generator", step)
        fake = self._seen(state.averaging_generator(self._noise(chance)), chance)
        fake_logits = group.gather(state.discriminator(fake))
        if made.loss.generator_needs_real:
            with torch.no_grad():
                real = self._seen(self._real(batch), chance)
                real_logits = group.gather(state.discriminator(real))
        else:
            real_logits = torch.zeros_like(fake_logits)
        targets = labels.plain(real_logits, fake_logits)
        loss = made.loss.generator(real_logits, fake_logits, targets, made.loss_options)
        state.generator_optimiser.zero_grad(set_to_none=True)
        (group.size * loss).backward()  # type: ignore[no-untyped-call]
        state.generator_optimiser.step()
        return loss.detach()

    def _real(self, batch: int) -> Tensor:
        """This process's real images; steps of both networks share one sequence of batches."""
        indices = self.group.part(self._batches[batch]).to(self._device)
        return self.recipe.record.values.to_model(self.frames[indices])

    def _noise(self, chance: torch.Generator) -> Tensor:
        shape = (self.options.batch_size, self.options.latent_size)
        return self.group.part(torch.randn(shape, generator=chance)).to(self._device)

    def _seen(self, images_BCHW: Tensor, chance: torch.Generator) -> Tensor:
        """Inputs of the discriminator: images with white noise added if asked for, then packed."""
        if self.options.input_noise:
            whole = (self.options.batch_size, *images_BCHW.shape[1:])
            noise = self.group.part(torch.randn(whole, generator=chance)).to(images_BCHW)
            images_BCHW = images_BCHW + self.options.input_noise * noise
        return pack(images_BCHW, self.recipe.record.pack)


def _set_rate(optimiser: Adam, rate: float) -> None:
    for group in optimiser.param_groups:
        group["lr"] = rate
