"""The readers that come with lusgan keep the contract of every reader."""

from __future__ import annotations

import numpy as np
import pytest

from lusgan_core.testing import ReaderContract
from lusgan_readers import MAT
from matfiles import cine, matrix, v5, v73


class TestMat(ReaderContract):
    """The hospital's layout, in each format of .mat files."""

    record = MAT

    @pytest.fixture(autouse=True, params=["v5", "v7.3", "v7.3 chunked", "plain"])
    def choose(self, request: pytest.FixtureRequest) -> None:
        self.kind = request.param

    def files(self, frames: int) -> dict[str, bytes]:
        found = {}
        for patient in ("ANNA", "BERT"):
            stem = f"{patient}/VISIT/convex_{patient}_VISIT_3"
            found[f"{stem}.mat"] = self.clip(cine(shape=(40, 32, 3, frames)))
            found[f"{stem}_score.mat"] = v5(matrix(np.ones((3, max(1, frames - 2)))))
        return found

    def clip(self, array: np.ndarray) -> bytes:
        """A clip in the format that is tried."""
        if self.kind == "v5":
            return v5(matrix(array))
        if self.kind == "plain":
            return v5(matrix(array.astype("float64")), compressed=False)
        chunks = {"chunks": (2, 1, 32, 40), "compression": "gzip"} if "chunk" in self.kind else {}
        return v73(("frames", array), **chunks)
