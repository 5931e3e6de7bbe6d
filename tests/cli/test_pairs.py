"""``lusgan pairs``: any two folders, what goes wrong with them, and what is kept when it does."""

from __future__ import annotations

import json
import os
import resource
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import pytest
import scipy.io
import sewar
from PIL import Image
from pyarrow import parquet
from pydantic import Field

from lusgan_cli import pairs as command
from lusgan_core.api import Options, PairMetric
from lusgan_core.measures.pairs import checkpoint
from lusgan_core.preprocessing.shard import write_shard
from lusgan_core.registry import installed

COUNT = 90
"""Frames: more than one block of them."""


@pytest.fixture(autouse=True)
def cache(monkeypatch, tmp_path) -> Path:
    """Checkpoints go to a folder of the test's own."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    return tmp_path / "cache" / "lusgan"


@pytest.fixture
def frames() -> np.ndarray:
    """Different grey frames of 24 x 24."""
    return np.random.default_rng(0).integers(0, 256, (COUNT, 24, 24), dtype=np.uint8)


def save(folder: Path, frames: np.ndarray, suffix: str = ".png", name: str = "f") -> Path:
    """Write frames as images, numbered."""
    folder.mkdir(parents=True, exist_ok=True)
    for i, frame in enumerate(frames):
        Image.fromarray(frame).save(folder / f"{name}_{i:03}{suffix}")
    return folder


@contextmanager
def files_of_at_most(size: int):
    """As on a full disk: writing beyond so many bytes of a file fails."""
    limit = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, limit[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limit)


def test_two_folders_give_tables_json_and_a_file_of_all_values(lusgan, frames, tmp_path, cache):
    """Mean, nearest and every value are sewar's; the engine is named; nothing else is left."""
    a, b = save(tmp_path / "real", frames[:7]), save(tmp_path / "synthetic", frames[7:10])
    full = tmp_path / "out.parquet"
    how = ("--metrics", "psnr,rase", "--top", 2, "--full", full)
    said = lusgan("pairs", a, b, *how, "--json")
    assert said.code == 0
    found = json.loads(said.out)
    wanted = np.array([[sewar.rase(x, y) for y in frames[7:10]] for x in frames[:7]])
    assert found["metrics"]["rase"]["summary"]["mean"] == pytest.approx(wanted.mean(), rel=1e-6)
    nearest = found["metrics"]["rase"]["nearest"][1]
    assert [n["index"] for n in nearest] == np.argsort(wanted[:, 1])[:2].tolist()
    table = parquet.read_table(full).to_pydict()
    assert list(table) == ["a", "b", "psnr", "rase"]
    assert table["a"][:4] == ["f_000.png"] * 3 + ["f_001.png"]
    np.testing.assert_allclose(table["rase"], wanted.ravel(), rtol=1e-6)
    assert sorted(p.name for p in tmp_path.iterdir()) == [
        "cache",
        "out.parquet",
        "real",
        "synthetic",
    ]
    assert list(cache.iterdir()) == []
    said = lusgan("pairs", a, b, *how, "--compat", "0.4.6")
    assert said.code == 0
    assert "closest by PSNR" in said.out
    assert "sewar 0.4.6, torch" in said.last


@pytest.mark.parametrize("kind", [".png", ".jpg", ".tif", ".npy", ".mat", ".h5", "colour"])
def test_every_kind_of_frames(lusgan, frames, tmp_path, kind):
    """PNG, JPEG, TIFF, arrays, clips, shards, and RGB."""
    place, some = tmp_path / "set", frames[:5]
    if kind == ".npy":
        np.save(place.with_suffix(kind), some)
    elif kind == ".mat":
        clip = np.repeat(some.transpose(1, 2, 0)[:, :, None], 3, axis=2)
        scipy.io.savemat(place.with_suffix(kind), {"frames": clip})
    elif kind == ".h5":
        write_shard(place.with_suffix(kind), some, [0, 1, 2, 3, -1], attributes={})
    else:
        rgb = np.stack([some, some[::-1], 255 - some], axis=-1)
        save(place, rgb if kind == "colour" else some, ".png" if kind == "colour" else kind)
    if kind in (".npy", ".mat", ".h5"):
        place = place.with_suffix(kind)
    said = lusgan("pairs", place, "--metrics", "mse,sam", "--json")
    assert said.code == 0
    assert json.loads(said.out)["pairs"] == 10


