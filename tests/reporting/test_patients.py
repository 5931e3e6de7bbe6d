"""Patients as letters."""

import itertools
import string

import pytest

from lusgan_core.reporting.patients import PatientNames, letters

EXAMS = {"1101": ["1302", "1301"], "P_07": ["2020-03-11"], "7": ["3"]}


@pytest.fixture
def names() -> PatientNames:
    return PatientNames(["P_07", "1101", "7", "1101"], exams=EXAMS)


def test_letters_run_like_the_columns_of_a_spreadsheet():
    """The first 800 letters are A..Z, then every pair, then triples, in alphabetical order."""
    alphabet = string.ascii_uppercase
    expected = ["".join(t) for n in (1, 2, 3) for t in itertools.product(alphabet, repeat=n)]
    assert [letters(i) for i in range(800)] == expected[:800]


def test_names_depend_on_the_set_of_codes_alone(names):
    """The order and repetition in which codes come do not change who is called what."""
    again = PatientNames(["7", "P_07", "1101"], exams=EXAMS)
    assert [names.name(c) for c in ("1101", "7", "P_07")] == ["A", "B", "C"]
    assert [again.name(c) for c in ("1101", "7", "P_07")] == ["A", "B", "C"]
    assert names.name("9999") == "?"
    assert (names.exam("1101", "1301"), names.exam("1101", "1302")) == ("exam 1", "exam 2")


@pytest.mark.parametrize(
    ("path", "shown"),
    [
        ("1101/1301/convex_1101_1301_4.mat", "A/exam 1/area 4"),
        ("1101/1302/convex_1101_1302_12_score.mat", "A/exam 2/area 12 scores"),
        ("Binary-Masks/convex_1101_1301_4_mask.png", "Binary-Masks/A/exam 1/area 4 mask"),
        ("P_07/2020-03-11/convex_P_07_2020-03-11_4.mat", "C/exam 1/area 4"),
        ("7\\3\\convex_7_3_14.mat", "B/exam 1/area 14"),
        ("1101/1301/notes of 1101.mat", "A/exam 1/notes of A.mat"),
        ("1999/1390/convex_1999_1390_3.mat", "?/exam ?/area 3"),
        ("1999/1390/other.mat", "?/?/other.mat"),
        ("1999/1390/cine-1999-1390.mat", "?/?/cine-?-?.mat"),
        ("SanMatteo.mat", "SanMatteo.mat"),
        ("1101/1301/convex_1101_1302_4.mat", "A/exam 1/A/exam 2/area 4"),
    ],
)
def test_a_file_is_shown_without_the_codes_in_it(names, path, shown):
    """Folders, clip names and unknown patients of a rejected file all lose their codes."""
    assert names.file(path) == shown


def test_a_file_of_an_unknown_patient_loses_the_codes_that_its_rejection_states(names):
    """A patient all of whose clips were rejected stays unnamed even in odd file names."""
    shown = names.file("cine-1999-1390.mat", patient="1999", exam="1390")
    assert shown == "cine-?-?.mat"


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("cannot read /data/1101/1301/convex_1101_1301_4.mat: denied",
         "cannot read /data/A/exam 1/area 4: denied"),
        ("expected convex_1101_1301_4_score.mat beside it",
         "expected A/exam 1/area 4 scores beside it"),
        ("patient 7 has 7 frames, found 3 channels", "patient B has 7 frames, found 3 channels"),
        ("P_07 and 1101; not 11011 or P_071", "C and A; not 11011 or P_071"),
        ("lusgan run --exams /data/ward --set seed=999", "lusgan run --exams /data/ward --set "
         "seed=999"),
        ("Exam 3 of patient 7", "Exam ? of patient B"),
        ("1101", "1101"),
    ],
)  # fmt: skip
def test_a_sentence_is_shown_without_codes_and_otherwise_unchanged(names, text, shown):
    """Codes go from prose and from quoted paths; plain numbers and folders stay."""
    assert names.scrub(text) == shown


def test_a_letter_that_replaced_a_code_is_not_replaced_again():
    """Patients whose codes are letters themselves are told apart, and ordinary words stay."""
    names = PatientNames(["B", "A1", "Z"], exams={"B": ["A1"]})
    assert [names.name(c) for c in ("A1", "B", "Z")] == ["A", "B", "C"]
    assert names.file("Z/A1/cine-Z-A1-B.mat") == "C/A/cine-C-A-B.mat"
    assert names.scrub("A clip of patient Z, vitamin B, A1") == "A clip of patient C, vitamin B, A"


def test_codes_are_shown_when_asked_for():
    """With show_codes nothing is masked anywhere."""
    names = PatientNames(["1101"], show_codes=True, exams=EXAMS)
    path = "1101/1301/convex_1101_1301_4.mat"
    assert names.name("1101") == "1101"
    assert names.file(path) == names.scrub(path) == path
    assert names.exam("1101", "1301") == "exam 1301"
