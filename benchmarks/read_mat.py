"""Reading one clip, and preparing it for training, beside scipy, h5py and a bare inflate.

Writes one clip, 800 x 1068 pixels, three equal channels, speckle inside a fan (deflate brings it
to about 60%), in each of the forms that MATLAB files come in. Then, by turns:

- read: with lusgan (every frame of channel 0, checksums and channels verified), with the library
  that people use (the whole array: scipy, h5py), and as little as can be read: channel 0 of each
  frame with h5py, ``ds[i, 0]``, and for v5 a bare inflate of the stream with isal;
- prepare: all that a run does with a clip, from its digest to its shard, without a mask and with
  one, beside that bare inflate of the v5 file; and two clips at once, in two processes.

Every reading is a fresh process that counts processor time and memory from after the imports.

    python benchmarks/read_mat.py [--frames 60] [--repeats 5] [--json]
"""

from __future__ import annotations

import argparse
import json
import os
import resource
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np

HEIGHT, WIDTH = 800, 1068
CHUNKS = {  # of the HDF5 dataset (frames, channels, width, height)
    "v7.3 chunks of one channel": (1, 1, WIDTH, HEIGHT),
    "v7.3 chunks of 3 channels": (1, 3, 22, HEIGHT),
    "v7.3 chunks of 4 frames, 3 channels": (4, 3, 64, HEIGHT),
}
V5 = "v5 compressed"
CLIP = "1/1/convex_1_1_1"
"""Where a clip is in its folder, without the suffix."""
MASK = "Binary-Masks/convex_1_1_1_mask.png"


def fan() -> np.ndarray:
    """Pixels that a convex probe paints: (H, W) bool."""
    y, x = np.mgrid[:HEIGHT, :WIDTH]
    depth, angle = np.hypot(y + 120, x - WIDTH / 2), np.arctan2(x - WIDTH / 2, y + 120)
    return (depth > 160) & (depth < 900) & (np.abs(angle) < 0.62)


def speckle(frames: int, seed: int = 7) -> np.ndarray:
    """Frames that compress as real ones do: (H, W, 3, N) uint8, columns first."""
    rng, painted = np.random.default_rng(seed), fan()
    clip = np.zeros((HEIGHT, WIDTH, 3, frames), np.uint8, order="F")
    for n in range(frames):
        envelope = np.abs(rng.normal(size=painted.shape) + 1j * rng.normal(size=painted.shape))
        grey = np.clip(110 + 45 * np.log(envelope + 1e-3), 0, 255) * painted
        clip[..., n] = grey.astype(np.uint8)[..., None]
    return clip


def write(folder: Path, frames: int) -> dict[str, Path]:
    """The clip in every form, each in an exam of its own folder."""
    import h5py
    import scipy.io

    clip = speckle(frames)
    paths = {
        name: folder / part / f"{CLIP}.mat"
        for name, part in zip((V5, *CHUNKS), ("v5", "v73-0", "v73-1", "v73-2"), strict=True)
    }
    for path in paths.values():
        path.parent.mkdir(parents=True)
        scores = np.zeros((3, frames))
        scipy.io.savemat(path.with_name(f"{path.stem}_score.mat"), {"Score_matrix": scores})
    scipy.io.savemat(paths[V5], {"frames": clip}, do_compression=True)
    for name, chunks in CHUNKS.items():
        with h5py.File(paths[name], "w", userblock_size=512) as file:
            chunks = (min(chunks[0], frames), *chunks[1:])
            data = file.create_dataset(
                "frames", data=clip.T, chunks=chunks, compression="gzip", compression_opts=3
            )
            data.attrs["MATLAB_class"] = np.bytes_("uint8")
    return paths


def read_ours(path: Path) -> None:
    from lusgan_core.domain import ClipFiles, SourceObject
    from lusgan_core.ingestion.clip import open_clip
    from lusgan_core.ingestion.readers import choose_readers
    from lusgan_core.store.source import open_source

    found = SourceObject(key=path.name, size=path.stat().st_size, digest="")
    files = ClipFiles(patient="", exam="", area=0, reader="mat", name=path.stem, clip=found)
    readers = choose_readers({"mat": {}})
    with open_clip(open_source(path.parent), files, readers) as clip:
        assert sum(1 for _ in clip.frames()) == clip.count


