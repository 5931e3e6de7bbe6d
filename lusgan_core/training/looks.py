"""The monitor's options, what a look measures, and what follows from it.

At fixed iterations a training is looked at. A look measures, on frames that the discriminator was
not trained on, how far it has come; what follows is a function of these numbers and of the state
alone, and everything that it needs is part of the state: a training that is killed and resumed, and
each of several processes, does the same.

- A loss or weight that is not finite, or a generator loss without bound: the weights of the last
  good look come back, and both learning rates shrink. The iterations in between count as done.
- The discriminator tells validation frames from training ones: augmentation has a least strength,
  which rises while it does and falls while it does not (the measure is r_v of ADA, Karras et al.,
  arXiv 2006.06676, section 3.1).
- Generated frames are all alike: that is said, and such weights are never the best.
- The nearest to the validation frames so far: these weights are kept. They become the model.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, fields
from typing import TYPE_CHECKING, Any

from pydantic import Field

from lusgan_core.api import Options
from lusgan_core.domain import Record
from lusgan_core.errors import TrainingError

if TYPE_CHECKING:
    from torch import Tensor

EARLY = 0.25
"""Share of a training in which neither collapse nor overfitting is looked for: at first all frames
are alike, and a discriminator that has seen little takes other patients for synthetic."""
STEP = 0.1
"""What a look adds to the least strength of augmentation, or takes from it."""


class MonitorOptions(Options):
    """When a training is looked at, and what follows."""

    every: int = Field(0, ge=0, description="Iterations between two looks; 0: nobody looks")
    frames: int = Field(
        256, ge=16, le=4096, description="Synthetic frames that a look measures, and real ones"
    )
    features: str = Field("random", description="Feature extractor; lite0 ranks better")
    keep_best: bool = Field(
        True,
        description="Whether the weights nearest to the validation frames (by KID) become the "
        "model, instead of the last; needs selection.validation",
    )
    patience: int = Field(
        0,
        ge=0,
        description="Looks without a better one after which the training stops early; 0: it never "
        "does",
    )
    roll_backs: int = Field(
        4, ge=0, description="How often a training that diverges goes back before it fails"
    )
    shrink: float = Field(
        0.5, gt=0, le=1, description="What is left of both learning rates after each"
    )
    max_loss: float = Field(
        50.0, gt=0, description="A mean generator loss above this, between two looks, is divergence"
    )
    max_overfit: float = Field(
        0.5,
        ge=0,
        le=1,
        description="Augmentation is raised above this: 0 where the discriminator judges "
        "validation frames as it does training ones, 1 where it takes them for synthetic",
    )
    min_spread: float = Field(
        0.15,
        ge=0,
        le=1,
        description="Variance of synthetic frames' features, as a share of real ones', below which "
        "a training has collapsed",
    )


class MonitorEvent(Record):
    """Something that the monitor did or found."""

    iteration: int
    kind: str
    """``rolled back``, ``augmentation``, ``collapse``, ``recovery`` or ``stopped early``."""
    text: str
    since: int = 0
    """Of a roll-back: the iteration whose weights came back."""


@dataclass(frozen=True)
class Look:
    """What one look measured; NaN where something cannot be."""

    iteration: int
    loss: float
    """Mean absolute loss of the generator since the last look; NaN if a value is not finite."""
    spread: float = math.nan
    """Variance of synthetic frames' features, as a share of that of training frames."""
    kid: float = math.nan
    """KID of synthetic frames to validation frames."""
    overfit: float = math.nan
    """r_v, see ``MonitorOptions.max_overfit``."""

    def numbers(self) -> list[float]:
        """All numbers, to be told to other processes."""
        return [float(value) for value in asdict(self).values()]

    @classmethod
    def of(cls, numbers: list[float]) -> Look:
        """The look that has these numbers."""
        return cls(int(numbers[0]), *numbers[1:])


LOOK_COLUMNS = (*(f.name for f in fields(Look)), "least_augmentation", "rate_share")


@dataclass
class Watch:
    """What the monitor carries from one look to the next: part of the training's state."""

    rate_share: float = 1.0
    """What is left of the learning rates after roll-backs."""
    least_augmentation: float = 0.0
    """Augmentation is at least this strong."""
    good_iteration: int = 0
    best_iteration: int = 0
    best_kid: float = math.inf
    since_best: int = 0
    """Looks since the best one."""
    collapsed: bool = False
    stopped: bool = False
    looks: list[list[float]] = field(default_factory=list)
    """A row a look, by ``LOOK_COLUMNS``."""
    events: list[MonitorEvent] = field(default_factory=list)
    good: dict[str, Tensor] = field(default_factory=dict)
    """The whole state at the last good look, by the names of a checkpoint."""
    best: dict[str, Tensor] = field(default_factory=dict)
    """Weights and buffers of the generator at the best look; empty where there was none."""

    def header(self) -> dict[str, Any]:
        """All but the tensors, as JSON."""
        plain = {f.name: getattr(self, f.name) for f in fields(self)}
        plain["events"] = [event.model_dump() for event in self.events]
        return {name: value for name, value in plain.items() if name not in ("good", "best")}

    @classmethod
    def of(cls, header: Mapping[str, Any]) -> Watch:
        """The watch of a checkpoint's header, without tensors."""
        events = [MonitorEvent.model_validate(event) for event in header.get("events", ())]
        return cls(**{**header, "events": events})

    @property
    def roll_backs(self) -> list[MonitorEvent]:
        """The roll-backs so far."""
        return [event for event in self.events if event.kind == "rolled back"]

    @property
    def lost(self) -> list[tuple[int, int]]:
        """Iterations, from 0, whose steps were undone: (first, end)."""
        return [(event.since, event.iteration) for event in self.roll_backs]


