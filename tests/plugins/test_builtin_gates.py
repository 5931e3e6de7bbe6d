"""Every built-in gate keeps the contract."""

from __future__ import annotations

import pytest

from lusgan_core.api import SYNTHETIC, TRAINING, Candidate, Measured
from lusgan_core.testing import GateContract
from lusgan_gates import collapse, copies, divergence, near_copies


def audited(name: str, p: float, found: float) -> Candidate:
    """Return a model of whose 50 frames the memorisation audit flags five."""
    copies = Measured(
        metric="copies", title="Flagged", between=(SYNTHETIC, TRAINING), value=0.1, number=50,
        statistic="share", floor=0.02,
    )  # fmt: skip
    values = (
        copies,
        copies.model_copy(update={"statistic": "p", "value": p}),
        copies.model_copy(update={"statistic": "checked", "value": 3.0}),
        Measured(metric="copies_found", title="Found", statistic="share", value=found),
    )
    return Candidate(score=1, model=name, values=values, likeness="ssim")


class TestGates(GateContract):
    @pytest.fixture(autouse=True, params=[divergence, collapse, near_copies, copies])
    def choose(self, request):
        self.record = request.param.GATE
        if request.param is copies:
            self.good = tuple(audited("original", p, 0.8) for p in (0.6, 0.011))
            self.bad = (audited("copying", 0.009, 0.8),)
