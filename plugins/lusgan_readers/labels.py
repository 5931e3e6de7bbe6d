"""Finds the labels of a clip in the tables of a source.

A row names its clip by the end of its path (``videos/a.mp4``, ``a.mp4`` or ``a``), by its DICOM SOP
Instance UID, or by patient and area: its file's name then ends with the area, and holds the
patient's code before it, as ``P7_L1.mp4`` or ``P7/3.dcm`` do.
"""

from __future__ import annotations

import hashlib
import re
import unicodedata
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

from pydantic import Field

from lusgan_core.api import (
    LABELS,
    Belonging,
    ClipError,
    Listing,
    Options,
    Refused,
    SourceStat,
)
from lusgan_readers.label_table import read_table

Row = Mapping[str, Any]
SUFFIXES = (".csv", ".tsv")
NO_LABELS = (
    "no row of a table of labels names it: expected a CSV file in the source with file (or patient "
    "and area), patient, area and score"
)
NO_PATIENT = "its row of the table of labels names no patient: add a column patient"
_CODED = re.compile(r"patient[_-]?(?P<patient>.+?)[_-](?P<area>[LR]?\d{1,2})(?:[_-]\d+)?", re.I)


class LabelOptions(Options):
    """Where labels are, and whose count."""

    tables: tuple[str, ...] = Field(
        (),
        description="Tables of labels, paths in the source; none: each CSV file that is one",
    )
    raters: Literal["majority", "first", "worst", "unanimous"] = Field(
        "majority",
        description=(
            "Where several raters scored: the score of more than half of them, of the first one, "
            "the highest, or the one that all gave; without such a score a frame counts as unscored"
        ),
    )


@dataclass(frozen=True)
class Labels:
    """What the tables say of one clip."""

    patient: str
    exam: str
    area: str
    """As written: ``3``, ``17``, ``L1``; empty if unknown."""
    facts: Mapping[str, Any]
    """What ``frame_labels`` needs, for ``FoundClip.facts``."""

    @property
    def number(self) -> int:
        """Number of the area; 0 where it has a name, or is unknown."""
        return int(self.area) if re.fullmatch(r"\d{1,4}", self.area) else 0


@dataclass
class Table:
    """A table of labels."""

    stat: SourceStat
    own: bool
    rows: Sequence[Row]


class Tables:
    """All tables of labels of a source, for one reader."""

    def __init__(self, listing: Listing, options: LabelOptions) -> None:
        """Read the tables; what cannot be read is refused, see ``findings``."""
        self.tables: list[Table] = []
        self._refused: list[Refused] = []
        for stat in listing.objects:
            named = stat.key in options.tables
            if not stat.is_unicode or not (named or _is_table(stat, options)):
                continue
            try:
                found = listing.head(stat, read_table)
            except ClipError as error:
                self._refused.append(Refused(stat, str(error), is_clip=False))
                continue
            if found is not None:
                self.tables.append(Table(stat, found["own"], found["rows"]))
            elif named:
                why = "no table of labels: expected columns file (or patient and area) and score"
                self._refused.append(Refused(stat, why, is_clip=False))
        self._by_name: dict[str, list[tuple[Table, Row, tuple[str, ...]]]] = {}
        self._by_sop: dict[str, list[tuple[Table, Row]]] = {}
        self._by_area: dict[str, list[tuple[Table, Row]]] = {}
        for table in self.tables:
            for row in table.rows:
                self._index(table, row)
        self._owners: dict[tuple[str, int], set[str]] = {}
        self._files = {_stem(path_parts(stat.key)[-1]) for stat in listing.objects if stat.name}

    def _index(self, table: Table, row: Row) -> None:
        if row["sop"]:
            self._by_sop.setdefault(code("object", row["sop"]), []).append((table, row))
        elif row["file"]:
            parts = path_parts(row["file"])
            if parts:
                self._by_name.setdefault(_stem(parts[-1]), []).append((table, row, parts))
        elif row["patient"] and row["area"]:
            self._by_area.setdefault(row["area"].lower(), []).append((table, row))

    def rows(self, key: str, sop: str = "", patient: str = "", area: str = "") -> Found:
        """Find the rows of one clip.

        Args:
            key: Its key in the source.
            sop: ``code("object", SOPInstanceUID)`` of a DICOM object.
            patient: ``code("patient", PatientID)`` of a DICOM object; other clips have the
                patient's code in their path.
            area: The area as a DICOM object says it; else the end of the file's name counts.

        Returns:
            The rows, by table.
        """
        found: Found = []
        parts = path_parts(key)
        for table, row, wanted in self._by_name.get(_stem(parts[-1]), []):
            with_suffix = wanted[-1] != _stem(wanted[-1])
            ours = parts if with_suffix else (*parts[:-1], _stem(parts[-1]))
            if ours[-len(wanted) :] == wanted:
                found.append((table, row))
        if sop:
            found += self._by_sop.get(sop, [])
        words = [w for part in (*parts[:-1], _stem(parts[-1])) for w in _words(part)]
        last, before = (area.lower(), words) if area else (words[-1], words[:-1])
        for table, row in self._by_area.get(last, []):
            told = bool(patient) and code("patient", row["patient"]) == patient
            if told or _holds(before, _words(_folded(row["patient"]))):
                found.append((table, row))
        for table, row in found:
            self._owners.setdefault((table.stat.key, row["line"]), set()).add(key)
        return found

    def shared(self, found: Found) -> bool:
        """Whether a row fits other clips too; every clip was looked up before."""
        return any(len(self._owners[table.stat.key, row["line"]]) > 1 for table, row in found)

    def findings(self, suffixes: Sequence[str], alone: bool) -> Iterator[Belonging | Refused]:
        """Tell of the tables themselves, once all clips were looked up.

        Args:
            suffixes: Those of files that this reader alone would find.
            alone: Whether no other reader can find the clips of rows without a file.

        Yields:
            Each table of which a row was used, and its rows that fit no clip of ours and no file of
            another reader.
        """
        yield from self._refused
        for table in self.tables:
            used = [r for r in table.rows if (table.stat.key, r["line"]) in self._owners]
            if not used:
                continue
            yield Belonging(table.stat)
            lines = {row["line"] for row in used}
            lost = [
                row["line"]
                for row in table.rows
                if row["line"] not in lines and self._is_lost(row, suffixes, alone)
            ]
            if lost:
                yield Refused(
                    table.stat,
                    f"{len(lost)} of its {len(table.rows)} rows fit no clip, the first in line "
                    f"{lost[0]}",
                    is_clip=False,
                )

    def _is_lost(self, row: Row, suffixes: Sequence[str], alone: bool) -> bool:
        """Whether no reader can find the clip of a row that this one has not found."""
        if row["sop"]:
            return ".dcm" in suffixes
        parts = path_parts(row["file"])
        if not parts:
            return alone
        return parts[-1].endswith(tuple(suffixes)) or _stem(parts[-1]) not in self._files