def is_v5(path: Path) -> bool:
    with path.open("rb") as file:
        return file.read(10) == b"MATLAB 5.0"


def read_library(path: Path) -> None:
    if is_v5(path):
        import scipy.io

        scipy.io.loadmat(path)
    else:
        import h5py

        with h5py.File(path) as file:
            file["frames"][()]


def read_least(path: Path) -> None:
    if is_v5(path):
        from isal.igzip_lib import DECOMP_ZLIB, IgzipDecompressor

        inflater = IgzipDecompressor(flag=DECOMP_ZLIB)
        with path.open("rb") as file:
            file.seek(136)  # the header, and the tag of the one variable
            while not inflater.eof:
                inflater.decompress(file.read(1 << 16) if inflater.needs_input else b"", 1 << 16)
    else:
        import h5py

        with h5py.File(path) as file:
            dataset = file["frames"]
            for i in range(len(dataset)):
                dataset[i, 0]


def prepare(path: Path) -> None:
    from lusgan_core.ingestion.discover import discover
    from lusgan_core.ingestion.inspect import inspect_exam
    from lusgan_core.ingestion.readers import choose_readers
    from lusgan_core.preprocessing.exam import ExamPreprocessor
    from lusgan_core.preprocessing.options import Canvas, PreprocessingOptions
    from lusgan_core.store import LocalStore
    from lusgan_core.store.source import open_source

    source, readers = open_source(path.parents[2]), choose_readers({"mat": {}})
    with tempfile.TemporaryDirectory() as store:
        (exam,) = discover(source, readers=readers).exams
        record = inspect_exam(source, exam, readers)
        options, canvas = PreprocessingOptions(), Canvas(height=HEIGHT, width=WIDTH)
        preprocessor = ExamPreprocessor(
            source, readers, LocalStore(Path(store)), options, canvas, "00000000"
        )
        shards, _ = preprocessor.preprocess(record)
    assert shards.shards


READERS: dict[str, Callable[[Path], None]] = {
    "lusgan": read_ours, "library": read_library, "least": read_least
}  # fmt: skip
JOBS = READERS | {"prepare": prepare}


def memory(field: str) -> float:
    """A field of /proc/self/status, in MB."""
    for line in Path("/proc/self/status").read_text().splitlines():
        if line.startswith(field):
            return int(line.split()[1]) / 1024
    raise LookupError(field)


def processor_time() -> float:
    """Seconds that this process has computed, and those of its own that have ended."""
    of = resource.getrusage(resource.RUSAGE_CHILDREN)
    return time.process_time() + of.ru_utime + of.ru_stime


def child(job: str, path: Path) -> None:
    """One job: prints processor time and the peak memory over what the imports took."""
    import h5py  # noqa: F401 - imported before memory is counted
    import scipy.io  # noqa: F401

    import lusgan_core.ingestion.discover
    import lusgan_core.preprocessing.exam  # noqa: F401
    import lusgan_readers.mat_clip  # noqa: F401
    from lusgan_core.ingestion.readers import choose_readers

    choose_readers({"mat": {}})
    Path("/proc/self/clear_refs").write_text("5")  # forget the peak of the imports
    before, start, computed = memory("VmRSS"), time.perf_counter(), processor_time()
    JOBS[job](path)
    seconds, computed = time.perf_counter() - start, processor_time() - computed
    peak = memory("VmHWM") - before
    print(json.dumps({"seconds": seconds, "cpu_s": computed, "peak_mb": peak}))


def measure(job: str, path: Path) -> dict[str, float]:
    environment = os.environ | {"OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1"}
    output = subprocess.run(
        [sys.executable, __file__, "--child", job, str(path)],
        check=True, capture_output=True, text=True, env=environment,
    ).stdout  # fmt: skip
    result: dict[str, float] = json.loads(output)
    return result


