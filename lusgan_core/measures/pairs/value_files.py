"""Writes all values of a comparison to a Parquet or CSV file: a row a pair, a column a metric."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pyarrow as pa
from pyarrow import csv, parquet

from lusgan_core.errors import StoreError
from lusgan_core.measures.pairs.frameset import FrameSet, group_codes
from lusgan_core.measures.pairs.results import PairResults

ROWS = 1 << 18
"""Pairs written at once."""
SEWAR_NAMES = {"vif": "vifp"}
"""Names of columns that are not the metric's own but that of sewar's function."""


def write_values(
    path: Path,
    found: PairResults,
    a: FrameSet,
    b: FrameSet | None,
    other_groups: bool = False,
) -> None:
    """Write the values of all pairs as columns ``a``, ``b`` (names) and one for each metric.

    Of a set with itself every pair is written once, or in both directions if a metric is directed.
    Pairs that were left out of the comparison are not written.

    Args:
        path: File to write, a CSV file if it ends in ``.csv``.
        found: Results of a comparison that kept its matrices.
        a: The first frames; a frame without a name is written as its number.
        b: The second frames; None for a set with itself.
        other_groups: Whether pairs of one group were left out.

    Raises:
        StoreError: The file cannot be written; no partial file is left.
    """
    second = a if b is None else b
    matrices = {
        SEWAR_NAMES.get(name, name): np.load(result.matrix, mmap_mode="r")
        for name, result in found.metrics.items()
        if result.matrix is not None
    }
    both_ways = any(not result.metric.symmetric for result in found.metrics.values())
    schema = pa.schema(
        [("a", pa.string()), ("b", pa.string()), *((name, pa.float64()) for name in matrices)]
    )
    names = np.array(a.names or list(map(str, range(len(a)))), object)
    others = np.array(second.names or list(map(str, range(len(second)))), object)
    codes = group_codes(a, second) if other_groups else None
    partial = path.with_name(f".{path.name}.partial")
    try:
        kind = csv.CSVWriter if path.suffix == ".csv" else parquet.ParquetWriter
        with partial.open("wb") as stream, kind(stream, schema) as writer:
            step = max(1, ROWS // len(second))
            for start in range(0, len(a), step):
                rows, columns = np.mgrid[start : min(start + step, len(a)), 0 : len(second)]
                rows, columns = rows.ravel(), columns.ravel()
                if b is None:
                    kept = rows != columns if both_ways else rows < columns
                    rows, columns = rows[kept], columns[kept]
                if codes is not None:
                    kept = codes[0][rows] != codes[1][columns]
                    rows, columns = rows[kept], columns[kept]
                values = [matrix[rows, columns] for matrix in matrices.values()]
                labels = [pa.array(of, pa.string()) for of in (names[rows], others[columns])]
                arrays = [*labels, *map(pa.array, values)]
                writer.write_batch(pa.record_batch(arrays, schema=schema))
        partial.replace(path)
    except OSError as error:
        partial.unlink(missing_ok=True)
        raise StoreError(
            f"{path} cannot be written: {error.strerror or error}; the values are kept beside it, "
            "run the same command again"
        ) from error
