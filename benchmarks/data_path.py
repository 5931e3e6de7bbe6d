"""How long a training step waits for its 48 images of 256 x 256: here, and in the report's code.

The report's code keeps a score's frames as PNG files of 800 x 1068 in a folder and, for every
batch, draws numbers without repetition, opens each file with PIL, resizes it, turns it grey and
makes a tensor of it (torchvision's ImageFolder with Resize, Grayscale and ToTensor), one after the
other in the process that trains; it uses no DataLoader. Here frames lie in memory as uint8 and a
batch is picked and converted. Files are in the page cache when they are read; frames are synthetic.

    python benchmarks/data_path.py [--files 96] [--steps 10] [--json]
"""

from __future__ import annotations

import argparse
import json
import statistics
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import torch
from PIL import Image

from lusgan_core.networks.seeding import Batches
from lusgan_core.networks.value_range import value_map
from lusgan_core.training.options import TrainingOptions

HEIGHT, WIDTH, SIZE = 800, 1068, 256
BATCH = 48
IN_MEMORY = 3000
"""Frames in memory: 197 MB, far more than a processor caches."""
TARGET = 20


def write_frames(folder: Path, count: int) -> None:
    """Write speckle in a fan as grey RGB PNG files, which compress as real frames do."""
    rng = np.random.default_rng(7)
    y, x = np.mgrid[:HEIGHT, :WIDTH]
    depth, angle = np.hypot(y + 120, x - WIDTH / 2), np.arctan2(x - WIDTH / 2, y + 120)
    fan = (depth > 160) & (depth < 900) & (np.abs(angle) < 0.62)
    for number in range(count):
        envelope = rng.rayleigh(1.0, fan.shape)
        grey = np.clip(110 + 45 * np.log(envelope + 1e-3), 0, 255) * fan
        colour = np.repeat(grey.astype(np.uint8)[..., None], 3, axis=2)
        Image.fromarray(colour).save(folder / f"frame-{number:04d}.png", compress_level=1)


def report_way(root: Path, count: int = BATCH, size: int = SIZE) -> Callable[[int], torch.Tensor]:
    """Return the batch of a step as the report's code makes it."""
    import torchvision.transforms as transforms
    from torchvision.datasets import ImageFolder

    steps = [transforms.Resize((size, size)), transforms.Grayscale(), transforms.ToTensor()]
    dataset = ImageFolder(str(root), transform=transforms.Compose(steps))
    rng = np.random.default_rng(1)

    def batch(step: int) -> torch.Tensor:
        chosen = rng.choice(len(dataset), size=count, replace=False)
        return torch.stack([dataset[int(number)][0] for number in chosen])

    return batch


def lusgan_way() -> Callable[[int], torch.Tensor]:
    """Return the batch of a step as a training here makes it."""
    frames = torch.randint(0, 256, (IN_MEMORY, SIZE, SIZE), dtype=torch.uint8)
    values = value_map(TrainingOptions(), frames)
    batches = Batches(IN_MEMORY, BATCH, seed=1)
    return lambda step: values.to_model(frames[batches[step]])


def median_ms(batch: Callable[[int], torch.Tensor], steps: int) -> float:
    """Median time of a step, after one that does not count."""
    times = []
    for step in range(steps + 1):
        start = time.perf_counter()
        images = batch(step)
        times.append(1000 * (time.perf_counter() - start))
        assert images.shape == (BATCH, 1, SIZE, SIZE)
        assert images.dtype == torch.float32
    return statistics.median(times[1:])


def main() -> int:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--files", type=int, default=96, help=f"PNG files, at least {BATCH}")
    parser.add_argument("--steps", type=int, default=10, help="steps timed of the report's code")
    parser.add_argument("--json", action="store_true", help="print the numbers as JSON")
    options = parser.parse_args()
    torch.set_num_threads(1)
    with tempfile.TemporaryDirectory() as root:
        folder = Path(root) / "score"
        folder.mkdir()
        write_frames(folder, max(options.files, BATCH))
        report_ms = median_ms(report_way(Path(root)), options.steps)
    lusgan_ms = median_ms(lusgan_way(), 20 * options.steps)
    ratio = report_ms / lusgan_ms
    if options.json:
        numbers = {"report_ms": report_ms, "lusgan_ms": lusgan_ms, "times_faster": ratio}
        print(json.dumps({"batch": BATCH, "size": SIZE, "threads": 1} | numbers))
    else:
        print(f"{BATCH} images of {SIZE} x {SIZE} a step, one thread, medians")
        print(f"report's code  {report_ms:9.2f} ms")
        print(f"lusgan         {lusgan_ms:9.2f} ms")
        print(f"{ratio:.0f} times faster (wanted: at least {TARGET})")
    return 0 if ratio >= TARGET else 1


if __name__ == "__main__":
    sys.exit(main())
