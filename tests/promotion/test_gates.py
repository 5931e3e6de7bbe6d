"""Each gate on candidates of which it is known whether they should pass."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest

from lusgan_core.api import Gate, hookimpl
from lusgan_core.errors import UnknownPluginError
from lusgan_core.evaluation.stage import EvaluationRecord
from lusgan_core.judgement import Candidate, Verdict
from lusgan_core.measured import HELD_OUT, REAL, SYNTHETIC, TRAINING, Measured, find
from lusgan_core.networks.generator import GeneratorRecord
from lusgan_core.networks.value_range import ValueMap
from lusgan_core.promotion import stage
from lusgan_core.promotion.candidate import candidate_of
from lusgan_core.promotion.gates import judge
from lusgan_core.promotion.stage import PromotionOptions, PromotionRecord
from lusgan_core.registry import Provider, Registry, discover, installed
from lusgan_core.training.stage import ModelRecord


def measured(
    loss: float | None = 0.7,
    share: float | None = 0.8,
    synthetic: float | None = 0.5,
    real: float | None = 0.6,
    closest: float | None = 0.2,
) -> tuple[Measured, ...]:
    """Return what a training and an evaluation measured; distances are 1 minus likeness."""
    ends = (("generator_loss", loss), ("discriminator_loss", share))
    pairs = (
        ((SYNTHETIC, SYNTHETIC), "mean", synthetic),
        ((REAL, REAL), "mean", real),
        ((REAL, REAL), "max", closest),
    )
    return (
        *(Measured(metric=m, title=m, statistic="end", value=value) for m, value in ends),
        *(
            Measured(metric="ssim", title="SSIM", between=b, statistic=s, value=1 - value)
            for b, s, value in pairs
            if value is not None
        ),
    )


def audited(
    flagged: int = 1,
    p: float = 0.6,
    checked: int = 3,
    found: float = 0.8,
    noticed: float = 0.9,
) -> tuple[Measured, ...]:
    """Return what the memorisation audit of 50 frames measured."""
    copies = Measured(
        metric="copies", title="Flagged", between=(SYNTHETIC, TRAINING), statistic="share",
        value=flagged / 50, number=50, floor=0.02,
    )  # fmt: skip
    return (
        copies,
        copies.model_copy(update={"statistic": "p", "value": p}),
        copies.model_copy(update={"statistic": "checked", "value": float(checked)}),
        Measured(metric="copies_found", title="Found", statistic="share", value=found),
        Measured(metric="copies_noticed", title="Noticed", statistic="share", value=noticed),
    )


def apart(kid: float = 0.1, recall: float = 0.15) -> tuple[Measured, ...]:
    """Return distances to held-out patients, beside floors of 0 and 0.2, and noise at 1."""
    between = (HELD_OUT, SYNTHETIC)
    return tuple(
        Measured(
            metric=f"{name}/lite0",
            title=name.upper(),
            between=between,
            value=value,
            floor=floor,
            ceilings={"noise": 1.0},
        )
        for name, value, floor in (("kid", kid, 0.0), ("recall", recall, 0.2))
    )


def judged(share: float = 0.8, real: float = 0.9) -> tuple[Measured, ...]:
    """Return which share of frames the LUS encoder judged as their score, beside real ones."""
    return (
        Measured(
            metric="fidelity", title="Score fidelity", between=(SYNTHETIC,), statistic="share",
            value=share, number=50, floor=real,
        ),
    )  # fmt: skip


SOUND = Candidate(
    score=2,
    model="sound",
    values=measured() + audited() + apart() + judged(),
    likeness="ssim",
    to_training=(0.3,) * 50,
    to_held_out=(0.35,) * 50,
)
OPTIONS = PromotionOptions()


def failed(candidate: Candidate, current: Candidate | None = None, **options: object) -> set[str]:
    chosen = PromotionOptions.model_validate(options)
    verdicts = judge(candidate, current, chosen, installed()).verdicts
    return {v.gate for v in verdicts if not v.passed}


def verdict_of(gate: str, candidate: Candidate, current: Candidate | None = None) -> Verdict:
    """Return what one of all gates says, by its defaults."""
    verdicts = judge(candidate, current, OPTIONS, installed()).verdicts
    return next(verdict for verdict in verdicts if verdict.gate == gate)


def test_a_sound_model_passes_every_gate() -> None:
    """Bounded losses, frames as different as real ones, none near a training frame."""
    assert failed(SOUND) == set()
    assert failed(SOUND, SOUND) == set()


def test_gates_have_names_and_say_what_they_are_for() -> None:
    """Each verdict carries its gate's name and a reason; all gates are asked, in their order."""
    names = ["divergence", "realism", "diversity", "collapse", "fidelity", "copies"]
    names.append("near_copies")
    verdicts = judge(SOUND, None, OPTIONS, installed()).verdicts
    assert [verdict.gate for verdict in verdicts] == names == list(installed().gates())
    assert all(verdict.reason and verdict.measured for verdict in verdicts)


