"""What a report shows of an evaluation: histograms, nearest pairs, Table 1 and notes."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import pytest

from lusgan_core.calls.section import (
    REAL,
    SYNTHETIC,
    Distribution,
    FramePairs,
    Histograms,
    Measured,
    Section,
    Table,
    find,
)
from lusgan_core.evaluation.section import PAIRS, evaluation_section
from lusgan_core.evaluation.stage import FIRST_SYNTHETIC, EvaluationRecord, NearestReal, RealFrame

MIXED, MADE, REALS = (REAL, SYNTHETIC), (SYNTHETIC, SYNTHETIC), (REAL, REAL)


def value(between: tuple[str, ...] = MADE, of: float = 0.5, **changes: Any) -> Measured:
    """Return a mean of SSIM."""
    ssim = {"metric": "ssim", "title": "SSIM", "better": "higher", "statistic": "mean"}
    return Measured.model_validate(ssim | {"between": between, "value": of} | changes)


def record(**changes: Any) -> EvaluationRecord:
    """Return an evaluation by SSIM of 100 synthetic frames, 60 training and 20 held-out ones."""
    facts: dict[str, Any] = {
        "score": 2, "samples": "samples/frames.h5", "training": 60, "held_out": 20,
        "synthetic": 100, "among": 40, "likeness": "ssim", "values": (value(),),
        "distributions": (), "absent": {}, "nearest": (), "nearest_training": (),
        "nearest_held_out": (), "engine": "numba", "pairs": 1,
    }  # fmt: skip
    return EvaluationRecord.model_validate(facts | changes)


def figures(section: Section, kind: type) -> list[Any]:
    """Return the figures of a section that are of a kind."""
    return [f for group in section.groups for f in group.figures if isinstance(f, kind)]


def distribution(between: tuple[str, ...], edges: Sequence[float], counts: Sequence[int]) -> Any:
    """Return how SSIM spreads over some pairs."""
    edges = tuple(float(edge) for edge in edges)
    return Distribution(metric="ssim", between=between, edges=edges, counts=tuple(counts))


def likeness_histogram(*distributions: Distribution) -> Histograms:
    """Return the histogram of likeness that is shown of distributions."""
    (found,) = figures(evaluation_section(record(distributions=distributions)), Histograms)
    return found


@pytest.mark.parametrize("swapped", [False, True])
def test_the_finer_histogram_is_put_on_the_bins_of_the_coarser_one(swapped: bool) -> None:
    """Values that NumPy counts in bins of 1/16 are shown in bins of 1/4 as NumPy counts them
    there, over a range that holds both histograms; no pair is lost or counted twice."""
    rng = np.random.default_rng(0)
    fine, coarse = rng.uniform(-0.4375, 0.1875, 700), rng.uniform(0.25, 1.0, 300)
    fine_edges, coarse_edges = np.arange(-7, 4) / 16, np.arange(1, 5) / 4
    sides = (MADE, REALS)[:: -1 if swapped else 1]
    shown = likeness_histogram(
        distribution(sides[0], fine_edges, np.histogram(fine, fine_edges)[0].tolist()),
        distribution(sides[1], coarse_edges, np.histogram(coarse, coarse_edges)[0].tolist()),
    )
    expected = np.arange(-2, 5) / 4
    assert shown.edges == tuple(expected)
    by_kind = {series.kind: series.values for series in shown.series}
    for values, kind in ((fine, "ab"[swapped]), (coarse, "ba"[swapped])):
        assert by_kind[kind] == tuple(np.histogram(values, expected)[0])


def test_histograms_of_the_same_bins_are_left_as_they_are() -> None:
    """Two histograms on the same bins keep edges and counts, the synthetic one first."""
    edges = (0.25, 0.5, 0.75)
    shown = likeness_histogram(
        distribution(MADE, edges, (3, 1)), distribution(REALS, edges, (0, 5))
    )
    assert shown.edges == edges
    assert [(series.kind, series.values) for series in shown.series] == [
        ("a", (3, 1)),
        ("b", (0, 5)),
    ]


def test_without_real_frames_of_two_clips_there_is_one_histogram() -> None:
    """Where real frames were not compared with each other the caption says so."""
    edges = (0.25, 0.5, 0.75)
    shown = likeness_histogram(distribution(MADE, edges, (3, 1)))
    assert [series.kind for series in shown.series] == ["a"]
    assert "no real frames of two different clips" in shown.caption
    both = likeness_histogram(distribution(MADE, edges, (3, 1)), distribution(REALS, edges, (1, 1)))
    assert "no real frames" not in both.caption


def test_histograms_of_other_metrics_are_not_shown() -> None:
    """A distribution of a metric that nothing is judged by makes no figure."""
    other = distribution(MADE, (0.0, 1.0), (3,)).model_copy(update={"metric": "psnr"})
    assert figures(evaluation_section(record(distributions=(other,))), Histograms) == []


@pytest.mark.parametrize(("better", "share"), [("higher", "75%"), ("lower", "25%")])
def test_the_share_nearer_to_training_patients_follows_the_direction(better, share) -> None:
    """Of four frames, three match a training patient better if higher is better, else one; the
    share of frames that training patients have stands beside it."""
    section = evaluation_section(
        record(
            values=(value(better=better),),
            nearest_training=(0.9, 0.8, 0.7, 0.1),
            nearest_held_out=(0.5,) * 4,
        )
    )
    (shown,) = figures(section, Histograms)
    assert f"{share} of the synthetic frames are nearer to a training patient" in shown.caption
    assert "training patients have 75% of the frames" in shown.caption
    assert [group.text for group in section.groups] == [""]


def test_nearest_values_are_counted_in_bins_that_hold_both_sides() -> None:
    """The two histograms of nearest values have all 5 and 4 finite values between their edges."""
    section = evaluation_section(
        record(
            nearest_training=(0.1, 0.2, 0.3, 0.4, 0.5, float("inf")),
            nearest_held_out=(0.6, 0.7, 0.8, 0.9, float("inf"), float("nan")),
        )
    )
    (shown,) = figures(section, Histograms)
    assert [sum(series.values) for series in shown.series] == [5, 4]
    assert (shown.edges[0], shown.edges[-1]) == (0.1, 0.9)


@pytest.mark.parametrize("training", [[np.inf, np.inf], [30.0, np.inf], [20.0, 20.0]])
@pytest.mark.parametrize("held_out", [[np.inf, np.inf], [25.0, 25.0]])
def test_nearest_values_that_are_infinite_do_not_stop_the_histogram(training, held_out) -> None:
    """Identical frames (PSNR ∞) leave a histogram of what is finite, over bins that have widths."""
    section = evaluation_section(
        record(nearest_training=tuple(training), nearest_held_out=tuple(held_out))
    )
    (shown,) = figures(section, Histograms)
    assert [sum(series.values) for series in shown.series] == [
        np.isfinite(training).sum(),
        np.isfinite(held_out).sum(),
    ]
    assert (np.diff(shown.edges) > 0).all()


@pytest.mark.parametrize("held_out", [(), (0.5, 0.5)])
def test_without_held_out_frames_distances_cannot_be_told_apart(held_out) -> None:
    """Where either side has no frames there is a sentence in place of the histogram."""
    training = () if held_out else (0.9, 0.8)
    section = evaluation_section(record(nearest_training=training, nearest_held_out=held_out))
    assert figures(section, Histograms) == []
    (nearest,) = section.groups
    assert "cannot be told apart" in nearest.text


def nearest(values: Sequence[float]) -> tuple[NearestReal, ...]:
    """Return the nearest frame of each synthetic frame."""
    return tuple(
        NearestReal(
            synthetic=number,
            value=found,
            real=RealFrame(
                shard=f"shards/{number}.h5",
                frame=10 + number,
                patient=f"P{number}",
                held_out=number % 2 == 1,
            ),
        )
        for number, found in enumerate(values)
    )


@pytest.mark.parametrize(("better", "order"), [("higher", [1, 3, 0, 2]), ("lower", [2, 0, 3, 1])])
def test_the_closest_pair_comes_first_whichever_direction_is_better(better, order) -> None:
    """Pairs go by their value, downwards if higher means more alike, else upwards."""
    section = evaluation_section(
        record(values=(value(better=better),), nearest=nearest((0.3, 0.9, 0.1, 0.5)))
    )
    (shown,) = figures(section, FramePairs)
    assert [pair.number for pair in shown.pairs] == order


def test_a_pair_says_where_both_frames_are_and_whose_the_real_one_is() -> None:
    """The synthetic frame is a row of the sample set, the real one a row of its score's frames."""
    section = evaluation_section(record(nearest=nearest((0.3, 0.9))))
    (shown,) = figures(section, FramePairs)
    pair = shown.pairs[0]
    assert (pair.value, pair.patient, pair.held_out) == (0.9, "P1", True)
    assert (pair.synthetic.key, pair.synthetic.row, pair.synthetic.score) == (
        "samples/frames.h5", 1, None,
    )  # fmt: skip
    assert (pair.real.key, pair.real.row, pair.real.score) == ("shards/1.h5", 11, 2)


