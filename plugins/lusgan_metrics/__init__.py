"""The pair metrics that come with lusgan, as sewar 0.4.10 defines them: one file for each."""

from __future__ import annotations

from collections.abc import Sequence

from lusgan_core.api import Metric, hookimpl
from lusgan_metrics import (
    ergas,
    mse,
    msssim,
    psnr,
    psnrb,
    rase,
    rmse,
    sam,
    scc,
    ssim,
    uqi,
    vif,
)

LUSGAN_API = 2

MODULES = (mse, rmse, psnr, psnrb, rase, sam, scc, ssim, msssim, uqi, ergas, vif)


@hookimpl
def register_metrics() -> Sequence[Metric]:
    """Offer the built-in metrics."""
    return [module.METRIC for module in MODULES]
