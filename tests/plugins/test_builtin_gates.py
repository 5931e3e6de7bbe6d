"""Every built-in gate keeps the contract."""

from __future__ import annotations

import pytest

from lusgan_core.testing import GateContract
from lusgan_gates import collapse, copies, divergence, near_copies


class TestGates(GateContract):
    @pytest.fixture(autouse=True, params=[divergence, collapse, near_copies, copies])
    def choose(self, request):
        self.record = request.param.GATE