def test_only_the_closest_pairs_are_shown() -> None:
    """Of thirty pairs as many as fit are shown, and those are the best ones."""
    values = np.random.default_rng(0).permutation(30) / 30
    (shown,) = figures(evaluation_section(record(nearest=nearest(values.tolist()))), FramePairs)
    assert [pair.value for pair in shown.pairs] == sorted(values, reverse=True)[:PAIRS]


def test_without_a_metric_of_likeness_there_are_no_groups() -> None:
    """Where neither SSIM nor MS-SSIM applies, values are all that is shown."""
    psnr = value(metric="psnr", title="PSNR")
    section = evaluation_section(record(likeness=None, values=(psnr,)))
    assert section.groups == ()
    assert section.values == (psnr,)


def table_one() -> tuple[Measured, ...]:
    """Return the values of the first synthetic frame with itself and the two after it."""
    single = [
        value((FIRST_SYNTHETIC, f"synthetic {n}"), of, statistic="value")
        for n, of in enumerate((1.0, 0.25, 0.75), 1)
    ]
    return (*single, value((FIRST_SYNTHETIC, SYNTHETIC), 0.5))


def test_table_one_has_a_column_a_frame_and_the_average() -> None:
    """Values of the first synthetic frame stand in its table, and not among those of pairs."""
    section = evaluation_section(record(values=(value(of=0.125), *table_one())))
    (table,) = figures(section, Table)
    assert table.columns == ("Frame", "1", "2", "3", "Average*")
    assert table.rows == (("SSIM", 1.0, 0.25, 0.75, 0.5),)
    assert [v.value for v in section.values] == [0.125]


