"""Distances between sets of plain grey frames of known values, and where features are kept."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from pydantic import Field
from scipy.special import stdtrit
from test_evaluation_score import Clips, generate, select

from lusgan_core.api import FeatureExtractor, Options, SetMetric, hookimpl
from lusgan_core.calls.call import StageContext
from lusgan_core.calls.runtime import Runtime
from lusgan_core.calls.section import HELD_OUT, SYNTHETIC, TRAINING, Measured, Table, find
from lusgan_core.config import resolve
from lusgan_core.errors import PluginError
from lusgan_core.evaluation import stage
from lusgan_core.evaluation.choice import choose
from lusgan_core.evaluation.section import evaluation_section
from lusgan_core.evaluation.stage import EvaluationOptions, EvaluationRecord
from lusgan_core.registry import Provider, Registry, discover
from lusgan_core.store import LocalStore

FOUR: Clips = {"C1": [100, 110], "D1": [120], "E1": [150, 160], "F1": [90]}
"""Held-out clips of four patients."""
OFF = {"Memorisation audit": "evaluation.audit_frames is 0, which switches it off"}
"""What is absent of all evaluations here."""


class LevelOptions(Options):
    """Options of the extractor below."""

    factor: float = Field(1.0, ge=0, le=10, description="Factor of the levels")


class Levels:
    """An extractor of the mean grey level, which counts the frames that it is given."""

    def __init__(self) -> None:
        self.frames: list[int] = []

    def build(self, device: str, options: LevelOptions) -> Any:
        def extract(frames: np.ndarray) -> np.ndarray:
            self.frames.append(len(frames))
            means = options.factor * frames.reshape(len(frames), -1).mean(1)
            return np.stack([means, np.ones_like(means)], axis=1).astype(np.float32)

        return extract


def gap(a: np.ndarray, b: np.ndarray) -> float:
    return float(np.abs(a.mean(0) - b.mean(0)).sum())


GAP = SetMetric("gap", "Gap", "Difference of mean levels", "lower", 0.0, gap, bounds=(0, np.inf))


class Evaluations:
    """Evaluates plain frames in one store, with plugins of its own."""

    def __init__(self, folder: Path) -> None:
        self.store, self.levels = LocalStore(folder), Levels()
        self.metrics: list[Any] = [GAP]
        self.extractors: list[FeatureExtractor] = []
        self.extractor = FeatureExtractor(
            "levels", "Mean level", self.levels.build, "none", 2, options=LevelOptions, version="1"
        )

    @property
    def registry(self) -> Registry:
        metrics, extractors = self.metrics, [self.extractor, *self.extractors]

        class Plugin:
            @hookimpl
            def register_metrics(self) -> list[Any]:
                return metrics

            @hookimpl
            def register_features(self) -> list[FeatureExtractor]:
                return extractors

        registry = discover()
        registry.add(Plugin(), Provider("tests"))
        return registry

    def __call__(
        self,
        synthetic: Sequence[int],
        training: Clips,
        held_out: Clips | None = None,
        **options: Any,
    ) -> EvaluationRecord:
        registry = self.registry
        chosen = {"metrics": ("mse", "gap"), "features": ("levels",), "audit_frames": 0} | options
        call = stage.call(
            select(self.store, dict(training), dict(held_out or {})),
            generate(self.store, synthetic),
            EvaluationOptions.model_validate(chosen),
            registry,
        )
        self.plugins = call.plugins
        self.key = call.cache_key
        runtime = Runtime(device="cpu", threads=1)
        made = stage.run(call, StageContext(self.store, registry=registry, runtime=runtime)).data
        assert isinstance(made, EvaluationRecord)
        return made


@pytest.fixture
def evaluate(tmp_path: Path) -> Evaluations:
    return Evaluations(tmp_path)


def distance(
    record: EvaluationRecord, side: str = HELD_OUT, metric: str = "gap/levels"
) -> Measured:
    found = find(record.values, metric, (side, SYNTHETIC), "value")
    assert found is not None
    return found


def test_the_floor_is_of_training_frames_to_the_same_held_out_ones(evaluate: Evaluations) -> None:
    """All sides have as many frames as the smallest, evenly spaced: of three synthetic frames the
    first and the last, of four training frames the first and the last."""
    training, held_out = {"A1": [10, 20, 30], "B1": [40]}, {"C1": [100, 110]}
    found = distance(evaluate([0, 50, 90], training, held_out))
    assert found.value == pytest.approx((100 + 110) / 2 - (0 + 90) / 2)
    assert found.floor == pytest.approx((100 + 110) / 2 - (10 + 40) / 2)
    assert (found.number, found.interval, found.title) == (2, None, "Gap (levels)")
    assert (found.better, found.bounds) == ("lower", (0, None))


def test_what_a_distance_is_held_against(evaluate: Evaluations) -> None:
    """Beside it stand the distance of noise, that of blurred training frames (plain ones stay as
    they are, so it is the floor), and that to training frames, of as many frames each."""
    training, held_out = {"A1": [10, 20, 30], "B1": [40]}, {"C1": [100, 110]}
    record = evaluate([0, 50, 90], training, held_out)
    found = distance(record)
    assert found.ceilings.keys() == {"noise", "blurred"}
    assert found.ceilings["noise"] == pytest.approx(127.5 - 105, abs=10)
    assert found.ceilings["blurred"] == found.floor
    near = distance(record, TRAINING)
    assert (near.value, near.number) == (pytest.approx((0 + 90) / 2 - (10 + 40) / 2), 2)
    assert (near.floor, near.interval, near.ceilings) == (None, None, {})


def test_the_floor_has_the_range_of_halves_of_all_patients(evaluate: Evaluations) -> None:
    """Two training and two held-out patients make three pairs of halves; of three patients there
    is no range."""
    training, held_out = {"A1": [10, 20], "B1": [40, 50]}, {"C1": [100, 110], "D1": [150, 160]}
    of = {"A": 15, "B": 45, "C": 105, "D": 155}
    ranges = [abs(of["A"] + of[x] - sum(v for k, v in of.items() if k not in ("A", x))) / 2
              for x in "BCD"]  # fmt: skip
    found = distance(evaluate([0, 50, 90, 80], training, held_out))
    assert found.floor_range == pytest.approx(tuple(np.quantile(ranges, (0.05, 0.95))))
    three = distance(evaluate([0, 50, 90, 80], {"A1": [10, 20, 40, 50]}, held_out))
    assert (three.floor is None, three.floor_range) == (False, None)


def test_without_held_out_patients_it_is_of_training_ones(evaluate: Evaluations) -> None:
    """There is then no floor, and the report says why."""
    record = evaluate([0, 50, 90, 80], {"A1": [10, 20, 30], "B1": [40]})
    found = distance(record, TRAINING)
    assert found.value == pytest.approx((0 + 50 + 90 + 80) / 4 - 25)
    assert (found.floor, found.interval, found.number) == (None, None, 4)
    (group,) = [g for g in evaluation_section(record).groups if g.title == "Distances"]
    assert "there is no floor" in group.text


def test_fewer_frames_may_be_asked_for(evaluate: Evaluations) -> None:
    """``distance_frames`` bounds every side."""
    record = evaluate([0, 50, 90], {"A1": [10, 20, 30]}, {"C1": [100, 105, 110]}, distance_frames=2)
    assert (distance(record).number, distance(record).value) == (2, pytest.approx(105 - 45))


def test_from_four_held_out_patients_on_there_is_an_interval(evaluate: Evaluations) -> None:
    """It is the jackknife over patients: the value without each of them, and Student's quantile."""
    levels = [20, 30, 40, 50, 60, 70]
    found = distance(evaluate(levels, {"A1": range(10, 22)}, FOUR))
    held_out = [(clip[0], level) for clip, of in FOUR.items() for level in of]
    values = []
    for left_out in "CDEF":
        rest = [level for patient, level in held_out if patient != left_out]
        places = np.linspace(0, 5, len(rest)).round().astype(int)
        values.append(np.mean(rest) - np.mean(np.array(levels)[places]))
    sd = np.sqrt(3 / 4 * ((np.array(values) - np.mean(values)) ** 2).sum())
    assert found.interval is not None
    assert found.value is not None
    half = stdtrit(3, 0.95) * sd
    assert found.interval == pytest.approx((max(0, found.value - half), found.value + half))
    three = {clip: levels for clip, levels in FOUR.items() if clip != "F1"}
    assert distance(evaluate(levels, {"A1": range(10, 22)}, three)).interval is None


