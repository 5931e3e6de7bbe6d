"""Which patients train and which are held out: decided from a patient's code alone.

Frames of one clip are nearly equal, and clips of one patient much alike; splitting by anything but
patients would leak. The side is a hash of the code and a seed, so it is the same for every score,
and a patient who arrives later changes nobody's side. A file of the user's may say it instead, see
``sides_file``. Of the patients who train a score some may *validate*: its training looks at their
frames and does not train on them.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping

MANY = 3
"""With at least so many patients, at least one is held out, unless the share is 0."""
ENOUGH = 4
"""With at least so many training patients of a score, at least one validates, unless the share is
0; with fewer, none does."""


def held_out_patients(
    codes: Iterable[str], share: float, seed: int, told: Mapping[str, bool] | None = None
) -> frozenset[str]:
    """Choose the patients to hold out.

    Where the hashes of three patients or more put nobody on the held-out side, the patient nearest
    to it is held out; but not where sides were told.

    Args:
        codes: Codes of all patients; repeated ones count once.
        share: Share of the patients to hold out, 0..1; 0 holds nobody out.
        seed: Seed of the split.
        told: Code of a patient -> whether that patient is held out; the hash decides on others.

    Returns:
        Codes of the patients on the held-out side.
    """
    purpose = str(seed)
    if told is not None:
        several = set(codes)
        named = {code for code in several & told.keys() if told[code]}
        rest = {code for code in several - told.keys() if _place(code, purpose) < share}
        return frozenset(named | rest)
    return _chosen(codes, share, purpose, MANY)


def validation_patients(codes: Iterable[str], share: float, seed: int) -> frozenset[str]:
    """Choose the patients of a score that its training may look at, but does not train on.

    Args:
        codes: Codes of the score's patients who are not held out; repeated ones count once.
        share: Share of them that validates, 0 to 0.5; with ``ENOUGH`` patients at least one, and
            never more than half.
        seed: Seed of the split.

    Returns:
        Codes of the patients on the validation side; empty for fewer than ``ENOUGH``.
    """
    known = set(codes)
    if len(known) < ENOUGH:
        return frozenset()
    purpose = f"validation/{seed}"
    chosen = sorted(_chosen(known, share, purpose, ENOUGH), key=lambda c: _place(c, purpose))
    return frozenset(chosen[: len(known) // 2])


def _chosen(codes: Iterable[str], share: float, purpose: str, many: int) -> frozenset[str]:
    """The patients whose place is below a share; of so many patients at least one."""
    place = {code: _place(code, purpose) for code in set(codes)}
    if not place or share == 0:
        return frozenset()
    chosen = {code for code, value in place.items() if value < share}
    if not chosen and len(place) >= many:
        chosen = {min(place, key=place.__getitem__)}
    return frozenset(chosen)


def _place(code: str, purpose: str) -> float:
    """A number in 0..1 from the hash of a code and a purpose, evenly distributed."""
    digest = hashlib.sha256(f"{purpose}/{code}".encode(errors="surrogateescape")).digest()
    return int.from_bytes(digest[:8], "big") / 2**64
