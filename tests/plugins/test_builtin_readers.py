"""The readers that come with lusgan keep the contract of every reader."""

from __future__ import annotations

import numpy as np
import pytest

from dicomfiles import SYNTAXES, dicom
from lusgan_core.testing import ReaderContract
from lusgan_readers import DICOM, MAT, VIDEO
from matfiles import cine, matrix, v5, v73
from videofiles import moving, table, video


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


class TestVideo(ReaderContract):
    """Videos that a table names, in formats that lose nothing and that do."""

    record = VIDEO

    @pytest.fixture(autouse=True, params=["FFV1.avi", "MJPG.avi", "mp4v.mp4", "mp4v.mov"])
    def choose(self, request: pytest.FixtureRequest) -> None:
        self.codec, self.suffix = request.param[:4], request.param[4:]

    def files(self, frames: int) -> dict[str, bytes]:
        found, rows = {}, [("file", "patient", "area", "score", "from", "to")]
        for patient in ("ANNA", "BERT"):
            name = f"{patient}/visit{self.suffix}"
            found[name] = video(moving(frames), self.codec, self.suffix)
            rows.append((name, patient, "L1", 2, 2, ""))
        return {**found, "labels.csv": table(*rows)}


class TestDicom(ReaderContract):
    """DICOM objects without a suffix, grey ones in each encoding."""

    record = DICOM

    @pytest.fixture(autouse=True, params=list(SYNTAXES))
    def choose(self, request: pytest.FixtureRequest) -> None:
        self.kind = request.param

    def files(self, frames: int) -> dict[str, bytes]:
        found, rows = {}, [("SOPInstanceUID", "area", "score_1", "score_2")]
        for number, patient in enumerate(("ANNA", "BERT")):
            uid = f"2.25.{number + 5}"
            found[f"DISK/IM_{number}"] = dicom(moving(frames), self.kind, patient, uid)
            rows.append((uid, number, 3, 3))
        return {**found, "labels.csv": table(*rows)}
