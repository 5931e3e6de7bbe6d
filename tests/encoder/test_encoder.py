"""The LUS encoder of a store: trained once, pinned, renewed; what is measured with it."""

from __future__ import annotations

import shutil
from pathlib import Path

import numpy as np
import pytest
import torch

from files_of_weights import inception_tensors, written
from lusgan_core.calls.call import StageContext, data_of
from lusgan_core.calls.ledger import ExamLedger, record_tried
from lusgan_core.calls.provenance import Manifest
from lusgan_core.config import RunConfig, resolve
from lusgan_core.encoder.accuracy import judged
from lusgan_core.encoder.network import SHAPES, Encoder, changed
from lusgan_core.encoder.stage import EncoderOptions, EncoderRecord
from lusgan_core.encoder.training import Frames, fitted
from lusgan_core.encoder.weights import load_encoder, with_encoder
from lusgan_core.errors import ConfigError, StoreError
from lusgan_core.evaluation.audit.score import TITLE
from lusgan_core.evaluation.fidelity import measure_fidelity, widened
from lusgan_core.evaluation.sides import FrameSets
from lusgan_core.evaluation.stage import ENCODER, FIDELITY, EvaluationOptions, EvaluationRecord
from lusgan_core.ingestion.discover import discover
from lusgan_core.measures.features import build_extractor
from lusgan_core.networks.residual import to_levels
from lusgan_core.pipeline.chain import peek
from lusgan_core.pipeline.encoders import list_encoders, unpin
from lusgan_core.pipeline.plan import make_plan
from lusgan_core.pipeline.withdrawal import described, withdraw
from lusgan_core.preprocessing.shard import read_shard_frames
from lusgan_core.registry import installed
from lusgan_core.selection.dataset import load_frames
from lusgan_core.selection.stage import ClipFrames, ScoreDataset
from lusgan_core.testing import FeatureExtractorContract
from speckle import speckle
from tiny_runs import Pipeline, tiny_config, write_exams

SETTINGS = (
    "encoder.network=small",
    "encoder.steps=60",
    "encoder.batch_size=24",
    "selection.held_out=0.5",
    'evaluation.metrics=["ssim", "kid"]',
    "evaluation.real_frames=null",
    "generation.count=12",
    "evaluation.synthetic_frames=12",
)
CPU = torch.device("cpu")


def config(*settings: str) -> RunConfig:
    return tiny_config(*SETTINGS, *settings, scores=(0, 2))