def test_features_are_kept(evaluate: Evaluations) -> None:
    """An evaluation with other options puts no frame through an extractor again, and a new exam
    costs its own frames alone."""
    training, held_out = {"A1": [10, 20, 30], "B1": [40]}, {"C1": [100, 110]}
    first = evaluate([0, 50, 90], training, held_out)
    assert sorted(evaluate.levels.frames) == [1, 2, 2, 2, 3, 3]  # two of noise, two blurred
    again = evaluate([0, 50, 90], training, held_out, among_frames=3, real_frames=5)
    assert len(evaluate.levels.frames) == 6
    assert distance(again).value == distance(first).value
    evaluate([0, 50, 90], training | {"G1": [5, 6, 7, 8, 9]}, held_out)
    assert evaluate.levels.frames[6:] == [5, 2]  # the blurred frames are others


def kept(evaluate: Evaluations) -> list[str]:
    return [item.key for item in evaluate.store.list("") if item.key.endswith(".npz")]


def test_features_lie_by_their_exam_and_by_their_samples(evaluate: Evaluations) -> None:
    """So that a withdrawal, and pruning of a model's samples, reach them by their folder."""
    record = evaluate([0, 50, 90], {"A1": [10, 20, 30]}, {"C1": [100, 110]})
    (tag,) = record.features
    assert tag.startswith("levels-")
    folders = sorted(key.rpartition("/")[0] for key in kept(evaluate))
    assert folders == ["features/A1", "features/C1", *["samples/features"] * 3]
    assert all(key.endswith(f"-{tag}.npz") for key in kept(evaluate))


