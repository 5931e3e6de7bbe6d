"""The stream of blocks: every pair once, whatever the blocks, the threads or an interruption."""

from __future__ import annotations

import itertools
import resource
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from lusgan_core.api import PairMetric
from lusgan_core.errors import ConfigError, PluginError, UnknownNameError, UnknownPluginError
from lusgan_core.measures.pairs import compare as module
from lusgan_core.measures.pairs import prepared
from lusgan_core.measures.pairs.blocks import Plan, make_plan
from lusgan_core.measures.pairs.compare import compare_sets
from lusgan_core.measures.pairs.frameset import FrameSet
from lusgan_core.measures.pairs.results import PairsError
from lusgan_core.measures.pairs.torch_engine import engine as torch_engine
from lusgan_core.measures.pairs.torch_engine.engine import TorchEngine
from lusgan_core.measures.pairs.torch_engine.frames import prepare

NAMES = ["mse", "psnr", "psnrb", "rase", "scc", "ssim", "uqi", "ergas", "sam"]


def mean_difference(a, b):
    """Three lines of a plugin."""
    return float(np.abs(a.astype(float) - b).mean())


MINE = PairMetric("mae", "MAE", "Mean difference", "lower", 0.0, mean_difference)
LOPSIDED = replace(MINE, name="first", value=lambda a, b: float(a.mean()), symmetric=False)


def assert_same(one, other, exact=True):
    """Two results agree: to the bit, or within the parity tolerances."""
    assert list(one.metrics) == list(other.metrics)
    for name, result in one.metrics.items():
        against = other.metrics[name]
        tolerance = {"rtol": 0, "atol": 0} if exact else {"rtol": 1e-6, "atol": 1e-6}
        np.testing.assert_allclose(result.values, against.values, **tolerance)
        for what in ("mean", "sd", "min", "max"):
            wanted = getattr(against.summary, what)
            # Sums over blocks round differently; single values do not.
            near = pytest.approx(wanted, rel=1e-9 if exact else 1e-6, abs=1e-9 if exact else 1e-6)
            assert getattr(result.summary, what) == near
        assert result.summary.count == against.summary.count
        if exact:
            np.testing.assert_array_equal(result.indices, against.indices)
            assert result.summary.counts == against.summary.counts


def brute(a, b, metric, pairs):
    """Values of a plain metric over pairs of indices."""
    return np.array([metric.value(a[i], b[j]) for i, j in pairs])


@pytest.mark.parametrize("engine", ["torch", "numba"])
class TestAnyBlocks:
    def test_two_sets(self, small, engine):
        """Blocks of 7 x 5, of 1 x 40 and one block give the same."""
        a, b = FrameSet(small[:25]), FrameSet(small[25:])
        made = [
            compare_sets(a, b, [*NAMES, MINE], engine=engine, block=block)
            for block in [(25, 15), (7, 5), (1, 40)]
        ]
        assert_same(made[0], made[1], engine == "numba")
        assert_same(made[0], made[2], engine == "numba")

    def test_one_set_with_itself(self, small, engine):
        """Blocks that do and do not divide the triangle give the same."""
        a = FrameSet(small)
        made = [
            compare_sets(a, None, [*NAMES, MINE], engine=engine, block=block)
            for block in [(40, 40), (7, 12), (16, 9)]
        ]
        assert_same(made[0], made[1], engine == "numba")
        assert_same(made[0], made[2], engine == "numba")


def test_threads_make_no_difference(small):
    """One thread and three give the same bits."""
    made = [compare_sets(FrameSet(small), None, NAMES, engine="numba", threads=n) for n in (1, 3)]
    assert_same(*made)


def test_engines_agree(small):
    """The compiled and the torch-only engine agree within the tolerances, and name themselves."""
    made = [compare_sets(FrameSet(small), None, NAMES, engine=e) for e in ("numba", "torch")]
    assert_same(*made, exact=False)
    assert made[0].engine.startswith("numba")
    assert made[1].engine.startswith("torch")