def test_verdicts_carry_the_values_that_decided_them() -> None:
    """Losses as they were measured, shares beside their limits; whether or not the gate passes."""
    high = replace(SOUND, values=measured(loss=60.0))
    copied = replace(SOUND, to_training=(0.0,) * 10 + (0.3,) * 40)
    for candidate, loss, share in ((SOUND, 0.7, 0.0), (high, 60.0, 0.0), (copied, 0.7, 0.2)):
        divergence, collapse, copies = (
            verdict_of(gate, candidate) for gate in ("divergence", "collapse", "near_copies")
        )
        assert [(v.metric, v.statistic, v.value) for v in divergence.values] == [
            ("generator_loss", "end", loss), ("discriminator_loss", "end", 0.8)
        ]  # fmt: skip
        assert [(v.metric, v.statistic) for v in collapse.values] == [
            ("diversity", "share"), ("diversity", "limit")
        ]  # fmt: skip
        assert [(v.metric, v.statistic, v.value) for v in copies.values] == [
            ("near_copies", "share", share),
            ("near_copies", "limit", 0.02),
        ]


def test_a_candidate_is_its_training_and_its_evaluation() -> None:
    """Values are those of both; likenesses of 1 and 0.75 are distances of 0 and 0.25."""
    training, evaluation = SOUND.values[:2], SOUND.values[2:]
    generator = GeneratorRecord(
        backbone="dcgan", backbone_options={}, image_size=32, channels=1, latent_size=8, pack=1,
        values=ValueMap(scale=1, offset=0),
    )  # fmt: skip
    model = ModelRecord(
        score=2, name="sound", folder="models/score-2/sound", generator=generator, iterations=4,
        images_seen=4, training_frames=4, training_clips=1, training_patients=1, values=training,
    )  # fmt: skip
    evaluated = EvaluationRecord(
        score=2, samples="frames.h5", training=4, held_out=4, synthetic=2, among=4,
        likeness="ssim", values=evaluation, distributions=(), absent={}, nearest=(),
        nearest_training=(1.0, 0.75), nearest_held_out=(0.75, 0.5), engine="torch", pairs=1,
    )  # fmt: skip
    assert candidate_of(model, evaluated) == replace(
        SOUND, to_training=(0.0, 0.25), to_held_out=(0.25, 0.5)
    )


@pytest.mark.parametrize(
    ("loss", "share", "passes"),
    [(50.0, 1.0, True), (50.1, 1.0, False), (1.0, 0.0099, False), (1.0, 0.01, True),
     (None, 1.0, False), (1.0, None, False)],
)  # fmt: skip
def test_divergence(loss: float | None, share: float | None, passes: bool) -> None:
    """A loss beyond its limit, or none that is a number, fails; the limit itself passes."""
    candidate = replace(SOUND, values=measured(loss=loss, share=share))
    assert failed(candidate) == (set() if passes else {"divergence"})


def test_collapse_is_by_distance_beside_real_frames() -> None:
    """Diversity is synthetic over real distance: 0.21 / 0.6 is the limit of 35 %."""
    assert failed(replace(SOUND, values=measured(synthetic=0.211))) == set()
    assert failed(replace(SOUND, values=measured(synthetic=0.209))) == {"collapse"}
    assert failed(replace(SOUND, values=measured(synthetic=0.209)), min_diversity=0.3) == set()
    verdict = verdict_of("collapse", replace(SOUND, values=measured(synthetic=0.06)))
    share, limit = (find(verdict.values, "diversity", (), kind) for kind in ("share", "limit"))
    assert (share.value, limit.value) == pytest.approx((0.1, 0.35))
    assert verdict.reason == "synthetic frames differ by 10% of what real ones do, under 35%"


