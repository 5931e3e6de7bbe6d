"""Measures a training at a look: on synthetic, training and validation frames.

Shapes: B batch, N frames, H height, W width, D features.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from lusgan_core.api import SetMetric
from lusgan_core.errors import ConfigError
from lusgan_core.measures.bound import bound
from lusgan_core.measures.distances import value_of
from lusgan_core.measures.features import Extract, build_extractor
from lusgan_core.measures.sides import Side, places
from lusgan_core.networks.seeding import generator as generator_of
from lusgan_core.registry import Registry
from lusgan_core.selection.dataset import load_frames
from lusgan_core.selection.stage import ClipFrames
from lusgan_core.store import Store
from lusgan_core.training import previews
from lusgan_core.training.looks import Look
from lusgan_core.training.monitor import find_nonfinite, find_nonfinite_weights
from lusgan_core.training.network_calls import NetworkCalls
from lusgan_core.training.options import TrainingOptions
from lusgan_core.training.recipe import Recipe
from lusgan_core.training.state import HISTORY, TrainingState
from lusgan_core.training.step import pack

BLOCK = 32
"""Frames in one pass through a network."""
METRIC = "kid"


@dataclass(frozen=True)
class Validation:
    """Frames of patients whom the discriminator is not trained on."""

    frames: NDArray[np.uint8]
    """(N, H, W) or (N, H, W, 3)."""
    patients: tuple[str, ...]
    """Of each frame."""
    clips: tuple[str, ...]
    """Of each frame, unique over all patients."""

    def __len__(self) -> int:
        return len(self.frames)


def load_validation(
    store: Store, clips: Sequence[ClipFrames], score: int, options: TrainingOptions
) -> Validation | None:
    """Read the frames that looks need.

    Args:
        store: Where the shards are.
        clips: Clips of validation patients.
        score: Severity score, 0..3.
        options: Options of the training: whether it is looked at, and on how many frames.

    Returns:
        The frames, at equal distances over all clips; None where nobody looks, or there are none.

    Raises:
        MissingArtifactError: A shard is not in the store.
        StoreError: A shard cannot be read, or is damaged.
    """
    if not clips or not options.monitor.every:
        return None
    frames, owners, _ = load_frames(store, clips, score, options.monitor.frames)
    of = [clips[number] for number in owners.tolist()]
    return Validation(frames, tuple(c.patient for c in of), tuple(c.key for c in of))


@dataclass
class Measuring:
    """Measures looks; what it measures of real frames is computed once."""

    options: TrainingOptions
    recipe: Recipe
    registry: Registry
    device: torch.device
    frames: Tensor
    """Training frames, (N, H, W) or (N, H, W, 3) uint8."""
    validation: Validation | None
    """None, too, for a conditional backbone: its scores would have to be looked at one by one."""

    def look(self, state: TrainingState, since: int) -> Look:
        """Look at a training.

        Args:
            state: The training, whose history is filled in as far as it has come.
            since: Iteration of the last look.

        Returns:
            The numbers; only the loss if that, or a weight, is not finite.

        Raises:
            PluginError: A network, the feature extractor or the metric fails.
        """
        rows = state.history[since : state.iteration]
        broken = find_nonfinite(rows) or find_nonfinite_weights(state.networks())
        if broken:
            return Look(state.iteration, float("nan"))
        loss = float(np.abs(rows[:, HISTORY.index("loss_generator")]).mean())
        if loss > self.options.monitor.max_loss:
            return Look(state.iteration, loss)
        synthetic = np.concatenate(
            [
                previews.preview_frames(
                    state.best_generator, noise, self.recipe.record.values, scores
                )
                for noise, scores in self._noise
            ]
        )
        made = Side(self._extract(synthetic).astype(np.float64))
        spread = made.features.var(0).sum() / max(self._training_variance, 1e-12)
        kid = overfit = float("nan")
        if self._reference is not None:
            value = value_of(self._metric, self._reference, made)
            kid = float("nan") if value is None else value
            overfit = self._overfit(state.discriminator, synthetic)
        return Look(state.iteration, loss, float(spread), kid, overfit)

    def _overfit(self, discriminator: nn.Module, synthetic: NDArray[np.uint8]) -> float:
        """r_v = (E[D(training)] - E[D(validation)]) / (E[D(training)] - E[D(synthetic)])."""
        modes = [(module, module.training) for module in discriminator.modules()]
        discriminator.eval()
        training, validation, made = (
            self._judged(discriminator, frames)
            for frames in (self._own_frames, self._validation_frames, torch.from_numpy(synthetic))
        )
        for module, mode in modes:
            module.training = mode
        apart = training - made
        return min(1.0, max(0.0, (training - validation) / apart)) if apart > 0 else 0.0

    @torch.no_grad()
    def _judged(self, discriminator: nn.Module, frames: Tensor) -> float:
        """Mean logit of frames, as many as make whole packs."""
        record, logits = self.recipe.record, []
        calls, whole = NetworkCalls.of(record), len(frames) // record.pack * record.pack
        for part in torch.split(frames[:whole], max(1, BLOCK // record.pack) * record.pack):
            given = record.values.to_model(part.to(self.device))
            logits.append(calls.logits(discriminator, pack(given, record.pack), None).double())
        return float(torch.cat(logits).mean()) if logits else float("nan")

    @cached_property
    def _noise(self) -> list[tuple[Tensor, Tensor | None]]:
        """Noise of all looks, (B, D) a block, and scores in turn: the same in each look."""
        options = self.options
        chance = generator_of(options.seed, "monitor", 0)
        noise = torch.randn((options.monitor.frames, options.latent_size), generator=chance)
        scores = torch.arange(len(noise)) % max(self.recipe.record.scores, 1)
        several = bool(self.recipe.record.scores)
        return [
            (part.to(self.device), of.to(self.device) if several else None)
            for part, of in zip(torch.split(noise, BLOCK), torch.split(scores, BLOCK), strict=True)
        ]

    @cached_property
    def _own_frames(self) -> Tensor:
        chosen = places(len(self.frames), self.options.monitor.frames)
        return self.frames[torch.from_numpy(chosen).to(self.frames.device)]

    @cached_property
    def _validation_frames(self) -> Tensor:
        assert self.validation is not None
        return torch.from_numpy(self.validation.frames)

    @cached_property
    def _training_variance(self) -> float:
        found = self._extract(self._own_frames.cpu().numpy()).astype(np.float64)
        return float(found.var(0).sum())

    @cached_property
    def _reference(self) -> Side | None:
        """Features of validation frames; by clip where all are of one patient, as KID leaves out
        pairs of one group: over looks that adds a constant to it."""
        given = self.validation
        if given is None or not len(given) or self.recipe.record.scores:
            return None
        features = self._extract(given.frames).astype(np.float64)
        names = next((of for of in (given.patients, given.clips) if len(set(of)) > 1), ())
        return Side(features, names, names)

    @cached_property
    def _metric(self) -> SetMetric:
        return bound(self.registry.set_metric(METRIC), {}, self.device.type)

    @cached_property
    def _extract(self) -> Extract:
        record = self.registry.feature(self.options.monitor.features)
        if self.frames.shape[1] < record.min_size:
            raise ConfigError(
                f"training.monitor.features: {record.name} needs frames of {record.min_size} "
                f"pixels, these have {self.frames.shape[1]}: choose another"
            )
        return build_extractor(record, device=str(self.device))