@pytest.mark.parametrize("damage", [b"", b"no features", None])
def test_damaged_features_are_made_again(evaluate: Evaluations, damage: bytes | None) -> None:
    """A file that is empty, of another kind or has a flipped bit is computed anew and replaced."""
    frames = ([0, 50, 90], {"A1": [10, 20, 30]}, {"C1": [100, 110]})
    first = evaluate(*frames)
    whole = {key: evaluate.store.get(key) for key in kept(evaluate)}
    for key, data in whole.items():
        flipped = bytearray(data)
        flipped[data.index(b"\n") + 2] ^= 1  # in the numbers, after the header of the array
        evaluate.store.put(key, bytes(flipped) if damage is None else damage)
    assert distance(evaluate(*frames)).value == distance(first).value
    assert {key: evaluate.store.get(key) for key in whole} == whole


def test_another_extractor_has_features_of_its_own(evaluate: Evaluations) -> None:
    """Options and version of an extractor are in the key of the call and in the names of what it
    leaves, so that nothing of another one is taken for its own."""
    frames = ([0, 50, 90], {"A1": [10, 20, 30]}, {"C1": [100, 110]})
    first = evaluate(*frames)
    key = evaluate.key
    assert set(evaluate.plugins) == {"metric/mse", "metric/gap", "feature/levels"}
    twice = evaluate(*frames, feature_options={"levels": {"factor": 2.0}})
    assert distance(twice).value == pytest.approx(2 * (distance(first).value or 0))
    evaluate.extractor = replace(evaluate.extractor, version="2")
    other = evaluate(*frames)
    assert len({key, evaluate.key}) == 2
    assert len({*first.features, *twice.features, *other.features}) == 3


def test_without_metrics_on_sets_extractors_do_not_matter(evaluate: Evaluations) -> None:
    """Nothing is computed or kept, and no extractor is in the key."""
    record = evaluate([0, 50], {"A1": [10, 20]}, metrics=("mse", "ssim"))
    assert set(evaluate.plugins) == {"metric/mse", "metric/ssim"}
    assert (record.features, kept(evaluate), evaluate.levels.frames) == ((), [], [])


def test_metrics_on_sets_alone_leave_likeness(evaluate: Evaluations) -> None:
    """Nearest pairs and gates still have a metric to go by."""
    record = evaluate([0, 50], {"A1": [10, 20], "B1": [90]}, metrics=("gap",))
    assert record.likeness == "ssim"
    assert set(evaluate.plugins) == {
        "metric/gap", "metric/ssim", "metric/msssim", "feature/levels",
    }  # fmt: skip


