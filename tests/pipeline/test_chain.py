"""The whole chain on phantom exams, in this process: what is made, and what is made again."""

from __future__ import annotations

import json
import re
import shutil
import threading
from pathlib import Path
from typing import Any

import h5py
import pytest

from lusgan_core.api import Exporter, hookimpl
from lusgan_core.calls.call import StageContext
from lusgan_core.calls.provenance import Manifest, digest_bytes
from lusgan_core.config import resolve
from lusgan_core.domain import SCORES
from lusgan_core.errors import PluginError, UnknownPluginError
from lusgan_core.ingestion.discover import discover
from lusgan_core.pipeline.chain import (
    Outcome,
    RejectedError,
    ScoresFailedError,
    peek,
    run_chain,
)
from lusgan_core.pipeline.runner import Inline
from lusgan_core.registry import Provider, installed
from lusgan_core.registry import discover as discover_plugins
from lusgan_readers.mat_file import read_array
from tiny_runs import CODES, SETTINGS, Pipeline, tiny_config, write_exams


@pytest.fixture(scope="module")
def finished(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Outcome]:
    """Run the chain once; tests take copies of its folder."""
    folder = tmp_path_factory.mktemp("chain")
    write_exams(folder / "exams")
    return folder, Pipeline(folder / "exams", folder / "store").run()


@pytest.fixture
def pipeline(finished: tuple[Path, Outcome], tmp_path: Path) -> Pipeline:
    """Return a pipeline over a copy of what the first run left."""
    shutil.copytree(finished[0], tmp_path, dirs_exist_ok=True)
    return Pipeline(tmp_path / "exams", tmp_path / "store")


def test_a_run_ends_in_a_model_samples_and_a_report(finished: tuple[Path, Outcome]) -> None:
    """From exams come four models, frames of each, their evaluation, and one page."""
    folder, outcome = finished
    assert (outcome.exams, outcome.clips, outcome.rejected, outcome.failures) == (3, 12, (), {})
    assert tuple(outcome.scores) == SCORES
    for manifests in outcome.scores.values():
        assert list(manifests) == ["select", "train", "generate", "evaluate", "promote"]
        with h5py.File(folder / "store" / manifests["generate"].data["frames_key"]) as samples:
            assert samples["frames"].shape == (6, 32, 32)
    page = (folder / "store" / outcome.report.artifacts["page"].key).read_text()
    assert page.rstrip().endswith("</html>")
    for code in CODES:
        assert not re.search(rf"\b{code}\b", page)


def test_every_stage_left_a_manifest_that_tells_all(finished: tuple[Path, Outcome]) -> None:
    """A manifest holds inputs, options, version, plugins, versions, counts, times and digests."""
    folder, outcome = finished
    store = Pipeline(folder / "exams", folder / "store").store
    manifests = [outcome.report, *(m for of in outcome.scores.values() for m in of.values())]
    for manifest in manifests:
        assert Manifest.model_validate_json(store.get(manifest.manifest_key)) == manifest
        assert re.fullmatch("[0-9a-f]{64}", manifest.cache_key)
        assert manifest.version >= 1
        assert manifest.inputs
        assert manifest.options
        assert manifest.libraries["torch"]
        assert manifest.timings_s["total"] >= 0
        assert manifest.peak_rss_mb > 0
        assert manifest.device == "cpu"
        for artifact in manifest.artifacts.values():
            data = store.get(artifact.key)
            assert (len(data), digest_bytes(data)) == (artifact.size, artifact.digest)
    trained = outcome.scores[2]["train"]
    assert set(trained.plugins) == {"backbone/dcgan", "loss/RSGAN", "penalty/r1"}
    assert all(source.startswith("lusgan ") for source in trained.plugins.values())
    assert trained.options["backbone_options"]["width"] == 4
    drawn = {stage: manifest.seed for stage, manifest in outcome.scores[2].items()}
    assert (drawn["select"], drawn["train"], drawn["generate"]) == (999, 999, 7)
    assert trained.counts["images_seen"] == 4 * 4


