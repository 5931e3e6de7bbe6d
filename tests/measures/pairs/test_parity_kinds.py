"""Twelve kinds of frames against sewar: both engines, and the command line with a file."""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
import pytest
from kinds import KINDS, Frames
from PIL import Image
from pyarrow import parquet
from test_parity import ABSOLUTE, ENGINES, REFERENCE, assert_equal, expected

from campaigns import Campaign
from lusgan_core.measures.pairs.formulas import KERNELS, terms_of
from lusgan_core.measures.pairs.frameset import FrameSet
from lusgan_core.measures.pairs.runners import KernelRunner
from lusgan_core.registry import installed


def by_engine(engine: str, names: list[str], a: Frames, b: Frames) -> dict[str, np.ndarray]:
    """Values of all pairs by an engine, as a comparison computes them."""
    first, second = (FrameSet(frames).block(0, len(frames)) for frames in (a, b))
    channels = first.shape[3]
    terms = frozenset[str]().union(*(terms_of(name, channels, "0.4.10") for name in names))
    metrics = [installed().pair_metric(name) for name in names]
    runner = KernelRunner(metrics, ENGINES[engine](terms, "0.4.10"), channels, "0.4.10")
    return runner.values(runner.prepare(first), runner.prepare(second))


def by_command(
    names: list[str], a: Frames, b: Frames, home: Path, monkeypatch: pytest.MonkeyPatch
) -> dict[str, np.ndarray]:
    """Values of all pairs from images, as ``lusgan pairs --full`` writes them."""
    from lusgan_cli import main

    for name, frames in (("a", a), ("b", b)):
        (home / name).mkdir()
        for i, frame in enumerate(frames):
            Image.fromarray(frame).save(home / name / f"{i:03}.png")
    full = home / "all.parquet"
    command = ["lusgan", "pairs", str(home / "a"), str(home / "b"), "--full", str(full)]
    monkeypatch.setattr(sys, "argv", [*command, "--metrics", "all", "--json"])
    monkeypatch.setenv("XDG_CACHE_HOME", str(home / "cache"))
    with pytest.raises(SystemExit) as done:
        main()
    assert not done.value.code
    table = parquet.read_table(full)
    columns = {name: table[{"vif": "vifp"}.get(name, name)].to_numpy() for name in names}
    return {name: values.reshape(len(a), len(b)) for name, values in columns.items()}


@pytest.mark.campaign("parity")
@pytest.mark.parametrize("kind", KINDS)
def test_every_kind_of_frames_gives_sewars_values(
    kind: str, campaign: Campaign, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """All metrics that apply, within the tolerances of the parity tests, NaN and infinite too."""
    rng = np.random.default_rng(campaign.chance(kind).randrange(1 << 32))
    a, b = KINDS[kind](rng, campaign.size)
    names = [n for n in KERNELS if KERNELS[n].min_size <= min(a.shape[1:3])]
    wanted = {name: expected(REFERENCE[name], a, b) for name in names}
    found = {engine: by_engine(engine, names, a, b) for engine in ENGINES}
    offered = [n for n in names if (3 if a.ndim == 4 else 1) in installed().pair_metric(n).channels]
    found["command"] = by_command(offered, a, b, tmp_path, monkeypatch)
    errors = {}
    for by, values in found.items():
        for name in values:
            assert_equal(name, values[name], wanted[name])
        with np.errstate(invalid="ignore"):
            both = [np.abs(values[n] - wanted[n]).ravel() for n in ABSOLUTE if n in values]
        together = np.concatenate(both)
        errors[by] = f"{together[np.isfinite(together)].max(initial=0):.0e}"
    campaign.row(kind=kind, pairs=len(a) * len(b), size=str(a.shape[1:]), **errors)
