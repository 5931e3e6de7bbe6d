"""Everything that has a version: stages, and plugins that come with lusgan."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

import golden_plugins as plugins
import golden_stages as stages
import golden_training as training
from golden_table import Rows, Subject

from lusgan_core.pipeline.runner import VERSIONS
from lusgan_core.registry import BUILT_IN, KINDS, installed

ROOMS: dict[str, tuple[str, Callable[[], Rows]]] = {
    "ingest": ("ingestion", stages.ingest_rows),
    "preprocess": ("preprocessing", stages.preprocess_rows),
    "select": ("selection", stages.select_rows),
    "encode": ("encoder", stages.encode_rows),
    "train": ("training", training.train_rows),
    "generate": ("generation", stages.generate_rows),
    "evaluate": ("evaluation", stages.evaluate_rows),
    "classify": ("classification", stages.classify_rows),
    "useful": ("usefulness", stages.useful_rows),
    "promote": ("promotion", stages.promote_rows),
    "report": ("reporting", stages.report_rows),
}
"""Stage -> its room, and what makes its rows."""
TOLERANCES = {"evaluate": 1e-5, "encode": 1e-3, "classify": 1e-3, "feature": 1e-5}
"""Relative; the all-pairs engine counts some sums in single precision, and features are single."""
PLUGIN_ROWS: dict[str, Callable[[Any], Rows]] = {
    "backbone": training.backbone_rows,
    "loss": training.loss_rows,
    "penalty": training.penalty_rows,
    "augmentation": training.augmentation_rows,
    "metric": training.metric_rows,
    "feature": training.feature_rows,
    "reader": stages.reader_rows,
    "gate": plugins.gate_rows,
    "preset": plugins.preset_rows,
    "exporter": plugins.exporter_rows,
}


def subjects() -> dict[str, Subject]:
    """Return every subject by name."""
    found = [
        Subject(
            stage,
            str(VERSIONS[stage]),
            f"VERSION in lusgan_core/{room}/stage.py",
            rows,
            TOLERANCES.get(stage, 1e-6),
        )
        for stage, (room, rows) in ROOMS.items()
    ]
    registry = installed()
    for kind in KINDS:
        for name, record in registry.records[kind].items():
            provider = registry.providers[kind, name]
            if provider.module in BUILT_IN:
                found.append(
                    Subject(
                        f"{kind}/{name}",
                        record.version,
                        f"`version` of {kind} {name} in {provider.module}",
                        partial(PLUGIN_ROWS[kind], record),
                        TOLERANCES.get(kind, 1e-6),
                    )
                )
    return {subject.name: subject for subject in found}
