"""Triton's kernels: interpreted against the references, compiled for a GPU, chosen or not."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch

from lusgan_core.errors import ConfigError
from lusgan_core.measures.pairs import engines
from lusgan_core.measures.pairs.compare import compare_sets
from lusgan_core.measures.pairs.frameset import FrameSet
from lusgan_core.measures.pairs.torch_engine.engine import TorchEngine, full_precision

REGISTERS, SHARED_BYTES = 65536, 227 << 10
"""What a multiprocessor of compute capability 9.0 has, registers and bytes of a block."""

WINDOWS = ["n", "m", "width", "pixels", "tall", "wide", "rows"]
STEPS = ["step_x", "step_one_x", "step_two_x", "step_y", "step_one_y", "step_two_y"]
SIZES = ["n", "m", "height", "width", "frame", "places"]


def test_interpreted_kernels_give_sewars_values():
    """RASE, SCC, SSIM, UQI, MS-SSIM and the rest, within parity of sewar and of the torch engine.

    Through the engine itself, grey and colour, in a process in which Triton runs as Python.
    """
    pytest.importorskip("triton")
    here = Path(__file__).parent
    run = subprocess.run(
        [sys.executable, here / "triton_here.py"], capture_output=True, text=True, check=False
    )
    assert run.returncode == 0, run.stderr[-3000:]


def compile_for_h100(kernel, types, constants, warps):
    """Bytes of shared memory, and the machine code, for compute capability 9.0."""
    import triton
    from triton.backends.compiler import GPUTarget
    from triton.compiler import ASTSource

    names = kernel.arg_names
    aligned = [name for name in types if types[name].startswith("*") or name in STEPS]
    source = ASTSource(
        kernel,
        signature={name: types.get(name, "constexpr") for name in names},
        constexprs={(names.index(name),): value for name, value in constants.items()},
        attrs={(names.index(name),): [["tt.divisibility", 16]] for name in aligned},
    )
    made = triton.compile(source, GPUTarget("cuda", 90, 32), options={"num_warps": warps})
    return made.metadata.shared, made.asm["cubin"]


def resources(cubin, folder):
    """Registers of a thread and bytes of its stack, as cuobjdump reads them."""
    import triton

    (folder / "kernel.cubin").write_bytes(cubin)
    command = [triton.knobs.nvidia.cuobjdump.path, "-res-usage", folder / "kernel.cubin"]
    text = subprocess.run(command, capture_output=True, text=True, check=True).stdout
    return [int(re.search(rf"{what}:(\d+)", text)[1]) for what in ("REG", "STACK")]


@pytest.mark.parametrize("case", ["rase", "ssim", "msssim, fine", "msssim, coarse"])
def test_kernels_compile_for_a_gpu_and_fit(case, tmp_path):
    """Without a GPU: machine code for an H100 or H200 comes out, two blocks fit, nothing spills."""
    pytest.importorskip("triton")
    from lusgan_core.measures.pairs.triton_engine import kernels
    from lusgan_core.measures.pairs.triton_engine.engine import KINDS, SIDES, TILE

    if "," not in case:
        maps = ["one_x", "two_x", "one_y", "two_y", "out"]
        types = dict.fromkeys(maps, "*fp32") | {"x": "*fp16", "y": "*fp16"}
        types |= dict.fromkeys(WINDOWS + STEPS, "i32")
        side = SIDES[case]
        constants = {"KIND": KINDS[case], "SIDE": side, "K": 64 if side == 8 else 128}
        constants |= {"TOGETHER": 1, "BM": TILE, "BN": TILE}
        kernel, warps = kernels.window_sums, 8
    else:
        fine = case.endswith("fine")
        maps = ["mean_x", "var_x", "mean_y", "var_y", "window"]
        types = dict.fromkeys(maps, "*fp32" if fine else "*fp64")
        types |= dict.fromkeys(["x", "y"], "*fp16" if fine else "*fp64")
        types |= dict.fromkeys(["centre_x", "centre_y", "out"], "*fp64")
        types |= dict.fromkeys(SIZES, "i32")
        together, columns = (2, 256) if fine else (2, 64)
        constants = {"LIGHT": not fine, "G": together, "W": columns, "NEAR": 16}
        kernel, warps = kernels.structure_sums, together * columns // 64
    shared, cubin = compile_for_h100(kernel, types, constants, warps)
    registers, stack = resources(cubin, tmp_path)
    blocks = 2 if case != "ssim" else 1
    assert blocks * shared <= SHARED_BYTES
    assert blocks * registers * 32 * warps <= REGISTERS
    assert stack == 0


class TestChoice:
    @pytest.fixture(autouse=True)
    def fresh(self):
        """What was found out about Triton is forgotten before and after."""
        engines.triton_problem.cache_clear()
        yield
        engines.triton_problem.cache_clear()

    def test_without_triton_torch_serves_and_says_so(self, monkeypatch):
        """On a GPU whose machine lacks Triton: the torch path, with the reason in its name."""
        monkeypatch.setattr(engines.importlib.util, "find_spec", lambda name: None)
        monkeypatch.setattr(
            f"{TorchEngine.__module__}.TorchEngine", lambda t, c, device: TorchEngine(t, c)
        )
        made = engines.make_engine(frozenset({"dot"}), "0.4.10", "cuda", None, 1)
        assert isinstance(made, TorchEngine)
        assert made.name.startswith("torch")
        assert made.name.endswith("without triton: it is not installed")

    def test_by_name_it_must_serve(self, small):
        """Asked for on a CPU, it is an error that says why and what to choose."""
        pytest.importorskip("triton")
        with pytest.raises(ConfigError, match="needs a GPU; choose the torch engine"):
            compare_sets(FrameSet(small), None, ["mse"], engine="triton")

    def test_a_kernel_that_cannot_be_compiled_is_a_reason(self, monkeypatch):
        """E.g. without a C compiler: the first line of what Triton says, not a crash."""
        triton = pytest.importorskip("triton")
        from lusgan_core.measures.pairs.triton_engine import kernels as triton_kernels

        class Broken:
            def __getitem__(self, grid):
                raise RuntimeError("Failed to find C compiler.\nPlease specify")

        monkeypatch.setattr(triton.knobs.runtime, "interpret", True)
        monkeypatch.setattr(triton_kernels, "probe", Broken())
        assert engines.triton_problem("cpu") == "RuntimeError: Failed to find C compiler."

    @pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a GPU")
    def test_on_a_gpu_it_serves_and_agrees(self, small):
        """On a real GPU, its values are the CPU's within the parity tolerances."""
        names = ["mse", "psnr", "psnrb", "rase", "scc", "ssim", "uqi", "ergas", "sam"]
        one = compare_sets(FrameSet(small), None, names, device="cuda")
        other = compare_sets(FrameSet(small), None, names, engine="torch")
        assert one.engine.startswith("triton")
        for name in names:
            wanted = other.metrics[name].values
            found = one.metrics[name].values
            np.testing.assert_allclose(found, wanted, rtol=1e-6, atol=1e-6)


def test_another_precision_in_the_process_changes_nothing():
    """A training's wish for TF32 neither reaches the engines nor is forgotten."""
    setting = torch.backends.cuda.matmul
    before = setting.fp32_precision
    try:
        setting.fp32_precision = "tf32"
        with full_precision():
            assert setting.fp32_precision == "ieee"
        assert setting.fp32_precision == "tf32"
    finally:
        setting.fp32_precision = before
