"""Tables of labels: CSV files that say what clips show, a row a clip or a stretch of its frames.

Columns are told by their names, of which upper and lower case, spaces and signs do not matter:

    file | SOPInstanceUID         the clip; or by patient and area, with which its name then ends
    patient, exam, area, probe    all optional where a file is named ``patient_CODE_AREA``
    score                         0 to 3, empty where nobody scored
    score_NAME | rater_NAME       one column for each of several raters, instead of ``score``
    from, to | frame              frames that the row is about, counted from 1; without: all

Published tables call some of these otherwise (``video_file``, ``Severity Score``,
``patient_group``): see ``COLUMNS``. Columns of other names are left alone, and a CSV file without
such columns is no table of labels.
"""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Mapping
from typing import Any, BinaryIO

from lusgan_core.api import SCORES, UNLABELLED

COLUMNS = {
    "file": (
        "file", "filename", "file_name", "path", "video", "video_file", "video_name", "clip",
    ),
    "sop": ("sopinstanceuid", "sop_instance_uid"),
    "patient": ("patient", "patient_id", "patientid", "patient_group", "subject"),
    "exam": ("exam", "exam_id", "study", "visit"),
    "area": ("area", "zone", "position"),
    "probe": ("probe", "transducer"),
    "score": ("score", "severity_score", "severity", "lung_severity_score"),
    "from": ("from", "from_frame", "first_frame", "start_frame"),
    "to": ("to", "to_frame", "last_frame", "end_frame"),
    "frame": ("frame", "frame_number"),
}  # fmt: skip
"""What a column says -> its names, the first of which counts where a table has several."""
FRAMES = ("from", "to", "frame")
RATERS = ("score_", "rater_")
"""How the names of raters' columns begin."""
ONE = "score"
"""Name of the rater of tables with a single column."""
EMPTY = frozenset({"", "na", "n/a", "nan", "none", "null", "nd", "-", "-1"})
"""What cells hold where nothing is known, in lower case."""
PROBES = ("convex", "curved", "curvilinear", "linear", "phased", "sector", "microconvex")
MAX_BYTES = 64 << 20
"""Size of a larger file is that of no table of labels."""


def read_table(file: BinaryIO) -> dict[str, Any] | None:
    """Read a table of labels.

    Args:
        file: The CSV file, open: UTF-8 (or Latin-1), with commas, semicolons or tabs.

    Returns:
        JSON: ``own``, whether its scores are in columns as lusgan calls them; and ``rows``, each a
        mapping with ``line``, ``file``, ``sop``, ``patient``, ``exam``, ``area`` and ``probe``
        (texts, empty if unknown), ``first`` and ``last`` (frames from 1; 0 for the clip's first and
        last), ``scores`` ([rater, score], in the order of columns) and ``problem`` (what is wrong
        with it, or empty). None for a file that is no table of labels.
    """
    data = file.read(MAX_BYTES + 1)
    if len(data) > MAX_BYTES or b"\0" in data:
        return None
    text = _decoded(data)
    header = text.split("\n", 1)[0]
    comma = max(",;\t", key=header.count)
    lines = csv.reader(io.StringIO(text, newline=""), delimiter=comma)
    try:
        names = [_plain(name) for name in next(lines, [])]
        places = _places(names)
        raters = {
            name.partition("_")[2]: i
            for i, name in enumerate(names)
            if name.startswith(RATERS) and name not in COLUMNS["score"]
        }
        if not raters and "score" in places:
            raters = {ONE: places["score"]}
        by_codes = {"patient", "area"} <= places.keys()
        if not raters or not ({"file", "sop"} & places.keys() or by_codes):
            return None
        rows = [_row(lines.line_num, row, places, raters) for row in lines if any(row)]
    except csv.Error:
        return None
    own = ONE not in raters or names[raters[ONE]] == ONE
    return {"own": own, "rows": rows}


def _decoded(data: bytes) -> str:
    try:
        return data.decode("utf-8-sig")
    except UnicodeDecodeError:
        return data.decode("latin-1")


def _plain(name: str) -> str:
    return re.sub(r"[\W_]+", "_", name.strip().lower()).strip("_")


def _places(names: list[str]) -> dict[str, int]:
    """Number of the column that says each thing."""
    return {
        what: names.index(next(name for name in called if name in names))
        for what, called in COLUMNS.items()
        if any(name in names for name in called)
    }


def _row(
    line: int, cells: list[str], places: Mapping[str, int], raters: Mapping[str, int]
) -> dict[str, Any]:
    def cell(number: int) -> str:
        text = cells[number].strip() if number < len(cells) else ""
        return "" if text.lower() in EMPTY else text

    row: dict[str, Any] = {
        what: cell(places[what]) if what in places else ""
        for what in ("file", "sop", "patient", "exam", "area", "probe")
    }
    problems = []
    scores: list[tuple[str, int]] = []
    for name, number in raters.items():
        score = _whole(cell(number))
        if score is None or score not in (*SCORES, UNLABELLED):
            problems.append(f"a score is not {SCORES[0]} to {SCORES[-1]}")
        elif score != UNLABELLED:
            scores.append((name, score))
    first, last = _frames({what: cell(places[what]) for what in FRAMES if what in places})
    if first < 0:
        problems.append("its frames are no numbers from 1 on, the first before the last")
    probe = row["probe"].lower().split(maxsplit=1)[:1]
    row["probe"] = probe[0] if probe and probe[0] in PROBES else ""
    return row | {
        "line": line,
        "first": first,
        "last": last,
        "scores": scores,
        "problem": problems[0] if problems else "",
    }


def _frames(said: Mapping[str, str]) -> tuple[int, int]:
    """The first and the last frame of a row: 0 for the clip's own, -1 for what is no stretch."""
    one = said.get("frame", "")
    texts = (one, one) if one else (said.get("from", ""), said.get("to", ""))
    first, last = (_whole(text) for text in texts)
    if first is None or last is None or 0 in (first, last):
        return -1, -1
    if first == last == UNLABELLED:
        return 0, 0
    first = max(first, 1)
    if last == UNLABELLED:
        return first, 0
    return (first, last) if first <= last else (-1, -1)


def _whole(text: str) -> int | None:
    """A whole number, also written as 2.0; ``UNLABELLED`` for an empty cell, None for others."""
    if not text:
        return UNLABELLED
    found = re.fullmatch(r"\+?(\d{1,9})(?:\.0*)?", text)
    return int(found[1]) if found else None
