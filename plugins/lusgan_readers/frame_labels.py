"""Makes one score a frame of what raters said of a clip, and says how."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any

from lusgan_core.api import LABELS, UNLABELLED, ClipError


def scores(facts: Mapping[str, Any], count: int, rule: str) -> list[int]:
    """Make one score a frame.

    Args:
        facts: What ``labels_of`` noted, see ``FoundClip.facts``.
        count: Number of the clip's frames.
        rule: Which score counts where several raters gave one, see ``LabelOptions.raters``.

    Returns:
        A score 0..3 for each frame, or ``UNLABELLED``.

    Raises:
        ClipError: Labels go beyond the clip's end, or a frame has two different scores.
    """
    made = [UNLABELLED] * count
    named = [False] * count
    for first, last, by_rater in facts[LABELS]:
        if last > count:
            raise ClipError(f"its labels go up to frame {last}, it has {count} frames")
        if first > count:
            raise ClipError(f"labels begin at frame {first}, it has {count} frames")
        score = decide([score for _, score in by_rater], rule)
        for number in range(max(first - 1, 0), last or count):
            if named[number] and made[number] != score:
                raise ClipError(f"frame {number + 1} has two different scores in the table")
            made[number], named[number] = score, True
    return made


def decide(given: Sequence[int], rule: str) -> int:
    """Make one score of those that raters gave, in the order of their columns.

    Args:
        given: Scores 0..3, none for raters who gave none.
        rule: ``majority`` (more than half), ``first``, ``worst`` or ``unanimous``.

    Returns:
        The score, or ``UNLABELLED`` where the rule gives none.
    """
    if not given:
        return UNLABELLED
    if rule == "first":
        return given[0]
    if rule == "worst":
        return max(given)
    score, times = Counter(given).most_common(1)[0]
    enough = times == len(given) if rule == "unanimous" else 2 * times > len(given)
    return score if enough else UNLABELLED


def details(facts: Mapping[str, Any], rule: str) -> dict[str, str | int | float]:
    """Say for a clip's record how its scores came about, and what is known of area and probe.

    Args:
        facts: What ``labels_of`` noted.
        rule: Which score counts where several raters gave one.

    Returns:
        ``labelled`` (by clip or by frames), the number of ``raters``, ``score_of_several`` where
        there are several, and ``area`` and ``probe`` where they are known.
    """
    raters = {name for _, _, by_rater in facts[LABELS] for name, _ in by_rater}
    made: dict[str, str | int | float] = {
        "labelled": "by frames" if any(first for first, _, _ in facts[LABELS]) else "by clip",
        "raters": len(raters),
    }
    if len(raters) > 1:
        made["score_of_several"] = rule
    return made | {name: facts[name] for name in ("area", "probe") if name in facts}
