"""What a recipe is worth: presets trained on a folder of exams, each for the same CPU time.

    python benchmarks/recipes.py EXAMS OUT [--arms small demo ...] [--scores 3] [--seeds 1 2 3]

Every arm trains the same frames (64 x 64, fan fitted to the square) of the same patients, for the
iterations that fit into ``--cpu-s`` seconds of a core, which are counted by the process's own CPU
time, so that other work on the machine distorts little. It is judged against patients that no arm
has seen (``--held-out`` of all): KID x 1000 on features of EfficientNet-Lite0, real frames thinned
to 6 a clip, without pairs of one patient; recall; mean SSIM between synthetic frames. Beside them
stand the same of the training patients' real frames: the floor.

One line a training is added to OUT/recipes.csv. Started again, the trainings that have a line are
left out, and one that was interrupted goes on from its last checkpoint (``cpu_s`` is then that of
its last process). OUT/frames has sixteen frames of each.
"""

from __future__ import annotations

import argparse
import csv
import json
import os
import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

PLACE = (
    "preprocessing.image_size=64",
    "preprocessing.geometry=fit",
    "preprocessing.intensity=percentile",
    "runtime.device=cpu",
    "runtime.threads=1",
)
"""Over every arm: the same frames for all, on one core."""
ARMS: dict[str, tuple[str, ...]] = {
    "small": ("small",),
    "demo": ("demo",),
    "paper": ("paper",),
    "original": ("paper", "training.backbone=dcgan"),
}
"""A preset, and what is changed of it. ``original``: the networks of the report's own code."""
A_CLIP = 6
"""Real frames of each clip that count."""
WARM_UP, TIMED = 2, 8
"""Iterations before, and those by which the cost of one is found: a multiple of lazy penalties."""
SYNTHETIC = 512
AMONG = 64
COLUMNS = (
    "arm", "score", "seed", "iterations", "cpu_s", "images_per_s", "resumed_from",
    "training_patients", "training_frames", "judging_patients", "frames_a_side",
    "kid", "kid_low", "kid_high", "kid_floor", "floor_low", "floor_high",
    "recall", "recall_floor", "coverage", "coverage_floor", "ssim", "ssim_real", "warnings",
)  # fmt: skip


def config_of(arm: str, given: argparse.Namespace, *more: str) -> Any:
    """Return the options of an arm."""
    from lusgan_core.config import resolve
    from lusgan_core.registry import installed

    preset, *changes = ARMS[arm]
    split = f"selection.held_out={given.held_out}"
    extra = [*changes, *PLACE, split, *given.set, *more]
    return resolve(preset, installed(), settings=extra)


def context_of(given: argparse.Namespace, config: Any) -> Any:
    """Return the context in which stages run: the store is OUT/store."""
    from lusgan_core.calls.call import StageContext
    from lusgan_core.store import LocalStore
    from lusgan_core.store.source import open_source

    store = LocalStore(Path(given.out) / "store")
    return StageContext(store, open_source(given.exams), config.runtime)


def run(given: argparse.Namespace, config: Any, score: int, until: str) -> Any:
    """Run the chain up to a stage, for one score; what was done before is looked up."""
    from lusgan_core.ingestion.discover import discover
    from lusgan_core.pipeline.chain import run_chain
    from lusgan_core.pipeline.runner import Inline
    from lusgan_core.registry import installed

    context = context_of(given, config)
    chosen = config.model_copy(update={"scores": (score,)})
    found = discover(context.source)
    runner = Inline(context)
    outcome = run_chain(runner, found, chosen, installed(), preset="demo", until=until)
    outcome.check()
    return outcome, context.store


