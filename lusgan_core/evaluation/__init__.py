"""Evaluation: how alike frames are, pair by pair, over sets of any size.

Start with ``pairwise`` (`compare_sets`), ``results`` (what it leaves) and ``formulas`` (what the
metrics are). The engines behind it: ``torch_engine`` (any device), ``numba_engine`` (the CPU),
``triton_engine`` (GPUs).
"""

from lusgan_core.evaluation.frameset import FrameSet
from lusgan_core.evaluation.images import load_frames
from lusgan_core.evaluation.pairwise import compare_sets
from lusgan_core.evaluation.results import (
    MetricResult,
    Neighbour,
    PairResults,
    PairsError,
)
from lusgan_core.evaluation.tally import Summary

__all__ = [
    "FrameSet",
    "MetricResult",
    "Neighbour",
    "PairResults",
    "PairsError",
    "Summary",
    "compare_sets",
    "load_frames",
]
