"""The verdict of a study, in words.

It rests on one number that is chosen before the study: how much macro-F1 changes over real frames
alone when scores are filled up to balance ("1 time"), with its interval over patients. The best of
three amounts would be chosen by chance, and recall of one score is won by naming that score more
often, which macro-F1 does not reward.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from lusgan_core.calls.section import plural
from lusgan_core.classification.stage import TIMES, TITLES, Arm
from lusgan_core.usefulness.measures import ENOUGH, Value
from lusgan_core.usefulness.stage import Verdict

DECISIVE: tuple[Arm, ...] = ("synthetic-1", "synthetic-0.5", "synthetic-2", "synthetic-only")
"""Arms on which the verdict rests, the first that the study has."""
OTHERS: tuple[Arm, ...] = ("augmented", "oversampled")
"""What does without synthetic frames, and may do as well."""
SAID: dict[Verdict, str] = {
    "helps": "Synthetic frames help",
    "does not help": "Synthetic frames do not help",
    "harms": "Synthetic frames do harm",
    "cannot tell": "Cannot tell whether synthetic frames help",
}


@dataclass(frozen=True)
class Judgement:
    """The verdict, and what it rests on."""

    verdict: Verdict
    text: str
    decisive: str = ""


def judge(
    values: Mapping[Arm, Mapping[str, Value]],
    differences: Mapping[Arm, Mapping[str, Value]],
    *,
    minority: int,
    patients: int,
    worth: float,
) -> Judgement:
    """Come to the verdict of a study.

    Args:
        values: Measured values of each arm by name.
        differences: The same less those of the arm ``real``.
        minority: The score with the fewest real frames.
        patients: Number of patients.
        worth: Gain of macro-F1 that would be worth having.

    Returns:
        The verdict.
    """
    decisive = next((arm for arm in DECISIVE if arm in differences), None)
    if decisive is None:
        return Judgement("cannot tell", f"{SAID['cannot tell']}: no arm has any.")
    change = differences[decisive]["macro_f1"]
    ends = change.interval
    if change.value is None or ends is None:
        few = f"{plural(patients, 'patient')} are too few for an interval, which takes {ENOUGH}"
        return Judgement("cannot tell", f"{SAID['cannot tell']}: {few}.", decisive)
    verdict = _verdict(ends, worth)
    said = SAID[verdict]
    if verdict == "cannot tell":
        said += f" (interval from {ends[0]:+.2f} to {ends[1]:+.2f}; too few patients)"
    amount = f", {TITLES[decisive].rpartition(', ')[2]}" if decisive in TIMES else " alone"
    text = (
        f"{said}: with them{amount}, macro-F1 on patients not seen is "
        f"{values[decisive]['macro_f1'].value:.2f}, with real frames alone "
        f"{values['real']['macro_f1'].value:.2f} ({signed(change)})"
    )
    name = f"recall/{minority}"
    if differences[decisive][name].value is not None:
        text += f"; recall of score {minority}, the rarest, changes by "
        text += signed(differences[decisive][name])
    return Judgement(verdict, f"{text}.{_beside(differences, change)}", decisive)


def _verdict(ends: Sequence[float], worth: float) -> Verdict:
    low, high = ends
    if low > 0:
        return "helps"
    if high < 0:
        return "harms"
    return "does not help" if high < worth else "cannot tell"


def _beside(differences: Mapping[Arm, Mapping[str, Value]], change: Value) -> str:
    """What is gained without synthetic frames, where that is as much."""
    others = [(arm, differences[arm]["macro_f1"]) for arm in OTHERS if arm in differences]
    known = [(arm, value) for arm, value in others if value.value is not None]
    if not known:
        return ""
    best, value = max(known, key=lambda pair: pair[1].value or 0.0)
    name = {"augmented": "TrivialAugment", "oversampled": "oversampling"}[best]
    as_much = (value.value or 0.0) >= (change.value or 0.0)
    rest = ", as much or more without a synthetic frame" if as_much else ""
    return f" By {name} it changes by {signed(value)}{rest}."


def signed(change: Value) -> str:
    """A change with its interval: ``+0.05 [+0.01, +0.09]``."""
    if change.value is None:
        return "an unknown amount"
    ends = change.interval
    return f"{change.value:+.2f}" + (f" [{ends[0]:+.2f}, {ends[1]:+.2f}]" if ends else "")