def test_table_one_without_an_average_leaves_its_place_empty() -> None:
    """Where a value is not finite there is no average; both cells are empty."""
    first, second, third, _ = table_one()
    odd = second.model_copy(update={"value": None})
    (table,) = figures(evaluation_section(record(values=(value(), first, odd, third))), Table)
    assert table.rows == (("SSIM", 1.0, None, 0.75, None),)


def test_ssim_is_said_to_stand_in_for_msssim() -> None:
    """There is a note where SSIM is what frames are judged by, and none where it is MS-SSIM."""
    assert "SSIM stands in for MS-SSIM throughout." in evaluation_section(record()).notes
    msssim = value(metric="msssim", title="MS-SSIM")
    assert evaluation_section(record(likeness="msssim", values=(msssim,))).notes == ()


def test_a_metric_that_is_absent_has_its_reason() -> None:
    """What does not apply to these frames is noted with why."""
    section = evaluation_section(record(absent={"VIF": "needs 41 pixels a side"}))
    assert "VIF is absent: needs 41 pixels a side." in section.notes


def test_a_metric_that_tells_no_pair_from_another_is_noted_instead_of_shown() -> None:
    """SAM of grey frames is 0 of every pair; a metric that differs once has its rows."""
    kinds, ends = (MIXED, MADE, REALS), ("mean", "sd", "min", "max")

    def of_sam(last: float) -> tuple[Measured, ...]:
        rows = [
            value(kind, 1e-8, statistic=s, metric="sam", title="SAM")
            for kind in kinds
            for s in ends
        ]
        return (*rows[:-1], rows[-1].model_copy(update={"value": last}))

    section = evaluation_section(record(values=(value(), *of_sam(0.0))))
    assert {v.metric for v in section.values} == {"ssim"}
    assert "SAM is 0 for every pair of frames, and is not shown." in section.notes
    told_apart = evaluation_section(record(values=(value(), *of_sam(0.01))))
    assert {v.metric for v in told_apart.values} == {"ssim", "sam"}


def test_the_text_counts_what_was_compared() -> None:
    """Real frames are those of both sides; a single one is in the singular."""
    assert evaluation_section(record(among=1)).text == (
        "80 real frames and 100 synthetic frames compared pair by pair (numba); 1 real frame among "
        "themselves, across clips."
    )


def test_values_are_found_by_metric_sides_and_statistic() -> None:
    """Of many values the one that fits in all three is found, and None where none does."""
    every = (value(MIXED, 0.1), value(MADE, 0.2), value(MADE, 0.3, statistic="sd"))
    assert find(every, "ssim", MADE) == every[1]
    assert find(every, "ssim", MADE, "sd") == every[2]
    assert find(every, "psnr", MADE) is None
    assert find(every, "ssim", REALS) is None
