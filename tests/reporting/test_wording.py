"""How numbers, durations and foreign text are written."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lusgan_core.reporting.wording import compact, duration, number, span, visible


@pytest.mark.parametrize(
    ("value", "written"),
    [
        (float("inf"), "∞"), (float("-inf"), "−∞"), (float("nan"), "–"), (None, "–"),
        (0, "0"), (1_230_000, "1,230,000"), (-12, "−12"),
        (0.65241, "0.6524"), (-0.5, "−0.5000"), (31.266, "31.27"), (152.34, "152.3"),
        (5231.7, "5,232"), (4.5946e-5, "4.59×10⁻⁵"), (0.0002, "2×10⁻⁴"), (1.5e7, "1.5×10⁷"),
    ],
)  # fmt: skip
def test_numbers_have_the_digits_that_matter(value, written):
    """Infinite, undefined, whole, ordinary and tiny numbers each read as a person writes them."""
    assert number(value) == written


def test_numbers_of_one_row_share_their_decimals():
    """A deviation follows the decimals of its mean."""
    assert number(1.92, like=16.31) == "1.92"
    assert number(1.92, like=float("nan")) == "1.9200"
    assert number(float("inf"), like=16.31) == "∞"


def test_a_range_has_the_decimals_of_its_larger_end():
    """Both ends can be compared at a glance."""
    assert span(-0.5, 31.266) == "−0.50 to 31.27"
    assert span(0.25, 0.5) == "0.2500 to 0.5000"


@given(st.floats(allow_nan=False, allow_infinity=False, width=32))
def test_written_numbers_are_the_numbers(value):
    """Read back, any number is within 5e-3 relative or 5e-5 absolute of what was written."""
    text = number(value).replace("−", "-").replace(",", "")
    mantissa, _, power = text.partition("×10")
    power = power.translate(str.maketrans("⁻⁰¹²³⁴⁵⁶⁷⁸⁹", "-0123456789"))
    assert float(mantissa) * 10.0 ** int(power or 0) == pytest.approx(value, rel=5e-3, abs=5e-5)


def test_axis_labels_are_short():
    """Counts are shortened by thousands and millions."""
    assert [compact(v) for v in (0, 950, 12_000, 1_500_000, 0.25, -0.5, 2e-4)] == [
        "0", "950", "12k", "1.5M", "0.25", "−0.5", "2×10⁻⁴",
    ]  # fmt: skip


def test_durations_have_two_units_at_most():
    """Seconds, minutes and hours are written as one would say them."""
    assert [duration(s) for s in (0.82, 200, 3599.9, 15_120, float("nan"))] == [
        "0.8 s", "3 min 20 s", "1 h 0 min", "4 h 12 min", "–",
    ]  # fmt: skip


@given(st.text())
def test_hidden_signs_are_spelled_out_and_everything_else_is_left(text):
    """What comes out is printable, can be encoded, and reads back as what went in."""
    shown = visible(text)
    shown.encode("utf-8")
    assert all(s.isprintable() or s.isspace() or ord(s) > 0x7F for s in shown)
    assert not any(ord(s) < 0x20 or 0x7F <= ord(s) < 0xA0 for s in shown)
    assert "".join(visible(s) for s in text) == shown


def test_signs_that_reorder_or_break_text_are_spelled_out():
    """A newline, an escape sequence, a right-to-left mark and half a surrogate are visible."""
    assert visible("a\n\x1b[31m\u202eb\udc80é") == "a\\n\\x1b[31m\\u202eb\\udc80é"
