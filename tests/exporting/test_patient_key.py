"""Letters of patients: given once, kept in the store, never given again."""

from __future__ import annotations

import json
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from lusgan_core.exporting.key import KEY, forget, patient_letters
from lusgan_core.store import LocalStore, Store
from lusgan_core.testing.memory_store import MemoryStore


@pytest.fixture(params=["memory", "local"])
def store(request: pytest.FixtureRequest, tmp_path: Path) -> Store:
    return MemoryStore() if request.param == "memory" else LocalStore(tmp_path)


def test_a_patient_keeps_the_letter(store: Store) -> None:
    """Also where another arrives whose code comes first."""
    assert patient_letters(store, ["20", "30", "30"]) == {"20": "A", "30": "B"}
    assert patient_letters(store, ["10", "30"]) == {"10": "C", "30": "B"}
    assert patient_letters(store, ["20"]) == {"20": "A"}


def test_the_letter_of_a_patient_who_left_is_not_given_again(store: Store) -> None:
    """The code is gone; should the patient come back, it is under another letter."""
    patient_letters(store, ["20", "30"])
    forget(store, "20")
    assert json.loads(store.get(f"{KEY}/A.json")) == {"code": None}
    assert patient_letters(store, ["20", "30", "40"]) == {"30": "B", "20": "C", "40": "D"}


def test_exports_at_the_same_time_agree(tmp_path: Path) -> None:
    """Each patient has one letter, each letter one patient, whoever writes first."""
    codes = [[str(100 + number) for number in range(start, start + 20)] for start in (0, 5, 10)]
    with ThreadPoolExecutor() as threads:
        found = list(threads.map(lambda own: patient_letters(LocalStore(tmp_path), own), codes))
    together: dict[str, set[str]] = {}
    for letters in found:
        for code, letter in letters.items():
            together.setdefault(code, set()).add(letter)
    assert all(len(letters) == 1 for letters in together.values())
    assert len({letter for (letter,) in together.values()}) == 30
