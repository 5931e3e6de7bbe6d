"""A reader from another distribution, from exams to frames in shards, beside .mat exams."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from distributions import install, run_python
from lusgan_core.store.source import FolderSource
from matfiles import open_mat
from tiny_runs import write_exams

GIFS = {
    "gif_exams/__init__.py": '''
"""Reads animated GIFs, which one table, labels.csv, gives to patients, exams and areas."""
import csv
from contextlib import contextmanager

import numpy as np

from lusgan_core.api import Belonging, Clip, ClipError, FoundClip, Reader, Refused, hookimpl

LUSGAN_API = 2


def read_table(file):
    return list(csv.DictReader(file.read().decode().splitlines()))


def find(listing):
    rows = {}
    for stat in listing.objects:
        if stat.key == "labels.csv":
            rows = {row["file"]: row for row in listing.head(stat, read_table)}
            yield Belonging(stat)
    for stat in listing.objects:
        row = rows.get(stat.key)
        if row:
            yield FoundClip(row["patient"], row["exam"], stat, int(row["area"]),
                            facts={"score": int(row["score"])})
        elif stat.name.lower().endswith(".cine"):
            yield Refused(stat, "it is in no row of labels.csv")


@contextmanager
def open_clip(objects):
    from PIL import Image, UnidentifiedImageError

    def frames():
        with objects.open() as file, Image.open(file, formats=["GIF"]) as picture:
            for number in range(picture.n_frames):
                picture.seek(number)
                yield np.asarray(picture.convert("RGB"))[None]

    with objects.open() as file:
        try:
            with Image.open(file, formats=["GIF"]) as picture:
                size, count = picture.size, picture.n_frames
        except (UnidentifiedImageError, EOFError, ValueError):
            raise ClipError("no readable GIF") from None
    yield Clip(size[1], size[0], count, frames, lambda: objects.facts["score"],
               channels=3, details={"format": "GIF"})


@hookimpl
def register_readers():
    return [Reader("gif", "Animated GIFs with a table of labels",
                   "GIFs named in the column file of labels.csv", find, open_clip)]
''',
}
RUN = """
import json, sys
from pathlib import Path
import h5py
from lusgan_core.preprocessing.stage import ExamShards
from lusgan_core.domain import ExamRecord
from tiny_runs import Pipeline, tiny_config

exams, store = map(Path, sys.argv[1:])
pipeline = Pipeline(exams, store)
config = tiny_config("preprocessing.geometry=fit")
outcome = pipeline.run(config, until="preprocess")
made = list(pipeline.made)
pipeline.run(config, until="preprocess")
shards = {}
for key in (o.key for o in pipeline.store.list("shards/") if o.key.endswith(".h5")):
    with pipeline.store.local_copy(key) as path, h5py.File(path) as file:
        shards[key] = [file["scores"][()].tolist(), file["frames"][()].mean(axis=(1, 2)).tolist()]
manifests = [json.loads(pipeline.store.get(o.key)) for o in pipeline.store.list("exams/")
             if o.key.count("/") == 3]
print(json.dumps({
    "clips": outcome.clips,
    "rejected": [[r.file, r.reason] for r in outcome.rejected],
    "made": made, "again": pipeline.made, "shards": shards,
    "plugins": {m["data"]["patient"]: m["identities"] for m in manifests},
}))
"""
CLI = "import sys; from lusgan_cli.start import main; sys.argv[0] = 'lusgan'; main()"


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    """Install the reader in a folder; two patients' phantom clips become GIFs beside the others."""
    folder = tmp_path_factory.mktemp("outside")
    install(folder / "site", "gif_exams", GIFS, "gif_exams", version="2.5")
    exams = write_exams(folder / "exams", patients=2, mask_share=0.0)
    rows = ["file,patient,exam,area,score"]
    for number, clip in enumerate(sorted(exams.glob("*/*/convex_*_[0-9].mat"))[:2]):
        with open_mat(FolderSource(clip.parent), clip.name) as opened:
            first, *others = [Image.fromarray(np.ascontiguousarray(f)) for f in opened.frames()]
        (exams / "gifs").mkdir(exist_ok=True)
        first.save(exams / f"gifs/{number}.cine", "GIF", save_all=True, append_images=others)
        rows.append(f"gifs/{number}.cine,700{number},visit,{number + 1},{number + 2}")
    (exams / "gifs/broken.cine").write_bytes(b"GIF89a")
    (exams / "gifs/unlisted.cine").write_bytes(b"GIF89a")
    rows.append("gifs/broken.cine,7000,visit,9,0")
    (exams / "labels.csv").write_text("\n".join(rows))
    return folder, exams


def test_exams_of_an_outside_reader_reach_the_shards(place: tuple[Path, Path]) -> None:
    """The same frames give the same shard whichever reader read them; what cannot be used is told;
    the plugin is in the keys of its exams alone; a second run makes nothing."""
    folder, exams = place
    site, tests = folder / "site", Path(__file__).parents[1]
    done = json.loads(run_python(site, "-c", RUN, str(exams), str(folder / "store"), source=tests))
    assert done["clips"] == 8 + 2
    reasons = dict(done["rejected"])
    assert reasons == {
        "gifs/broken.cine": "no readable GIF",
        "gifs/unlisted.cine": "it is in no row of labels.csv",
    }
    (gif,) = [v for k, v in done["shards"].items() if k.startswith("shards/7000/visit/0-")]
    first = min(k for k in done["shards"] if k.startswith("shards/9001/"))
    assert gif[0] == [2] * 6
    assert gif[1] == done["shards"][first][1]
    assert len(set(gif[1])) > 1
    assert list(done["plugins"]["9001"]) == ["reader/mat"]
    assert list(done["plugins"]["7000"]) == ["reader/gif"]
    assert len(done["plugins"]["7000"]["reader/gif"]) == 64, "no version: a digest of its files"
    assert len(done["made"]) == 8
    assert done["again"] == []


def test_it_is_in_the_list_of_plugins_and_in_check(place: tuple[Path, Path]) -> None:
    """`lusgan plugins` says where it comes from, `lusgan check` shows its exams beside the others,
    and only those where an option names it."""
    folder, exams = place
    site = folder / "site"
    listed = run_python(site, "-c", CLI, "plugins")
    (line,) = [x for x in listed.splitlines() if x.split()[:2] == ["reader", "gif"]]
    assert "gif_exams 2.5" in line
    found = json.loads(run_python(site, "-c", CLI, "check", str(exams), "--json"))
    assert (found["exams"], found["usable_clips"], found["clips"]) == (4, 10, 11)
    assert {r["file"] for r in found["rejected"]} == {"gifs/broken.cine", "gifs/unlisted.cine"}
    by_patient = {e["patient"]: e["labelled_frames"] for e in found["by_exam"]}
    assert by_patient["7001"] == {"0": 0, "1": 0, "2": 0, "3": 6}
    only = ["check", str(exams), "--json", "--set", "ingestion.readers.gif={}"]
    assert json.loads(run_python(site, "-c", CLI, *only))["exams"] == 2