class TestInterruption:
    @pytest.fixture
    def stop_after(self, monkeypatch):
        """A function after which Ctrl-C comes when so many blocks are done."""

        def arm(blocks):
            def progress(task):
                left = [blocks]

                def tell(done, total):
                    left[0] -= 1
                    if left[0] == 0:
                        raise KeyboardInterrupt

                return tell

            monkeypatch.setattr(command, "_progress", progress)

        yield arm
        monkeypatch.undo()

    def test_the_same_command_goes_on(self, lusgan, frames, tmp_path, cache, stop_after):
        """Stopped with 130, then finished: the same values, and blocks done once."""
        a = save(tmp_path / "real", frames)
        how = ("pairs", a, "--metrics", "mse,rase", "--json")
        wanted = json.loads(lusgan(*how).out)
        stop_after(1)
        assert lusgan(*how).code == 130
        assert len(list(cache.iterdir())) == 1
        stop_after(10)
        said = lusgan(*how)
        assert said.code == 0
        assert list(cache.iterdir()) == []
        assert json.loads(said.out)["metrics"] == wanted["metrics"]

    def test_changed_images_start_over(self, lusgan, frames, tmp_path, stop_after):
        """What was counted of other images is not mixed with these, and it is said."""
        a = save(tmp_path / "real", frames)
        stop_after(1)
        assert lusgan("pairs", a, "--metrics", "mse").code == 130
        save(a, 255 - frames)
        stop_after(10)
        said = lusgan("pairs", a, "--metrics", "mse")
        assert said.code == 0
        assert "so it starts over" in said.err
        assert f"other images: {COUNT} of {COUNT} have changed since" in said.err

    def test_two_changed_images_of_many_are_seen(self, lusgan, frames, tmp_path, stop_after):
        """Every pixel counts, not a sample: no value of an old image is left."""
        many = np.concatenate([frames, 255 - frames])
        a = save(tmp_path / "real", many)
        stop_after(1)
        assert lusgan("pairs", a, "--metrics", "mse", "--json").code == 130
        for place in (4, 131):  # neither was among 64 spread evenly over 180
            Image.fromarray(many[place].T).save(a / f"f_{place:03}.png")
        stop_after(10)
        resumed = lusgan("pairs", a, "--metrics", "mse", "--json")
        fresh = lusgan("pairs", a, "--metrics", "mse", "--json")
        assert "other images: 2 of 180 have changed since" in resumed.err
        assert json.loads(resumed.out)["metrics"] == json.loads(fresh.out)["metrics"]

    @pytest.mark.parametrize("damage", ["lost", "cut", "changed"])
    def test_values_that_are_not_those_computed_start_over(
        self, lusgan, frames, tmp_path, stop_after, damage
    ):
        """A file of values that was lost, cut or changed: said, and no row is NaN or wrong."""
        a, full = save(tmp_path / "real", frames), tmp_path / "out.parquet"
        how = ("pairs", a, "--metrics", "mse", "--full", full)
        stop_after(1)
        assert lusgan(*how).code == 130
        values = tmp_path / ".out.parquet.values" / "mse.npy"
        if damage == "lost":
            values.unlink()
        elif damage == "cut":
            os.truncate(values, values.stat().st_size // 2)
        else:
            array = np.load(values)
            array[0, 3] += 1
            np.save(values, array)
        stop_after(10)
        said = lusgan(*how)
        assert said.code == 0
        assert "so it starts over" in said.err
        found = parquet.read_table(full)["mse"].to_numpy()
        rows, columns = np.triu_indices(COUNT, 1)
        wanted = np.square(frames[rows] - frames[columns].astype(float)).mean(axis=(1, 2))
        np.testing.assert_allclose(found, wanted, rtol=1e-12)

    def test_without_a_checkpoint_it_runs_all_the_same(self, lusgan, frames, tmp_path, monkeypatch):
        """Where the cache folder cannot be made, one line says that nothing is kept."""
        (tmp_path / "file").write_text("no folder")
        monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "file"))
        a, full = save(tmp_path / "real", frames[:4]), tmp_path / "out.csv"
        said = lusgan("pairs", a, "--metrics", "mse", "--full", full)
        assert said.code == 0
        assert said.err.count("no checkpoint is kept") == 1
        assert full.exists()

    def test_other_settings_have_a_checkpoint_of_their_own(
        self, lusgan, frames, tmp_path, stop_after
    ):
        """Other metrics are compared at once; the stopped comparison can still go on."""
        a = save(tmp_path / "real", frames)
        stop_after(1)
        assert lusgan("pairs", a, "--metrics", "mse").code == 130
        stop_after(10)
        assert lusgan("pairs", a, "--metrics", "psnr").code == 0
        assert lusgan("pairs", a, "--metrics", "mse").code == 0


