"""The memorisation audit of whole evaluations, on phantom patients of 64 pixels."""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
from numpy.typing import NDArray
from test_evaluation_score import SCORE, leave

from lusgan_core.calls.call import StageContext, reference_to
from lusgan_core.calls.runtime import Runtime
from lusgan_core.calls.section import SYNTHETIC, TRAINING, FramePairs, Group, Table, find
from lusgan_core.domain import ShardRecord
from lusgan_core.evaluation import stage
from lusgan_core.evaluation.audit import compare
from lusgan_core.evaluation.audit.plants import KINDS, plant
from lusgan_core.evaluation.audit.record import AuditRecord
from lusgan_core.evaluation.real_frame import RealFrame
from lusgan_core.evaluation.section import evaluation_section
from lusgan_core.evaluation.stage import EvaluationOptions, EvaluationRecord
from lusgan_core.generation.stage import SampleSet
from lusgan_core.phantom.render import render_clip
from lusgan_core.phantom.scanner import draw_scanner
from lusgan_core.preprocessing.shard import write_shard
from lusgan_core.registry import installed
from lusgan_core.selection.stage import score_dataset
from lusgan_core.store import LocalStore

Frames = NDArray[np.uint8]
Clips = Mapping[str, Frames]
"""Name of a clip, the part of which before the dash is its patient -> its frames."""
CLIPS, EACH, SIDE = 2, 8, 64


@cache
def clip(patient: int, number: int) -> Frames:
    """Frames of one clip of a phantom patient, who has one scanner."""
    scanner = draw_scanner(np.random.default_rng(patient), 96, square=True)
    rng = np.random.default_rng((patient, number))
    frames = render_clip(rng, scanner, [SCORE] * EACH, annotated=False)
    return np.stack([cv2.resize(f, (SIDE, SIDE), interpolation=cv2.INTER_AREA) for f in frames])


def patients(first: int, count: int) -> dict[str, Frames]:
    """Clips of so many patients; each number is another patient."""
    return {
        f"{patient:03}-{number}": clip(patient, number)
        for patient in range(first, first + count)
        for number in range(CLIPS)
    }


def stacked(clips: Clips) -> Frames:
    return np.concatenate(list(clips.values()))


LEARNT, UNSEEN, FRESH = patients(0, 8), patients(100, 6), stacked(patients(200, 6))


def evaluated(
    folder: Path, training: Clips, held_out: Clips, synthetic: Frames, **options: Any
) -> EvaluationRecord:
    """Evaluate frames of a model by the installed plugins."""
    store = LocalStore(folder)

    def shard(name: str, frames: Frames) -> ShardRecord:
        path = store.path(f"shards/{name}.h5")
        path.parent.mkdir(parents=True, exist_ok=True)
        written = write_shard(path, frames, [SCORE] * len(frames), attributes={})
        return ShardRecord(
            patient=name.partition("-")[0], exam="1", clip=name, area=1, key=f"shards/{name}.h5",
            digest="0", frames=written.frames, by_score=written.by_score,
        )  # fmt: skip

    shards = [shard(*each) for each in (dict(training) | dict(held_out)).items()]
    codes = frozenset(name.partition("-")[0] for name in held_out)
    dataset = score_dataset(shards, SCORE, codes)
    selected = leave(store, "select", data=dataset.model_dump(mode="json"))
    path = store.path("samples/frames.h5")
    path.parent.mkdir(parents=True, exist_ok=True)
    write_shard(path, synthetic, [SCORE] * len(synthetic), attributes={})
    samples = SampleSet(
        score=SCORE, model="m", folder="samples", frames_key="samples/frames.h5",
        count=len(synthetic), seed=0,
    )  # fmt: skip
    generated = leave(
        store,
        "generate",
        data=samples.model_dump(mode="json"),
        artifacts={"frames": reference_to(store, "samples/frames.h5")},
    )
    chosen = EvaluationOptions.model_validate({"metrics": ("ssim",)} | options)
    call = stage.call(selected, generated, chosen, installed())
    context = StageContext(store, registry=installed(), runtime=Runtime(device="cpu", threads=1))
    made = stage.run(call, context).data
    assert isinstance(made, EvaluationRecord)
    return made