Found = list[tuple[Table, Row]]


def labels_of(found: Found, key: str, patient: str = "", exam: str = "") -> Labels:
    """Put the rows of one clip together.

    Args:
        found: Its rows.
        key: Its key in the source; a name ``patient_CODE_AREA`` tells what its rows leave out.
        patient: Code of the patient where the clip itself tells it.
        exam: Code of the exam where the clip itself tells it.

    Returns:
        Codes, area and labels. Tables with lusgan's own names of columns go before others.

    Raises:
        ClipError: A row is wrong, tables disagree, or nothing tells the patient.
    """
    if any(table.own for table, _ in found):
        found = [(table, row) for table, row in found if table.own]
    said: dict[str, dict[str, Any]] = {}
    for table, row in found:
        if row["problem"]:
            raise ClipError(f"{row['problem']} (table of labels, line {row['line']})")
        told = said.setdefault(table.stat.key, {"codes": [], LABELS: []})
        told["codes"].append([row[what] for what in ("patient", "exam", "area", "probe")])
        label = [row["first"], row["last"], row["scores"]]
        if label not in told[LABELS]:
            told[LABELS].append(label)
    codes = {tuple(one) for told in said.values() for one in told["codes"]}
    merged = [{one[i] for one in codes if one[i]} for i in range(4)]
    labels = [sorted(told[LABELS], key=repr) for told in said.values()]
    if any(len(values) > 1 for values in merged) or any(one != labels[0] for one in labels):
        raise ClipError(
            "rows of tables of labels say different things of it: take the wrong one out, or name "
            "the table that counts by the reader's option tables"
        )
    table_patient, table_exam, area, probe = (next(iter(values), "") for values in merged)
    coded = _CODED.fullmatch(_stem(key.rsplit("/", 1)[-1]))
    if not (table_patient or patient) and coded:
        table_patient = coded["patient"]
    if not (table_patient or patient):
        raise ClipError(NO_PATIENT)
    area = area or (coded["area"].upper() if coded else "")
    facts: dict[str, Any] = {LABELS: labels[0]}
    facts |= {name: text for name, text in (("area", area), ("probe", probe)) if text}
    return Labels(table_patient or patient, table_exam or exam or "1", area, facts)


def code(kind: str, text: str) -> str:
    """Make a code of an identifier.

    Args:
        kind: What it identifies, so that equal texts of two kinds have different codes.
        text: The identifier; blanks around it do not count.

    Returns:
        The first 12 hex digits of a sha256.
    """
    return hashlib.sha256(f"{kind} {text.strip()}".encode()).hexdigest()[:12]


def path_parts(path: str) -> tuple[str, ...]:
    """The parts of a path as they are compared: composed, lower case, without ``.``."""
    parts = _folded(path).replace("\\", "/").split("/")
    return tuple(part for part in parts if part not in ("", "."))


def _folded(text: str) -> str:
    return unicodedata.normalize("NFC", text).lower()


def _stem(name: str) -> str:
    """A file's name without a suffix such as ``.mp4``; what ends a name otherwise stays."""
    return re.sub(r"(?<=.)\.[a-z][a-z0-9]{1,5}$", "", name, flags=re.IGNORECASE)


def _words(text: str) -> list[str]:
    return [word for word in re.split(r"[\s_\-./\\]+", text) if word]


def _holds(words: Sequence[str], wanted: Sequence[str]) -> bool:
    """Whether some words follow each other among others."""
    n = len(wanted)
    return n > 0 and any(list(words[i : i + n]) == list(wanted) for i in range(len(words) - n + 1))


def _is_table(stat: SourceStat, options: LabelOptions) -> bool:
    return not options.tables and stat.name.lower().endswith(SUFFIXES)