def test_progress_tells_pairs_a_second():
    """Counted from where this run began, not from where the first one did."""
    from lusgan_core.progress import Task

    task = Task("comparing", 0, "pairs")
    tell = command._progress(task)
    tell(1000, 3000)
    assert (task.done, task.total, task.note) == (1000, 3000, "")
    tell(1001, 3000)
    assert task.note.endswith(" pairs/s")


class TestClips:
    def test_sub_folders_are_clips(self, lusgan, frames, tmp_path):
        """Pairs within one are left out, in the file of all values as well."""
        for clip in range(3):
            save(tmp_path / "real" / f"clip {clip}", frames[4 * clip : 4 * clip + 4])
        full = tmp_path / "out.parquet"
        how = ("--metrics", "mse", "--other-clips", "--full", full, "--json")
        said = lusgan("pairs", tmp_path / "real", *how)
        assert said.code == 0
        assert "leaving out pairs of one clip; there are 3 clips" in said.err
        assert json.loads(said.out)["metrics"]["mse"]["summary"]["count"] == 3 * 16
        rows = parquet.read_table(full).to_pylist()
        assert len(rows) == 48
        assert all(row["a"].split("/")[0] != row["b"].split("/")[0] for row in rows)

    def test_names_tell_clips_where_images_lie_side_by_side(self, lusgan, frames, tmp_path):
        """The name without the number at its end, across two folders as well."""
        a = save(tmp_path / "real", frames[:4], name="p1-lung")
        save(a, frames[4:6], ".tif", name="p2-lung")
        b = save(tmp_path / "more", frames[6:9], name="p2-lung")
        how = ("--metrics", "mse", "--other-clips", "--json")
        said = lusgan("pairs", a, *how)
        assert json.loads(said.out)["metrics"]["mse"]["summary"]["count"] == 4 * 2
        said = lusgan("pairs", a, b, *how)
        assert json.loads(said.out)["metrics"]["mse"]["summary"]["count"] == 4 * 3

    def test_one_clip_leaves_nothing(self, lusgan, frames, tmp_path):
        """An error, not a table of nothing."""
        said = lusgan("pairs", save(tmp_path / "real", frames[:4]), "--other-clips")
        assert said.code == 2
        assert "all images are of one clip, 'f' by their names" in said.last


class Power(Options):
    exponent: float = Field(1.0, ge=1, le=4, description="Power of the differences")


def power(a, b, options, *, device):
    return float((np.abs(a.astype(float) - b) ** options.exponent).mean())


@pytest.fixture
def powers(monkeypatch) -> None:
    """Install a metric with an option."""
    record = PairMetric(
        "power", "Power", "Mean power of differences", better="lower", identical=0.0, value=power,
        options=Power, uses_device=True,
    )  # fmt: skip
    monkeypatch.setitem(installed().records["metric"], "power", record)
    provider = installed().providers["metric", "mse"]
    monkeypatch.setitem(installed().providers, ("metric", "power"), provider)


@pytest.mark.usefixtures("powers")
def test_metrics_take_their_options(lusgan, frames, tmp_path, cache):
    """By the names that they have in a run; squares of differences are MSE's."""
    a, b = save(tmp_path / "real", frames[:4]), save(tmp_path / "synthetic", frames[4:6])
    command = ("pairs", a, b, "--metrics", "power,mse", "--json")

    def means(*more):
        said = lusgan(*command, *more)
        assert said.code == 0, said.err
        return {name: m["summary"]["mean"] for name, m in json.loads(said.out)["metrics"].items()}

    named = "evaluation.metric_options.power.exponent"
    squared = means("--set", f"{named}=2")
    assert squared["power"] == pytest.approx(squared["mse"], rel=1e-12)
    assert means()["power"] != pytest.approx(squared["power"], rel=0.1)
    for setting, told in (
        (f"{named}=9", "less than or equal to 4"),
        (f"{named}s=2", "did you mean 'exponent'"),
        ("evaluation.metric_options.ssim.x=2", "ssim is not used; used are mse, power"),
        ("training.seed=2", "takes options of evaluation.metric_options alone"),
    ):
        refused = lusgan(*command, "--set", setting)
        assert refused.code == 2
        assert told in refused.last


