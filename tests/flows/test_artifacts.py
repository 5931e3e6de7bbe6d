"""What the UI shows of a result, as far as it needs no server."""

from __future__ import annotations

from lusgan_core.calls.section import Claim, FramePairs, Group, Section
from lusgan_flows.artifacts import show_section, verdict_rows

CLAIM = Claim(question="Realistic?", answer="Partly", state="warn", text="KID 0.3, floor 0.1.")


class Shown:
    """Notes which artifacts are shown."""

    def __init__(self) -> None:
        self.keys: list[str] = []

    def markdown(self, key: str, text: str, description: str) -> None:
        self.keys.append(key)


def test_verdicts_are_those_of_the_report() -> None:
    """A score begins with the decision on it; a row a claim, in words and numbers, and advice."""
    first = Section(name="a", title="A", claims=(CLAIM,), advice=("Train longer.", "Look."))
    rows = verdict_rows(
        {0: ("Held back", "realism: far"), 1: ("No model", "too few frames")},
        {0: (first, Section(name="b", title="B")), 3: (Section(name="c", title="C"),)},
    )
    assert rows == [
        {"score": 0, "": "Decision", "answer": "Held back", "because": "realism: far"},
        {"score": 0, "": "Realistic?", "answer": "Partly", "because": "KID 0.3, floor 0.1."},
        {"score": 0, "": "Next:", "answer": "", "because": "Train longer. Look."},
        {"score": 1, "": "Decision", "answer": "No model", "because": "too few frames"},
    ]


def test_pairs_of_two_kinds_are_two_artifacts() -> None:
    """Frames that the audit flagged do not take the place of nearest ones."""
    pairs = [
        FramePairs(name=name, title=name, metric="SSIM", pairs=()) for name in ("flagged", "x")
    ]
    section = Section(name="a", title="A", groups=(Group(figures=tuple(pairs)),))
    shown = Shown()
    show_section(shown, 2, section, None)  # type: ignore[arg-type]
    assert shown.keys == ["score-2-flagged", "score-2-x"]
