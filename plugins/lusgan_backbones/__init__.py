"""The backbones that come with lusgan: one file for each."""

from __future__ import annotations

from collections.abc import Sequence

from lusgan_backbones import dcgan, pacgan2, selu_sn
from lusgan_core.api import Backbone, hookimpl

LUSGAN_API = 2


@hookimpl
def register_backbones() -> Sequence[Backbone]:
    """Offer the built-in backbones."""
    return [pacgan2.BACKBONE, dcgan.BACKBONE, selu_sn.BACKBONE]
