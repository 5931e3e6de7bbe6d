"""Every built-in preset keeps the contract."""

from __future__ import annotations

import pytest

from lusgan_core.testing import PresetContract
from lusgan_presets import demo, paper, small


class TestPresets(PresetContract):
    @pytest.fixture(autouse=True, params=[paper, small, demo])
    def choose(self, request):
        self.record = request.param.PRESET
