"""Which patients train and which are held out: decided from a patient's code alone.

Frames of one clip are nearly equal, and clips of one patient much alike; splitting by anything
but patients would leak. The side is a hash of the code and a seed, so it is the same for every
score, and a patient who arrives later moves nobody.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable

MANY = 3
"""From so many patients on, at least one is held out (unless none should be)."""


def held_out_patients(codes: Iterable[str], share: float, seed: int) -> frozenset[str]:
    """Codes of the patients on the held-out side.

    Args: the codes of all patients; the share to hold out, 0..1; the seed of the split. Where the
    hashes of three patients or more put nobody on that side, the one nearest to it goes there.
    """
    place = {code: _place(code, seed) for code in set(codes)}
    if not place or share == 0:
        return frozenset()
    chosen = {code for code, value in place.items() if value < share}
    if not chosen and len(place) >= MANY:
        chosen = {min(place, key=place.__getitem__)}
    return frozenset(chosen)


def _place(code: str, seed: int) -> float:
    """A number in 0..1 that looks drawn at random."""
    digest = hashlib.sha256(f"{seed}/{code}".encode(errors="surrogateescape")).digest()
    return int.from_bytes(digest[:8], "big") / 2**64