@dataclass(frozen=True)
class Consequence:
    """What follows from a look."""

    roll_back: bool = False
    keep_good: bool = False
    keep_best: bool = False
    say: tuple[MonitorEvent, ...] = ()


def judge(
    watch: Watch, look: Look, options: MonitorOptions, iterations: int, augmented: bool
) -> Consequence:
    """Find out what follows from a look, and note it in the watch.

    Args:
        watch: What was noted so far; changed in place, but for its tensors.
        look: The numbers.
        options: Limits.
        iterations: Iterations of the whole training.
        augmented: Whether there are augmentations that can be raised.

    Returns:
        What has to be done with the weights, and what is to be said.

    Raises:
        TrainingError: The training diverges, and has gone back often enough.
    """
    if not look.loss <= options.max_loss:
        done = _rolled_back(watch, look, options)
    else:
        done = _went_on(watch, look, options, iterations, augmented)
    watch.events.extend(done.say)
    watch.looks.append([*look.numbers(), watch.least_augmentation, watch.rate_share])
    return done


def _went_on(
    watch: Watch, look: Look, options: MonitorOptions, iterations: int, augmented: bool
) -> Consequence:
    watch.good_iteration = look.iteration
    said: list[MonitorEvent] = []
    if look.iteration >= EARLY * iterations:
        said = [*_augmented(watch, look, options, augmented), *_collapsed(watch, look, options)]
    better = not watch.collapsed and look.kid < watch.best_kid
    if better:
        watch.best_kid, watch.best_iteration, watch.since_best = look.kid, look.iteration, 0
    elif watch.best_iteration:
        watch.since_best += 1
    last = look.iteration >= iterations
    watch.stopped = bool(options.patience) and watch.since_best >= options.patience and not last
    if watch.stopped:
        text = (
            f"stopped early: none of {options.patience} looks was better than that after "
            f"iteration {watch.best_iteration:,}"
        )
        said.append(MonitorEvent(iteration=look.iteration, kind="stopped early", text=text))
    return Consequence(keep_good=True, keep_best=better and options.keep_best, say=tuple(said))


def _rolled_back(watch: Watch, look: Look, options: MonitorOptions) -> Consequence:
    what = (
        f"the generator's loss rose to {look.loss:.3g}"
        if math.isfinite(look.loss)
        else "a loss or weight became NaN or infinite"
    )
    times = len(watch.roll_backs)
    if times >= options.roll_backs:
        went = f", though it went back {times} times with smaller steps" if times else ""
        raise TrainingError(
            f"{what} before iteration {look.iteration:,}{went}: lower the learning rates, or "
            "choose another loss or penalty; the last checkpoint is kept"
        )
    watch.rate_share *= options.shrink
    text = (
        f"{what} before iteration {look.iteration:,}: went on with the weights of iteration "
        f"{watch.good_iteration:,}, at {watch.rate_share:.3g} of the learning rates"
    )
    event = MonitorEvent(
        iteration=look.iteration, kind="rolled back", text=text, since=watch.good_iteration
    )
    return Consequence(roll_back=True, say=(event,))


def _augmented(
    watch: Watch, look: Look, options: MonitorOptions, augmented: bool
) -> list[MonitorEvent]:
    if not augmented or math.isnan(look.overfit):
        return []
    before = watch.least_augmentation
    move = STEP if look.overfit > options.max_overfit else -STEP
    watch.least_augmentation = round(min(1.0, max(0.0, before + move)), 6)
    if before or not watch.least_augmentation:
        return []
    text = (
        f"the discriminator tells validation frames from training ones ({look.overfit:.2f}): "
        "augmentation is raised while it does"
    )
    return [MonitorEvent(iteration=look.iteration, kind="augmentation", text=text)]


def _collapsed(watch: Watch, look: Look, options: MonitorOptions) -> list[MonitorEvent]:
    before = watch.collapsed
    watch.collapsed = look.spread < options.min_spread
    if watch.collapsed == before:
        return []
    kind, text = (
        ("collapse", f"collapsed: synthetic frames are all alike (spread {look.spread:.2f})")
        if watch.collapsed
        else ("recovery", f"synthetic frames differ again (spread {look.spread:.2f})")
    )
    return [MonitorEvent(iteration=look.iteration, kind=kind, text=text)]
