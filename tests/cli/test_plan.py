"""``lusgan run --plan``: each thing that would be made again, with its reason, and nothing done."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from distributions import NETWORKS, install
from lusgan_core.calls.ledger import record_tried
from lusgan_core.evaluation import stage as evaluation
from lusgan_core.ingestion.discover import discover
from lusgan_core.preprocessing import stage as preprocessing
from lusgan_core.store import LocalStore
from lusgan_core.store.source import open_source
from lusgan_core.training import stage as training
from tiny_runs import CODES, SETTINGS, Pipeline, tiny_config, write_exams

OPTIONS = [
    "--preset", "demo", "--scores", "2",
    *(word for setting in SETTINGS for word in ("--set", setting)),
]  # fmt: skip
JUDGING = ("generate", "evaluate", "promote")


@pytest.fixture(scope="module")
def finished(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Run score 2 to the report once."""
    folder = tmp_path_factory.mktemp("plan")
    Pipeline(write_exams(folder / "exams"), folder / "store").run(tiny_config(scores=(2,)))
    return folder


@pytest.fixture
def folder(finished: Path, tmp_path: Path) -> Path:
    shutil.copytree(finished, tmp_path, dirs_exist_ok=True)
    return tmp_path


def contents(folder: Path) -> dict[str, bytes]:
    """Return all of a store but the digests of files that every look remembers."""
    found = {str(p.relative_to(folder)): p for p in folder.rglob("*") if p.is_file()}
    return {n: p.read_bytes() for n, p in found.items() if not n.startswith("exams/digests-")}


def planned(lusgan, folder: Path, *more: str) -> dict[str, tuple[str, ...]]:
    """Return stage -> reasons of what would be done; nothing else may change."""
    before = contents(folder / "store")
    command = ("run", "--exams", folder / "exams", "--store", folder / "store", *OPTIONS, *more)
    said = lusgan(*command, "--plan", "--json")
    assert said.code == 0, said.err
    assert contents(folder / "store") == before
    assert not any(re.search(rf"\b{code}\b", said.out + said.err) for code in CODES)
    found: dict[str, tuple[str, ...]] = {}
    for call in json.loads(said.out)["calls"]:
        found[call["stage"]] = tuple(
            dict.fromkeys((*found.get(call["stage"], ()), *call["reasons"]))
        )
    return found


def test_nothing_new(lusgan, folder: Path) -> None:
    """Everything was done before, and the plan says so."""
    assert planned(lusgan, folder) == {}
    command = ("run", "--exams", folder / "exams", "--store", folder / "store", *OPTIONS)
    assert lusgan(*command, "--plan").out == "nothing to do: everything was done before\n"


def test_one_exam_more(lusgan, folder: Path, tmp_path: Path) -> None:
    """The exam is new; the score's frames are more by its clips, and what follows is others'."""
    write_exams(tmp_path / "more", patients=4)
    shutil.move(tmp_path / "more" / "9004", folder / "exams" / "9004")
    for mask in (tmp_path / "more").rglob("*9004*_mask.png"):
        shutil.copy(mask, folder / "exams" / "Binary-Masks")
    plan = planned(lusgan, folder)
    assert plan["ingest"] == plan["preprocess"] == ("new",)
    (reason,) = plan["train"]
    assert re.fullmatch(r"its training frames change \(\d+ new(, \d+ \w+)* clips\)", reason)
    assert plan["generate"] == ("another generator",)
    assert set(plan) == {"ingest", "preprocess", "select", "train", *JUDGING, "report"}
    shown = lusgan(
        "run", "--exams", folder / "exams", "--store", folder / "store", *OPTIONS, "--plan"
    )
    assert "ingest 1 exam: new" in shown.out
    assert re.search(
        r"train score 2: its training frames change .* \(last time [\d.]+ s\)", shown.out
    )


def test_an_exam_that_is_gone(lusgan, folder: Path) -> None:
    """The plan says how many would be taken out, and takes out none."""
    source = open_source(folder / "exams")
    record_tried(LocalStore(folder / "store"), source.uri, discover(source).exams)
    shutil.rmtree(folder / "exams" / CODES[0])
    command = ("run", "--exams", folder / "exams", "--store", folder / "store", *OPTIONS, "--plan")
    before = contents(folder / "store")
    json_said = json.loads(lusgan(*command, "--json").out)
    assert contents(folder / "store") == before
    assert json_said["withdrawn"] == 1


@pytest.mark.parametrize(
    ("setting", "stage", "reason", "follow"),
    [
        ("training.batch_size=3", "train", "option batch_size: 4 -> 3", JUDGING),
        ("generation.seed=8", "generate", "option seed: 7 -> 8", JUDGING[1:]),
        ("promotion.automatic=false", "promote", "option automatic: True -> False", ()),
    ],
)
def test_an_option_changed(
    lusgan, folder: Path, setting: str, stage: str, reason: str, follow: tuple[str, ...]
) -> None:
    """The stage that reads it names it with both values; what comes before is not touched."""
    plan = planned(lusgan, folder, "--set", setting)
    assert plan[stage] == (reason,)
    assert set(plan) == {stage, *follow, "report"}


