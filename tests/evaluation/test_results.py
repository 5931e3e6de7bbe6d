"""Results as people and programs read them."""

from __future__ import annotations

import json
import math

import numpy as np
import pytest

from lusgan_core.evaluation import FrameSet, compare_sets, table_one
from lusgan_core.registry import installed


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


class TestTableOne:
    def test_the_average_leaves_perfect_matches_out(self, small):
        """First frame against the next nine; a copy of it raises no average."""
        frames = small[:12].copy()
        frames[4] = frames[0]
        metric = installed().pair_metric("ssim")
        table = table_one(FrameSet(frames), metric)
        wanted = [metric.value(frames[0], frames[i]) for i in range(1, 10)]
        assert table.values == pytest.approx(wanted)
        assert (len(table.values), table.perfect) == (9, 1)
        assert table.average == pytest.approx(np.mean([w for i, w in enumerate(wanted) if i != 3]))

    def test_few_frames_make_a_short_table(self, small):
        """Two frames give one value; one frame none, and no average."""
        metric = installed().pair_metric("mse")
        assert len(table_one(small[:2], metric).values) == 1
        assert math.isnan(table_one(small[:1], metric).average)