class TestPairs:
    def test_a_set_against_itself_does_each_pair_once(self, small):
        """A symmetric metric counts i < j; a directed one both ways; no frame meets itself."""
        found = compare_sets(FrameSet(small), None, [MINE, LOPSIDED, "rase"], block=(7, 9), top=40)
        pairs = list(itertools.combinations(range(40), 2))
        assert found.pairs == len(pairs) == 780
        wanted = brute(small, small, MINE, pairs)
        assert found.metrics["mae"].summary.count == 780
        assert found.metrics["mae"].summary.mean == pytest.approx(wanted.mean(), rel=1e-12)
        assert found.metrics["first"].summary.count == found.metrics["rase"].summary.count == 1560
        indices = found.metrics["mae"].indices
        for frame in range(40):
            assert sorted(indices[frame][:39]) == [i for i in range(40) if i != frame]
            assert indices[frame][39] == -1
        # value(other, frame) of the directed one depends on the other alone
        means = small.mean(axis=(1, 2))
        best = found.metrics["first"]
        np.testing.assert_allclose(best.values[0, :39], means[best.indices[0, :39]], rtol=1e-12)

    def test_the_second_frame_is_the_second_argument(self, small):
        """A directed metric over two sets is value(a, b), rows being a."""
        found = compare_sets(FrameSet(small[:6]), FrameSet(small[6:9]), ["rase"], top=6)
        record = found.metrics["rase"].metric
        for j in range(3):
            wanted = sorted(record.value(small[i], small[6 + j]) for i in range(6))
            np.testing.assert_allclose(found.metrics["rase"].values[j], wanted, rtol=1e-6)

    def test_pairs_of_one_group_are_left_out(self, small):
        """Neighbours and moments are those of pairs from different clips."""
        clips = [f"clip {i // 5}" for i in range(40)]
        found = compare_sets(
            FrameSet(small, clips), None, [MINE], exclude_same_group=True, block=(5, 10)
        )
        pairs = [(i, j) for i, j in itertools.combinations(range(40), 2) if i // 5 != j // 5]
        summary = found.metrics["mae"].summary
        assert summary.count == len(pairs)
        assert summary.mean == pytest.approx(brute(small, small, MINE, pairs).mean(), rel=1e-12)
        for frame in range(40):
            groups = {n.group for n in found.nearest("mae", frame)}
            assert f"clip {frame // 5}" not in groups

    def test_leaving_out_groups_needs_groups(self, small):
        """Without groups it is an error, not all pairs."""
        with pytest.raises(ConfigError, match="needs groups"):
            compare_sets(FrameSet(small), None, [MINE], exclude_same_group=True)

    def test_identical_frames_are_infinitely_alike(self, small):
        """PSNR of a copy is infinite: the nearest, and counted apart from the moments."""
        found = compare_sets(FrameSet(small), FrameSet(small[3:4]), ["psnr"])
        assert found.metrics["psnr"].summary.infinite == 1
        best = found.nearest("psnr", 0)[0]
        assert (best.value, best.index) == (np.inf, 3)
        assert found.as_json()["metrics"]["psnr"]["nearest"][0][0]["value"] == "inf"


class TestPlan:
    @pytest.mark.parametrize("same", [True, False])
    def test_blocks_cover_every_pair_once(self, same):
        """No pair is missed or done twice, and the counts add up."""
        for rows, columns in itertools.product((1, 3, 8, 50), (1, 4, 9, 50)):
            plan = Plan(23, 23 if same else 17, rows, columns, same)
            seen = np.zeros((plan.first, plan.second), int)
            for block in plan:
                for i in range(block.i0, block.i1):
                    for j in range(block.j0, block.j1):
                        seen[i, j] += not same or i < j
            wanted = np.triu(np.ones_like(seen), 1) if same else np.ones_like(seen)
            assert (seen == wanted).all()
            assert sum(map(plan.pairs_in, plan)) == plan.pairs == wanted.sum()

    def test_memory_bounds_the_blocks(self):
        """Prepared frames of a block fit into memory, down to one at a time."""
        for size in (1, 1 << 16, 1 << 20, 1 << 24, 1 << 28):
            plan = make_plan(10**6, 10**5, size, 16, memory=1 << 30)
            assert plan.rows >= 1
            assert plan.columns >= 1
            assert (2 * plan.rows + plan.columns) * size <= (1 << 30) or plan.columns == 1


class TestMatrix:
    def test_it_holds_every_value(self, small, tmp_path):
        """Two sets: the rows are the first set."""
        a, b = small[:9], small[9:20]
        found = compare_sets(FrameSet(a), FrameSet(b), [MINE, "mse"], matrix=tmp_path, block=(4, 3))
        matrix = np.load(found.metrics["mae"].matrix, mmap_mode="r")
        wanted = [[MINE.value(x, y) for y in b] for x in a]
        np.testing.assert_array_equal(matrix, wanted)
        assert np.load(tmp_path / "mse.npy").shape == (9, 11)

    def test_one_set_fills_both_triangles(self, small, tmp_path):
        """A set with itself: symmetric, or in both directions; the diagonal too."""
        compare_sets(FrameSet(small[:11]), None, [MINE, LOPSIDED], matrix=tmp_path, block=(4, 3))
        matrix = np.load(tmp_path / "mae.npy")
        np.testing.assert_array_equal(matrix, matrix.T)
        assert not np.isnan(matrix).any()
        means = np.repeat(small[:11].mean(axis=(1, 2))[:, None], 11, axis=1)
        np.testing.assert_allclose(np.load(tmp_path / "first.npy"), means, rtol=1e-12)

    def test_a_full_disk_is_an_error_that_keeps_the_results(self, small, tmp_path):
        """Where the file cannot grow, PairsError says so and holds what was computed."""
        limit = resource.getrlimit(resource.RLIMIT_FSIZE)
        resource.setrlimit(resource.RLIMIT_FSIZE, (4096, limit[1]))
        try:
            with pytest.raises(PairsError, match="free disk space") as caught:
                compare_sets(FrameSet(small), None, [MINE], matrix=tmp_path)
        finally:
            resource.setrlimit(resource.RLIMIT_FSIZE, limit)
        assert caught.value.partial.metrics["mae"].summary.count == 0
        assert isinstance(caught.value.__cause__, OSError)


class TestInterruption:
    def stop_after(self, blocks):
        """A progress callback that presses Ctrl-C."""
        left = itertools.count(blocks, -1)

        def progress(done, total):
            if next(left) <= 1:
                raise KeyboardInterrupt

        return progress

    @pytest.mark.parametrize("same", [True, False])
    def test_it_goes_on_where_it_stopped(self, small, tmp_path, same):
        """Stopped twice and resumed gives the same as never stopped, and does no block twice."""
        a, b = FrameSet(small[:25]), None if same else FrameSet(small[25:])
        how = {"block": (6, 5), "engine": "numba", "matrix": tmp_path / "m"}
        whole = compare_sets(a, b, [*NAMES, MINE], **how)
        wanted = np.load(tmp_path / "m" / "rase.npy")
        how["matrix"] = tmp_path / "n"
        place, seen = tmp_path / "state.npz", []
        for _ in range(2):
            with pytest.raises(KeyboardInterrupt):
                compare_sets(
                    a, b, [*NAMES, MINE], **how, checkpoint=place, progress=self.stop_after(4)
                )
        resumed = compare_sets(
            a,
            b,
            [*NAMES, MINE],
            **how,
            checkpoint=place,
            progress=lambda done, total: seen.append((done, total)),
        )
        assert_same(whole, resumed)
        assert len(seen) == len(list(Plan(25, 25 if same else 15, 6, 5, same))) - 8
        assert seen[-1] == (whole.pairs, whole.pairs)
        assert not place.exists()
        np.testing.assert_array_equal(np.load(tmp_path / "n" / "rase.npy"), wanted)

    def test_another_jobs_checkpoint_is_refused(self, small, tmp_path):
        """Other frames, metrics or settings: an error that says what to do."""
        place = tmp_path / "state.npz"
        how = {"block": (5, 5), "checkpoint": place}
        with pytest.raises(KeyboardInterrupt):
            compare_sets(FrameSet(small), None, [MINE], **how, progress=self.stop_after(2))
        for frames, metrics, more in [
            (small[:-1], [MINE], {}),
            (255 - small, [MINE], {}),
            (small, [MINE, "mse"], {}),
            (small, [MINE], {"top": 3}),
        ]:
            with pytest.raises(ConfigError, match="belongs to a comparison of other"):
                compare_sets(FrameSet(frames), None, metrics, **how, **more)

    def test_a_damaged_checkpoint_is_an_error(self, small, tmp_path):
        """Half a file is not mistaken for a state."""
        place = tmp_path / "state.npz"
        with pytest.raises(KeyboardInterrupt):
            compare_sets(
                FrameSet(small),
                None,
                [MINE],
                block=(5, 5),
                checkpoint=place,
                progress=self.stop_after(2),
            )
        place.write_bytes(place.read_bytes()[:300])
        with pytest.raises(ConfigError, match="delete it to start over"):
            compare_sets(FrameSet(small), None, [MINE], checkpoint=place)


class TestPlugins:
    def test_three_lines_are_enough(self, small):
        """A metric with a value alone is in the same tables as the built-in ones."""
        found = compare_sets(FrameSet(small), None, ["mse", MINE])
        assert list(found.metrics) == list(found.as_json()["metrics"]) == ["mse", "mae"]
        assert "plain (mae)" in found.engine

    def test_prepare_and_compare_are_used(self, small):
        """A metric that shares work between pairs is asked for blocks, not for pairs."""

        def refuse(a, b):
            raise AssertionError("value was called")

        def compare(a, b):
            return np.abs(a[:, None] - b[None]).mean(axis=(2, 3))

        fast = replace(MINE, name="fast", value=refuse, prepare=np.float64, compare=compare)
        found = compare_sets(FrameSet(small), None, [fast, MINE])
        one, other = found.metrics["fast"], found.metrics["mae"]
        np.testing.assert_allclose(one.values, other.values, rtol=1e-12)

    def test_colour_frames_reach_a_plugin_as_they_are(self):
        """(H, W, 3) in colour, (H, W) in grey."""
        shapes = set()

        def value(a, b):
            shapes.add(a.shape)
            return 0.0

        for frames in (np.zeros((3, 5, 6, 3), np.uint8), np.zeros((3, 7, 8), np.uint8)):
            compare_sets(FrameSet(frames), None, [replace(MINE, value=value)])
        assert shapes == {(5, 6, 3), (7, 8)}

    def test_a_failing_metric_is_named(self, small, tmp_path):
        """What a stranger's code raises becomes a PluginError, with the state saved."""
        calls = itertools.count()

        def value(a, b):
            if next(calls) > 100:
                raise ZeroDivisionError("no luck")
            return 0.0

        place = tmp_path / "state.npz"
        with pytest.raises(PluginError, match=r"'mae' failed .* ZeroDivisionError: no luck"):
            compare_sets(FrameSet(small), None, [replace(MINE, value=value)], checkpoint=place)
        assert place.exists()

    @pytest.mark.parametrize(
        ("value", "said"),
        [
            (1j, "of type complex, expected a real number"),
            (np.complex128(1), "expected a real number"),
            ("1.0", "of type str"),
            (None, "of type NoneType"),
            (True, "of type bool"),
            (np.zeros(1), r"shaped \(1,\)"),
        ],
    )
    def test_a_value_that_is_no_real_number_is_refused(self, small, value, said):
        """An imaginary part is not dropped, a text not read, from value and from compare."""
        with pytest.raises(PluginError, match=rf"'mae' failed .*{said}"):
            compare_sets(FrameSet(small[:3]), None, [replace(MINE, value=lambda a, b: value)])
        table = replace(
            MINE,
            prepare=np.asarray,
            compare=lambda a, b: np.full((len(a), len(b)), value, type(value)),
        )
        if not isinstance(value, np.ndarray):
            with pytest.raises(PluginError, match="expected real numbers"):
                compare_sets(FrameSet(small[:3]), None, [table])

    @pytest.mark.parametrize("value", [np.float32(2.0), np.int64(2), np.array(2.0), 2])
    def test_numbers_of_other_libraries_are_real_numbers(self, small, value):
        """A scalar of numpy's, or an array without dimensions, is a value as good as a float."""
        metric = replace(MINE, value=lambda a, b: value)
        assert compare_sets(FrameSet(small[:3]), None, [metric]).metrics["mae"].summary.mean == 2.0

    @pytest.mark.parametrize("how", ["value", "prepare"])
    def test_a_metric_cannot_change_the_frames_of_the_next(self, small, how):
        """Frames are read-only for it: what writes into them is named, and they stay as they were
        for the next metric."""

        def scribble(a, b=None):
            a[:] = 0
            return 0.0

        before = small.copy()
        careless = replace(MINE, name="careless", **{how: scribble}, compare=np.subtract.outer)
        with pytest.raises(PluginError, match=r"'careless' failed .* read-only"):
            compare_sets(FrameSet(small), None, [careless, MINE])
        np.testing.assert_array_equal(small, before)

    @pytest.mark.parametrize("second", [None, 35])
    def test_frames_are_prepared_once(self, small, second, monkeypatch):
        """Over many blocks of rows and columns, and of one set with itself; where the cache is too
        small for that, what is computed stays the same."""
        frames: list[bytes] = []

        def prepare(pixels):
            assert len(pixels) <= 16
            frames.extend(frame.tobytes() for frame in pixels)
            return pixels.astype(float)

        def compare(a, b):
            return np.abs(a[:, None] - b[None]).mean(axis=(2, 3))

        monkeypatch.setattr("lusgan_core.measures.pairs.blocks.COLUMNS", 16)
        metric = replace(MINE, prepare=prepare, compare=compare, symmetric=False)
        a = FrameSet(small)
        b = None if second is None else FrameSet(255 - small[:second])
        done = compare_sets(a, b, [metric])
        assert len(frames) == len(set(frames)) == len(small) + (second or 0)
        monkeypatch.setattr(prepared.ChunkCache.__init__, "__defaults__", (1,))
        again = compare_sets(a, b, [metric])
        assert len(frames) > 2 * (len(small) + (second or 0))
        plain = compare_sets(a, b, [replace(MINE, symmetric=False)], block=(7, 9))
        for other in (again, plain):
            np.testing.assert_allclose(
                done.metrics["mae"].values, other.metrics["mae"].values, rtol=1e-12
            )
            np.testing.assert_array_equal(done.metrics["mae"].indices, other.metrics["mae"].indices)

    def test_metrics_that_may_fail_are_absent_where_they_do(self, small, tmp_path):
        """With the reason, also after some pairs; the others are as without them. A checkpoint of
        what failed does not stop the rest."""
        calls = itertools.count()

        def late(a, b):
            if next(calls) > 100:
                raise SystemExit("no luck")
            return 0.0

        odd = [
            replace(MINE, name="late", value=late),
            replace(MINE, name="exotic", kernel="msee"),
        ]
        place = tmp_path / "state.npz"
        found = compare_sets(
            FrameSet(small), None, [*odd, "mse", MINE],
            may_fail={"late", "exotic", "mse"}, checkpoint=place,
        )  # fmt: skip
        alone = compare_sets(FrameSet(small), None, ["mse", MINE])
        assert list(found.metrics) == ["mse", "mae"]
        assert found.metrics["mae"].summary == alone.metrics["mae"].summary
        assert "SystemExit: no luck" in found.absent["late"]
        assert "'msee'" in found.absent["exotic"]
        assert not place.exists()
        with pytest.raises(PluginError, match="'late' failed"):
            compare_sets(FrameSet(small), None, [odd[0], MINE], may_fail={"mae"})

    def test_a_wrong_shape_is_named(self, small):
        """compare must give a number a pair."""
        bad = replace(MINE, prepare=np.asarray, compare=lambda a, b: np.zeros(3))
        with pytest.raises(PluginError, match="expected one number a pair"):
            compare_sets(FrameSet(small), None, [bad])


class TestBadInput:
    def test_sizes_that_differ(self, small):
        """Both sizes are named."""
        with pytest.raises(ConfigError, match=r"32 x 40 grey cannot be compared .* 32 x 39 grey"):
            compare_sets(FrameSet(small), FrameSet(small[:, :, :39]), [MINE])

    def test_metrics_that_do_not_apply_are_absent_with_the_reason(self, small):
        """Too small a frame, or grey where colour is needed; the others are computed."""
        colour = replace(MINE, name="hue", channels=frozenset({3}))
        found = compare_sets(FrameSet(small), None, [MINE, "msssim", colour])
        assert list(found.metrics) == ["mae"]
        assert found.absent == {
            "msssim": "needs 176 pixels a side, frames are 32 x 40 grey",
            "hue": "needs RGB, frames are 32 x 40 grey",
        }

    def test_no_metric_that_applies_is_an_error(self, small):
        """With the reasons."""
        with pytest.raises(ConfigError, match="msssim needs 176 pixels"):
            compare_sets(FrameSet(small), None, ["msssim"])

    def test_unknown_names_are_errors_that_help(self, small):
        """A metric, a kernel, a version, a device: each lists what there is."""
        frames = FrameSet(small)
        with pytest.raises(UnknownPluginError, match="did you mean 'psnr'"):
            compare_sets(frames, None, ["psnnr"])
        with pytest.raises(UnknownNameError, match="kernel"):
            compare_sets(frames, None, [replace(MINE, kernel="msee")])
        with pytest.raises(ConfigError, match=r"0\.4\.10, 0\.4\.6"):
            compare_sets(frames, None, [MINE], compat="0.4.9")
        with pytest.raises(ConfigError, match="device 'tpu9'"):
            compare_sets(frames, None, [MINE], device="tpu9")
        with pytest.raises(ConfigError, match="named twice: mae"):
            compare_sets(frames, None, [MINE, MINE])

    def test_frames_of_another_kind_are_refused(self, small):
        """Floats, or four channels, are no frames."""
        with pytest.raises(ConfigError, match="float64, expected uint8"):
            compare_sets(FrameSet(small / 255), None, [MINE])
        with pytest.raises(ConfigError, match="expected"):
            compare_sets(FrameSet(np.zeros((3, 8, 8, 4), np.uint8)), None, [MINE])
        with pytest.raises(ConfigError, match="without a frame"):
            compare_sets(FrameSet(small[:0]), None, [MINE])
        with pytest.raises(ConfigError, match="39 groups"):
            FrameSet(small, groups=range(39))


class Cramped(TorchEngine):
    """The torch engine on a device that holds four frames of a side and no more."""

    def terms(self, a, b, wanted):
        if len(b.sums.sums) > 4 or len(a.sums.sums) > 4:
            raise torch.OutOfMemoryError("CUDA out of memory")
        return super().terms(a, b, wanted)


class TestLittleMemory:
    def test_blocks_are_made_smaller_and_it_is_said(self, small, monkeypatch):
        """Out of memory, blocks are halved until they fit; the results do not change."""
        monkeypatch.setattr(
            module, "make_engine", lambda terms, compat, *rest: Cramped(terms, compat)
        )
        for same in (True, False):
            b = None if same else FrameSet(small[25:])
            found = compare_sets(FrameSet(small[:25]), b, NAMES)
            assert "memory ran short: blocks cut to 3 x 3" in found.notes
            wanted = compare_sets(FrameSet(small[:25]), b, NAMES, block=(5, 4))
            assert_same(found, wanted, exact=False)

    def test_frames_that_do_not_fit_are_prepared_fewer_at_a_time(self, small, monkeypatch):
        """Where an allocation fails while frames are prepared: what was kept goes, and it fits."""
        released = []
        monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
        monkeypatch.setattr(torch.cuda, "empty_cache", lambda: released.append(True))

        def crowded(frames, *rest):
            if len(frames) > 6:
                raise torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2.00 GiB.")
            return prepare(frames, *rest)

        wanted = compare_sets(FrameSet(small), None, NAMES, engine="torch")
        monkeypatch.setattr(torch_engine, "prepare", crowded)
        found = compare_sets(FrameSet(small), None, NAMES, engine="torch")
        assert found.notes[-1] == "memory ran short: blocks cut to 5 x 5"
        assert len(released) == len(found.notes)
        assert_same(found, wanted, exact=False)

    def test_not_even_one_pair_is_an_error(self, small, monkeypatch):
        """The error keeps what was computed and says what to do."""

        class Full(TorchEngine):
            def terms(self, a, b, wanted):
                raise torch.OutOfMemoryError("CUDA out of memory")

        monkeypatch.setattr(module, "make_engine", lambda terms, compat, *r: Full(terms, compat))
        with pytest.raises(PairsError, match="CUDA out of memory; free disk space or memory"):
            compare_sets(FrameSet(small), None, NAMES)


def test_memory_maps_are_read_in_blocks(small, tmp_path):
    """Frames on disk give what frames in memory give."""
    path = Path(tmp_path / "frames.npy")
    np.save(path, small)
    mapped = FrameSet(np.load(path, mmap_mode="r"))
    assert_same(
        compare_sets(mapped, None, NAMES, engine="numba"),
        compare_sets(FrameSet(small), None, NAMES, engine="numba"),
    )


class TestReadyKernels:
    """Which engine takes a small job depends on what this machine has compiled, if one says so."""

    def test_compiled_kernels_are_remembered(self, small, monkeypatch, tmp_path):
        """A small job takes kernels that were compiled before if ``ready``, never if ``auto``; what
        is remembered is of one cache, whichever another comparison of this process had."""
        monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "one"))
        frames = FrameSet(small[:4])
        for choice in ("ready", "auto"):
            assert compare_sets(frames, None, ["mse"], engine=choice).engine.startswith("torch")
        assert compare_sets(frames, None, ["mse"], engine="numba").engine.startswith("numba")
        assert compare_sets(frames, None, ["mse"], engine="ready").engine.startswith("numba")
        assert compare_sets(frames, None, ["ssim"], engine="ready").engine.startswith("torch")
        assert compare_sets(frames, None, ["mse"], engine="auto").engine.startswith("torch")
        monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "another"))
        assert compare_sets(frames, None, ["mse"], engine="ready").engine.startswith("torch")

    def test_a_cache_that_cannot_be_written_does_not_matter(self, small, monkeypatch, tmp_path):
        """Where nothing can be remembered the comparison is made all the same."""
        (tmp_path / "file").write_text("no folder")
        monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "file"))
        found = compare_sets(FrameSet(small[:4]), None, ["mse"], engine="numba")
        assert found.pairs == 6


@pytest.mark.parametrize("engine", ["torch", "numba"])
@pytest.mark.parametrize("name", ["rase", "psnrb", "ergas", "vif"])
def test_both_orders_of_a_pair_have_values_of_their_own(name, engine):
    """A set with itself gives the values of the set beside a copy, for metrics of which the order
    matters, too."""
    frames = np.random.default_rng(0).integers(0, 256, (6, 48, 48), np.uint8)
    own = compare_sets(FrameSet(frames), None, [name], engine=engine, top=5).metrics[name]
    both = compare_sets(FrameSet(frames), FrameSet(frames.copy()), [name], engine=engine, top=6)
    every = both.metrics[name]
    apart = every.values[every.indices != np.arange(6)[:, None]]
    assert own.summary.count == apart.size == 30
    assert own.summary.mean == pytest.approx(apart.mean(), rel=1e-5)
