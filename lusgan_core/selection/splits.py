"""Which patients train and which are held out: decided from a patient's code alone.

Frames of one clip are nearly equal, and clips of one patient much alike; splitting by anything but
patients would leak. The side is a hash of the code and a seed, so it is the same for every score,
and a patient who arrives later changes nobody's side. A file of the user's may say it instead, see
``sides_file``.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping

MANY = 3
"""With at least so many patients, at least one is held out, unless the share is 0."""


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
    if told is not None:
        several = set(codes)
        named = {code for code in several & told.keys() if told[code]}
        rest = {code for code in several - told.keys() if _place(code, seed) < share}
        return frozenset(named | rest)
    place = {code: _place(code, seed) for code in set(codes)}
    if not place or share == 0:
        return frozenset()
    chosen = {code for code, value in place.items() if value < share}
    if not chosen and len(place) >= MANY:
        chosen = {min(place, key=place.__getitem__)}
    return frozenset(chosen)


def _place(code: str, seed: int) -> float:
    """A number in 0..1 from the hash of a code and a seed, evenly distributed."""
    digest = hashlib.sha256(f"{seed}/{code}".encode(errors="surrogateescape")).digest()
    return int.from_bytes(digest[:8], "big") / 2**64
