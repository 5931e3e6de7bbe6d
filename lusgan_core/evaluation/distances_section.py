"""What the report shows of distances between sets of frames."""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Mapping, Sequence

from lusgan_core.calls.section import (
    HELD_OUT,
    SYNTHETIC,
    TRAINING,
    Cell,
    Group,
    Measured,
    Range,
    Table,
    find,
)
from lusgan_core.evaluation.stage import OTHER

FIRST = "kid/"
"""The metric whose rows come first: it is the one to go by where frames are few."""
TOO_FEW = "too few patients for an interval"
MEANING = {"noise": "white noise", "blurred": "real frames of training patients, blurred"}
"""What the frames of a ceiling are, in words."""


def distances_groups(
    score: int, values: Iterable[Measured], absent: Mapping[str, str] | None = None
) -> list[Group]:
    """Make the group of a score's distances, each beside what it is to be held against.

    Args:
        score: Severity score, for the title.
        values: All measured values of the score.
        absent: Title of each distance that was not measured -> why.

    Returns:
        The group; none where no distance was measured, and none is absent.
    """
    missing = " ".join(f"{title} is absent: {why}." for title, why in (absent or {}).items())
    found = [value for value in values if value.between[-1:] == (SYNTHETIC,)]
    shown = [value for value in found if value.between == (HELD_OUT, SYNTHETIC)]
    held_out = bool(shown)
    shown = shown or [value for value in found if value.between == (TRAINING, SYNTHETIC)]
    if not shown:
        return [Group(title="Distances", text=missing)] if missing else []
    shown.sort(key=lambda value: not value.metric.startswith(FIRST))
    kinds = list(dict.fromkeys(kind for value in shown for kind in value.ceilings))
    text = (
        "Of synthetic frames to frames of held-out patients. The floor is the distance of training "
        "frames to the same frames: nothing better can be expected of synthetic ones."
        if held_out
        else "Of synthetic frames to frames of training patients, since no patient who is held out "
        "has this score: there is no floor, and a small distance may come from copying."
    )
    table = Table(
        name="distances",
        title=f"Distances of score {score}",
        caption=_caption(kinds),
        columns=(
            "Distance", "Value", "5% to 95%", "Floor", "Floor, 5% to 95%",
            *(kind.capitalize() for kind in kinds), "To training", "Frames a side",
        ),
        rows=tuple(_row(value, found, kinds) for value in shown),
    )  # fmt: skip
    agreement = agreement_in_words(shown)
    return [Group(title="Distances", text=" ".join(filter(None, (text, agreement))),
                  figures=(table,), caption=missing)]  # fmt: skip


def _caption(kinds: Sequence[str]) -> str:
    ceilings = "; ".join(f"{kind}: {MEANING[kind]}" for kind in kinds if kind in MEANING)
    scores = ", ".join(kind for kind in kinds if kind.startswith(OTHER))
    of_scores = "Frames of other scores are compared where there is a LUS encoder, those of its "
    of_scores += "training patients."
    if scores:
        of_scores = f"{scores}: real frames of training patients with another score."
    return (
        "Sets of frames compared by their features, which the name in brackets says. The range of "
        "a value is that with other held-out patients, from four patients on; the range of the "
        "floor is that of the distance between random halves of all patients. Beside them stand "
        f"the distance of frames that are known to be bad ({ceilings}), and that of synthetic "
        "frames to training patients. "
        f"{of_scores}"
    )


def _row(value: Measured, found: Sequence[Measured], kinds: Sequence[str]) -> tuple[Cell, ...]:
    near = find(found, value.metric, (TRAINING, SYNTHETIC), "value")
    held_out = value.between[0] == HELD_OUT
    interval: Cell = Range.of(value.interval)
    if interval is None and held_out and value.value is not None:
        interval = TOO_FEW
    return (
        f"{value.title}, {value.direction}",
        value.value,
        interval,
        value.floor,
        Range.of(value.floor_range),
        *(value.ceilings.get(kind) for kind in kinds),
        near.value if near else None,
        value.number,
    )


def agreement_in_words(values: Iterable[Measured]) -> str:
    """Say whether feature extractors rank floor, synthetic frames and ceilings alike.

    A value within the range of its floor ranks as the floor does. Two extractors disagree where one
    has the one of two things ahead, and the other the other.

    Args:
        values: Distances, each named by metric and extractor: ``kid/lite0``.

    Returns:
        One sentence or more; empty where no metric was taken on two extractors.
    """
    by_metric: dict[str, dict[str, Measured]] = {}
    for value in values:
        if value.value is not None:
            name, _, extractor = value.metric.rpartition("/")
            by_metric.setdefault(name, {})[extractor] = value
    alike, unlike, example = [], [], ""
    extractors: dict[str, None] = {}
    for of in by_metric.values():
        if len(of) < 2:
            continue
        extractors |= dict.fromkeys(of)
        title = next(iter(of.values())).title.rpartition(" (")[0]
        ranks = {name: _ranked(value) for name, value in of.items()}
        if any(_disagree(a, b) for a, b in itertools.combinations(ranks.values(), 2)):
            orders = "; ".join(f"{name} {_order(rank)}" for name, rank in ranks.items())
            unlike.append(title)
            example = example or f" By {title}, the best first: {orders}."
        else:
            alike.append(title)
    if not extractors:
        return ""
    who = f"The extractors {_listed(extractors)} rank floor, synthetic frames and bad frames alike"
    if not unlike:
        return f"{who} by every distance."
    agreed = f"{who} by {_listed(alike)}" if alike else who.replace(" rank", " do not rank")
    return f"{agreed}{', but not' if alike else ''} by {_listed(unlike)}.{example}"


def _ranked(value: Measured) -> dict[str, float]:
    """Floor, synthetic frames and ceilings with their values, less being better."""
    own, floor = value.value, value.floor
    if own is not None and value.floor_range is not None and floor is not None:
        low, high = value.floor_range
        own = floor if low <= own <= high else own
    bad = {kind: v for kind, v in value.ceilings.items() if not kind.startswith(OTHER)}
    found = {"floor": floor, "synthetic": own, **bad}
    sign = -1 if value.better == "higher" else 1
    return {name: sign * number for name, number in found.items() if number is not None}


def _disagree(a: Mapping[str, float], b: Mapping[str, float]) -> bool:
    pairs = itertools.combinations([name for name in a if name in b], 2)
    return any((a[one] - a[two]) * (b[one] - b[two]) < 0 for one, two in pairs)


def _order(ranks: Mapping[str, float]) -> str:
    return ", ".join(sorted(ranks, key=lambda name: ranks[name]))


def _listed(names: Iterable[str]) -> str:
    *first, last = names
    return f"{', '.join(first)} and {last}" if first else last
