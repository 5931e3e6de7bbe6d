"""Results as people and programs read them."""

from __future__ import annotations

import json

import numpy as np

from lusgan_core.measures.pairs.compare import compare_sets
from lusgan_core.measures.pairs.frameset import FrameSet


def test_a_neighbour_says_which_frame_and_which_group(small):
    """Value, place, group and name."""
    a = FrameSet(small[:9], groups=np.arange(9) // 3, names=[f"real {i}" for i in range(9)])
    found = compare_sets(a, FrameSet(small[4:6] ^ 1), ["mse"], top=2)
    best = found.nearest("mse", 0)
    assert (best[0].index, best[0].group, best[0].name, best[0].value) == (4, 1, "real 4", 1.0)
    assert len(best) == 2


def test_fewer_frames_than_neighbours(small):
    """Of three frames there are three neighbours, not five."""
    found = compare_sets(FrameSet(small[:3]), FrameSet(small[3:4]), ["mse"], top=5)
    assert [n.index for n in found.nearest("mse", 0)] == sorted(
        range(3), key=lambda i: ((small[i].astype(int) - small[3]) ** 2).mean()
    )


def test_json_is_plain_even_where_values_are_not(small):
    """inf and NaN do not get into JSON; the engine and the version are named."""
    a = np.concatenate([small[:3], small[:1], np.zeros_like(small[:1])])
    found = compare_sets(FrameSet(a, groups=np.arange(5)), None, ["psnr", "ergas"], top=4)
    text = json.dumps(found.as_json(), allow_nan=False)
    data = json.loads(text)
    assert data["metrics"]["psnr"]["summary"]["infinite"] == 1
    assert data["metrics"]["ergas"]["summary"]["infinite"] == 4
    assert data["compat"] == "0.4.10"
    assert data["engine"].startswith("torch")
    assert data["pairs"] == 10
    assert data["pairs_per_second"] > 0
