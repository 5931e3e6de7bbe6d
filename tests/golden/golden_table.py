"""Committed tables of results, by which a change of results under the same version is seen.

A *subject* is a stage or a built-in plugin. Its table holds the version it had, and a row for
each case: numbers, texts and images, as JSON. Numbers may differ by a relative 1e-6, pixels by one
level.
"""

from __future__ import annotations

import base64
import json
import math
import zlib
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

TABLES = Path(__file__).parent / "tables"
RELATIVE, ABSOLUTE = 1e-6, 1e-9
"""Tolerances of numbers."""
LEVELS = 1
"""Grey levels by which a pixel may differ."""

Rows = Mapping[str, Any]


@dataclass(frozen=True)
class Subject:
    """What a table is of."""

    name: str
    """Of the file, and in messages: ``train``, ``loss/SGAN``."""
    version: str
    where: str
    """What to raise, e.g. ``VERSION in lusgan_core/training/stage.py``."""
    rows: Callable[[], Rows]
    relative: float = RELATIVE
    """Relative tolerance of its numbers."""

    @property
    def path(self) -> Path:
        """Return the file of the table."""
        return TABLES / f"{self.name.replace('/', '-')}.json"


class ChangedError(AssertionError):
    """Results that changed under the same version, or a table that was not renewed."""


def check(subject: Subject) -> None:
    """Hold a subject's results against its table; raise ChangedError with what to do."""
    table = _table(subject)
    if table is None:
        raise ChangedError(f"{subject.name} has no table yet: `make golden` writes it")
    found = encoded(subject.rows())
    changed = list(differences(table["rows"], found, subject.relative))
    missing = sorted(set(found) ^ set(table["rows"]))
    if table["version"] == subject.version and changed:
        raise ChangedError(
            f"results of {subject.name} changed under version {subject.version}:\n  "
            + "\n  ".join(changed[:8])
            + f"\nraise {subject.where}, or restore what was changed; then `make golden`"
        )
    if table["version"] != subject.version or missing:
        raise ChangedError(
            f"the table of {subject.name} is of version {table['version']}, the code of version "
            f"{subject.version}; cases that are in one alone: {', '.join(missing) or 'none'}. "
            "`make golden` renews it"
        )


def renew(subject: Subject) -> str:
    """Write a subject's table anew and say what happened; refuse as ``check`` does."""
    table, found = _table(subject), encoded(subject.rows())
    if table and table["version"] == subject.version:
        common = {name: row for name, row in table["rows"].items() if name in found}
        changed = list(differences(common, found, subject.relative))
        if changed:
            raise ChangedError(
                f"{subject.name}: raise {subject.where}, or restore:\n  " + "\n  ".join(changed[:8])
            )
    subject.path.parent.mkdir(exist_ok=True)
    lines = [f"  {json.dumps(n)}: {json.dumps(r, sort_keys=True)}" for n, r in found.items()]
    rows = ",\n".join(sorted(lines))
    text = f'{{\n "version": {json.dumps(subject.version)},\n "rows": {{\n{rows}\n }}\n}}'
    same = subject.path.exists() and subject.path.read_text() == text + "\n"
    subject.path.write_text(text + "\n")
    return "as it was" if same else "renewed"


def _table(subject: Subject) -> dict[str, Any] | None:
    return json.loads(subject.path.read_text()) if subject.path.exists() else None


def encoded(value: Any) -> Any:
    """Return a value as JSON holds it; uint8 arrays as packed pixels."""
    if isinstance(value, np.ndarray) and value.dtype == np.uint8:
        packed = base64.b85encode(zlib.compress(value.tobytes(), 9)).decode()
        return {"pixels": packed, "shape": list(value.shape)}
    if isinstance(value, np.ndarray):
        return encoded(value.tolist())
    if isinstance(value, Mapping):
        return {str(key): encoded(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [encoded(item) for item in value]
    if isinstance(value, float):
        return float(f"{value:.9g}") if math.isfinite(value) else str(value)
    return value


def differences(wanted: Any, found: Any, relative: float, where: str = "") -> Iterator[str]:
    """Yield what differs between a table's value and the one found now, by where it is."""
    if isinstance(wanted, dict) and "pixels" in wanted:
        yield from _pixels(wanted, found, where)
    elif isinstance(wanted, dict) and isinstance(found, dict):
        for name in wanted:
            if name in found or where:
                place = f"{where}: {name}" if where else name
                yield from differences(wanted[name], found.get(name), relative, place)
        if where and found.keys() - wanted.keys():
            yield f"{where}: {', '.join(sorted(found.keys() - wanted.keys()))} is new"
    elif isinstance(wanted, list) and isinstance(found, list) and len(wanted) == len(found):
        for number, (one, other) in enumerate(zip(wanted, found, strict=True)):
            yield from differences(one, other, relative, f"{where}[{number}]")
    elif _is_number(wanted) and _is_number(found):
        if not math.isclose(wanted, found, rel_tol=relative, abs_tol=ABSOLUTE):
            yield f"{where}: {wanted} in the table, {found} now"
    elif wanted != found:
        yield f"{where}: {_short(wanted)} in the table, {_short(found)} now"


def _pixels(wanted: dict[str, Any], found: Any, where: str) -> Iterator[str]:
    if not isinstance(found, dict) or wanted["shape"] != found.get("shape"):
        yield f"{where}: another shape than {wanted['shape']}"
        return
    one, other = (_decoded(value).astype(int) for value in (wanted, found))
    worst = int(np.abs(one - other).max(initial=0))
    if worst > LEVELS:
        yield f"{where}: pixels differ by up to {worst} levels"


def _decoded(value: Mapping[str, Any]) -> np.ndarray:
    data = zlib.decompress(base64.b85decode(value["pixels"]))
    return np.frombuffer(data, np.uint8).reshape(value["shape"])


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


def _short(value: Any) -> str:
    text = json.dumps(value)
    return text if len(text) < 80 else f"{text[:77]}..."