class TestBadInput:
    def test_folders_that_cannot_be_compared(self, lusgan, frames, tmp_path):
        """Empty, missing, of two sizes: exit code 2 and one line that says which and what."""
        a = save(tmp_path / "real", frames[:3])
        (tmp_path / "empty").mkdir()
        for b, message in [
            (tmp_path / "empty", "empty holds no frames; known are .png"),
            (tmp_path / "none", "none does not exist"),
            (save(tmp_path / "small", frames[:2, :20]), "24 x 24 grey cannot be compared with"),
        ]:
            said = lusgan("pairs", a, b, "--metrics", "mse")
            assert said.code == 2
            assert message in said.last
        save(a, frames[:1, :20], name="odd")
        said = lusgan("pairs", a, "--metrics", "mse")
        assert said.code == 2
        assert "odd_000.png has 20 x 24 grey; bring them to one size" in said.last

    def test_a_metric_on_sets(self, lusgan, frames, tmp_path):
        """It is said to be one, and where it is computed, rather than to be unknown."""
        a = save(tmp_path / "a", frames[:2])
        said = lusgan("pairs", a, "--metrics", "ssim,kid")
        assert said.code == 2
        assert "'kid' compares sets of frames, by their features; here one is" in said.last
        assert "evaluation.metrics" in said.last

    def test_metrics(self, lusgan, frames, tmp_path):
        """An unknown one is an error; one that does not apply is named, the others computed."""
        a = save(tmp_path / "real", frames[:3])
        said = lusgan("pairs", a, "--metrics", "msee")
        assert said.code == 2
        assert "did you mean 'mse'" in said.last
        said = lusgan("pairs", a, "--metrics", "mse,msssim")
        assert said.code == 0
        assert "msssim is absent: needs 176 pixels a side" in said.out

    def test_an_image_that_cannot_be_decoded_costs_no_more_than_itself(
        self, lusgan, frames, tmp_path, monkeypatch
    ):
        """It is refused at the start; broken meanwhile and mended, the command goes on from it."""
        a, b = save(tmp_path / "real", frames), save(tmp_path / "synthetic", frames[:5])
        broken = a / "f_075.png"  # in the second block
        whole = broken.read_bytes()
        broken.write_bytes(whole[: len(whole) // 2])
        said = lusgan("pairs", a, b, "--metrics", "mse", "--json")
        assert said.code == 2, "seen before anything is computed"
        assert "f_075.png cannot be read as an image" in said.last
        broken.write_bytes(whole)
        digest = checkpoint.job_of

        def breaks_later(*of):
            job = digest(*of)
            broken.write_bytes(whole[: len(whole) // 2])
            return job

        monkeypatch.setattr(checkpoint, "job_of", breaks_later)
        said = lusgan("pairs", a, b, "--metrics", "mse", "--json")
        monkeypatch.undo()
        monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
        assert said.code == 1
        assert "f_075.png cannot be decoded" in said.last
        assert "run the same again to go on from there" in said.last
        before = json.loads(said.out)["pairs"]
        assert 0 < before < COUNT * 5
        broken.write_bytes(whole)
        said = lusgan("pairs", a, b, "--metrics", "mse", "--json")
        assert said.code == 0
        assert json.loads(said.out)["metrics"]["mse"]["summary"]["count"] == COUNT * 5

    def test_a_disk_too_small_for_the_matrix(self, lusgan, frames, tmp_path):
        """It shows at once, one line says what to do, and nothing fills the disk further."""
        a, full = save(tmp_path / "real", frames), tmp_path / "out.parquet"
        with files_of_at_most(20_000):
            said = lusgan("pairs", a, "--metrics", "mse,psnr", "--full", full)
        assert said.code == 1
        assert "free disk space" in said.last
        assert list(tmp_path.glob(".out*/*")) == []

    def test_a_disk_too_small_for_the_file(self, lusgan, frames, tmp_path):
        """All is computed and shown; with more room the same command only writes the file."""
        a, full = save(tmp_path / "real", frames), tmp_path / "out.parquet"
        how = ("pairs", a, "--metrics", "mse,psnr,rase,uqi,ssim", "--full", full)
        with files_of_at_most(COUNT * COUNT * 8 + 1000):
            said = lusgan(*how)
        assert said.code == 1
        assert "out.parquet cannot be written" in said.last
        assert "closest by SSIM" in said.out
        assert not full.exists()
        said = lusgan(*how)
        assert said.code == 0
        assert parquet.read_metadata(full).num_rows == COUNT * (COUNT - 1)
        assert list(tmp_path.glob(".out*")) == []

    def test_a_file_that_could_not_be_written_is_refused_at_once(self, lusgan, frames, tmp_path):
        """Another kind of file, a folder, a folder that is not there."""
        a = save(tmp_path / "real", frames[:3])
        for full, message in [
            (tmp_path / "out.xlsx", "expected a name that ends in .parquet or .csv"),
            (tmp_path / "none" / "out.csv", "none is no folder"),
        ]:
            said = lusgan("pairs", a, "--metrics", "mse", "--full", full)
            assert said.code == 2
            assert message in said.last

    def test_grey_and_colour_sets(self, lusgan, frames, tmp_path):
        """The advice is about colour, not size."""
        a = save(tmp_path / "real", frames[:3])
        b = save(tmp_path / "colour", np.repeat(frames[:3, ..., None], 3, axis=3))
        said = lusgan("pairs", a, b, "--metrics", "mse")
        assert said.code == 2
        assert "save both sets in grey, or in RGB" in said.last


class TestResults:
    def test_a_csv_file_has_the_values_too(self, lusgan, frames, tmp_path):
        """Rows a, b and a column a metric, under names that are not UTF-8 as well."""
        a, full = save(tmp_path / "real", frames[:3]), tmp_path / "out.csv"
        os.rename(a / "f_001.png", os.fsencode(a) + b"/f\xe9.png")
        assert lusgan("pairs", a, "--metrics", "mse", "--full", full).code == 0
        lines = full.read_text(encoding="utf-8").splitlines()
        assert lines[0] == '"a","b","mse"'
        assert lines[1].startswith('"f_000.png","f_002.png",')
        assert lines[2].startswith('"f_000.png","f\\xe9.png",')

    def test_json_names_both_sides(self, lusgan, frames, tmp_path):
        """The frames of A and of B, in the order of their numbers."""
        a, b = save(tmp_path / "real", frames[:3]), save(tmp_path / "more", frames[3:5], name="g")
        found = json.loads(lusgan("pairs", a, b, "--metrics", "mse", "--json").out)
        assert found["a"] == ["f_000.png", "f_001.png", "f_002.png"]
        assert found["b"] == ["g_000.png", "g_001.png"]

    def test_two_images_nearest_to_each_other_are_shown_once(self, lusgan, frames, tmp_path):
        """Of one set with itself; three images have two closest pairs, not three lines."""
        near = frames[0].copy()
        near[0, 0] ^= 1
        a = save(tmp_path / "real", np.stack([frames[0], near, frames[1]]))
        said = lusgan("pairs", a, "--metrics", "mse")
        closest = said.out.partition("closest by MSE:")[2].split("\n")[1:]
        assert sum("f_000.png" in line and "f_001.png" in line for line in closest) == 1

    def test_more_than_identical_is_not_nearest(self, lusgan, frames, tmp_path):
        """By VIF a stretched copy has more than 1; the identical image is the nearest still."""
        grey = np.kron(frames[0, :12, :12] // 4 + 96, np.ones((4, 4), np.uint8))
        stretched = np.clip(2.0 * grey - 128, 0, 255).astype(np.uint8)
        a = save(tmp_path / "real", np.stack([stretched, grey]))
        b = save(tmp_path / "one", grey[None], name="g")
        said = lusgan("pairs", b, a, "--metrics", "vif", "--json")
        values = [n[0]["value"] for n in json.loads(said.out)["metrics"]["vif"]["nearest"]]
        assert values[0] > 1.2
        assert values[1] == pytest.approx(1.0)
        c = save(tmp_path / "other", stretched[None], name="h")
        said = lusgan("pairs", a, c, "--metrics", "vif", "--json")
        assert json.loads(said.out)["metrics"]["vif"]["nearest"][0][0]["name"] == "f_000.png"
        found = lusgan("pairs", b, a, "--metrics", "vif")
        assert "nearer to 1" in found.out
        assert found.out.partition("closest by VIF:")[2].split()[:3] == [
            "1.0000", "g_000.png", "f_001.png"
        ]  # fmt: skip

    def test_the_default_metrics_are_eight(self, lusgan, frames, tmp_path):
        """All that are installed only where they are asked for."""
        a = save(tmp_path / "real", frames[:3])
        found = json.loads(lusgan("pairs", a, "--json").out)
        assert sorted([*found["metrics"], *found["absent"]]) == sorted(command.DEFAULT.split(","))
        found = json.loads(lusgan("pairs", a, "--metrics", "all", "--json").out)
        assert len(found["metrics"]) + len(found["absent"]) >= 12
