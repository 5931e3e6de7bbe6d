"""Patients as letters: the only place of a report that knows a patient's code.

Hospital codes are pseudonyms at best, and file names repeat them. A report therefore names patients
``A``, ``B`` ... ``Z``, ``AA`` in the order of their codes, numbers each patient's exams, and
rewrites file names the same way: ``1101/1301/convex_1101_1301_4.mat`` reads ``A/exam 1/area 4``.
Parts of a path that are not recognised become ``?`` rather than being shown.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from string import ascii_uppercase

UNKNOWN = "?"
"""Stands for a patient, an exam or a folder that is not among the report's codes."""

_CLIP_NAME = re.compile(
    r"convex_(?P<codes>[^/\\\s'\",;:]+)_(?P<area>\d+)(?P<kind>_score|_mask)?(?:\.[A-Za-z]\w*)?(?![\w-])"
)
_PATH = re.compile(r"[^\s'\"]*[/\\][^\s'\"]*|convex_[^\s'\",;:]+")
_AFTER_A_WORD = r"(?P<word>\b(?i:patient|exam)\W+)"
_KINDS = {"_score": " scores", "_mask": " mask", None: ""}
_OPEN_FOLDERS = frozenset({"", ".", "..", "Binary-Masks"})


class PatientNames:
    """Names patients and exams for a reader who must not learn their codes.

    Letters and numbers go by sorted code, so the same exams always get the same names.

    Args:
        codes: The patients' codes.
        show_codes: Whether to switch the masking off: every method then returns what it was given.
        exams: Exam codes of each patient; None or missing patients have no numbered exams.
    """

    def __init__(
        self,
        codes: Iterable[str],
        show_codes: bool = False,
        exams: Mapping[str, Iterable[str]] | None = None,
    ) -> None:
        self.show_codes = show_codes
        known = {patient: sorted(set(names)) for patient, names in (exams or {}).items()}
        self.codes = tuple(sorted({*codes, *known} - {""}))
        self._letters = {code: letters(i) for i, code in enumerate(self.codes)}
        self._exams = {
            (patient, exam): str(number)
            for patient, names in known.items()
            for number, exam in enumerate(names, 1)
        }
        self._known = {*self.codes, *(exam for _, exam in self._exams)}
        self._distinctive = _any_of(code for code in self._known if _is_distinctive(code))
        self._other = _any_of((c for c in self._known if not _is_distinctive(c)), _AFTER_A_WORD)

    def name(self, code: str) -> str:
        """The letter of a patient; ``?`` for a code that is not known."""
        return code if self.show_codes else self._letters.get(code, UNKNOWN)

    def exam(self, patient: str, exam: str) -> str:
        """Name an exam of a patient.

        Args:
            patient: Code of the patient.
            exam: Code of the exam.

        Returns:
            ``exam`` and its number, e.g. ``exam 2``; ``exam ?`` if it is not known.
        """
        number = exam if self.show_codes else self._exams.get((patient, exam), UNKNOWN)
        return f"exam {number}"

    def file(self, path: str, patient: str = "", exam: str = "") -> str:
        """Name a file of an exam for display.

        Args:
            path: Path of the file in its source; either slash separates folders.
            patient: Code of the patient whose file it is; empty if unknown.
            exam: Code of the exam whose file it is; empty if unknown.

        Returns:
            The path without codes; folders that are not known become ``?``, for they may be codes
            too.
        """
        return path if self.show_codes else self._path(path, patient, exam, strict=True)

    def scrub(self, text: str) -> str:
        """A sentence for display: codes in it, and in the paths that it quotes, are replaced.

        A short number is taken for a code only within a path or behind the word patient or exam:
        otherwise a patient called ``3`` would spoil "found 3 channels". A text that is nothing
        but a number, as an option's value may be, names nobody and is left alone.
        """
        if self.show_codes or text.isdigit():
            return text
        pieces: list[str] = []
        end = 0
        for found in _PATH.finditer(text):
            pieces += [self._in_prose(text[end : found.start()]), self._path(found[0])]
            end = found.end()
        return "".join([*pieces, self._in_prose(text[end:])])

    def _path(self, path: str, patient: str = "", exam: str = "", strict: bool = False) -> str:
        separated = path.replace("\\", "/")
        clip = _CLIP_NAME.search(separated)
        if clip:
            patient, exam = self._split(clip["codes"], patient, exam)
            before, rest = separated[: clip.start()], separated[clip.end() :]
            before = before.removesuffix(f"{patient}/{exam}/")
            area = f"area {clip['area']}{_KINDS[clip['kind']]}"
            return (
                f"{self._folders(before, patient, exam, strict)}{self.name(patient)}/"
                f"{self.exam(patient, exam)}/{area}{self._strip(rest, patient, exam)}"
            )
        folders, slash, file = separated.rpartition("/")
        shown = self._folders(folders + slash, patient, exam, strict)
        # A file often repeats the names of its folders, whatever they are.
        return shown + self._strip(file, patient, exam, *(folders.split("/") if strict else ()))

    def _folders(self, path: str, patient: str, exam: str, strict: bool) -> str:
        """Folders of a path that ends with a slash, or is empty."""
        before, shown = "", []
        for folder in path.split("/"):
            if folder in self._letters:
                shown.append(self._letters[folder])
            elif (before, folder) in self._exams or (
                folder and (patient, exam) == (before, folder)
            ):
                shown.append(self.exam(before, folder))
            elif strict and folder not in _OPEN_FOLDERS:
                shown.append(UNKNOWN)
            else:
                shown.append(self._strip(folder, patient, exam))
            before = folder
        return "/".join(shown)

    def _split(self, codes: str, patient: str, exam: str) -> tuple[str, str]:
        """The patient and the exam in ``PATIENT_EXAM``; either may hold an underscore itself."""
        if patient and exam and codes == f"{patient}_{exam}":
            return patient, exam
        cuts = [(codes[:i], codes[i + 1 :]) for i, sign in enumerate(codes) if sign == "_"]
        cuts = cuts or [(codes, "")]
        known_exam = [cut for cut in cuts if cut in self._exams]
        known_patient = [cut for cut in cuts if cut[0] in self._letters]
        return (known_exam or known_patient or cuts)[0]

    def _strip(self, text: str, *more: str) -> str:
        """Replace each code that stands by itself, however short."""
        return _any_of({*self._known, *more}).sub(self._masked, text)

    def _in_prose(self, text: str) -> str:
        return self._other.sub(self._masked, self._distinctive.sub(self._masked, text))

    def _masked(self, found: re.Match[str]) -> str:
        word = found["word"] or ""
        letter = UNKNOWN if word.lower().startswith("exam") else self._letters.get(found["code"])
        return word + (letter or UNKNOWN)


def letters(index: int) -> str:
    """A, B ... Z, AA, AB ... for 0, 1 ...: as spreadsheets name columns."""
    text = ""
    index += 1
    while index:
        index, digit = divmod(index - 1, 26)
        text = ascii_uppercase[digit] + text
    return text


def _is_distinctive(code: str) -> bool:
    """Whether a code in a sentence is surely meant as one: 1101 or P7, but not 12 or B."""
    return len(code) > 3 or not (code.isdigit() or code.isalpha())


def _any_of(codes: Iterable[str], before: str = "(?P<word>)") -> re.Pattern[str]:
    """Matches any code that is not a part of a longer number (or word, if it has letters)."""
    choices = []
    for code in sorted(set(codes) - {""}, key=len, reverse=True):
        inside = r"\d" if code.isdigit() else "[A-Za-z0-9]"
        choices.append(rf"(?<!{inside}){re.escape(code)}(?!{inside})")
    return re.compile(rf"{before}(?P<code>{'|'.join(choices) or '(?!)'})")