def fitting(given: argparse.Namespace, arm: str, score: int, seed: int) -> int:
    """Return the iterations that fit into the CPU time; written down, to be the same later."""
    import torch

    from lusgan_core.networks.value_range import value_map
    from lusgan_core.registry import installed
    from lusgan_core.training.recipe import recipe
    from lusgan_core.training.state import fresh_state
    from lusgan_core.training.step import Trainer

    note = Path(given.out) / "iterations" / f"{arm}-{score}-{seed}.json"
    if note.is_file():
        return int(json.loads(note.read_text()))
    options = config_of(arm, given).training
    frames = torch.randint(0, 256, (4 * options.batch_size, 64, 64), dtype=torch.uint8)
    made = recipe(options, 64, 1, value_map(options, frames), installed())
    state = fresh_state(options, made, torch.device("cpu"), installed())
    trainer = Trainer(options, made, frames)
    for number in range(WARM_UP + TIMED):
        if number == WARM_UP:
            started = time.process_time()
        trainer.iterate(state)
    iterations = max(1, int(given.cpu_s / (time.process_time() - started) * TIMED))
    note.parent.mkdir(parents=True, exist_ok=True)
    note.write_text(json.dumps(iterations))
    return iterations


def train_and_judge(given: argparse.Namespace, arm: str, score: int, seed: int) -> dict[str, Any]:
    """Train an arm and return its line."""
    import torch

    from lusgan_core.calls.call import data_of
    from lusgan_core.library.models import Model
    from lusgan_core.selection import stage as select
    from lusgan_core.selection.dataset import load_frames
    from lusgan_core.training.stage import ModelRecord

    torch.set_num_threads(1)
    run(given, config_of(arm, given), score, "preprocess")
    iterations = fitting(given, arm, score, seed)
    settings = (f"training.seed={seed}", f"training.iterations={iterations}")
    config = config_of(arm, given, *settings)
    started = time.process_time()
    outcome, store = run(given, config, score, "train")
    cpu_s = time.process_time() - started
    done = outcome.scores[score]
    model = data_of(done["train"], ModelRecord)
    dataset = data_of(done["select"], select.ScoreDataset)
    generator = Model.load(Path(given.out) / "store" / model.folder)
    frames = generator.generate(SYNTHETIC, seed=seed + 1, device="cpu", progress=False)
    sheet(Path(given.out) / "frames" / f"{arm}-{score}-{seed}.png", frames)
    sides = [
        (clips, *load_frames(store, clips, score)[:2])
        for clips in (dataset.training, dataset.held_out)
    ]
    patients = [len({clip.patient for clip in clips}) for clips, _, _ in sides]
    return {
        "arm": arm, "score": score, "seed": seed, "iterations": iterations,
        "cpu_s": round(cpu_s, 1), "images_per_s": round(model.images_seen / cpu_s, 1),
        "resumed_from": model.resumed_from, "training_patients": patients[0],
        "training_frames": dataset.training_frames, "judging_patients": patients[1],
        "warnings": len(model.warnings),
        **judged(frames, *sides),
    }  # fmt: skip


def judged(frames: Any, training: Any, held_out: Any) -> dict[str, Any]:
    """Return distances to held-out patients, the floor beside each."""
    import numpy as np

    from lusgan_core.library.comparison import compare
    from lusgan_core.measures.bound import bound
    from lusgan_core.measures.distances import Comparison, measure_distance
    from lusgan_core.measures.features import build_extractor
    from lusgan_core.measures.sides import Side, places
    from lusgan_core.registry import installed

    registry = installed()
    extract = build_extractor(registry.feature("lite0"))

    def side(clips: Sequence[Any], images: Any, owners: Any) -> tuple[Side, Any, Any]:
        kept = np.concatenate(
            [
                np.flatnonzero(owners == number)[places(int((owners == number).sum()), A_CLIP)]
                for number in range(len(clips))
            ]
        )
        of_clips = [clips[number] for number in owners[kept].tolist()]
        names = [tuple(c.patient for c in of_clips), tuple(c.key for c in of_clips)]
        return Side(extract(images[kept]).astype(np.float64), *names), images[kept], owners[kept]

    others, real, owners = side(*training)
    reference, _, _ = side(*held_out)
    everyone = Side(
        np.concatenate([others.features, reference.features]),
        others.patients + reference.patients,
        others.clips + reference.clips,
    )
    count = min(len(others), len(reference), len(frames))
    made = Side(extract(frames).astype(np.float64))
    sides = Comparison(
        reference.thinned(count), made.thinned(count), others.thinned(count), everyone
    )
    line: dict[str, Any] = {"frames_a_side": count}
    for name in ("kid", "recall", "coverage"):
        value = measure_distance(bound(registry.set_metric(name)), sides, ())
        scale, digits = (1000, 0) if name == "kid" else (1, 3)
        line[name] = rounded(value.value, scale, digits)
        line[f"{name}_floor"] = rounded(value.floor, scale, digits)
        if name == "kid":
            for prefix, ends in (("kid", value.interval), ("floor", value.floor_range)):
                for end, number in zip(("low", "high"), ends or (None, None), strict=True):
                    line[f"{prefix}_{end}"] = rounded(number, scale, digits)
    chosen = places(len(real), AMONG)
    between = compare(real[chosen], metrics="ssim", threads=1)
    other_clip = owners[chosen][:, None] != owners[chosen]
    synthetic = compare(frames[:AMONG], metrics="ssim", threads=1)
    line["ssim"] = rounded(synthetic[~np.eye(AMONG, dtype=bool)].mean())
    line["ssim_real"] = rounded(between[other_clip].mean())
    return line


