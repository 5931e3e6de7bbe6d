"""What the gates say of crafted sets of frames, and what the audit finds, on a folder of exams.

    python benchmarks/zoo.py EXAMS OUT [--scores 0 3] [--size 64] [--frames 200] [--models DIR]

The patients of each score are split in three: those that a model would learn from, those held out
from it, and strangers, whose real frames are one of the sets. Every set is evaluated and judged as
a model's samples are, by KID, recall, SSIM, the audit and the gates on them. Printed: a line a set
with the gates that hold it back; what the audit finds of planted copies, with 95% intervals
(Wilson); whether the feature extractors rank floor, frames and bad frames alike.

``--models``: a folder with ``NAME-SCORE.safetensors``, whose frames are sets, too; they should have
been trained on patients of the first third (``--sides FILE`` writes who these are, a table for
``selection.sides``). Nothing is trained here. OUT keeps the frames and values that were computed.
"""

from __future__ import annotations

import argparse
import csv
import tempfile
import time
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from lusgan_core import Model
from lusgan_core.calls.call import StageContext, data_of, earlier, reference_to
from lusgan_core.calls.provenance import Manifest, digest_json
from lusgan_core.calls.runtime import Runtime
from lusgan_core.config import resolve
from lusgan_core.domain import SCORES
from lusgan_core.evaluation import stage as evaluation
from lusgan_core.evaluation.audit.plants import KINDS, plant
from lusgan_core.evaluation.audit.record import AuditRecord
from lusgan_core.evaluation.distances_section import agreement_in_words
from lusgan_core.evaluation.stage import EvaluationOptions, EvaluationRecord
from lusgan_core.generation.stage import SampleSet
from lusgan_core.ingestion.discover import discover
from lusgan_core.judgement import Candidate
from lusgan_core.measures.sides import places
from lusgan_core.pipeline.chain import run_chain
from lusgan_core.pipeline.runner import Inline
from lusgan_core.preprocessing.shard import write_shard
from lusgan_core.preprocessing.stage import ExamShards
from lusgan_core.promotion.gates import judge
from lusgan_core.promotion.options import PromotionOptions
from lusgan_core.registry import installed
from lusgan_core.selection.dataset import load_frames
from lusgan_core.selection.stage import ClipFrames, ScoreDataset, score_dataset
from lusgan_core.store import LocalStore
from lusgan_core.store.source import open_source

Frames = NDArray[np.uint8]
Set = tuple[Callable[[], Frames], set[str]]
"""How frames are made, and the gates of which one has to hold them back; none: nobody may."""
GATES = ("realism", "diversity", "collapse", "copies")
EXTRACTORS = ("/lite0", "/random")
BAD = {"realism", "diversity"}


def clips_of(given: argparse.Namespace) -> tuple[StageContext, dict[int, tuple[ClipFrames, ...]]]:
    """Preprocess the exams, and return the clips of each score."""
    settings = [
        f"preprocessing.image_size={given.size}",
        "preprocessing.geometry=fit",
        "preprocessing.intensity=percentile",
        "runtime.device=cpu",
    ]
    config, source = resolve("demo", installed(), settings=settings), open_source(given.exams)
    runtime = Runtime(device="cpu", threads=given.threads)
    context = StageContext(LocalStore(given.out / f"store-{given.size}"), source, runtime)
    found = discover(source)
    run_chain(Inline(context), found, config, installed(), preset="demo", until="preprocess")
    keys = [item.key for item in context.store.list("shards/") if item.key.endswith(".json")]
    exams = [data_of(earlier(context, key), ExamShards) for key in keys]
    shards = [shard for exam in exams for shard in exam.shards]
    return context, {
        score: score_dataset(shards, score, held_out=frozenset()).training for score in SCORES
    }


