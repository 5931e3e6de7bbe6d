"""Spells numbers, durations and text from outside for a report."""

from __future__ import annotations

import math
import unicodedata

MISSING = "–"
_SUPERSCRIPTS = str.maketrans("-0123456789", "⁻⁰¹²³⁴⁵⁶⁷⁸⁹")
_HIDDEN = frozenset({"Cc", "Cf", "Cs", "Co", "Zl", "Zp"})


def number(value: float | None, like: float | None = None) -> str:
    """Spell a value with the digits that matter: about four significant ones.

    Integers are written in full with commas.

    Args:
        value: None or NaN is written as –, infinity as ∞.
        like: Value whose number of decimals to follow, for numbers in one row; None to use the
            value's own.

    Returns:
        The text, with a typographic minus sign.
    """
    if value is None or math.isnan(value):
        return MISSING
    if math.isinf(value):
        return "∞" if value > 0 else "−∞"
    if isinstance(value, int):
        return f"{value:,}".replace("-", "−")
    size = abs(value if like is None or not math.isfinite(like) else like)
    if 0 < size < 1e-3 or size >= 1e6:
        mantissa, _, exponent = f"{value:.3g}".partition("e")
        if not exponent:  # 0.00012 is spelled without an exponent
            mantissa, _, exponent = f"{value:.2e}".partition("e")
            mantissa = mantissa.rstrip("0").rstrip(".")
        return f"{mantissa}×{ten(int(exponent))}".replace("-", "−")
    decimals = 0 if size >= 1000 else 1 if size >= 100 else 2 if size >= 10 else 4
    return f"{value:,.{decimals}f}".replace("-", "−")


def span(low: float, high: float) -> str:
    """Spell a range of values: 0.12 to 0.35.

    Args:
        low: The smaller one.
        high: The larger one.

    Returns:
        The text, both numbers with the decimals of the one that is larger in size.
    """
    like = max(abs(low), abs(high))
    return f"{number(low, like)} to {number(high, like)}"


def ten(power: int) -> str:
    """A power of ten: 10⁻⁴."""
    return "10" + str(power).translate(_SUPERSCRIPTS)


def compact(value: float) -> str:
    """A count or an axis label in few characters: 950, 12k, 1.5M, 0.25."""
    size = abs(value)
    for unit, factor in (("M", 1e6), ("k", 1e3)):
        if size >= factor:
            return f"{value / factor:.3g}{unit}".replace("-", "−")
    if 0 < size < 1e-2:
        return number(value)
    return f"{value:.4g}".replace("-", "−")


def duration(seconds: float) -> str:
    """A time span with two units at most: 0.8 s, 3 min 20 s, 4 h 12 min."""
    if not math.isfinite(seconds):
        return MISSING
    if seconds < 60:
        return f"{seconds:.1f} s"
    minutes, rest = divmod(round(seconds), 60)
    if minutes < 60:
        return f"{minutes} min {rest} s"
    hours, minutes = divmod(minutes, 60)
    return f"{hours} h {minutes} min"


def visible(text: str) -> str:
    """Text from outside with every character that hides or reorders others spelled out.

    Control characters, direction marks, invisible joiners and half surrogates (which UTF-8 cannot
    hold) are written as Python would: ``\\n``, ``\\x1b``, ``\\u202e``.
    """
    return "".join(
        sign.encode("unicode_escape").decode("ascii")
        if unicodedata.category(sign) in _HIDDEN
        else sign
        for sign in text
    )
