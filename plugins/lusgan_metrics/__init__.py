"""The metrics that come with lusgan, one file for each.

Those on pairs of frames are as sewar 0.4.10 defines them; those on sets of frames name their paper.
"""

from __future__ import annotations

from collections.abc import Sequence

from lusgan_core.api import Metric, hookimpl
from lusgan_metrics import (
    coverage,
    density,
    ergas,
    fid,
    fid_infinity,
    kid,
    kid_textbook,
    mse,
    msssim,
    precision,
    psnr,
    psnrb,
    rase,
    recall,
    rmse,
    sam,
    scc,
    ssim,
    uqi,
    vif,
)

LUSGAN_API = 2

ON_PAIRS = (mse, rmse, psnr, psnrb, rase, sam, scc, ssim, msssim, uqi, ergas, vif)
ON_SETS = (kid, kid_textbook, fid, fid_infinity, precision, recall, density, coverage)
MODULES = (*ON_PAIRS, *ON_SETS)


@hookimpl
def register_metrics() -> Sequence[Metric]:
    """Offer the built-in metrics."""
    return [module.METRIC for module in MODULES]