@pytest.fixture(scope="module")
def of_fresh(tmp_path_factory: pytest.TempPathFactory) -> EvaluationRecord:
    """The evaluation of frames of patients whom nobody has seen."""
    return evaluated(tmp_path_factory.mktemp("fresh"), LEARNT, UNSEEN, FRESH)


def audit_of(record: EvaluationRecord) -> AuditRecord:
    assert record.audit is not None, record.absent
    return record.audit


SHIFT = np.random.default_rng(0).normal(size=(8, 12)) * 4


def crafted(numbers: range, seed: int, held_out: bool) -> compare.Part:
    """Noise frames with features around a centre of each patient."""
    rng = np.random.default_rng(seed)
    where = tuple(
        RealFrame(shard=f"{p}.h5", frame=n, patient=str(p), held_out=held_out)
        for p in numbers
        for n in range(20)
    )
    centres = np.repeat(SHIFT[: len(numbers)] * (1 if seed == 1 else 0), 20, axis=0)
    frames = rng.integers(0, 256, (len(where), 16, 16), dtype=np.uint8)
    return compare.Part(frames, centres + rng.normal(size=(len(where), 12)) * 3, where)


CRAFTED = crafted(range(8), 1, held_out=False)


def crafted_audit(synthetic: compare.Part) -> AuditRecord:
    """Audit frames on features that are given, with frames' mean squared differences beside."""

    def unlike(frames: Frames) -> NDArray[np.float64]:
        rows = [f.reshape(len(f), -1).astype(float) for f in (frames, CRAFTED.frames)]
        return np.square(rows[0][:, None] - rows[1][None]).mean(2)

    measures = compare.Measures(lambda f: np.zeros((len(f), 12)), unlike, "given", "MSE")
    return compare.audit(
        CRAFTED, crafted(range(4), 2, held_out=True), synthetic, measures, copies=10, most=100
    )


@pytest.fixture
def rng_frames() -> compare.Part:
    """Ten copies of training frames with a little noise on their features, and fifty strangers."""
    strangers, rng = crafted(range(3), 3, held_out=True), np.random.default_rng(4)
    features = np.concatenate([CRAFTED.features[::16][:10] + 0.1, strangers.features[10:]])
    frames = rng.integers(0, 256, (60, 16, 16), dtype=np.uint8)
    return compare.Part(frames, features)


def table_of(group: Group) -> Table:
    (table,) = (figure for figure in group.figures if isinstance(figure, Table))
    return table


@pytest.mark.parametrize(
    ("kind", "least"),
    [("verbatim", 1.0), ("mirrored", 0.7), ("shifted", 0.65), ("contrast", 0.95), ("gain", 0.95),
     ("noise", 0.95), ("speckle drawn again", 0.95), ("mirrored, shifted, contrast", 0.25)],
)  # fmt: skip
def test_planted_copies_are_found(of_fresh: EvaluationRecord, kind: str, least: float) -> None:
    """Each kind by at least the share that was measured, less a margin; half a frame of either of
    two patients is near neither, which is why blended copies are not among them."""
    (planted,) = (p for p in audit_of(of_fresh).planted if p.kind == kind)
    assert planted.number == 50
    assert planted.share >= least
    low, high = planted.interval
    assert low <= planted.share <= high


def test_every_kind_is_planted(of_fresh: EvaluationRecord) -> None:
    """In the table, in order, with a chance of being noticed that grows with the share of copies;
    and among the measured values."""
    assert [p.kind for p in audit_of(of_fresh).planted] == list(KINDS)
    for planted in audit_of(of_fresh).planted:
        assert list(planted.power) == sorted(planted.power)
        value = find(of_fresh.values, f"copies_found/{planted.kind}", (), "share")
        assert value is not None
        assert value.value == planted.share