def test_an_option_that_changes_no_result(lusgan, folder: Path) -> None:
    """It makes nothing again but the page, which lists the options of its run."""
    plan = planned(lusgan, folder, "--set", "generation.batch_size=5")
    assert plan == {"report": ("another outcome",)}


@pytest.mark.parametrize(
    ("stage", "name", "first"),
    [
        (preprocessing, "preprocess", "preprocess"),
        (training, "train", "train"),
        (evaluation, "evaluate", "evaluate"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_a_raised_version(
    lusgan, folder: Path, monkeypatch: pytest.MonkeyPatch, stage: Any, name: str, first: str
) -> None:
    """Everything of that stage is made again, and the plan says that it is for the version."""
    now = stage.VERSION
    monkeypatch.setattr(stage, "VERSION", now + 1)
    plan = planned(lusgan, folder)
    assert next(iter(plan)) == first
    assert plan[name] == (f"version {now} -> {now + 1} of the stage",)


@pytest.mark.parametrize("damage", ["cut", "gone"])
def test_a_damaged_artifact(lusgan, folder: Path, damage: str) -> None:
    """A shard that is cut short or gone is named, and only what it is part of is made again."""
    shard = next((folder / "store" / "shards").rglob("*.h5"))
    if damage == "gone":
        shard.unlink()
    else:
        shard.write_bytes(shard.read_bytes()[:-1])
    plan = planned(lusgan, folder)
    (reason,) = plan["preprocess"]
    assert re.fullmatch(r"artifact '.*' is missing or damaged", reason)


def test_a_lost_weights_file(lusgan, folder: Path) -> None:
    """The model's training is named."""
    next((folder / "store" / "models").rglob("generator.safetensors")).unlink()
    assert planned(lusgan, folder)["train"] == ("artifact 'generator' is missing or damaged",)


# --- another plugin, each a distribution of its own, in a process of its own ----------------------

OURS = {
    **NETWORKS,
    "slab/loss.py": '''
from lusgan_core.api import Loss
from slab import terms

FACTOR = 1.0

def make(factor):
    def generator(real_logits, fake_logits, targets, options):
        return -factor * fake_logits.mean()
    return generator

LOSS = Loss("Slab", "Means", terms.discriminator, make(FACTOR), targets=frozenset())
''',
    "slab/terms.py": """
def discriminator(real_logits, fake_logits, targets, options):
    return (fake_logits - real_logits).mean() + 0.01 * (real_logits ** 2).mean()
""",
    "slab/metric.py": '''
import numpy as np
from lusgan_core.api import PairMetric

def prepare(frames):
    return frames.reshape(len(frames), -1).mean(axis=1)

def compare(a, b):
    return abs(a[:, None] - b[None])

def value(a, b):
    return float(abs(a.mean() - b.mean()))

METRIC = PairMetric("level", "Level", "Difference of means", "lower", 0.0, value,
                    prepare=prepare, compare=compare)
''',
    "slab/__init__.py": NETWORKS["slab/__init__.py"]
    + '''
from slab.loss import LOSS
from slab.metric import METRIC

@hookimpl
def register_losses():
    return [LOSS]

@hookimpl
def register_metrics():
    return [METRIC]
''',
}  # fmt: skip
THEIRS = [
    *OPTIONS,
    "--set", "training.backbone=slab", "--set", "training.backbone_options={}",
    "--set", "training.loss=Slab", "--set", "training.smooth_real=none",
    "--set", "training.smooth_fake=none", "--set", "training.flip_labels=0",
    "--set", "training.penalties={}", "--set", 'evaluation.metrics=["ssim", "level"]',
]  # fmt: skip


def command(site: Path, folder: Path, *more: str) -> str:
    """Run ``lusgan run`` in a process that sees the plugins of ``site``; return what it prints."""
    path = os.pathsep.join([str(site), *filter(None, [os.environ.get("PYTHONPATH")])])
    done = subprocess.run(
        [sys.executable, "-c", "from lusgan_cli import main; main()", "run",
         "--exams", str(folder / "exams"), "--store", str(folder / "store"), *THEIRS, *more],
        env=os.environ | {"PYTHONPATH": path},
        capture_output=True, text=True, check=False, timeout=300,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr[-3000:]
    return done.stdout


def reasons(site: Path, folder: Path) -> dict[str, list[str]]:
    """Return stage -> reasons of a plan with the plugins of ``site``."""
    calls = json.loads(command(site, folder, "--plan", "--json"))["calls"]
    return {call["stage"]: call["reasons"] for call in calls}


@pytest.fixture(scope="module")
def trained(
    tmp_path_factory: pytest.TempPathFactory, prefect_server: dict[str, str]
) -> tuple[Path, Path]:
    """Run once with networks, loss and metric of a distribution; return its site and the folder."""
    folder = tmp_path_factory.mktemp("plugins")
    write_exams(folder / "exams")
    install(folder / "site", "slab", OURS, "slab")
    command(folder / "site", folder)
    return folder / "site", folder


def replaced(file: str, old: str, new: str) -> dict[str, str]:
    """Return the plugin's files with one text replaced."""
    assert old in OURS[file]
    return OURS | {file: OURS[file].replace(old, new)}


WHOLE = ["plugin backbone/slab is another", "plugin loss/Slab is another"]


@pytest.mark.parametrize(
    "files",
    [
        replaced("slab/discriminator.py", "WIDTH = 8", "WIDTH = 16"),
        replaced("slab/terms.py", "0.01", "0.02"),
        replaced("slab/metric.py", "mean(axis=1)", "max(axis=1)"),
        replaced("slab/metric.py", "abs(a[:, None] - b[None])", "(a[:, None] - b[None]) ** 2"),
        replaced("slab/loss.py", "FACTOR = 1.0", "FACTOR = 2.0"),
        replaced("slab/loss.py", "terms.discriminator", "lambda r, f, t, o: (f - r).mean()"),
        replaced("slab/metric.py", '"lower", 0.0', '"lower", 1.0'),
        replaced("slab/options.py", "return 8", "return 12"),
        replaced("slab/scale.py", "factor *", "2 * factor *"),
        replaced("slab/factor.txt", "0.5", "0.75"),
        replaced("slab_extra/__init__.py", "1.0", "2.0"),
    ],
    ids=[
        "discriminator of the backbone", "discriminator of the loss", "prepare", "compare",
        "a factory's parameter", "which function is used", "a record's field",
        "an option's method", "a module that importlib loads", "a file of weights",
        "a second package",
    ],
)  # fmt: skip
def test_another_plugin(trained: tuple[Path, Path], tmp_path: Path, files: dict[str, str]) -> None:
    """Whatever of a plugin's distribution decides a result: the plan names the plugin."""
    install(tmp_path / "site", "slab", files, "slab")
    plan = reasons(tmp_path / "site", trained[1])
    assert plan["train"] == WHOLE
    assert "plugin metric/level is another" in plan["evaluate"]


@pytest.mark.parametrize(
    ("files", "version"),
    [
        (OURS, "1.0"),
        (OURS, "2.0"),
        (replaced("slab/terms.py", "def ", "# Wasserstein's, with a small term\ndef "), "1.0"),
        (replaced("slab/options.py", "Options of the slab.", "Its options."), "1.0"),
        (OURS | {"README.md": "Read me"}, "1.0"),
    ],
    ids=["a reinstall", "a raised version", "a comment", "a docstring", "a README"],
)
def test_the_same_plugin(
    trained: tuple[Path, Path], tmp_path: Path, files: dict[str, str], version: str
) -> None:
    """What decides no result makes nothing again, as a wheel or edited in place."""
    install(tmp_path / "site", "slab", files, "slab", version=version)
    assert reasons(tmp_path / "site", trained[1]) == {}


CHECK = """
import sys
from lusgan_core.calls.call import StageCall
from lusgan_core.errors import ConfigError
from lusgan_core.pipeline.runner import check_here
from lusgan_core.registry import installed
call = StageCall.model_validate_json(sys.argv[1])
try:
    check_here(call, installed())
    print("fits")
except ConfigError as error:
    print(error)
"""


def test_a_worker_with_another_discriminator_refuses(
    trained: tuple[Path, Path], tmp_path: Path
) -> None:
    """A training sent to a worker is refused where the plugin there computes something else."""
    site, folder = trained
    (path,) = (folder / "store" / "models" / "score-2").glob("*/manifest.json")
    left = json.loads(path.read_text())
    call = {
        "stage": "train", "label": left["label"], "cache_key": left["cache_key"],
        "inputs": left["inputs"], "options": left["options"], "arguments": {},
        "version": left["version"], "plugins": left["identities"],
        "manifest": left["manifest_key"],
    }  # fmt: skip

    def said(site: Path) -> str:
        from distributions import run_python

        return run_python(site, "-c", CHECK, json.dumps(call)).strip()

    assert said(site) == "fits"
    other = replaced("slab/discriminator.py", "WIDTH = 8", "WIDTH = 16")
    install(tmp_path / "other", "slab", other, "slab")
    assert "the backbone 'slab' on this worker is another" in said(tmp_path / "other")
