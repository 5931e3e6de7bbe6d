"""What the command line says of presets on a machine without a GPU."""

from __future__ import annotations

import pytest

from lusgan_cli.pipeline import without_gpu
from lusgan_core.calls.runtime import Runtime
from lusgan_core.registry import installed


def test_a_preset_that_wants_a_gpu_names_others_where_there_is_none() -> None:
    """Of `paper` on a CPU it is said that it takes days, and that `small` does not."""
    said = without_gpu(Runtime(device="cpu"), "paper")
    assert said.startswith("the preset paper wants a GPU, and there is none")
    assert "`--preset small`" in said
    assert "paper`" not in said


@pytest.mark.parametrize("preset", ["small", "demo"])
def test_other_presets_need_no_advice(preset: str) -> None:
    """Nothing is said of a preset for a CPU."""
    assert not installed().presets()[preset].wants_gpu
    assert without_gpu(Runtime(device="cpu"), preset) == ""