@pytest.mark.parametrize(
    ("metric", "extractor", "reason"),
    [
        ({}, {"min_size": 99}, "levels needs 99 pixels a side, frames are 16 x 16"),
        ({"min_frames": 9}, {}, "needs 9 frames a side, there are 2"),
        ({"features": ("theirs",)}, {}, "the feature extractor 'theirs' is not installed"),
    ],
)
def test_what_cannot_be_taken_is_absent_with_its_reason(
    evaluate: Evaluations, metric: dict[str, Any], extractor: dict[str, Any], reason: str
) -> None:
    """The rest of the evaluation is as ever, and the report notes the reason."""
    evaluate.metrics = [replace(GAP, **metric)]
    evaluate.extractor = replace(evaluate.extractor, **extractor)
    record = evaluate([0, 50, 90], {"A1": [10, 20, 30]}, {"C1": [100, 110]})
    name = metric.get("features", ("levels",))[0]
    assert record.absent == {f"Gap ({name})": reason} | OFF
    assert all(value.metric == "mse" for value in record.values)
    (group,) = (g for g in evaluation_section(record).groups if g.title == "Distances")
    assert group.text == f"Gap ({name}) is absent: {reason}."


def test_one_patient_is_too_few_for_metrics_that_leave_out_pairs_of_one(
    evaluate: Evaluations,
) -> None:
    """Against frames of one held-out patient KID is absent, and says so; of one training patient
    among several held-out ones it has no floor. What leaves out clips is told clips."""
    one, two = {"A1": [10, 20, 30, 40]}, {"C1": [100, 110], "D1": [130, 140]}
    chosen: dict[str, Any] = {"metrics": ("mse", "kid", "coverage")}
    absent = evaluate([0, 50, 90, 70], two, one, **chosen).absent
    assert absent == OFF | {
        f"{title} (levels)": f"needs real frames of two {of}s or more, those it is held against "
        f"are of one {of}"
        for title, of in (("KID", "patient"), ("Coverage", "clip"))
    }
    found = distance(evaluate([0, 50, 90, 70], one, two, **chosen), metric="kid/levels")
    assert (found.value is None, found.floor) == (False, None)
    clips = {"A1": [10, 20, 30, 40], "A2": [50, 60, 70, 80]}
    covered = distance(evaluate([0, 50, 90, 70], two, clips, **chosen), metric="coverage/levels")
    assert covered.value is not None


def broken(_: Any, *__: Any) -> Any:
    raise ZeroDivisionError("one of theirs")


def leaves(_: Any, *__: Any) -> Any:
    raise SystemExit(3)


def writes(frames: np.ndarray) -> Any:
    frames[0] = 0


@pytest.mark.parametrize(
    ("changes", "match"),
    [
        ({"build": broken}, "extractor 'levels' cannot be built: ZeroDivisionError: one of theirs"),
        ({"build": leaves}, "extractor 'levels' cannot be built: SystemExit: 3"),
        ({"build": lambda d, o: broken}, r"extractor 'levels' failed on frames shaped \(16, 16\)"),
        ({"build": lambda d, o: writes}, "extractor 'levels' failed .*read-only"),
        ({"size": 3}, r"'levels' gave float32 shaped \(3, 2\): expected float32 shaped \(3, 3\)"),
        ({"build": lambda d, o: lambda f: np.full((len(f), 2), np.nan, np.float32)}, "not finite"),
        ({"build": lambda d, o: lambda f: np.ones((len(f), 2))}, "gave float64 shaped"),
    ],
)
def test_what_goes_wrong_in_an_extractor_is_told_with_its_name(
    evaluate: Evaluations, changes: dict[str, Any], match: str
) -> None:
    """It raises, writes to its frames, or gives features that are not what it says."""
    evaluate.extractor = replace(evaluate.extractor, **changes)
    with pytest.raises(PluginError, match=match):
        evaluate([0, 50, 90], {"A1": [10, 20, 30]})