def test_collapse_compares_with_the_current_model() -> None:
    """A model that keeps less than half of the current one's diversity fails, though above 35 %;
    beside one of little diversity 35 % are asked for as ever."""
    better = replace(SOUND, values=measured(synthetic=0.6))
    worse = replace(SOUND, values=measured(synthetic=0.25))
    assert failed(worse) == set()
    assert failed(worse, better) == {"collapse"}
    reason = verdict_of("collapse", worse, better).reason
    assert reason.endswith("of what real ones do (the current model's 100%), under 50%")
    assert failed(worse, better, keep_diversity=0.4) == set()
    assert failed(better, worse) == set()
    assert failed(replace(SOUND, values=measured(synthetic=0.2)), worse) == {"collapse"}


def test_the_limits_of_a_collapse_pass() -> None:
    """Half of what real frames differ by is enough where half is asked for, by option or by the
    current model; a little less is not."""
    at, below = (replace(SOUND, values=measured(synthetic=s, real=0.5)) for s in (0.25, 0.249))
    current = replace(SOUND, values=measured(synthetic=0.5, real=0.5))
    for beside, asked in ((None, 0.5), (current, 0.1)):
        assert failed(at, beside, min_diversity=asked) == set()
        assert failed(below, beside, min_diversity=asked) == {"collapse"}


def test_a_frame_at_the_limit_is_no_near_copy() -> None:
    """Half the smallest real distance, or half the distance to a held-out frame, is far enough;
    a little nearer is not."""
    for closest, other in ((0.25, 1.0), (1.0, 0.25)):
        chosen = replace(SOUND, values=measured(closest=closest), to_held_out=(other,))
        for mine, copies in ((0.125, set()), (0.1249, {"near_copies"})):
            assert failed(replace(chosen, to_training=(mine,)), near_copy=0.5) == copies


def test_near_copies_are_counted() -> None:
    """One frame in 50 may be closer than a third of the closest real pair; two may not."""
    close = (0.06,)
    one = replace(SOUND, to_training=close + SOUND.to_training[1:])
    two = replace(SOUND, to_training=close * 2 + SOUND.to_training[2:])
    assert failed(one) == set()
    assert failed(two) == {"near_copies"}
    assert failed(two, max_near_copies=0.04) == set()
    assert failed(two, near_copy=0.25) == set()


def test_a_frame_as_near_to_a_held_out_patient_is_no_copy() -> None:
    """What is just as close to somebody who was never seen cannot have been copied."""
    near = replace(SOUND, to_training=(0.06,) * 50, to_held_out=(0.1,) * 50)
    assert failed(near) == set()
    assert failed(replace(near, to_held_out=())) == {"near_copies"}


@pytest.mark.parametrize(
    "change",
    [
        {"values": measured(synthetic=None, closest=None), "to_training": (), "to_held_out": ()},
        {"values": measured(real=None, closest=None), "to_held_out": ()},
        {"values": measured(real=0.0)},
        {"likeness": None, "to_training": (), "to_held_out": ()},
    ],
)
def test_what_cannot_be_measured_passes_and_says_so(change: dict[str, object]) -> None:
    """Without likeness, with one clip, or with equal real frames there is no verdict against."""
    changed = replace(SOUND, **change)
    assert failed(changed) == set()
    collapse = verdict_of("collapse", changed)
    assert collapse.reason.startswith("not measured")
    assert (collapse.measured, verdict_of("divergence", changed).measured) == (False, True)


