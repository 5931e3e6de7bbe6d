"""An example plugin for lusgan: a backbone, a loss and a metric of its own."""

from __future__ import annotations

from lusgan_core.api import Backbone, Loss, PairMetric, hookimpl
from lusgan_example.mirror import MIRROR
from lusgan_example.mutual_information import NMI
from lusgan_example.wasserstein import WASSERSTEIN

LUSGAN_API = 2
"""The version of lusgan's plugin boundary that this was written for."""


@hookimpl
def register_backbones() -> list[Backbone]:
    """Offer the backbone."""
    return [MIRROR]


@hookimpl
def register_losses() -> list[Loss]:
    """Offer the loss."""
    return [WASSERSTEIN]


@hookimpl
def register_metrics() -> list[PairMetric]:
    """Offer the metric."""
    return [NMI]
