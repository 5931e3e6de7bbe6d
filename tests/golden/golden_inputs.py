"""What golden rows start from: a small exam, shards in a store, and manifests of made-up stages."""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from pydantic import BaseModel

from dicomfiles import dicom
from lusgan_core.calls.call import StageContext
from lusgan_core.calls.provenance import ArtifactRef, Manifest
from lusgan_core.domain import ShardRecord
from lusgan_core.preprocessing.shard import write_shard
from lusgan_core.preprocessing.stage import ExamShards
from lusgan_core.store import LocalStore
from matfiles import MemorySource, matrix, v5, v73
from videofiles import moving, table, video

PATIENTS = ("9001", "9002", "9003", "9004", "9005")
SIDE = 64


def fan_clip(height: int, width: int, frames: int, seed: int) -> np.ndarray:
    """Return a clip (H, W, 3, N) of a speckled fan on black, grey levels that differ by clip."""
    rng = np.random.default_rng(seed)
    y, x = np.mgrid[:height, :width]
    dx, dy = x - width / 2, y + height * 0.25
    radius, angle = np.hypot(dx, dy), np.arctan2(dx, dy)
    inside = (radius > height * 0.4) & (radius < height * 1.2) & (abs(angle) < 0.5)
    clip = np.zeros((height, width, 3, frames), np.uint8)
    for number in range(frames):
        noise = cv2.GaussianBlur(rng.rayleigh(1.0, (height, width)), (5, 5), 0)
        grey = np.clip(noise * (50 + 10 * seed) * (1.3 - radius / (1.3 * height)), 0, 255)
        clip[..., number] = np.where(inside, grey, 0).astype(np.uint8)[..., None]
    return clip


def exam_source() -> MemorySource:
    """Return an exam of four clips: two formats, with and without a mask, one of them unusable."""
    one, two = fan_clip(90, 110, 4, 1), fan_clip(100, 96, 3, 2)
    mask = (one.max(axis=(2, 3)) > 0).astype(np.uint8) * 255
    png = cv2.imencode(".png", cv2.dilate(mask, np.ones((5, 5), np.uint8)))[1].tobytes()
    first = np.array([[1, 1, 0, 0], [0, 1, 0, 0], [0, 1, 0, 0]], float)
    second = np.ones((3, 3))
    return MemorySource(
        {
            "9001/1/convex_9001_1_1.mat": v5(matrix(one)),
            "9001/1/convex_9001_1_1_score.mat": v5(matrix(first, "score")),
            "Binary-Masks/convex_9001_1_1_mask.png": png,
            "9001/1/convex_9001_1_2.mat": v73(("film", two.astype(float))),
            "9001/1/convex_9001_1_2_score.mat": v73(("score", second)),
            "9001/1/convex_9001_1_3.mat": b"no cine",
            "9001/1/convex_9001_1_3_score.mat": v5(matrix(second, "score")),
            "9001/1/convex_9001_1_4.mat": v5(matrix(one)),
        }
    )


def reader_source(reader: str) -> MemorySource:
    """Return one exam as a reader takes it: clips in formats that lose nothing, rated by two."""
    if reader == "mat":
        return exam_source()
    grey = moving(3, 40, 36)
    files = {
        "video": lambda: {"a.avi": video(grey), "b.avi": video(255 - grey)},
        "dicom": lambda: {
            kind: dicom(grey, kind, uid=f"2.25.{number}")
            for number, kind in enumerate(("plain", "rle", "j2k"))
        },
    }[reader]()
    rows = [(name, "9001", "1", n, 1, 1 + n % 2, 2) for n, name in enumerate(files)]
    head = ("file", "patient", "exam", "area", "score_a", "score_b", "from")
    return MemorySource({**files, "labels.csv": table(head, *rows)})


def frames(count: int, seed: int, side: int = SIDE) -> np.ndarray:
    """Return blurred speckle (N, S, S) uint8 around a level that differs by frame."""
    rng = np.random.default_rng(seed)
    stack = rng.rayleigh(1.0, (count, side, side)) * rng.uniform(40, 90, (count, 1, 1))
    smooth = [cv2.GaussianBlur(image, (5, 5), 0) for image in stack]
    return np.clip(np.stack(smooth), 0, 255).astype(np.uint8)


def context(folder: Path) -> StageContext:
    """Return a context with an empty store."""
    return StageContext(LocalStore(folder))


def exam_shards(store: LocalStore, counts: dict[str, list[list[int]]]) -> list[ExamShards]:
    """Write shards of speckle; ``counts`` gives the scores of frames, per patient and clip."""
    exams = []
    for number, (patient, clips) in enumerate(counts.items()):
        shards = []
        for area, scores in enumerate(clips, 1):
            key = f"shards/{patient}/1/convex_{patient}_1_{area}.h5"
            with tempfile.TemporaryDirectory() as scratch:
                path = Path(scratch) / "shard.h5"
                images = frames(len(scores), 10 * number + area)
                summary = write_shard(path, images, scores, attributes={"area": area})
                store.put(key, path)
            shards.append(
                ShardRecord(
                    patient=patient,
                    exam="1",
                    clip=f"convex_{patient}_1_{area}",
                    area=area,
                    key=key,
                    digest=summary.by_score[scores[0]].digest,
                    frames=summary.frames,
                    by_score=summary.by_score,
                )
            )
        exams.append(ExamShards(patient=patient, exam="1", shards=tuple(shards)))
    return exams


def left(
    store: LocalStore,
    stage: str,
    key: str,
    data: BaseModel,
    artifacts: dict[str, ArtifactRef] | None = None,
) -> Manifest:
    """Write the manifest of a stage that left this, and return it."""
    manifest = Manifest(
        stage=stage,
        cache_key=f"{stage} {key}",
        label=stage,
        manifest_key=key,
        artifacts=artifacts or {},
        data=data.model_dump(mode="json"),
    )
    store.put(key, manifest.model_dump_json().encode())
    return manifest


def plain(record: BaseModel) -> Any:
    """Return a record as JSON."""
    return record.model_dump(mode="json")
