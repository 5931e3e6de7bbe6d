"""The contract of a gate: a verdict with a reason, by the candidate and the current model alone."""

from __future__ import annotations

import builtins
import contextlib
import io
import itertools
import socket
from collections.abc import Callable, Iterator
from typing import Any

from lusgan_core.api import (
    HELD_OUT,
    REAL,
    SYNTHETIC,
    TRAINING,
    Candidate,
    Gate,
    Measured,
    Options,
    Verdict,
)
from lusgan_core.testing.records import RecordContract

SIDES = ((SYNTHETIC, SYNTHETIC), (REAL, SYNTHETIC), (REAL, REAL))
APART = (0.6, 0.3, 0.9)
"""Distances of synthetic frames to real ones; those of the first candidate lie between others."""
FRAMES = 50
"""Synthetic frames of each candidate."""


class GateContract(RecordContract):
    """The tests of a gate. Set ``record``; give candidates if it looks at unusual values.

    A gate that compares with the current model is given one, better than some candidates and worse
    than others, and none as well.
    """

    record: Gate
    record_options: Options | None = None
    """Options to judge with; None for the defaults."""
    good: tuple[Candidate, ...] = ()
    """Candidates that must pass, beside those of ``candidates()``, some of which may."""
    bad: tuple[Candidate, ...] = ()
    """Candidates that must be held back, beside those of ``candidates()``, some of which should."""
    current: Candidate | None = None
    """The current model beside which ``good`` and ``bad`` are judged; None for none."""

    def functions(self) -> dict[str, Callable[..., Any]]:
        """The gate's check."""
        return {"check": self.record.check}

    def verdict(
        self, candidate: Candidate, current: Candidate | None = None, options: Options | None = None
    ) -> Verdict:
        """Ask the gate.

        Args:
            candidate: The model to judge.
            current: The current model; None for none.
            options: Options of the gate; None for ``record_options``, or the defaults.

        Returns:
            The verdict.
        """
        chosen = options or self.record_options or self.record.options()
        return self.record.check(candidate, current, chosen)

    def everyone(self) -> list[Candidate]:
        """All candidates: the suite's, and those that the author gives."""
        return [*candidates(self.record.needs), *self.good, *self.bad]

    def currents(self) -> list[Candidate | None]:
        """Current models to judge beside: none, every tenth of all, and the author's."""
        own = [self.current] if self.current else []
        return [None, *self.everyone()[::10], *own]

    def answers(self, options: Options | None = None) -> list[Verdict]:
        """Verdicts on every candidate beside each of ``currents()``."""
        pairs = itertools.product(self.everyone(), self.currents())
        return [self.verdict(candidate, current, options) for candidate, current in pairs]

    def test_verdict_has_an_outcome_and_a_reason(self) -> None:
        """A check returns a Verdict whose reason is one line, and which survives JSON."""
        for verdict in self.answers():
            kind = type(verdict).__name__
            assert isinstance(verdict, Verdict), f"check returned {kind}, expected a Verdict"
            assert verdict.reason.strip(), "a verdict has no reason"
            assert "\n" not in verdict.reason, f"a reason has several lines: {verdict.reason!r}"
            again = Verdict.model_validate_json(verdict.model_dump_json())
            assert again == verdict, f"a verdict does not survive JSON: {verdict}"

    def test_some_models_pass_and_some_do_not(self) -> None:
        """A gate that lets everything through, or nothing, decides nothing."""
        for candidate in self.good:
            verdict = self.verdict(candidate, self.current)
            assert verdict.passed, f"{candidate.model} must pass, but: {verdict.reason}"
        for candidate in self.bad:
            verdict = self.verdict(candidate, self.current)
            assert not verdict.passed, f"{candidate.model} must be held back: {verdict.reason}"
        found = {verdict.passed for verdict in self.answers() if verdict.measured}
        beside = "beside any current model or none"
        assert False in found, f"it held no candidate back, {beside}: set `bad` to one that it must"
        assert True in found, f"it let no candidate pass, {beside}: set `good` to one that it must"

    def test_what_cannot_be_measured_is_said_so(self) -> None:
        """Of a model of which nothing is known a gate says that it measured nothing."""
        unknown = Candidate(score=1, model="unknown", values=(), likeness=None)
        for current in (*self.currents(), unknown):
            verdict = self.verdict(unknown, current)
            assert not verdict.measured, (
                f"nothing is known of this model, but it says: {verdict.reason!r}; "
                "return Verdict.not_measured(why)"
            )
            assert verdict.passed, "what cannot be measured is not held back"
        for candidate in self.everyone():
            verdict = self.verdict(candidate, unknown)
            assert isinstance(verdict, Verdict), (
                f"beside a current model of which nothing is known: {verdict!r}"
            )

    def test_the_same_model_gets_the_same_verdict(self) -> None:
        """Neither chance nor the models judged before change a verdict."""
        every = self.everyone()
        for current in self.currents():
            before = [self.verdict(candidate, current) for candidate in every]
            after = [self.verdict(candidate, current) for candidate in reversed(every)][::-1]
            for candidate, one, two in zip(every, before, after, strict=True):
                assert one == two, f"{candidate.model}: {one.reason!r} first, then {two.reason!r}"

    def test_it_decides_by_the_candidates_alone(self) -> None:
        """It opens no file and no connection, and changes nothing of what it is given."""
        every = self.everyone()
        self.answers()  # what it imports when it is first called may open files
        before = [repr(candidate) for candidate in every]
        with _shut():
            for candidate in every:
                self.verdict(candidate, every[0])
        assert before == [repr(candidate) for candidate in every], "a candidate was changed"

    def test_every_option_counts(self) -> None:
        """Each switch, choice and number among the options changes some verdict."""
        self.check_options(self.answers, "verdict")


