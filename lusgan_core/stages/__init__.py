"""The stages of the pipeline: plain functions from references and options to a manifest.

    ingest -> preprocess -> select -> train -> generate -> evaluate -> promote -> report

Each module has a ``call`` (what would be done, with its cache key) and a ``run`` (doing it).
"""

from __future__ import annotations

from lusgan_core.errors import ConfigError
from lusgan_core.provenance import Manifest, code_fingerprint
from lusgan_core.registry import Registry
from lusgan_core.stages import (
    evaluate,
    generate,
    ingest,
    preprocess,
    promote,
    report,
    select,
    train,
)
from lusgan_core.stages.base import Stage, StageCall, StageContext, execute

RUNS: dict[str, Stage] = {
    "ingest": ingest.run,
    "preprocess": preprocess.run,
    "select": select.run,
    "train": train.run,
    "generate": generate.run,
    "evaluate": evaluate.run,
    "promote": promote.run,
    "report": report.run,
}
"""Every stage by name, in the order of the data."""


def run_stage(call: StageCall, context: StageContext) -> Manifest:
    """Make a call unless the store holds what it would leave; returns the manifest."""
    return execute(call, context, RUNS[call.stage])


def check_here(call: StageCall, registry: Registry) -> None:
    """Raise ConfigError unless a call from another machine would be made here as it would there.

    The same source of lusgan and of every plugin that the call names: a result is kept under a key
    that says so.
    """
    for name, wanted in call.plugins.items():
        kind, _, plugin = name.partition("/")
        if plugin not in registry.records[kind]:
            raise ConfigError(
                f"{call.label} needs the {kind} {plugin!r}, which is not installed on this worker: "
                "install the package that offers it (or take an image that has it), and run again"
            )
        if code_fingerprint(*registry.modules_of(kind, plugin)) != wanted:
            raise ConfigError(
                f"the {kind} {plugin!r} on this worker has other source than where {call.label} "
                "was asked for: install the same version on both, and run again"
            )
    if code_fingerprint(f"lusgan_core.stages.{call.stage}") != call.code:
        raise ConfigError(
            f"lusgan on this worker has other source than where {call.label} was asked for: "
            "install the same version on both (or take the same image), and run again"
        )
