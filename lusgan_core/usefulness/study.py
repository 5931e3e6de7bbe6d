"""Compares the arms of a study: values, intervals over patients, the verdict, the table."""

from __future__ import annotations

import csv
import io
from collections.abc import Mapping, Sequence

from lusgan_core.calls.call import Product, StageCall, StageContext, data_of, earlier, stored
from lusgan_core.calls.section import REAL, Measured
from lusgan_core.classification.stage import TITLES, Arm, Judged
from lusgan_core.usefulness.measures import Value, judgements, measured
from lusgan_core.usefulness.stage import ArmRecord, Raters, StudyRecord, UsefulnessOptions
from lusgan_core.usefulness.verdict import judge

NAMES = {"macro_f1": "Macro-F1", "kappa": "Cohen’s kappa", "ece": "Calibration error"}
DIFFERENCE = "difference"
"""Statistic of a value less that of the arm ``real``."""


def compare(call: StageCall, context: StageContext) -> Product:
    """Compare the arms that a call names; see ``stage.run``.

    Args:
        call: Call of the stage.
        context: Store with the judgements, to which the table is written.

    Returns:
        A ``StudyRecord``, with its table as CSV and JSON.
    """
    options = UsefulnessOptions.model_validate(call.options)
    every = [data_of(earlier(context, key), Judged) for key in call.arguments["judged"]]
    arms = {arm: [one for one in every if one.arm == arm] for arm in TITLES}
    arms = {arm: judged for arm, judged in arms.items() if judged}
    scores = arms["real"][0].scores
    patients = sorted({tally.patient for one in arms["real"] for tally in one.patients})
    frames = {s: sum(_frames(arms["real"], place)) for place, s in enumerate(scores)}
    minority = min(scores, key=lambda s: (frames[s], s))
    values = {a: measured(judgements(js, patients), scores) for a, js in arms.items()}
    differences: dict[Arm, dict[str, Value]] = {
        arm: {name: value.over(values["real"][name]) for name, value in of.items()}
        for arm, of in values.items()
        if arm != "real"
    }
    judgement = judge(
        values, differences, minority=minority, patients=len(patients), worth=options.worth
    )
    judged_frames = sum(frames.values())
    told = call.arguments
    record = StudyRecord(
        verdict=judgement.verdict,
        text=judgement.text,
        decisive=judgement.decisive,
        scores=scores,
        minority=minority,
        folds=len({one.fold for one in arms["real"]}),
        seeds=len({one.seed for one in arms["real"]}),
        patients=len(patients),
        frames=judged_frames,
        arms=tuple(
            _arm(arm, judged, values[arm], differences.get(arm, {}), judged_frames)
            for arm, judged in arms.items()
        ),
        raters=tuple(Raters.model_validate(one) for one in told["raters"]),
        notes=tuple(told["notes"]),
        configuration=call.inputs["configuration"],
    )
    folder = call.manifest.rpartition("/")[0]
    return Product(
        record,
        artifacts={
            "table": stored(context.store, f"{folder}/table.csv", table(record).encode()),
            "study": stored(
                context.store, f"{folder}/study.json", record.model_dump_json(indent=2).encode()
            ),
        },
        counts={"patients": len(patients), "frames": judged_frames, "classifiers": len(every)},
        seed=options.seed,
    )


def _frames(judged: Sequence[Judged], place: int) -> list[int]:
    """Held-out frames of a score, of each patient; those of the first seed."""
    seed = judged[0].seed
    return [
        sum(tally.confusion[place]) for one in judged if one.seed == seed for tally in one.patients
    ]


def _arm(
    arm: Arm,
    judged: Sequence[Judged],
    values: Mapping[str, Value],
    differences: Mapping[str, Value],
    frames: int,
) -> ArmRecord:
    def told(name: str, value: Value, statistic: str) -> Measured:
        compared = statistic == DIFFERENCE
        metric, _, score = name.partition("/")
        low = -1.0 if compared or metric == "kappa" else 0.0
        return Measured(
            metric=name,
            title=NAMES.get(metric) or f"Recall of score {score}",
            between=(arm, REAL) if compared else (arm,),
            statistic=statistic,
            value=value.value,
            better="lower" if metric == "ece" else "higher",
            bounds=(low, 1.0),
            number=frames,
            interval=value.interval,
        )

    real = [sum(one.real.values()) for one in judged]
    synthetic = [sum(one.synthetic.values()) for one in judged]
    return ArmRecord(
        arm=arm,
        title=TITLES[arm],
        real=(min(real), max(real)),
        synthetic=(min(synthetic), max(synthetic)),
        values=tuple(told(name, value, "value") for name, value in values.items()),
        differences=tuple(told(name, value, DIFFERENCE) for name, value in differences.items()),
    )


def table(record: StudyRecord) -> str:
    """Write a study as CSV: a row a value.

    Args:
        record: The study.

    Returns:
        The text, its first line the names of the columns.
    """
    lines = io.StringIO()
    writer = csv.writer(lines, lineterminator="\n")
    writer.writerow(
        ("arm", "metric", "value", "low", "high", "change", "change_low", "change_high")
    )
    for arm in record.arms:
        changes = {value.metric: value for value in arm.differences}
        for value in arm.values:
            change = changes.get(value.metric)
            row: list[float | None] = [value.value, *(value.interval or (None, None))]
            row += [change.value, *(change.interval or (None, None))] if change else [None] * 3
            cells = ["" if number is None else f"{number:.6f}" for number in row]
            writer.writerow((arm.arm, value.metric, *cells))
    return lines.getvalue()
