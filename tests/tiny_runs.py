"""Runs that take a second: a few small phantom exams, and trainings of a few iterations."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from lusgan_core.calls.call import StageCall, StageContext, lookup
from lusgan_core.calls.provenance import Manifest
from lusgan_core.config import RunConfig, resolve
from lusgan_core.ingestion.discover import discover
from lusgan_core.phantom.options import PhantomOptions
from lusgan_core.phantom.tree import write_phantoms
from lusgan_core.pipeline.chain import Outcome, run_chain
from lusgan_core.pipeline.runner import Inline
from lusgan_core.registry import installed
from lusgan_core.store import LocalStore
from lusgan_core.store.source import open_source

PHANTOM = PhantomOptions(patients=3, clips_per_exam=4, frames_per_clip=6, size=64)
CODES = ("9001", "9002", "9003")
"""Codes of the phantom patients."""
SETTINGS = (
    "preprocessing.image_size=32",
    'training.backbone_options={"width": 4, "dropout": 0.0, "discriminator_norm": "none"}',
    "training.iterations=4",
    "training.batch_size=4",
    "training.previews=2",
    "training.preview_frames=4",
    "generation.count=6",
    "evaluation.real_frames=6",
    "evaluation.synthetic_frames=4",
    "evaluation.among_frames=6",
    "evaluation.audit_frames=0",
    'evaluation.metrics=["mse", "ssim"]',
)
"""Over the preset ``demo``."""


def tiny_config(*settings: str, scores: tuple[int, ...] | None = None) -> RunConfig:
    """Return the options of a tiny run."""
    return resolve("demo", installed(), settings=(*SETTINGS, *settings), scores=scores)


def write_exams(folder: Path, **options: Any) -> Path:
    """Write tiny phantom exams and return their folder."""
    write_phantoms(folder, PHANTOM.model_copy(update=options))
    return folder


class CountingRunner(Inline):
    """Makes calls in this process, and remembers which it really made."""

    def __init__(self, context: StageContext) -> None:
        super().__init__(context)
        self.made: list[str] = []

    def one(self, call: StageCall) -> Manifest:
        """Make a call; note its label if the store holds no result yet."""
        if lookup(call, self.context.store) is None:
            self.made.append(call.label)
        return super().one(call)


class Pipeline:
    """The chain of stages over a folder of exams and a store, without Prefect."""

    def __init__(self, exams: Path, store: Path) -> None:
        self.source, self.store = open_source(str(exams)), LocalStore(store)
        self.made: list[str] = []
        """Labels of the calls that the last run made."""

    def run(self, config: RunConfig | None = None, **options: Any) -> Outcome:
        """Run to the report."""
        found, chosen = discover(self.source), config or tiny_config()
        runner = CountingRunner(StageContext(self.store, self.source, chosen.runtime))
        try:
            return run_chain(runner, found, chosen, installed(), preset="demo", **options)
        finally:
            self.made = runner.made

    def files(self, prefix: str = "") -> dict[str, bytes]:
        """Return all objects below a prefix."""
        return {o.key: self.store.get(o.key) for o in self.store.list(prefix)}