def test_frames_of_unseen_patients_are_no_copies(of_fresh: EvaluationRecord) -> None:
    """No more of them are flagged than expected, and the report says so without promising more."""
    audit = audit_of(of_fresh)
    assert (audit.held_out_patients, audit.held_out_frames, audit.left_out_frames) == (6, 96, 128)
    for limit in audit.limits:
        assert limit.flagged <= limit.expected_rate * audit.frames
        assert limit.false_alarms is not None
        assert limit.false_alarms <= 0.06
    assert not audit.copies_found
    section = evaluation_section(of_fresh)
    (group,) = (group for group in section.groups if group.title == "Copies")
    assert group.text.startswith("No copying detected at this sensitivity: ")
    assert "on 96 frames of 6 held-out patients, and on 128 frames of 8 training" in group.text
    assert "private" not in group.text
    assert len(table_of(group).rows) == len(KINDS)
    assert section.claims[2].state != "bad"


def test_an_audit_is_among_the_measured_values(
    of_fresh: EvaluationRecord,
) -> None:
    """The audit's extractor is in the record, so that its features are kept; values for gates are
    those of the record."""
    audit = audit_of(of_fresh)
    assert audit.extractor in of_fresh.features
    assert audit.extractor.startswith("lite0-")
    share, p, checked = (
        find(of_fresh.values, "copies", (SYNTHETIC, TRAINING), statistic)
        for statistic in ("share", "p", "checked")
    )
    assert share is not None
    assert p is not None
    assert checked is not None
    assert share.value == audit.limits[-1].flagged / 96
    assert (share.floor, share.number) == (audit.limits[-1].expected_rate, 96)
    assert (p.value, checked.value) == (audit.p_value, 6 + 8)


def test_copies_of_several_kinds_are_found_and_shown(tmp_path: Path) -> None:
    """A quarter of the set: the verdict is bad, and the worst pairs show whose frames they are."""
    originals = stacked(LEARNT)[::16]
    kinds = ("mirrored", "contrast", "noise")
    copied = np.concatenate([plant(kind, originals) for kind in kinds])
    made = np.concatenate([FRESH[:72], copied])
    record = evaluated(tmp_path, LEARNT, UNSEEN, made, audit_copies=10)
    audit = audit_of(record)
    assert audit.copies_found
    assert audit.p_value < 0.002
    suspects = [s for s in audit.suspects if s.synthetic >= 72]
    assert len(suspects) >= 20
    assert [s.synthetic >= 72 for s in audit.suspects[:8]] == [True] * 8
    names = list(LEARNT)[::2]
    right = [s.real.shard == f"shards/{names[(s.synthetic - 72) % 8]}.h5" for s in suspects]
    assert sum(right) >= 0.9 * len(right)
    section = evaluation_section(record)
    claim = section.claims[2]
    assert (claim.question, claim.state) == ("Copies?", "bad")
    assert claim.text.startswith("Copies found: ")
    (group,) = (group for group in section.groups if group.title == "Copies")
    (gallery,) = (figure for figure in group.figures if isinstance(figure, FramePairs))
    values = [pair.value for pair in gallery.pairs]
    assert values == sorted(values)
    assert 0 <= values[-1] < 1


def test_one_held_out_patient_does_not_set_limits_alone(tmp_path: Path) -> None:
    """Training patients are strangers to each other, too, so that frames of unseen patients are not
    called copies because one patient is unlike others; the report says that one is no check."""
    one = {name: frames for name, frames in UNSEEN.items() if name.startswith("100")}
    record = evaluated(tmp_path, LEARNT, one, FRESH, audit_copies=10)
    audit = audit_of(record)
    assert (audit.held_out_patients, audit.held_out_frames) == (1, 16)
    assert not audit.copies_found
    assert audit.checked_patients == 9
    (group,) = (g for g in evaluation_section(record).groups if g.title == "Copies")
    assert "of those of held-out patients: one patient, who is no check to rely on." in group.text