def test_a_model_counts_what_it_saw(finished: tuple[Path, Outcome]) -> None:
    """Patients, clips and frames on the training side, each counted for itself."""
    _, outcome = finished
    for manifests in outcome.scores.values():
        training = manifests["select"].data["training"]
        model = manifests["train"].data
        assert model["training_patients"] == len({clip["patient"] for clip in training})
        assert model["training_clips"] == len(training)
        assert model["training_frames"] == sum(clip["frames"] for clip in training)
        assert manifests["train"].counts["patients"] == model["training_patients"]
    models = [manifests["train"].data for manifests in outcome.scores.values()]
    assert any(m["training_patients"] < m["training_clips"] < m["training_frames"] for m in models)


def test_keys_can_be_read_by_a_person(finished: tuple[Path, Outcome]) -> None:
    """A model is named by its hyper-parameters and its key; shards by patient, exam and clip."""
    folder, outcome = finished
    store = Pipeline(folder / "exams", folder / "store").store
    key = outcome.scores[1]["train"].cache_key[:8]
    name = f"RSGAN-dcgan-32px-c1-z128-b4-i4-lrG0.001-lrD0.001-seed999-{key}"
    assert store.exists(f"models/score-1/{name}/generator.safetensors")
    assert any(o.key.startswith(f"samples/score-1/{name}/seed-7") for o in store.list("samples"))
    shards = [o.key for o in store.list("shards/9001/1/convex_9001_1_") if o.key.endswith(".h5")]
    assert len(shards) == 4
    top = {o.key.partition("/")[0] for o in store.list()}
    assert top == {"exams", "shards", "datasets", "models", "samples", "evaluations", "reports"}


def test_labels_and_progress_name_no_patient(pipeline: Pipeline) -> None:
    """What people are shown of a call is a number or a score."""
    pipeline.run(tiny_config("selection.seed=1", "preprocessing.intensity=clahe"))
    assert len(pipeline.made) > 10
    for label in pipeline.made:
        assert not any(code in label for code in CODES)


def test_the_same_again_does_nothing(pipeline: Pipeline) -> None:
    """A second run makes no call, writes nothing, and comes to the same outcome."""
    before = pipeline.files()
    again = pipeline.run()
    assert pipeline.made == []
    assert pipeline.files() == before
    found = discover(pipeline.source)
    peeked = peek(pipeline.store, found, tiny_config(), installed(), preset="demo")
    assert peeked == again


def test_peek_makes_nothing(finished: tuple[Path, Outcome], tmp_path: Path) -> None:
    """Looking whether there is anything to do leaves an empty store empty."""
    pipeline = Pipeline(finished[0] / "exams", tmp_path / "store")
    found = discover(pipeline.source)
    assert peek(pipeline.store, found, tiny_config(), installed(), preset="demo") is None
    assert pipeline.files() == {}


def test_an_unknown_preset_is_told_before_any_work(
    finished: tuple[Path, Outcome], tmp_path: Path
) -> None:
    """The report alone needs it, at the end of a run that may take a day."""
    pipeline = Pipeline(finished[0] / "exams", tmp_path / "store")
    runner, found = Inline(StageContext(pipeline.store, pipeline.source)), discover(pipeline.source)
    with pytest.raises(UnknownPluginError, match="did you mean 'demo'"):
        run_chain(runner, found, tiny_config(), installed(), preset="demos")
    assert pipeline.files() == {}


def test_a_new_exam_redoes_itself_and_the_scores_it_touches(
    pipeline: Pipeline, tmp_path: Path
) -> None:
    """An exam of score 0 and 1 alone is taken in; the models of score 2 and 3 are not touched."""
    more = write_exams(tmp_path / "more", patients=5, clips_per_exam=4)
    exam = Path(pipeline.source.uri) / "9005" / "1"
    shutil.copytree(more / "9005" / "1", exam)
    for path in exam.glob("*_score.mat"):
        if not {0, 1} >= set(scores_of(path)):
            path.unlink()
            (exam / path.name.replace("_score", "")).unlink()
    touched = sorted({s for path in exam.glob("*_score.mat") for s in scores_of(path)})
    assert touched == [0, 1]
    config = tiny_config("selection.held_out=0")  # held-out frames would train nothing
    shutil.move(exam, tmp_path / "aside")
    pipeline.run(config)
    shutil.move(tmp_path / "aside", exam)
    pipeline.run(config)
    assert [label for label in pipeline.made if "exam" in label] == [
        "ingest exam 4", "preprocess exam 4"
    ]  # fmt: skip
    for score in SCORES:
        made = {label.split()[0] for label in pipeline.made if label.endswith(f"score {score}")}
        everything = {"select", "train", "generate", "evaluate", "promote"}
        assert made == (everything if score in touched else {"select"})
    assert pipeline.made[-1] == "report"


