"""The options of a training as TensorBoard's HParams shows them, beside its losses."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from typing import Any

from torch.utils.tensorboard import SummaryWriter
from torch.utils.tensorboard.summary import hparams

from lusgan_core.training.options import TrainingOptions

Plain = bool | int | float | str


def log_hparams(board: SummaryWriter, options: TrainingOptions, metrics: Iterable[str]) -> None:
    """Write the options of a training into its events, once a training.

    Args:
        board: Writer of the events.
        options: Options of the training.
        metrics: Names of the scalars that the table of HParams shows beside them.
    """
    named = dict.fromkeys(metrics, 0.0)
    experiment, start, _ = hparams(  # type: ignore[no-untyped-call]
        plain_options(options.model_dump(mode="json")), named
    )
    writer = board._get_file_writer()  # type: ignore[no-untyped-call]
    for summary in (experiment, start):
        writer.add_summary(summary)


def plain_options(options: Mapping[str, Any], above: str = "") -> dict[str, Plain]:
    """Flatten options into what HParams takes.

    Args:
        options: Options as JSON.
        above: What to put before each name, ending in a dot.

    Returns:
        Values by name such as ``penalties.r1.weight``; lists as JSON, nothing as ``none``.
    """
    found: dict[str, Plain] = {}
    for name, value in options.items():
        if isinstance(value, dict) and value:
            found |= plain_options(value, f"{above}{name}.")
        elif isinstance(value, bool | int | float | str):
            found[f"{above}{name}"] = value
        else:
            found[f"{above}{name}"] = "none" if value is None else json.dumps(value)
    return found