@pytest.fixture(scope="module")
def finished(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Run the chain once, with an encoder, over eight phantom patients."""
    folder = tmp_path_factory.mktemp("encoder")
    write_exams(folder / "exams", patients=8, size=64)
    Pipeline(folder / "exams", folder / "store").run(config())
    return folder


@pytest.fixture
def pipeline(finished: Path, tmp_path: Path) -> Pipeline:
    """Return a pipeline over a copy of what the run left."""
    shutil.copytree(finished, tmp_path, dirs_exist_ok=True)
    return Pipeline(tmp_path / "exams", tmp_path / "store")


def test_patients_that_a_file_holds_out_are_not_trained_on(
    pipeline: Pipeline, tmp_path: Path
) -> None:
    """The file's content decides, as it does for the models, and not where it lies: another split
    makes another encoder, the same split none."""
    trained_on = sorted(record_of(pipeline).patients)
    shutil.rmtree(tmp_path / "store/encoders")
    for name in ("sides.csv", "again.csv"):
        lines = [f"{code},held_out" for code in trained_on[:2]]
        (tmp_path / name).write_text("\n".join(["patient,side", *lines]) + "\n")
        pipeline.run(config(f"selection.sides={tmp_path / name}"), until="evaluate")
        assert not record_of(pipeline).patients & set(trained_on[:2])


def manifest_of(pipeline: Pipeline) -> Manifest:
    """Return the manifest of the one encoder."""
    (key,) = [key for key in pipeline.files("encoders/") if key.endswith("manifest.json")]
    return Manifest.model_validate_json(pipeline.store.get(key))


def record_of(pipeline: Pipeline) -> EncoderRecord:
    return data_of(manifest_of(pipeline), EncoderRecord)


def evaluation_of(pipeline: Pipeline, score: int = 0) -> EvaluationRecord:
    """Return the newest evaluation of a score."""
    made = [
        Manifest.model_validate_json(data)
        for key, data in pipeline.files(f"evaluations/score-{score}/").items()
        if key.endswith("manifest.json")
    ]
    return data_of(max(made, key=lambda m: str(m.created)), EvaluationRecord)


def held_out_of(pipeline: Pipeline, score: int) -> tuple[ClipFrames, ...]:
    """Return the clips of held-out patients with a score."""
    (key,) = pipeline.files(f"datasets/score-{score}/")
    return data_of(Manifest.model_validate_json(pipeline.store.get(key)), ScoreDataset).held_out


def add_patient(pipeline: Pipeline, code: str) -> None:
    """Add the exam of one more patient, made from another seed."""
    other = pipeline.source.path.parent / "other"
    write_exams(other, patients=1, seed=5)
    (only,) = [path for path in other.iterdir() if path.is_dir() and path.name.isdigit()]
    target = pipeline.source.path / code
    shutil.copytree(only, target)
    for path in target.rglob("*"):
        if path.is_file():
            path.rename(path.with_name(path.name.replace(only.name, code)))


def test_it_tells_scores_of_unseen_patients(pipeline: Pipeline) -> None:
    """Phantom frames of held-out patients are judged far better than by chance, none of them was
    trained on, and the counts are all of their frames."""
    record = record_of(pipeline)
    assert record.doubt == ""
    assert record.accuracy is not None
    assert record.accuracy > 0.7
    assert record.chance == 0.25
    assert record.scores == (0, 1, 2, 3)
    held_out = {key.split("/")[1] for key in record.held_out_clips}
    assert len(held_out) == record.held_out_patients
    assert not held_out & record.patients
    assert len(held_out | record.patients) == 8
    for score in (0, 2):  # of which the run made data sets
        assert sum(record.confusion[score]) == sum(c.frames for c in held_out_of(pipeline, score))


def test_a_new_exam_leaves_it_alone(pipeline: Pipeline) -> None:
    """Another patient's exam changes no byte of it, trains none, and the plan says so."""
    before = pipeline.files("encoders/")
    add_patient(pipeline, "9050")
    found = discover(pipeline.source)
    plan = make_plan(pipeline.store, pipeline.source, found, config(), installed(), preset="demo")
    assert not any(call.stage == "encode" for call in plan.calls)
    pipeline.run(config())
    assert "LUS encoder" not in pipeline.made
    assert "preprocess exam 9" in pipeline.made
    assert pipeline.files("encoders/") == before


def test_a_second_run_makes_nothing(pipeline: Pipeline) -> None:
    """The same run again finds the encoder and all that was measured with it."""
    pipeline.run(config())
    assert pipeline.made == []
    found = discover(pipeline.source)
    assert peek(pipeline.store, found, config(), installed(), preset="demo") is not None


@pytest.mark.parametrize(
    "setting", ["encoder.seed=1", "selection.seed=1", "preprocessing.intensity=percentile"]
)
def test_another_way_of_making_it_is_another_encoder(pipeline: Pipeline, setting: str) -> None:
    """Its options, the split of patients and the making of frames are in its key."""
    other = "preprocessing.intensity=none" if "intensity" in setting else setting
    plan = make_plan(
        pipeline.store, pipeline.source, discover(pipeline.source), config(other), installed(),
        preset="demo",
    )  # fmt: skip
    assert any(call.stage == "encode" for call in plan.calls)


def test_renewed_it_knows_the_new_patient(pipeline: Pipeline) -> None:
    """Unpinned, the next run trains one that has seen or judged the patients of that day, and
    evaluates every score again, but trains no model."""
    add_patient(pipeline, "9050")
    pipeline.run(config())
    assert not any("/9050/" in key for key in record_of(pipeline).seen)
    (pinned,) = list_encoders(pipeline.store)
    assert unpin(pipeline.store, [pinned]) == (pinned.name,)
    assert list_encoders(pipeline.store) == ()
    pipeline.run(config())
    assert any("/9050/" in key for key in record_of(pipeline).seen)
    assert {"LUS encoder", "evaluate score 0", "evaluate score 2"} <= set(pipeline.made)
    assert not any(label.startswith("train") for label in pipeline.made)


@pytest.mark.parametrize("side", ["training", "held out"])
def test_a_withdrawal_unpins_it(pipeline: Pipeline, side: str) -> None:
    """Where a patient of its training, or one that it was judged by, is withdrawn, it is gone with
    its weights; the record says so, and no object of it names the patient."""
    record = record_of(pipeline)
    held_out = {key.split("/")[1] for key in record.held_out_clips}
    code = min(record.patients if side == "training" else held_out)
    record_tried(pipeline.store, pipeline.source.uri, discover(pipeline.source).exams)
    known = ExamLedger.load(pipeline.store, pipeline.source.uri).exams
    gone = withdraw(pipeline.store, next(exam for exam in known if exam.patient == code))
    assert len(gone.encoders) == 1
    assert pipeline.files("encoders/") == {}
    assert "the LUS encoder saw them" in described(pipeline.store, [gone])[0]


def test_frames_are_measured_by_it(pipeline: Pipeline) -> None:
    """An evaluation has distances on its features, beside other scores' frames as ceilings on every
    extractor, and the share of frames that are judged as their score beside held-out ones'."""
    record = evaluation_of(pipeline)
    by_name = {value.metric: value for value in record.values if value.between[:1] == ("held-out",)}
    assert {"kid/lus", "kid/lite0", "kid/random"} <= by_name.keys()
    for name in ("kid/lus", "kid/lite0"):
        ceilings = by_name[name].ceilings
        assert set(ceilings) == {"noise", "blurred", "score 1", "score 2", "score 3"}
    of_lus = by_name["kid/lus"]
    assert of_lus.floor is not None
    assert min(of_lus.ceilings[f"score {n}"] for n in (1, 2, 3)) > of_lus.floor
    assert record.encoder
    judged_as = record.judged
    assert judged_as is not None
    assert sum(judged_as.synthetic.values()) == 12
    (share,) = [value for value in record.values if value.metric == "fidelity"]
    assert share.value == judged_as.synthetic[0] / 12
    assert share.floor == judged_as.real[0] / sum(judged_as.real.values())
    page = next(data for key, data in pipeline.files("reports/").items() if "index.html" in key)
    assert b"Right severity?" in page
    assert b"judged by the LUS encoder" in page


def frame_sets(pipeline: Pipeline, synthetic: np.ndarray | None = None) -> FrameSets:
    """Return the frames of score 0, with these in the place of synthetic ones."""
    key = next(key for key in pipeline.files("datasets/score-0/"))
    dataset = data_of(Manifest.model_validate_json(pipeline.store.get(key)), ScoreDataset)
    frames = load_frames(pipeline.store, dataset.held_out, 0)[0]
    return FrameSets(dataset, [], [], frames, frames if synthetic is None else synthetic, "s", "d")


def fidelity_of(pipeline: Pipeline, frames: np.ndarray | None) -> float | None:
    """Return the share of these frames that is judged as score 0."""
    found = measure_fidelity(
        StageContext(pipeline.store), EvaluationOptions(), manifest_of(pipeline),
        frame_sets(pipeline, frames), "cpu",
    )  # fmt: skip
    (share,) = [value.value for value in found.values if value.metric == "fidelity"]
    return share


def test_fidelity_knows_other_scores_and_noise(pipeline: Pipeline) -> None:
    """Frames of the score itself are mostly taken for it, those of score 3 and noise are not."""
    clips = record_of(pipeline).clips
    other = load_frames(pipeline.store, clips[3], 3)[0]
    own = fidelity_of(pipeline, None)
    assert own is not None
    assert own > 0.7
    for frames in (other, np.random.default_rng(0).integers(0, 256, other.shape, np.uint8)):
        share = fidelity_of(pipeline, frames)
        assert share is not None
        assert share < 0.6 * own


def with_record(pipeline: Pipeline, **changes: object) -> Manifest:
    manifest = manifest_of(pipeline)
    record = data_of(manifest, EncoderRecord).model_copy(update=changes)
    return manifest.model_copy(update={"data": record.model_dump(mode="json")})


def test_an_encoder_in_doubt_judges_nothing(pipeline: Pipeline) -> None:
    """Where it is no better than chance, or has not seen the score, the reason stands in place of
    a value."""
    for changes, said in (
        ({"doubt": "it judges 30% right"}, "cannot judge: it judges 30% right"),
        ({"scores": (1, 2, 3)}, "has seen no frame of this score"),
    ):
        found = measure_fidelity(
            StageContext(pipeline.store), EvaluationOptions(), with_record(pipeline, **changes),
            frame_sets(pipeline), "cpu",
        )  # fmt: skip
        assert found.values == ()
        assert said in found.absent[FIDELITY]


def test_it_is_left_out_where_it_has_seen_held_out_patients(pipeline: Pipeline) -> None:
    """If a patient of its training is held out by now, neither features nor judgement are used."""
    sets = frame_sets(pipeline)
    clips = {0: (*record_of(pipeline).clips[0], sets.dataset.held_out[0])}
    manifest = with_record(pipeline, clips=clips)
    context, options = StageContext(pipeline.store), EvaluationOptions()
    found = widened(context, options, manifest, sets)
    assert found.encoder is None
    assert found.options == options
    assert "held out now" in found.absent[ENCODER]


def test_it_is_refused_for_the_audit() -> None:
    """The audit takes no features that have seen training patients; distances name it nowhere."""
    with pytest.raises(ConfigError, match="has seen the training patients"):
        resolve("demo", installed(), settings=["evaluation.audit_features=lus"])
    with pytest.raises(ConfigError, match=r"encoder\.network is not none"):
        resolve("demo", installed(), settings=['evaluation.features=["lus"]'])


def test_the_audit_stays_with_other_features(pipeline: Pipeline) -> None:
    """With an encoder in the store, the audit's features are those without one."""
    pipeline.run(config("evaluation.audit_frames=8", "evaluation.audit_copies=10"))
    record = evaluation_of(pipeline)
    assert TITLE not in record.absent
    assert record.audit is not None
    assert record.audit.extractor.startswith("lite0-")


def test_damaged_weights_are_told(pipeline: Pipeline) -> None:
    """Weights whose digest is another are not used, and the error says what to do."""
    manifest = manifest_of(pipeline)
    key = manifest.artifacts["encoder"].key
    data = bytearray(pipeline.store.get(key))
    data[-1] ^= 1
    pipeline.store.put(key, bytes(data))
    with pytest.raises(StoreError, match=r"is damaged.*the same command makes it again"):
        load_encoder(pipeline.store, manifest, "cpu")


class TestContract(FeatureExtractorContract):
    """Its features keep the contract of a feature extractor."""

    @pytest.fixture(autouse=True)
    def choose(self, finished: Path) -> None:
        pipeline = Pipeline(finished / "exams", finished / "store")
        registry = with_encoder(installed(), pipeline.store, manifest_of(pipeline))
        self.record = registry.feature("lus")


def test_the_registry_is_left_as_it_is(pipeline: Pipeline) -> None:
    """The encoder's features are in the registry of one evaluation; its weights identify them."""
    manifest = manifest_of(pipeline)
    registry = with_encoder(installed(), pipeline.store, manifest)
    assert "lus" not in installed().records["feature"]
    assert manifest.artifacts["encoder"].digest[:16] in registry.identity("feature", "lus")
    frames = speckle(3, 32, 32, 1)
    features = build_extractor(registry.feature("lus"))(frames)
    assert features.shape == (3, SHAPES["small"].size)


def some_frames() -> Frames:
    """Bright and dark frames of two patients: two scores."""
    rng = np.random.default_rng(1)
    images = rng.integers(0, 120, (16, 32, 32)).astype(np.uint8)
    images[8:] += 120
    return Frames(images, np.repeat([0, 1], 8), np.tile([0, 1], 8))


def test_training_repeats() -> None:
    """The same seed gives the same weights whatever the process has drawn before; another seed
    gives others."""
    weights = []
    for seed in (3, 3, 4):
        torch.rand(int(torch.randint(5, ())) + 1)
        options = EncoderOptions(network="small", steps=3, batch_size=4, seed=seed)
        encoder = fitted(some_frames(), 2, 1, options, CPU)
        weights.append(
            torch.cat([value.flatten().float() for value in encoder.state_dict().values()])
        )
    assert torch.equal(weights[0], weights[1])
    assert not torch.equal(weights[0], weights[2])


def test_inception_starts_from_a_file(tmp_path: Path) -> None:
    """InceptionV3 takes a user's weights for all but its head, and refuses another network's."""
    tensors = inception_tensors()
    named = written(tensors, tmp_path / "weights.safetensors")
    encoder = Encoder("inception_v3", 1, 2)
    encoder.start_from(**named)
    found = encoder.body.state_dict()["network.Mixed_7c.branch1x1.conv.weight"]
    assert torch.equal(found, tensors["Mixed_7c.branch1x1.conv.weight"])
    assert encoder.eval()(torch.zeros(1, 1, 299, 299))[0].shape == (1, 2048)
    with pytest.raises(ConfigError, match="it lacks"):
        encoder.start_from(**written({"a": torch.zeros(1)}, tmp_path / "other.safetensors"))
    with pytest.raises(ConfigError, match="for inception_v3, not for small"):
        resolve("demo", installed(), settings=["encoder.network=small", "encoder.file=x"])
    with pytest.raises(ConfigError, match="cannot be read"):
        resolve(
            "demo",
            installed(),
            settings=[
                "encoder.network=inception_v3",
                "encoder.file=x",
                f"encoder.sha256={'a' * 64}",
            ],
        )


def test_changes_keep_black_black_and_mirror() -> None:
    """Levels stay within 0..1, black frames black; a frame that is mirrored in half of the cases
    is nearly as often brighter on the left as on the right."""
    numbers = torch.Generator().manual_seed(0)
    assert changed(torch.zeros(4, 1, 16, 16), numbers).max() == 0
    half = torch.zeros(200, 1, 16, 16)
    half[..., :8] = 0.9
    found = changed(half, numbers)
    assert found.min() >= 0
    assert found.max() <= 1
    left = (found[..., :8].mean((1, 2, 3)) > found[..., 8:].mean((1, 2, 3))).float().mean()
    assert 0.35 < left < 0.65


def test_frames_of_any_kind_become_levels() -> None:
    """Grey and colour frames of any size come to the network's size and channels, 255 to 1."""
    grey = torch.full((2, 20, 30), 255, dtype=torch.uint8)
    for frames, channels in ((grey, 1), (grey, 3), (grey[..., None].expand(-1, -1, -1, 3), 1)):
        levels = to_levels(frames, 64, channels)
        assert levels.shape == (2, channels, 64, 64)
        assert torch.allclose(levels, torch.ones(()))


@pytest.mark.parametrize(
    ("right", "said"),
    [(1.0, ""), (0.4, "less than 50%"), (None, "no better than chance")],
)
def test_doubt(right: float | None, said: str) -> None:
    """An encoder that judges all right is believed; one that judges less than half right is not,
    nor one that only knows some patients, so that others would find it at chance."""
    patients = np.repeat(np.arange(4), 20)
    true = np.tile([0, 1], 40)
    given = true.copy()
    if right is None:
        given[patients > 1] = 0
        given[patients == 0] = 1 - true[patients == 0]
    else:
        wrong = np.arange(80) % 20 >= 20 * right
        given[wrong] = 1 - given[wrong]
    found = judged(true, given, patients, (0, 1))
    assert found["chance"] == 0.5
    assert found["accuracy"] == pytest.approx((given == true).mean())
    assert said in found["doubt"]
    assert bool(said) == bool(found["doubt"])


def test_doubt_without_patients_or_scores() -> None:
    """Without a held-out patient, or with one score alone, nobody can judge it."""
    none = np.empty(0, np.int64)
    assert "no patient is held out" in judged(none, none, none, (0, 1))["doubt"]
    one = np.zeros(9, np.int64)
    assert "show one score" in judged(one, one, one, (0, 1))["doubt"]


def test_too_few_patients_make_no_encoder(tmp_path: Path) -> None:
    """A store with one training patient gets an evaluation without an encoder."""
    write_exams(tmp_path / "exams", patients=1)
    pipeline = Pipeline(tmp_path / "exams", tmp_path / "store")
    outcome = pipeline.run(config("selection.held_out=0"))
    assert outcome.encoder is None
    assert outcome.failures == {}
    assert pipeline.files("encoders/") == {}


def test_synthetic_frames_in_the_store_are_those_judged(pipeline: Pipeline) -> None:
    """What is judged in an evaluation are the frames of the sample set."""
    record = evaluation_of(pipeline)
    with pipeline.store.local_copy(record.samples) as path:
        frames = read_shard_frames(path)
    given = load_encoder(pipeline.store, manifest_of(pipeline), "cpu").scores(frames[:12])
    assert record.judged is not None
    assert record.judged.synthetic == {n: int((given == n).sum()) for n in (0, 1, 2, 3)}
