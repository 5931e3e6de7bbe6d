"""The stages of the pipeline: plain functions from references and options to a manifest.

    ingest -> preprocess -> select -> train -> generate -> evaluate -> promote -> report

Each module has a ``call`` (what would be done, with its cache key) and a ``run`` (doing it).
"""

from __future__ import annotations

from lusgan_core.provenance import Manifest
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