def medians(runs: list[dict[str, dict[str, float]]]) -> dict[str, float]:
    """Medians of each job's numbers over all turns, ``job_number`` by name."""
    return {
        f"{job}_{field}": statistics.median(run[job][field] for run in runs)
        for job, numbers in runs[0].items()
        for field in numbers
    }


def reading(paths: dict[str, Path], repeats: int) -> list[dict[str, object]]:
    """How long it takes to read each file: a row each."""
    rows: list[dict[str, object]] = []
    for name, path in paths.items():
        path.read_bytes()  # into the page cache, for all
        runs = [{job: measure(job, path) for job in READERS} for _ in range(repeats)]
        size = path.stat().st_size / 1e6
        rows.append({"file": name, "mb_on_disk": size} | medians(runs))
    return rows


def preparing(paths: dict[str, Path], repeats: int) -> list[dict[str, object]]:
    """How long it takes to prepare each file for training, in bare inflates of the v5 file."""
    import cv2

    rows: list[dict[str, object]] = []
    for mask in (False, True):
        for name, path in paths.items():
            drawn = path.parents[2] / MASK
            drawn.parent.mkdir(exist_ok=True)
            if mask:
                cv2.imwrite(str(drawn), fan().astype(np.uint8) * 255)
            runs = [
                {"least": measure("least", paths[V5]), "prepare": measure("prepare", path)}
                for _ in range(repeats)
            ]
            times = statistics.median(r["prepare"]["cpu_s"] / r["least"]["cpu_s"] for r in runs)
            rows.append({"file": name, "mask": mask, "inflates": times} | medians(runs))
    return rows


def at_once(path: Path, repeats: int) -> float:
    """How long two clips take in two processes, in times of one after the other."""

    def seconds(workers: int) -> float:
        with ThreadPoolExecutor(workers) as pool:
            start = time.perf_counter()
            list(pool.map(lambda _: measure("prepare", path), range(2)))
            return time.perf_counter() - start

    return statistics.median(seconds(2) / seconds(1) for _ in range(repeats))


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--frames", type=int, default=60)
    parser.add_argument("--repeats", type=int, default=5)
    parser.add_argument("--json", action="store_true", help="print the numbers as JSON")
    parser.add_argument("--child", nargs=2, metavar=("JOB", "PATH"), help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.child:
        child(options.child[0], Path(options.child[1]))
        return
    with tempfile.TemporaryDirectory() as folder:
        paths = write(Path(folder), options.frames)
        read = reading(paths, options.repeats)
        prepared = preparing(paths, options.repeats)
        two = at_once(paths[V5], options.repeats)
    if options.json:
        about = {"frames": options.frames, "repeats": options.repeats}
        print(json.dumps(about | {"read": read, "prepared": prepared, "two_at_once": two}))
        return
    print(f"{HEIGHT}x{WIDTH}x3x{options.frames}, medians of {options.repeats} turns")
    print("read: processor time, and peak memory")
    print(f"{'file':<37}{'MB':>6}{'lusgan s':>10}{'library s':>11}{'least s':>9}"
          f"{'lusgan MB':>11}{'library MB':>12}")  # fmt: skip
    for row in read:
        print("{file:<37}{mb_on_disk:>6.0f}{lusgan_cpu_s:>10.2f}{library_cpu_s:>11.2f}"
              "{least_cpu_s:>9.2f}{lusgan_peak_mb:>11.1f}{library_peak_mb:>12.1f}"
              .format(**row))  # fmt: skip
    print("prepare: processor time, in bare inflates of the v5 file, and peak memory")
    print(f"{'file':<37}{'mask':>6}{'s':>7}{'inflates':>10}{'MB':>7}")
    for row in prepared:
        print("{file:<37}{shown:>6}{prepare_cpu_s:>7.2f}{inflates:>9.2f}x{prepare_peak_mb:>7.0f}"
              .format(**row, shown="yes" if row["mask"] else "no"))  # fmt: skip
    print(f"two v5 clips in two processes: {two:.2f} of the time of one after the other")


if __name__ == "__main__":
    main()
