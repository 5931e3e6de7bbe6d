"""The job of a training, and its result."""

from __future__ import annotations

from dataclasses import dataclass

from lusgan_core.calls.section import Measured
from lusgan_core.networks.generator import GeneratorRecord
from lusgan_core.store import Store
from lusgan_core.training.folder import ModelFolder
from lusgan_core.training.looks import MonitorEvent


@dataclass(frozen=True)
class Job:
    """Where a training writes, and its name there."""

    store: Store
    folder: str
    """Key prefix of the model's folder in the store."""
    identity: str
    """The training's cache key: data, options and versions."""
    label: str = "training"

    @property
    def model(self) -> ModelFolder:
        """The model's folder."""
        return ModelFolder(self.store, self.folder)

    @property
    def lease_key(self) -> str:
        """Key of the lease on the model's folder."""
        return self.model.key("lease.json")


@dataclass(frozen=True)
class Trained:
    """The result of a training."""

    record: GeneratorRecord
    artifacts: dict[str, str]
    """Name -> key in the store."""
    values: tuple[Measured, ...]
    """How the training ended, see ``monitor.end_values``."""
    warnings: tuple[str, ...]
    images_seen: int
    seconds: float
    device: str
    """``cpu``, or the name of the GPU; ``2 x`` before it where two processes trained."""
    resumed_from: int
    iterations: int
    """Fewer than asked for where it stopped early."""
    best_iteration: int = 0
    """The iteration whose weights the model has; 0: the last."""
    events: tuple[MonitorEvent, ...] = ()
    images_per_s: float = 0.0
    """Of this process, or of all that shared the training, since it was started or resumed."""
    peak_memory_mb: float = 0.0
    """Of the GPU's memory where one trained, else of the process's; 10^6 bytes."""
