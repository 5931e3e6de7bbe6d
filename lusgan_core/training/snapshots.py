"""Looks at a training at fixed iterations, and does what follows."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from torch import Tensor

from lusgan_core.training.checkpoint import put_back, weights_of
from lusgan_core.training.looks import Look, MonitorEvent, judge
from lusgan_core.training.measuring import Measuring
from lusgan_core.training.shared.process_group import Group
from lusgan_core.training.state import TrainingState


@dataclass(frozen=True)
class Monitor:
    """Looks at a training. The first process measures, all do what follows."""

    measuring: Measuring
    group: Group

    def begin(self, state: TrainingState) -> None:
        """Keep a new training's first weights, to which it may go back."""
        if self.measuring.options.monitor.every and not state.watch.good:
            state.watch.good = _copies(weights_of(state))

    def due(self, iteration: int) -> bool:
        """Whether a look follows an iteration, the last one included."""
        options = self.measuring.options
        every = options.monitor.every
        return bool(every) and (iteration % every == 0 or iteration == options.iterations)

    def look(self, state: TrainingState) -> tuple[MonitorEvent, ...]:
        """Look at a training, and change it as follows from that.

        Args:
            state: The training; in the first process its history is filled in.

        Returns:
            What is to be said.

        Raises:
            TrainingError: It diverges, and has gone back often enough.
            PluginError: A network, the feature extractor or the metric fails.
        """
        options, watch = self.measuring.options, state.watch
        since = int(watch.looks[-1][0]) if watch.looks else 0
        own = self.measuring.look(state, since) if self.group.leads else Look(0, 0.0)
        look = Look.of(self.group.told(own.numbers()))
        augmented = bool(options.augmentations)
        done = judge(watch, look, options.monitor, options.iterations, augmented)
        if done.roll_back:
            put_back(state, watch.good)
        if done.keep_good:
            watch.good = _copies(weights_of(state))
        if done.keep_best:
            watch.best = _copies(state.best_generator.state_dict())
        return done.say


def _copies(tensors: Mapping[str, Tensor]) -> dict[str, Tensor]:
    return {name: value.detach().clone() for name, value in tensors.items()}