def scores_of(path: Path) -> list[int]:
    """Return the scores in a score file, by the reader of exams."""
    return [int(s) for s in read_array(path.open("rb")).sum(axis=0)]


ALL = {"select", "train", "generate", "evaluate", "promote", "report"}


@pytest.mark.parametrize(
    ("setting", "stages"),
    [
        ("report.title=Other", {"report"}),
        ("report.show_codes=true", {"report"}),
        ("evaluation.real_frames=5", {"evaluate", "promote", "report"}),
        ('evaluation.metrics=["mse"]', {"evaluate", "promote", "report"}),
        ("promotion.min_diversity=0", {"promote", "report"}),
        ("generation.count=7", {"generate", "evaluate", "promote", "report"}),
        ("generation.seed=8", {"generate", "evaluate", "promote", "report"}),
        ('generation.formats=["png", "mat"]', {"generate", "report"}),
        ("generation.batch_size=5", {"report"}),
        ("training.seed=1", ALL - {"select"}),
        ("training.penalties.r1.weight=2", ALL - {"select"}),
        ("preprocessing.intensity=clahe", {"preprocess"} | ALL),
        ("runtime.checkpoint_s=5", set()),
        ("runtime.threads=1", set()),
        ("runtime.processes=2", set()),
    ],
)
def test_a_changed_option_redoes_what_depends_on_it(
    pipeline: Pipeline, setting: str, stages: set[str]
) -> None:
    """An option of a stage leaves earlier stages alone; how to run is no part of any key."""
    config = tiny_config(setting)
    outcome = pipeline.run(config)
    assert {label.split()[0] for label in pipeline.made} == stages
    assert outcome.failures == {}


def test_fewer_scores_make_nothing_but_a_report(pipeline: Pipeline) -> None:
    """Scores are trained apart: a run of two of them finds both done."""
    outcome = pipeline.run(tiny_config(scores=(1, 3)))
    assert pipeline.made == ["report"]
    assert list(outcome.scores) == [1, 3]


@pytest.mark.parametrize(
    ("pattern", "made"),
    [
        ("models/score-2/*/generator.safetensors", ["train score 2"]),
        ("models/score-2/*/manifest.json", ["train score 2"]),
        ("samples/score-0/*/*/frames.h5", ["generate score 0"]),
        ("evaluations/score-1/*/*/evaluation.json", ["evaluate score 1"]),
        ("reports/*/index.html", ["report"]),
        ("shards/9002/1/*.h5", ["preprocess exam 2"]),
        ("exams/9003/1/*.json", ["ingest exam 3"]),
        ("datasets/score-3/*.json", ["select frames of score 3"]),
    ],
)
def test_what_was_deleted_is_made_again_as_it_was(
    pipeline: Pipeline, pattern: str, made: list[str]
) -> None:
    """A missing artifact is made again, byte for byte, and nothing that depends on it is."""
    (path, *_) = sorted(pipeline.store.root.glob(pattern))
    before = pipeline.files()
    path.unlink()
    pipeline.run()
    assert pipeline.made == made
    after = pipeline.files()
    kept = {k for k in before if not k.endswith((".json", ".html")) and "tensorboard" not in k}
    assert {k: after.get(k) for k in kept} == {k: before[k] for k in kept}
    assert path.exists()


def test_a_damaged_manifest_counts_as_none(pipeline: Pipeline) -> None:
    """Half a manifest, or that of another call, is no reason to believe that work was done."""
    (path,) = pipeline.store.root.glob("models/score-0/*/manifest.json")
    whole = path.read_text()
    path.write_text(whole[:100])
    pipeline.run()
    assert pipeline.made == ["train score 0"]
    path.write_text(json.dumps(json.loads(whole) | {"cache_key": "0" * 64}))
    pipeline.run()
    assert pipeline.made == ["train score 0"]


