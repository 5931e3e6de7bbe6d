"""How fast a training goes and how long it will take, in words."""

from __future__ import annotations

import pytest

from lusgan_core.training import pace
from lusgan_core.training.pace import Pace, duration


def test_the_first_estimate_comes_after_the_third_iteration(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """The first one, which warms up, is not timed; a resumed training counts its own alone."""
    now = [100.0]
    monkeypatch.setattr(pace.time, "monotonic", lambda: now[0])
    timed = Pace(50, 650, _started=now[0])
    told = []
    for done, seconds in ((51, 30.0), (52, 0.5), (53, 0.5), (54, 0.5)):
        now[0] += seconds
        if timed.worth_telling(done):
            told.append((done, timed.note(done)))
    assert told == [(53, "2.0 it/s, 5 min left")]
    assert timed.seconds == pytest.approx(31.5)
    assert Pace(0, 10).note(1) == ""


@pytest.mark.parametrize(
    ("seconds", "text"),
    [(0, "0 s"), (89, "89 s"), (100, "2 min"), (5300, "88 min"), (12_000, "3 h 20 min")],
)
def test_times_are_written_as_people_say_them(seconds: float, text: str) -> None:
    """Seconds, minutes, then hours and minutes."""
    assert duration(seconds) == text