def candidates(metrics: tuple[str, ...] = ()) -> list[Candidate]:
    """Make models of all sorts: sound, diverged, collapsed, copying, worse by every metric.

    Args:
        metrics: Metrics that have values beside SSIM and MS-SSIM; also as a distance between sets,
            on the features of ``random``.

    Returns:
        The candidates, the soundest first; others are nearer to real frames than it, or further.
    """
    names = [name for name in dict.fromkeys(("ssim", "msssim", *metrics)) if name != "likeness"]
    sorts = itertools.product((0.7, 60.0, None), (0.8, 0.001), (0.5, 0.001, 1.0), (0.3, 0.001))
    return [
        Candidate(
            score=number % 4,
            model=f"made-up-{number}",
            values=(
                *_values(loss, share, synthetic, APART[number % len(APART)], tuple(names)),
                *_audited(copying=nearest < 0.1, sensitive=synthetic < 1),
                *_judged(synthetic),
            ),
            likeness="ssim",
            to_training=(nearest,) * (FRAMES // 2) + (0.3,) * (FRAMES // 2),
            to_held_out=(0.35,) * FRAMES if number % 2 == 0 else (),
        )
        for number, (loss, share, synthetic, nearest) in enumerate(sorts)
    ]


def _values(
    loss: float | None, share: float, synthetic: float, apart: float, metrics: tuple[str, ...]
) -> tuple[Measured, ...]:
    """Ends of a training, and every statistic of every metric between all sides."""
    ends = {"generator_loss": loss, "discriminator_loss": share}
    distances = {
        (SYNTHETIC, SYNTHETIC): (synthetic, synthetic / 2, synthetic * 1.2),
        (REAL, SYNTHETIC): (apart, apart / 3, apart * 1.5),
        (REAL, REAL): (0.6, 0.2, 0.9),
    }
    return (
        *(Measured(metric=n, title=n, statistic="end", value=v) for n, v in ends.items()),
        *(
            Measured(metric=m, title=m.upper(), between=b, statistic=s, value=1 - d, number=FRAMES)
            for m in metrics
            for b in SIDES
            for s, d in zip(("mean", "max", "min"), distances[b], strict=True)
        ),
        *(
            Measured(
                metric=name,
                title=m,
                between=(HELD_OUT, SYNTHETIC),
                value=apart,
                floor=0.1,
                ceilings={"noise": 1.5},
            )
            for m in metrics
            for name in (m, f"{m}/random")
        ),
    )


def _audited(copying: bool, sensitive: bool) -> tuple[Measured, ...]:
    """What the memorisation audit of the frames measures."""
    flagged = Measured(
        metric="copies",
        title="Frames flagged as copies",
        between=(SYNTHETIC, TRAINING),
        statistic="share",
        value=0.1 if copying else 0.02,
        number=FRAMES,
        floor=0.02,
    )
    return (
        flagged,
        flagged.model_copy(update={"statistic": "p", "value": 0.003 if copying else 1.0}),
        flagged.model_copy(update={"statistic": "checked", "value": 5.0}),
        *(
            Measured(metric=m, title=m, statistic="share", value=0.8 if sensitive else 0.3)
            for m in ("copies_found", "copies_noticed")
        ),
    )


def _judged(share: float) -> tuple[Measured, ...]:
    """What the LUS encoder makes of the frames; nothing of those that are all alike."""
    if share < 0.1:
        return ()
    return (
        Measured(
            metric="fidelity",
            title="Score fidelity",
            between=(SYNTHETIC,),
            statistic="share",
            value=min(share, 0.9),
            number=FRAMES,
            floor=0.85,
        ),
    )


@contextlib.contextmanager
def _shut() -> Iterator[None]:
    """Let nothing be opened for the length of a block."""

    def refuse(*_: Any, **__: Any) -> Any:
        raise AssertionError("it opens a file or a connection; it may use what it is given alone")

    places = ((builtins, "open"), (io, "open"), (socket, "socket"))
    before = [getattr(place, name) for place, name in places]
    for place, name in places:
        setattr(place, name, refuse)
    try:
        yield
    finally:
        for (place, name), thing in zip(places, before, strict=True):
            setattr(place, name, thing)