def sides(clips: Sequence[ClipFrames]) -> tuple[tuple[ClipFrames, ...], ...]:
    """Clips to learn from (half of the patients), held out, and of strangers (a quarter each)."""
    patients = sorted({clip.patient for clip in clips}, key=lambda code: digest_json(code))
    quarter = max(1, len(patients) // 4)
    parts = patients[2 * quarter :], patients[:quarter], patients[quarter : 2 * quarter]
    return tuple(tuple(clip for clip in clips if clip.patient in part) for part in parts)


def noisy(frames: Frames, sd: float) -> Frames:
    """Frames with noise of a standard deviation, in grey levels."""
    noise = np.random.default_rng(1).normal(0, sd, frames.shape)
    return np.clip(frames + noise, 0, 255).astype(np.uint8)


def zoo(
    learnt: Frames, strange: Frames, others: Frames, count: int, models: dict[str, Path]
) -> dict[str, Set]:
    """The sets by name.

    Args:
        learnt: Training frames.
        strange: Frames of patients whom nobody has seen.
        others: Frames of the other scores, of any patient.
        count: Frames of each set.
        models: Weights of generators by name.

    Returns:
        How each set is made, and the gates that should hold it back.
    """
    rng = np.random.default_rng(1)
    learnt, spread = learnt[places(len(learnt), count)], strange[places(len(strange), count)]
    size = learnt.shape[1]
    sets: dict[str, Set] = {
        "white noise": (lambda: rng.integers(0, 256, (count, size, size), np.uint8), BAD),
        "mean frame and noise": (
            lambda: noisy(np.stack([strange.mean(0)] * count).astype(np.uint8), 20),
            BAD,
        ),
        "blurred": (
            lambda: np.stack([cv2.GaussianBlur(f, (0, 0), size / 32) for f in spread]),
            BAD,
        ),
        "another score": (lambda: others[places(len(others), count)], {"realism"}),
    }
    for number in (1, 2, 5):
        few = strange[places(len(strange), number)][np.arange(count) % number]
        sets[f"{number} frame{'s' * (number > 1)}"] = (
            partial(noisy, few, 1),
            {"diversity", "collapse"},
        )
    for kind in KINDS:
        sets[f"copies: {kind}"] = (partial(plant, kind, learnt), {"copies"})
    sets["real frames of strangers"] = (lambda: spread, set())
    for name, path in models.items():
        sets[f"model {name}"] = (
            partial(Model.load(path).generate, count, seed=8, device="cpu"),
            set(),
        )
    return sets


def evaluated(
    context: StageContext, dataset: ScoreDataset, name: str, frames: Frames
) -> EvaluationRecord:
    """Evaluate a set as if a model had generated it."""
    store, folder = context.store, f"zoo/{dataset.score}/{name.replace(' ', '-')}"

    def left(stage: str, **contents: Any) -> Manifest:
        key = f"{folder}/{stage}.json"
        manifest = Manifest(
            stage=stage, cache_key=f"{folder}-{stage}", manifest_key=key, **contents
        )
        store.put(key, manifest.model_dump_json().encode())
        return manifest

    with tempfile.TemporaryDirectory() as scratch:
        path = Path(scratch) / "frames.h5"
        write_shard(path, frames, [dataset.score] * len(frames), attributes={})
        store.put(f"{folder}/frames.h5", path)
    samples = SampleSet(
        score=dataset.score, model=name, folder=folder, frames_key=f"{folder}/frames.h5",
        count=len(frames), seed=0,
    )  # fmt: skip
    call = evaluation.call(
        left("select", data=dataset.model_dump(mode="json")),
        left(
            "generate",
            data=samples.model_dump(mode="json"),
            artifacts={"frames": reference_to(store, samples.frames_key)},
        ),
        EvaluationOptions.model_validate(
            {
                "metrics": ("ssim", "kid", "recall"),
                "features": tuple(name.strip("/") for name in EXTRACTORS),
            }
        ),
        installed(),
    )
    record = evaluation.run(call, context).data
    assert isinstance(record, EvaluationRecord)
    return record


def held_back(record: EvaluationRecord) -> dict[str, str]:
    """The gates that hold a set back, or cannot judge it, with their reasons."""
    candidate = Candidate(
        score=record.score,
        model="set",
        values=record.values,
        likeness=record.likeness,
        to_training=tuple(map(record.distance, record.nearest_training)),
        to_held_out=tuple(map(record.distance, record.nearest_held_out)),
        identical=record.identical,
    )
    options = PromotionOptions(gates={gate: {} for gate in GATES})
    verdicts = judge(candidate, None, options, installed()).verdicts
    return {v.gate: v.reason for v in verdicts if not v.passed or not v.measured}


def line(name: str, gates: set[str], record: EvaluationRecord) -> dict[str, Any]:
    """What there is to tell of a set."""
    held = held_back(record)
    unsure = {gate for gate, why in held.items() if why.startswith("not measured")}
    held_by = set(held) - unsure
    found = {value.metric: value for value in record.values}
    kid, recall = found["kid/lite0"], found["recall/lite0"]
    floor = "-" if kid.floor is None else f"{1000 * kid.floor:.0f}"
    if kid.floor_range:
        floor += f" [{1000 * kid.floor_range[0]:.0f}, {1000 * kid.floor_range[1]:.0f}]"
    return {
        "set": name,
        "kid": round(1000 * (kid.value or 0)),
        "floor": floor,
        "recall": round(recall.value or 0, 2),
        "flagged": record.audit.limits[-1].flagged if record.audit else "",
        "p": f"{record.audit.p_value:.2g}" if record.audit else "",
        "held back by": " ".join(sorted(held_by)) or "-",
        "cannot judge": " ".join(sorted(unsure)) or "-",
        "as it should": "yes" if (held_by & gates if gates else not held_by) else "NO",
    }


def agreement(record: EvaluationRecord) -> str:
    """Whether the feature extractors rank alike."""
    return agreement_in_words(v for v in record.values if v.metric.endswith(EXTRACTORS))


def sensitivity(audit: AuditRecord) -> str:
    """What the audit finds of each kind of copies, at its last limit."""
    kinds = "; ".join(
        f"{kind.kind} {kind.share:.0%} [{kind.interval[0]:.0%}, {kind.interval[1]:.0%}]"
        for kind in audit.planted
    )
    limit = audit.limits[-1]
    alarms = "not known" if limit.false_alarms is None else f"{limit.false_alarms:.1%}"
    return f"audit at {limit.rate:.0%}, false alarms {alarms}: {kinds}"


def main() -> None:
    """Print the tables."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("exams", help="folder of exams")
    parser.add_argument("out", type=Path, help="folder for store and table")
    parser.add_argument("--scores", nargs="+", type=int, default=[0, 1, 2, 3])
    parser.add_argument("--size", type=int, default=64, help="side of the images, pixels")
    parser.add_argument("--frames", type=int, default=200, help="frames of a set")
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--models", type=Path, help="folder with NAME-SCORE.safetensors")
    parser.add_argument("--sides", type=Path, help="write who is on which side, and stop")
    given = parser.parse_args()
    context, clips = clips_of(given)
    table = given.out / f"zoo-{given.size}.csv"
    for score in given.scores:
        training, held_out, strangers = sides(clips[score])
        if given.sides:
            with given.sides.with_stem(f"{given.sides.stem}-{score}").open("w") as stream:
                rows = {(c.patient, "train") for c in training}
                rows |= {(c.patient, "test") for c in (*held_out, *strangers)}
                csv.writer(stream).writerows([("patient", "side"), *sorted(rows)])
            continue
        dataset = ScoreDataset(score=score, training=training, held_out=held_out)
        learnt, _, _ = load_frames(context.store, training, score)
        strange, _, _ = load_frames(context.store, strangers, score)
        others = np.concatenate(
            [
                load_frames(context.store, of, other)[0]
                for other, of in clips.items()
                if other != score
            ]
        )
        numbers = [len({clip.patient for clip in side}) for side in (training, held_out, strangers)]
        models = {
            path.stem.rpartition("-")[0]: path
            for path in sorted((given.models or Path()).glob(f"*-{score}.safetensors"))
            if given.models
        }
        print(
            f"score {score}, {given.size} px; frames and patients: learnt {len(learnt)} of "
            f"{numbers[0]}, held out {dataset.held_out_frames} of {numbers[1]}, strangers "
            f"{len(strange)} of {numbers[2]}; KID x 1000",
            flush=True,
        )
        started = time.process_time()
        for number, (name, (make, gates)) in enumerate(
            zoo(learnt, strange, others, given.frames, models).items()
        ):
            record = evaluated(context, dataset, name, make())
            told = line(name, gates, record)
            new = not table.is_file()
            with table.open("a") as stream:
                writer = csv.DictWriter(stream, ["score", *told])
                if new:
                    writer.writeheader()
                writer.writerow({"score": score, **told})
            if not number:
                print("  ".join(told))
                agreed = agreement(record)
            print("  ".join(map(str, told.values())), flush=True)
        if record.audit:
            print(sensitivity(record.audit))
        print(f"of white noise: {agreed}")
        print(f"of the last set: {agreement(record)}")
        print(f"{time.process_time() - started:.0f} s of CPU", flush=True)


if __name__ == "__main__":
    main()