def test_one_patient_alone_cannot_check(tmp_path: Path) -> None:
    """With one held-out patient beside two training patients, of whom neither can be left out,
    limits are that patient's; the report says that nobody checked them, and gates can tell."""
    one = {name: frames for name, frames in UNSEEN.items() if name.startswith("100")}
    record = evaluated(tmp_path, patients(0, 2), one, FRESH[:20], audit_copies=10)
    audit = audit_of(record)
    assert audit.checked_patients == 0
    for limit in audit.limits:
        assert (limit.false_alarms, limit.held_out_alarms) == (None, None)
        assert limit.expected_rate == 1 / 17
    (group,) = (g for g in evaluation_section(record).groups if g.title == "Copies")
    assert "there is nobody else, so the false alarms could not be checked" in group.text
    checked = find(record.values, "copies", (SYNTHETIC, TRAINING), "checked")
    assert checked is not None
    assert checked.value == 0


@pytest.mark.parametrize(
    ("training", "held_out", "options", "reason"),
    [
        (LEARNT, {}, {}, "no patient who is held out has this score"),
        (patients(0, 1), UNSEEN, {}, "takes frames of two training patients, there is one"),
        (LEARNT, {"100-0": clip(0, 0)}, {}, "every held-out patient shares a clip"),
        (LEARNT, UNSEEN, {"metrics": ("mse",)}, "takes SSIM or MS-SSIM"),
        (LEARNT, UNSEEN, {"audit_frames": 0}, "audit_frames is 0"),
    ],
)
def test_an_audit_that_is_not_possible_is_absent_with_its_reason(
    tmp_path: Path, training: Clips, held_out: Clips, options: dict[str, Any], reason: str
) -> None:
    """The rest of the evaluation stands, and the report names what is lacking."""
    record = evaluated(tmp_path, training, held_out, FRESH[:8], **options)
    assert record.audit is None
    assert reason in record.absent["Memorisation audit"]
    assert any(f"{reason}" in note for note in evaluation_section(record).notes)
    assert find(record.values, "copies", (SYNTHETIC, TRAINING), "share") is None


def test_a_clip_that_is_there_twice_hides_no_copies(tmp_path: Path) -> None:
    """Under another name, or under the codes of other patients on either side: these count as one
    patient, whose copies are found as before."""
    twice = dict(LEARNT) | {
        f"05{patient}-{number}": clip(patient, number) for patient in range(8) for number in (0, 1)
    }
    again = {"000-9": clip(0, 1), "101-9": clip(1, 0)}
    copied = np.concatenate([FRESH[:32], plant("contrast", stacked(LEARNT)[::4])])
    record = evaluated(tmp_path, twice | again, UNSEEN, copied, audit_copies=10)
    audit = audit_of(record)
    assert (audit.training_patients, audit.shared) == (8, 17)
    assert audit.copies_found
    assert sum(suspect.synthetic >= 32 for suspect in audit.suspects) == 32
    assert audit.planted[0].found == (10, 10)


def test_a_frame_is_judged_alone(rng_frames: compare.Part) -> None:
    """Frames beside it, their order and their number change nothing but the verdict on the set."""
    part = rng_frames

    def flagged_of(kept: NDArray[np.int64]) -> dict[int, float]:
        found = crafted_audit(part.chosen(kept))
        return {int(kept[s.synthetic]): s.features for s in found.suspects}

    everything = flagged_of(np.arange(60))
    assert len(everything) > 5
    parts = [flagged_of(np.arange(first, 60, 4)[::-1]) for first in range(4)]
    merged = {number: value for one in parts for number, value in one.items()}
    assert merged.keys() == everything.keys()
    assert merged == pytest.approx(everything, rel=1e-9)
    assert crafted_audit(part).suspects[0].synthetic < 10
