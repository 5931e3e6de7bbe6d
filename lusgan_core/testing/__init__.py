"""Contract suites: what a plugin must do, as tests that its own test class inherits.

A plugin's author writes::

    from lusgan_core.testing import LossContract

    class TestMyLoss(LossContract):
        record = MY_LOSS

and runs pytest. To hold several records to one suite, set ``record`` in a fixture::

    class TestMyLosses(LossContract):
        @pytest.fixture(autouse=True, params=[ONE, TWO], ids=lambda loss: loss.name)
        def choose(self, request):
            self.record = request.param

Nothing here imports pytest: a test is a method that raises AssertionError, with a message that says
what the contract is and what was found instead. The suites build small inputs on the CPU and take a
second or two each.
"""

from __future__ import annotations

from lusgan_core.testing.augmentations import AugmentationContract
from lusgan_core.testing.backbones import BackboneContract
from lusgan_core.testing.exporters import ExporterContract
from lusgan_core.testing.features import FeatureExtractorContract
from lusgan_core.testing.gates import GateContract
from lusgan_core.testing.losses import LossContract
from lusgan_core.testing.pair_metrics import PairMetricContract
from lusgan_core.testing.penalties import PenaltyContract
from lusgan_core.testing.presets import PresetContract
from lusgan_core.testing.readers import ReaderContract
from lusgan_core.testing.set_metrics import SetMetricContract
from lusgan_core.testing.stores import StoreContract

__all__ = [
    "AugmentationContract",
    "BackboneContract",
    "ExporterContract",
    "FeatureExtractorContract",
    "GateContract",
    "LossContract",
    "PairMetricContract",
    "PenaltyContract",
    "PresetContract",
    "ReaderContract",
    "SetMetricContract",
    "StoreContract",
]