def test_a_score_with_too_few_frames_does_not_stop_the_others(pipeline: Pipeline) -> None:
    """It is told why it has no model; the others are done, and the report shows both."""
    outcome = pipeline.run(tiny_config("training.batch_size=10"))
    assert set(outcome.failures) == {1}
    assert re.match(
        r"score 1 has 9 training frames, fewer than a batch of 10 \(\d+ more are held out\): "
        r"add exams, or lower training\.batch_size",
        outcome.failures[1],
    )
    done = [score for score, of in outcome.scores.items() if "evaluate" in of]
    assert done == [0, 2, 3]
    page = pipeline.store.get(outcome.report.artifacts["page"].key).decode()
    assert "9 training frames" in page
    with pytest.raises(ScoresFailedError, match=r"^score 1 failed: score 1 has 9"):
        outcome.check()
    pipeline.run(tiny_config("training.batch_size=10"))
    assert pipeline.made == []


def test_an_exporter_that_fails_ends_its_score_alone(pipeline: Pipeline) -> None:
    """The others are done, the report tells of it, and the error that it was is kept."""

    class Words:
        def __init__(self, folder: Any, told: Any, options: Any) -> None:
            if told.score == 1:
                raise ZeroDivisionError("no luck")
            self.folder = folder

        def add(self, frame: Any) -> None:
            pass

        def finish(self) -> list[str]:
            self.folder.put("synthetic.txt", b"synthetic")
            return ["synthetic.txt"]

    class Plugin:
        @hookimpl
        def register_exporters(self) -> list[Exporter]:
            return [Exporter("theirs", "An exporter of somebody else", Words, version="1")]

    registry = discover_plugins()
    registry.add(Plugin(), Provider("tests"))
    config = resolve("demo", registry, settings=(*SETTINGS, 'generation.formats=["theirs"]'))
    runner = Inline(StageContext(pipeline.store, pipeline.source, registry=registry))
    outcome = run_chain(runner, discover(pipeline.source), config, registry, preset="demo")
    said = "the exporter theirs failed: ZeroDivisionError: no luck"
    assert outcome.failures == {1: said}
    assert [score for score, of in outcome.scores.items() if "evaluate" in of] == [0, 2, 3]
    assert said in pipeline.store.get(outcome.report.artifacts["page"].key).decode()
    with pytest.raises(ScoresFailedError, match=said) as error:
        outcome.check()
    assert isinstance(error.value.__cause__, PluginError)


def test_strict_refuses_before_training(pipeline: Pipeline) -> None:
    """With a clip that cannot be used a strict run says why, and trains nothing."""
    (pipeline.source.path / "9001" / "1" / "convex_9001_1_99.mat").write_bytes(b"")
    with pytest.raises(RejectedError, match=r"1 clips .* strict.*no area 1 to 14") as error:
        pipeline.run(strict=True)
    assert not any(code in str(error.value) for code in CODES)
    assert pipeline.made == ["ingest exam 1", "preprocess exam 1"]


def test_two_runs_at_once_end_as_one_would(finished: tuple[Path, Outcome], tmp_path: Path) -> None:
    """Two pipelines started together on one store leave what one leaves, and both succeed."""
    exams = finished[0] / "exams"
    alone = Pipeline(exams, finished[0] / "store").files()
    pair = [Pipeline(exams, tmp_path / "store") for _ in range(2)]
    outcomes: list[Outcome] = []
    threads = [threading.Thread(target=lambda p=p: outcomes.append(p.run())) for p in pair]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(timeout=60)
    assert [o.failures for o in outcomes] == [{}, {}]
    assert outcomes[0] == outcomes[1]
    together = pair[0].files()
    fixed = {k for k in alone if k.endswith((".safetensors", ".h5", ".png", ".gif", ".csv"))}
    assert {k: together.get(k) for k in fixed} == {k: alone[k] for k in fixed}

    def names(files: dict[str, bytes]) -> set[str]:
        return {k for k in files if "tensorboard" not in k}

    assert names(together) == names(alone)
    page = outcomes[0].report.artifacts["page"]
    assert digest_bytes(together[page.key]) == page.digest
