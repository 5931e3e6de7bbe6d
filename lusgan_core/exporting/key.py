"""The key: which letter stands for which patient. It is kept in the store and goes nowhere else.

``exports/key/A.json`` holds the code of patient A. A letter is given once, by a conditional write,
and never again: a patient whose exams were all withdrawn leaves a letter without a code.
"""

from __future__ import annotations

import json
from collections.abc import Iterable

from lusgan_core.errors import AlreadyExistsError
from lusgan_core.reporting.patients import letters
from lusgan_core.store import Store

KEY = "exports/key"
"""Key prefix of the letters' objects in the store."""
UNREADABLE = ""
"""Stands for the code of a letter whose object is damaged; the letter is not given again."""


def patient_letters(store: Store, codes: Iterable[str]) -> dict[str, str]:
    """Look up the letters of patients; those without one get the next that are free.

    Args:
        store: Store with the key.
        codes: The patients' codes.

    Returns:
        Code of each patient -> letter, the same in every export from this store.

    Raises:
        StoreError: The key cannot be read or written.
    """
    known = _known(store)
    found = {code: letter for letter, code in known.items() if code}
    number = len(known)
    for code in sorted(set(codes) - found.keys()):
        while code not in found:
            letter = letters(number)
            number += 1
            try:
                store.put(f"{KEY}/{letter}.json", _content(code), if_absent=True)
                found[code] = letter
            except AlreadyExistsError:  # another export gave it out at this moment
                other = _code(store, letter)
                if other:
                    found[other] = letter
    return {code: found[code] for code in set(codes)}


def forget(store: Store, code: str) -> None:
    """Take a patient's code out of the key; the letter is not given again.

    Args:
        store: Store with the key.
        code: The patient's code.
    """
    for letter, known in _known(store).items():
        if known in (code, UNREADABLE):
            store.put(f"{KEY}/{letter}.json", _content(None))


def _known(store: Store) -> dict[str, str | None]:
    names = [item.key for item in store.list(f"{KEY}/")]
    given = [name.rpartition("/")[2].removesuffix(".json") for name in names]
    return {letter: _code(store, letter) for letter in given}


def _code(store: Store, letter: str) -> str | None:
    """The code of a letter: None where it was forgotten, ``UNREADABLE`` where it is damaged."""
    try:
        code: str | None = json.loads(store.get(f"{KEY}/{letter}.json"))["code"]
    except (ValueError, KeyError, TypeError):
        return UNREADABLE
    return code


def _content(code: str | None) -> bytes:
    return json.dumps({"code": code}).encode()