@pytest.mark.parametrize(
    ("values", "state", "said"),
    [
        (audited(), "passes", "no copying detected at this sensitivity (80% of planted copies): 1 "
         "of 50 frames are flagged as copies of training frames, expected false alarms 1"),
        (audited(9, 1e-6), "fails", "copies found: 9 of 50 frames are flagged"),
        (audited(9, 1e-6, found=0.1), "fails", "copies found"),
        (audited(9, 0.01), "passes", "no copying detected"),
        (audited(found=0.49), "cannot", "finds only 49% of planted copies (50% are asked for)"),
        (audited(noticed=0.4), "cannot", "with a chance of 40% only (50% is asked for)"),
        (audited(9, 1e-6, noticed=0.0), "fails", "copies found"),
        (audited(9, 1e-6, checked=0), "cannot", "false alarms could not be counted"),
        ((), "cannot", "without the memorisation audit"),
    ],
)  # fmt: skip
def test_copies_are_judged_by_the_audit(
    values: tuple[Measured, ...], state: str, said: str
) -> None:
    """More flagged frames than chance explains hold a model back, found by however insensitive an
    audit; that nothing was found counts only where something would have been."""
    verdict = verdict_of("copies", replace(SOUND, values=values))
    assert said in verdict.reason
    assert (verdict.passed, verdict.measured) == (state != "fails", state != "cannot")


def test_the_limits_of_the_audit_are_options() -> None:
    """With another significance, or another sensitivity asked for, the verdict is another one."""
    candidate = replace(SOUND, values=audited(4, 0.02, found=0.6))
    for options, passed, judged in (
        ({}, True, True),
        ({"significance": 0.05}, False, True),
        ({"min_found": 0.7}, True, False),
    ):
        chosen = PromotionOptions(gates={"copies": options})
        (verdict,) = judge(candidate, None, chosen, installed()).verdicts
        assert (verdict.passed, verdict.measured) == (passed, judged)


def test_a_gate_without_likeness_says_which_metric_to_add() -> None:
    """Without SSIM and MS-SSIM two gates measure nothing, and say what to add."""
    unlike = replace(SOUND, likeness=None, to_training=(), to_held_out=())
    for verdict in (verdict_of(gate, unlike) for gate in ("collapse", "near_copies")):
        assert not verdict.measured
        assert "add ssim to evaluation.metrics" in verdict.reason


def test_a_verdict_of_the_first_edition_is_read() -> None:
    """lusgan 0.1 kept names and numbers; they come as measured values."""
    left = {"gate": "collapse", "passed": True, "reason": "fine", "values": {"diversity": 0.7}}
    (value,) = Verdict.model_validate(left).values
    assert (value.metric, value.value) == ("diversity", 0.7)
    again = Verdict.model_validate_json(Verdict.model_validate(left).model_dump_json())
    assert again.values == (value,)


def test_an_unmeasured_verdict_of_the_first_edition_is_read_as_one() -> None:
    """lusgan 0.1 said it in the reason alone."""
    left = {
        "gate": "collapse",
        "passed": True,
        "reason": "not measured: it takes SSIM",
        "values": {},
    }
    assert not Verdict.model_validate(left).measured


def test_limits_of_the_first_edition_are_options_of_gates() -> None:
    """An old limit asks its gate by it, and the other two as they were asked then."""
    old = PromotionOptions.model_validate({"min_diversity": 0.2, "near_copy": 0.1})
    new = {"divergence": {}, "collapse": {"min_diversity": 0.2}, "near_copies": {"near_copy": 0.1}}
    assert old.gates == new
    both = {"gates": {"collapse": {"keep_diversity": 0.1}}, "min_diversity": 0.2}
    assert PromotionOptions.model_validate(both).gates == {
        "collapse": {"keep_diversity": 0.1, "min_diversity": 0.2}
    }
    with pytest.raises(ValueError, match="max_diversity"):
        PromotionOptions.model_validate({"max_diversity": 1})


# --- gates of others -----------------------------------------------------------------------------


def raises(candidate: Candidate, current: Candidate | None, options: Any) -> Verdict:
    raise ZeroDivisionError("no frames\nat all")


def leaves(candidate: Candidate, current: Candidate | None, options: Any) -> Verdict:
    raise SystemExit(3)


def says_yes(candidate: Candidate, current: Candidate | None, options: Any) -> Any:
    return True


def with_gate(check: Callable[..., Any]) -> Registry:
    """Return the installed plugins and the gate ``theirs``."""

    class Plugin:
        @hookimpl
        def register_gates(self) -> list[Gate]:
            return [Gate("theirs", "A gate of somebody else", check)]

    registry = discover()
    registry.add(Plugin(), Provider("tests", "their-dist", "2.0"))
    return registry


