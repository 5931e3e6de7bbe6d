"""One iteration: discriminator steps, then generator steps.

Shapes: B batch, C channels, H height, W width, P pack. Networks take values in the model's range.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor
from torch.optim import Adam

from lusgan_core.api import Step
from lusgan_core.networks.seeding import Batches, ScoredBatches, derive, generator
from lusgan_core.training import label_noise as labels
from lusgan_core.training.augment import Augmenter, followed
from lusgan_core.training.network_calls import (
    Bound,
    NetworkCalls,
    backward,
    loss_of,
    penalty_of,
)
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

    ``frames`` are (N, H, W) or (N, H, W, 3) uint8, on the device that trains; ``scores``, which a
    conditional backbone needs, are (N,) int64 beside them.
    """

    options: TrainingOptions
    recipe: Recipe
    frames: Tensor
    group: Group = ALONE
    """The processes that share each batch."""
    scores: Tensor | None = None

    def __post_init__(self) -> None:
        size, seed = self.options.batch_size, self.options.seed
        self._batches = (
            Batches(len(self.frames), size, seed)
            if self.scores is None
            else ScoredBatches(self.scores.cpu().numpy(), size, self.recipe.record.pack, seed)
        )
        self._calls = NetworkCalls.of(self.recipe.record)
        self._augment = Augmenter(self.options, self.recipe, self.group)
        self._device = self.frames.device

    def iterate(self, state: TrainingState) -> Tensor:
        """Train one iteration; returns its row of the history, (len(HISTORY),), on the device."""
        options, number = self.options, state.iteration
        own = self.group.counters
        torch.manual_seed(derive(options.seed, "layers", number, *own))  # dropout and noise layers
        left = options.cool_down.share(number, options.iterations) * state.watch.rate_share
        lr_D = options.lr_discriminator * (1 - options.decay_discriminator) ** number * left
        lr_G = options.lr_generator * (1 - options.decay_generator) ** number * left
        _set_rate(state.discriminator_optimiser, lr_D)
        _set_rate(state.generator_optimiser, lr_G)
        state.train_discriminator(True)
        batch = number * (options.discriminator_steps + options.generator_steps)
        for within in range(options.discriminator_steps):
            step = number * options.discriminator_steps + within
            of_D = self._discriminator_step(state, step, batch + within)
        state.train_discriminator(False)
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
        measured = torch.stack([loss_D, loss_G, penalty, real, fake, sign, state.strength])
        return torch.cat([measured, rates])

    def _discriminator_step(
        self, state: TrainingState, step: int, batch: int
    ) -> tuple[Tensor, ...]:
        options, made, group = self.options, self.recipe, self.group
        chance = generator(options.seed, "discriminator", step)
        indices = self._indices(batch)
        scores, of_packs = self._scores(indices)
        strength = state.strength
        real = self._augment(self._real(indices), strength, "real, discriminator", step)
        real = self._seen(real, chance)
        noise = self._noise(chance)
        with torch.no_grad():
            fake = self._calls.images(state.generator, group.part(noise), scores)
            fake = self._augment(fake, strength, "fake, discriminator", step)
            fake = self._seen(fake, chance)
        judge = state.averaging_discriminator
        real_logits = group.gather(self._calls.logits(judge, real, of_packs))
        fake_logits = group.gather(self._calls.logits(judge, fake, of_packs))
        targets = labels.drawn(real_logits, fake_logits, options, chance)
        read = self._read(real, fake, noise, state.iteration)
        loss = loss_of("discriminator", made, real_logits, fake_logits, targets, read)
        penalty = self._penalties(state, step, (real, fake), of_packs)
        state.discriminator_optimiser.zero_grad(set_to_none=True)
        backward(made, group.size * loss + penalty)
        state.discriminator_optimiser.step()
        penalty = group.mean(penalty.detach()) if made.penalties else penalty
        real_logits, fake_logits = real_logits.detach(), fake_logits.detach()
        sign = (real_logits - fake_logits).sign().mean()
        state.augmentation = followed(state.augmentation, sign, options)
        return loss.detach(), penalty, real_logits.mean(), fake_logits.mean(), sign

    def _penalties(
        self,
        state: TrainingState,
        step: int,
        images: tuple[Tensor, Tensor],
        of_packs: Tensor | None,
    ) -> Tensor:
        """The sum of the penalties that this step has, weighted."""
        total = torch.zeros((), device=self._device)
        judge = state.discriminator
        if of_packs is not None:
            judge = Bound(judge, of_packs)
        for kind, given in self.recipe.penalties:
            if step % given.every == 0:
                counters = (step, *self.group.counters)
                device = self._device.type
                rng = generator(self.options.seed, kind.name, *counters, device=device)
                value = penalty_of(kind, judge, images, rng, given)
                total = total + given.weight * given.every * value
        return total

    def _generator_step(self, state: TrainingState, step: int, batch: int) -> Tensor:
        options, made, group = self.options, self.recipe, self.group
        chance = generator(options.seed, "generator", step)
        indices = self._indices(batch)
        scores, of_packs = self._scores(indices)
        noise = self._noise(chance)
        fake = self._calls.images(state.averaging_generator, group.part(noise), scores)
        fake = self._augment(fake, state.strength, "fake, generator", step)
        fake = self._seen(fake, chance)
        judge = state.discriminator
        fake_logits = group.gather(self._calls.logits(judge, fake, of_packs))
        real = None
        if made.loss.generator_needs_real:
            with torch.no_grad():
                real = self._augment(self._real(indices), state.strength, "real, generator", step)
                real = self._seen(real, chance)
                real_logits = group.gather(self._calls.logits(judge, real, of_packs))
        else:
            real_logits = torch.zeros_like(fake_logits)
        targets = labels.plain(real_logits, fake_logits)
        read = self._read(real, fake, noise, state.iteration)
        loss = loss_of("generator", made, real_logits, fake_logits, targets, read)
        state.generator_optimiser.zero_grad(set_to_none=True)
        backward(made, group.size * loss)
        state.generator_optimiser.step()
        return loss.detach()

    def _read(
        self, real: Tensor | None, fake: Tensor, noise: Tensor, iteration: int
    ) -> Step | None:
        """What the loss reads beside logits, of the whole batch; None if it reads nothing."""
        reads, group = self.recipe.loss.reads, self.group
        if not reads:
            return None
        images = "images" in reads
        return Step(
            real=group.gather(real) if images and real is not None else None,
            fake=group.gather(fake) if images else None,
            noise=noise if "noise" in reads else None,
            iteration=iteration if "iteration" in reads else None,
        )

    def _indices(self, batch: int) -> Tensor:
        """Numbers of this process's frames; steps of both networks share one row of batches."""
        return self.group.part(self._batches[batch]).to(self._device)

    def _scores(self, indices: Tensor) -> tuple[Tensor | None, Tensor | None]:
        """Scores of frames and of the packs they make, (B,) and (B / P,); None without scores.

        Synthetic images get the scores of the real ones beside them.
        """
        if self.scores is None:
            return None, None
        scores = self.scores[indices]
        return scores, scores[:: self.recipe.record.pack]

    def _real(self, indices: Tensor) -> Tensor:
        return self.recipe.record.values.to_model(self.frames[indices])

    def _noise(self, chance: torch.Generator) -> Tensor:
        """Noise for the whole batch, (B, D)."""
        shape = (self.options.batch_size, self.options.latent_size)
        return torch.randn(shape, generator=chance).to(self._device)

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
