"""Every built-in gate keeps the contract."""

from __future__ import annotations

import pytest

from lusgan_core.api import HELD_OUT, SYNTHETIC, Candidate, Measured
from lusgan_core.testing import GateContract
from lusgan_gates import collapse, copies, divergence, diversity, fidelity, near_copies, realism


def of_distance(name: str, value: float, floor: float, noise: float | None = None) -> Candidate:
    """Return a model of which one distance is known."""
    found = Measured(
        metric=f"{name}/lite0", title=name, between=(HELD_OUT, SYNTHETIC), value=value,
        floor=floor, ceilings={} if noise is None else {"noise": noise},
    )  # fmt: skip
    return Candidate(score=0, model="m", values=(found,), likeness=None)


class TestGates(GateContract):
    @pytest.fixture(autouse=True, params=[divergence, collapse, near_copies, copies, fidelity])
    def choose(self, request):
        self.record = request.param.GATE


class TestRealism(GateContract):
    record = realism.GATE
    good = (of_distance("kid", 0.25, 0.0, 1.0), of_distance("kid", -0.2, 0.0, 1.0))
    bad = (of_distance("kid", 0.36, 0.1, 1.1), of_distance("kid", 2.0, 0.0, 1.0))


class TestDiversity(GateContract):
    record = diversity.GATE
    good = (of_distance("recall", 0.05, 0.2), of_distance("recall", 0.9, 0.2))
    bad = (of_distance("recall", 0.049, 0.2), of_distance("recall", 0.0, 0.02))


@pytest.mark.parametrize(
    ("gate", "candidate", "why"),
    [
        (realism, of_distance("kid", 0.3, 0.1), "hold more patients out"),
        (realism, of_distance("kid", 0.3, 1.1, 1.0), "no further from real frames"),
        (diversity, of_distance("recall", 0.0, 0.01), "tells nothing"),
        (diversity, of_distance("kid", 0.3, 0.1, 1.0), "hold more patients out"),
    ],
)
def test_what_tells_nothing_is_not_judged(gate, candidate: Candidate, why: str) -> None:
    """Without a ceiling, or with a floor that is as bad as noise, a gate says that it cannot."""
    verdict = gate.GATE.check(candidate, None, gate.GATE.options())
    assert (verdict.passed, verdict.measured) == (True, False)
    assert why in verdict.reason