def rounded(value: float | None, scale: float = 1, digits: int = 3) -> float | None:
    """Return a value as the table shows it."""
    return None if value is None else round(scale * float(value), digits)


def sheet(path: Path, frames: Any) -> None:
    """Write the first sixteen frames as a picture."""
    from lusgan_core.pictures import png_bytes
    from lusgan_core.training.previews import tile

    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(png_bytes(tile(frames[:16])))


def lines(path: Path) -> list[dict[str, str]]:
    """Return the lines that there are."""
    if not path.is_file():
        return []
    with path.open() as stream:
        return list(csv.DictReader(stream))


def add_line(path: Path, line: dict[str, Any]) -> None:
    """Add a line to the table."""
    new = not path.is_file()
    with path.open("a") as stream:
        writer = csv.DictWriter(stream, COLUMNS)
        if new:
            writer.writeheader()
        writer.writerow(line)


def arguments() -> argparse.Namespace:
    """Return the command line's arguments."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("exams", help="folder of exams")
    parser.add_argument("out", help="folder for table, pictures and store")
    parser.add_argument("--arms", nargs="+", default=list(ARMS), choices=ARMS)
    parser.add_argument("--scores", nargs="+", type=int, default=[3])
    parser.add_argument("--seeds", nargs="+", type=int, default=[1, 2, 3])
    parser.add_argument("--cpu-s", type=float, default=240, help="CPU seconds a training")
    parser.add_argument("--held-out", type=float, default=0.35, help="share of judging patients")
    parser.add_argument("--set", nargs="*", default=[], help="options changed in every arm")
    parser.add_argument("--one", action="store_true", help=argparse.SUPPRESS)
    return parser.parse_args()


def main() -> None:
    """Train what has no line yet, a process each."""
    given = arguments()
    if given.one:
        line = train_and_judge(given, given.arms[0], given.scores[0], given.seeds[0])
        print(json.dumps(line))
        return
    table = Path(given.out) / "recipes.csv"
    table.parent.mkdir(parents=True, exist_ok=True)
    environment = os.environ | {"OMP_NUM_THREADS": "1", "LUSGAN_PROGRESS": "none"}
    for seed in given.seeds:
        for score in given.scores:
            for arm in given.arms:
                key = (arm, str(score), str(seed))
                if key in {(r["arm"], r["score"], r["seed"]) for r in lines(table)}:
                    continue
                command = [
                    sys.executable, __file__, given.exams, given.out, "--one",
                    "--arms", arm, "--scores", str(score), "--seeds", str(seed),
                    "--cpu-s", str(given.cpu_s), "--held-out", str(given.held_out),
                    "--set", *given.set,
                ]  # fmt: skip
                done = subprocess.run(command, env=environment, stdout=subprocess.PIPE, text=True)
                if done.returncode:
                    sys.exit(f"{arm}, score {score}, seed {seed} failed: see above")
                line = json.loads(done.stdout.splitlines()[-1])
                add_line(table, line)
                print(", ".join(f"{k} {v}" for k, v in line.items()), flush=True)


if __name__ == "__main__":
    main()