def test_what_goes_wrong_in_a_metric_is_told_with_its_name(evaluate: Evaluations) -> None:
    """And with the shapes of the features that it got; it may not write to them either."""

    def overwrites(a: Any, b: Any) -> float:
        a[0] = 0
        return 0.0

    for value, said in (
        (broken, "one of theirs"),
        (leaves, "SystemExit: 3"),
        (overwrites, "read-only"),
    ):
        evaluate.metrics = [replace(GAP, value=value)]
        with pytest.raises(PluginError, match=rf"'gap' failed on features shaped \(3, 2\).*{said}"):
            evaluate([0, 50, 90], {"A1": [10, 20, 30]})


def test_a_metric_that_nobody_named_may_fail(evaluate: Evaluations) -> None:
    """Of all that is installed, what fails is absent with the reason, and so is what is defined on
    an extractor that fails; the rest is measured."""
    theirs = FeatureExtractor("theirs", "Fails", lambda device: broken, "none", 2, version="1")
    evaluate.extractors = [theirs]
    evaluate.metrics = [
        GAP,
        replace(GAP, name="worse", title="Worse", value=broken),
        replace(GAP, name="other", title="Other", features=("theirs",)),
    ]
    record = evaluate([0, 50, 90], {"A1": [10, 20, 30]}, {"C1": [100, 110]}, metrics=())
    assert distance(record).value == pytest.approx(60)
    assert distance(record, metric="kid_textbook/levels").value is not None
    assert "one of theirs" in record.absent["Worse (levels)"]
    assert "'theirs' failed" in record.absent["Other (theirs)"]


def test_a_value_that_is_not_finite_is_none(evaluate: Evaluations) -> None:
    """It is measured, and undefined."""
    evaluate.metrics = [replace(GAP, value=lambda a, b: float("nan"))]
    found = distance(evaluate([0, 50, 90], {"A1": [10, 20, 30]}, FOUR))
    assert (found.value, found.floor, found.interval) == (None, None, None)


FRECHET = {
    "theirs/__init__.py": """
from lusgan_core.api import hookimpl
from theirs import frechet

MODULES = (frechet,)

@hookimpl
def register_metrics():
    return [module.METRIC for module in MODULES]
""",
    "theirs/frechet.py": '''
"""Frechet distance of two sets of features (Heusel et al., NeurIPS 2017)."""
import numpy as np
from lusgan_core.api import SetMetric

def value(a, b):
    gap = a.mean(0) - b.mean(0)
    one, two = np.cov(a, rowvar=False), np.cov(b, rowvar=False)
    roots = np.sqrt(np.abs(np.linalg.eigvals(one @ two).real))
    return float(gap @ gap + np.trace(one) + np.trace(two) - 2 * roots.sum())

METRIC = SetMetric("frechet", "Frechet", "Frechet distance of two sets", "lower", 0.0, value,
                   bounds=(0, np.inf))
''',
}
"""A new distance: its own module, and its package's list of modules."""


def test_a_new_distance_takes_two_files(
    evaluate: Evaluations, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """With nothing else changed it is in the options, in the key, in the record with its floor and
    interval, and in the report and the UI, which read the same list."""
    assert len(FRECHET) == 2
    for name, text in FRECHET.items():
        path = tmp_path / "site" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    monkeypatch.syspath_prepend(tmp_path / "site")
    registry = discover()
    registry.add(__import__("theirs"), Provider("theirs"))
    monkeypatch.setattr(Evaluations, "registry", registry)
    everything = resolve("demo", registry).evaluation
    assert "frechet" in {metric.name for metric in choose(everything, registry).sets}
    levels = [20, 30, 44, 50, 61, 70]
    record = evaluate(
        levels, {"A1": range(10, 22)}, FOUR, metrics=("mse", "frechet"), features=("random",)
    )
    assert "metric/frechet" in evaluate.plugins
    found = distance(record, metric="frechet/random")
    assert None not in (found.value, found.floor, found.interval)
    assert min(found.value or 0, found.floor or 0) > 0
    (table,) = [
        figure
        for group in evaluation_section(record).groups
        for figure in group.figures
        if isinstance(figure, Table) and figure.name == "distances"
    ]
    assert (*table.rows[0][:2], table.rows[0][3]) == (
        "Frechet (random), ↓ lower = more alike",
        found.value,
        found.floor,
    )
    del sys.modules["theirs"], sys.modules["theirs.frechet"]
