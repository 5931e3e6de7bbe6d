"""Reading one clip: lusgan's streaming readers beside scipy and h5py, time and peak memory.

Writes one clip, 800 x 1068 pixels, three equal channels, speckle inside a fan (deflate brings it
to about 60%), in each of the forms that MATLAB files come in; then reads it, by turns, with lusgan
(every frame of channel 0, checksums and channels verified) and with the library that people use
(the whole array). Every reading is a fresh process that counts its memory from after the imports.

    python benchmarks/read_mat.py [--frames 60] [--repeats 5] [--json]
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np

HEIGHT, WIDTH = 800, 1068
CHUNKS = {  # of the HDF5 dataset (frames, channels, width, height)
    "v7.3 chunks of one channel": (1, 1, WIDTH, HEIGHT),
    "v7.3 chunks of 3 channels": (1, 3, 22, HEIGHT),
    "v7.3 chunks of 4 frames, 3 channels": (4, 3, 64, HEIGHT),
}
V5 = "v5 compressed"


def speckle(frames: int, seed: int = 7) -> np.ndarray:
    """Frames that compress as real ones do: (H, W, 3, N) uint8, columns first."""
    rng = np.random.default_rng(seed)
    y, x = np.mgrid[:HEIGHT, :WIDTH]
    depth, angle = np.hypot(y + 120, x - WIDTH / 2), np.arctan2(x - WIDTH / 2, y + 120)
    fan = (depth > 160) & (depth < 900) & (np.abs(angle) < 0.62)
    clip = np.zeros((HEIGHT, WIDTH, 3, frames), np.uint8, order="F")
    for n in range(frames):
        envelope = np.abs(rng.normal(size=fan.shape) + 1j * rng.normal(size=fan.shape))
        grey = np.clip(110 + 45 * np.log(envelope + 1e-3), 0, 255) * fan
        clip[..., n] = grey.astype(np.uint8)[..., None]
    return clip


def write(folder: Path, frames: int) -> dict[str, Path]:
    """The clip in every form."""
    import h5py
    import scipy.io

    clip = speckle(frames)
    paths = {V5: folder / "v5.mat"}
    scipy.io.savemat(paths[V5], {"frames": clip}, do_compression=True)
    for i, (name, chunks) in enumerate(CHUNKS.items()):
        paths[name] = folder / f"v73-{i}.mat"
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


def read_library(path: Path) -> None:
    if path.name.startswith("v5"):
        import scipy.io

        scipy.io.loadmat(path)
    else:
        import h5py

        with h5py.File(path) as file:
            file["frames"][()]


READERS = {"lusgan": read_ours, "library": read_library}


def memory(field: str) -> float:
    """A field of /proc/self/status, in MB."""
    for line in Path("/proc/self/status").read_text().splitlines():
        if line.startswith(field):
            return int(line.split()[1]) / 1024
    raise LookupError(field)


def child(reader: str, path: Path) -> None:
    """One reading: prints seconds and the peak memory over what the imports took."""
    import h5py  # noqa: F401 - imported before memory is counted
    import scipy.io  # noqa: F401

    import lusgan_core.ingestion  # noqa: F401

    Path("/proc/self/clear_refs").write_text("5")  # forget the peak of the imports
    before, start = memory("VmRSS"), time.perf_counter()
    READERS[reader](path)
    seconds = time.perf_counter() - start
    print(json.dumps({"seconds": seconds, "peak_mb": memory("VmHWM") - before}))


def measure(reader: str, path: Path) -> dict[str, float]:
    environment = os.environ | {"OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1"}
    output = subprocess.run(
        [sys.executable, __file__, "--child", reader, str(path)],
        check=True, capture_output=True, text=True, env=environment,
    ).stdout  # fmt: skip
    result: dict[str, float] = json.loads(output)
    return result


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--frames", type=int, default=60)
    parser.add_argument("--repeats", type=int, default=5)
    parser.add_argument("--json", action="store_true", help="print the numbers as JSON")
    parser.add_argument("--child", nargs=2, metavar=("READER", "PATH"), help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.child:
        child(options.child[0], Path(options.child[1]))
        return
    rows = []
    with tempfile.TemporaryDirectory() as folder:
        for name, path in write(Path(folder), options.frames).items():
            path.read_bytes()  # into the page cache, for both
            runs = [
                {reader: measure(reader, path) for reader in READERS}
                for _ in range(options.repeats)
            ]
            row: dict[str, object] = {"file": name, "mb_on_disk": path.stat().st_size / 1e6}
            for reader in READERS:
                for field in ("seconds", "peak_mb"):
                    row[f"{reader}_{field}"] = statistics.median(r[reader][field] for r in runs)
            row["times_faster"] = statistics.median(
                r["library"]["seconds"] / r["lusgan"]["seconds"] for r in runs
            )
            rows.append(row)
    if options.json:
        print(json.dumps({"frames": options.frames, "repeats": options.repeats, "rows": rows}))
        return
    print(f"{HEIGHT}x{WIDTH}x3x{options.frames}, medians of {options.repeats} readings by turns")
    print(f"{'file':<37}{'MB':>6}{'lusgan s':>10}{'library s':>11}{'faster':>8}"
          f"{'lusgan MB':>11}{'library MB':>12}")  # fmt: skip
    for row in rows:
        print("{file:<37}{mb_on_disk:>6.0f}{lusgan_seconds:>10.2f}{library_seconds:>11.2f}"
              "{times_faster:>7.1f}x{lusgan_peak_mb:>11.1f}{library_peak_mb:>12.1f}"
              .format(**row))  # fmt: skip


if __name__ == "__main__":
    main()