@pytest.mark.parametrize(
    ("check", "said"),
    [
        (raises, "failed: ZeroDivisionError: no frames at all"),
        (leaves, "failed: SystemExit: 3"),
        (says_yes, "returned bool, expected a Verdict"),
    ],
)
def test_a_gate_that_fails_decides_only_where_it_is_named(
    check: Callable[..., Any], said: str
) -> None:
    """Unnamed it is absent with its reason; named it holds the model back with that reason."""
    registry, said = with_gate(check), f"the gate theirs (their-dist 2.0) {said}"
    unnamed = judge(SOUND, None, OPTIONS, registry)
    assert unnamed.absent == {"theirs": said}
    assert [v.gate for v in unnamed.verdicts] == list(installed().gates())
    options = PromotionOptions(gates={"theirs": {}, "collapse": {}})
    named = judge(SOUND, None, options, registry)
    assert [(v.gate, v.passed, v.measured) for v in named.verdicts] == [
        ("theirs", False, False), ("collapse", True, True)
    ]  # fmt: skip
    assert named.verdicts[0].reason == said
    others = "promotion.gates names others"
    assert named.absent == dict.fromkeys(installed().gates().keys() - {"collapse"}, others)


def test_a_gate_that_is_named_must_be_installed() -> None:
    """A misspelled gate ends the decision, with the nearest name."""
    with pytest.raises(UnknownPluginError, match="did you mean 'collapse'"):
        judge(SOUND, None, PromotionOptions(gates={"colapse": {}}), installed())


def test_the_report_tells_the_outcomes_apart() -> None:
    """Passed, failed, not measured and not asked are four different cells of the table."""
    record = PromotionRecord(
        score=1, model="m", evaluated="e", promoted=False, before="",
        verdicts=(
            Verdict(gate="one", passed=True, reason="fine"),
            Verdict(gate="two", passed=False, reason="bad"),
            Verdict.not_measured("add ssim").model_copy(update={"gate": "three"}),
        ),
        held_back="two: bad", absent={"four": "it failed"},
    )  # fmt: skip
    (table,) = stage.section(record).groups[0].figures
    assert table.rows == (
        ("one", "✓", "fine"), ("two", "✗", "bad"),
        ("three", "not measured", "not measured: add ssim"), ("four", "not asked", "it failed"),
    )  # fmt: skip


@pytest.mark.parametrize(("share", "passed"), [(0.53, False), (0.55, True), (0.95, True)])
def test_fidelity_is_held_against_real_frames(share: float, passed: bool) -> None:
    """With 90% of held-out patients' frames judged right, 54% of synthetic ones must be: 0.6 of
    it; another multiple can be asked for."""
    candidate = replace(SOUND, values=measured() + audited() + apart() + judged(share))
    assert verdict_of("fidelity", candidate).passed is passed
    gates = {"fidelity": {"min_share": 0.99}}
    assert failed(candidate, gates=gates) == (set() if share > 0.9 else {"fidelity"})


def test_fidelity_without_an_encoder_is_not_measured() -> None:
    """A model that no encoder judged is not held back for it, and the verdict says what lacks."""
    verdict = verdict_of("fidelity", replace(SOUND, values=measured()))
    assert (verdict.passed, verdict.measured) == (True, False)
    assert "encoder.network" in verdict.reason


def test_values_of_another_encoder_are_no_comparison() -> None:
    """What another LUS encoder measured is left out of a current model; other values stay."""
    by_lus = Measured(metric="kid/lus", title="KID (lus)", value=0.1)
    values = (*measured(), *judged(), by_lus)
    evaluated = EvaluationRecord(
        score=1, samples="s", training=1, held_out=1, synthetic=1, among=1, likeness="ssim",
        values=values, distributions=(), absent={}, nearest=(), nearest_training=(),
        nearest_held_out=(), engine="none", pairs=0, encoder="aaaa",
    )  # fmt: skip
    model = ModelRecord.model_construct(score=1, name="m", values=())
    assert candidate_of(model, evaluated).values == values
    assert candidate_of(model, evaluated, "aaaa").values == values
    assert candidate_of(model, evaluated, "bbbb").values == measured()
