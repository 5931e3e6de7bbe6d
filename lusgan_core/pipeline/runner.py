"""The stages of the pipeline: plain functions from references and options to a manifest.

    ingest -> preprocess -> select -> train -> generate -> evaluate -> promote -> report
                         -> encode ----------------------->
                         -> select -> train -> generate -> classify -> useful: fold by fold

Each module has a ``call`` (what would be done, with its cache key) and a ``run`` (doing it).
"""

from __future__ import annotations

import re
from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence

from lusgan_core.calls.call import Stage, StageCall, StageContext, earlier, execute
from lusgan_core.calls.provenance import Manifest
from lusgan_core.classification import stage as classify
from lusgan_core.encoder import stage as encode
from lusgan_core.errors import (
    ConfigError,
    LeaseError,
    LusganError,
    PluginError,
    TooFewFramesError,
    TrainingError,
    UnreadableError,
    WeightsLostError,
)
from lusgan_core.evaluation import stage as evaluate
from lusgan_core.generation import stage as generate
from lusgan_core.ingestion import stage as ingest
from lusgan_core.pipeline.heal import leave_lost
from lusgan_core.pipeline.unreadable import note
from lusgan_core.preprocessing import stage as preprocess
from lusgan_core.promotion import stage as promote
from lusgan_core.registry import Registry
from lusgan_core.reporting import stage as report
from lusgan_core.selection import stage as select
from lusgan_core.store import Store
from lusgan_core.training import stage as train
from lusgan_core.usefulness import stage as useful

RUNS: dict[str, Stage] = {
    "ingest": ingest.run,
    "preprocess": preprocess.run,
    "select": select.run,
    "encode": encode.run,
    "train": train.run,
    "generate": generate.run,
    "evaluate": evaluate.run,
    "classify": classify.run,
    "useful": useful.run,
    "promote": promote.run,
    "report": report.run,
}
"""Every stage by name, in the order of the data."""
VERSIONS: dict[str, int] = {
    "ingest": ingest.VERSION,
    "preprocess": preprocess.VERSION,
    "select": select.VERSION,
    "encode": encode.VERSION,
    "train": train.VERSION,
    "generate": generate.VERSION,
    "evaluate": evaluate.VERSION,
    "classify": classify.VERSION,
    "useful": useful.VERSION,
    "promote": promote.VERSION,
    "report": report.VERSION,
}
"""Version of every stage in this installation."""


def run_stage(call: StageCall, context: StageContext) -> Manifest:
    """Make a call, unless the store holds its result already.

    Args:
        call: Call of any stage.
        context: Store, source, runtime, registry and stop flag.

    Returns:
        The manifest, new or found. Errors are those of the stage. Where the weights of a model are
        lost, the one before becomes current.
    """
    try:
        return execute(call, context, RUNS[call.stage])
    except WeightsLostError as error:
        score = int(call.inputs["score"])
        leave_lost(context.store, score, train.folder_of(call), str(error))
        raise
    except UnreadableError as error:
        if context.source is None or not error.keys:
            raise
        raise note(context.source, context.store, error) from None


def check_here(call: StageCall, registry: Registry) -> None:
    """Check that this machine would make a call exactly as the machine it comes from.

    The result is kept under a key that names the stage's version and the plugins, so both must be
    the same here.

    Args:
        call: A call from another machine.
        registry: Registry of the plugins that are installed here.

    Raises:
        ConfigError: A plugin is missing or is another one, or the stage has another version here.
    """
    for name, wanted in call.plugins.items():
        kind, _, plugin = name.partition("/")
        if plugin not in registry.records[kind]:
            raise ConfigError(
                f"{call.label} needs the {kind} {plugin!r}, which is not installed on this worker: "
                "install the package that offers it (or take an image that has it), and run again"
            )
        if registry.identity(kind, plugin) != wanted:
            raise ConfigError(
                f"the {kind} {plugin!r} on this worker is another than where {call.label} "
                "was asked for: install the same version on both, and run again"
            )
    if VERSIONS[call.stage] != call.version:
        raise ConfigError(
            f"lusgan on this worker is another version than where {call.label} was asked for: "
            "install the same one on both (or take the same image), and run again"
        )


MODEL = re.compile(r"models/score-\d/[^/]*-(\d{1,5})px-c([13])-[^/]*/manifest\.json")
"""Manifest of a model; its name holds side and channels of its frames."""


def check_training(call: StageCall, context: StageContext) -> None:
    """Check that a call from elsewhere is one that a pipeline makes, before anything is touched.

    It is made again here, from the selection that it names; each of its keys and digests follows
    from that. Who may start a run may have written anything into it.

    Args:
        call: A call from another machine, for which ``check_here`` has passed.
        context: Store with the selection, and registry.

    Raises:
        ConfigError: It is another call than a pipeline makes.
        MissingArtifactError: The selection is not in the store.
    """
    forged = ConfigError(
        "this is not a training as a pipeline asks for it, and nothing was done: start it by the "
        "deployment pipeline or train-score"
    )
    named, selection = MODEL.fullmatch(call.manifest), call.arguments.get("selected")
    if call.stage != "train" or named is None or not isinstance(selection, str):
        raise forged
    try:
        selected = earlier(context, selection)
        options = train.TrainingOptions.model_validate(call.options)
        made = train.call(selected, options, int(named[1]), int(named[2]), context.registry)
    except ValueError:  # what pydantic raises is one
        raise forged from None
    if selected.stage != "select" or selected.manifest_key != selection or made != call:
        raise forged


OF_ONE_SCORE = (TooFewFramesError, TrainingError, LeaseError, PluginError)
"""Errors that concern one score, so that the others can go on: what a plugin does to the frames or
the model of one need not happen with those of another."""


class Runner(ABC):
    """Makes stage calls."""

    store: Store
    """Where results are."""

    @abstractmethod
    def one(self, call: StageCall) -> Manifest:
        """Make one call, in the main thread."""

    @abstractmethod
    def each(self, calls: Sequence[StageCall]) -> list[Manifest]:
        """Make several calls, side by side where that is possible; results in the same order."""

    def trainings(self, calls: Mapping[int, StageCall]) -> dict[int, Manifest | LusganError]:
        """Train each score by its call; what went wrong with one does not stop the others.

        Here one after the other, in the main thread.
        """
        made: dict[int, Manifest | LusganError] = {}
        for score, call in calls.items():
            try:
                made[score] = self.one(call)
            except OF_ONE_SCORE as error:
                made[score] = error
        return made


class Inline(Runner):
    """Makes every call in this process, without Prefect."""

    def __init__(self, context: StageContext) -> None:
        self.context, self.store = context, context.store

    def one(self, call: StageCall) -> Manifest:
        """See Runner.one."""
        return run_stage(call, self.context)

    def each(self, calls: Sequence[StageCall]) -> list[Manifest]:
        """See Runner.each; one after the other."""
        return [self.one(call) for call in calls]
