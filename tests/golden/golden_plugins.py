"""Rows of plugins that need no network: gates, presets, exporters."""

from __future__ import annotations

import io
import json
import re
from typing import Any

import h5py
import numpy as np
import pyarrow.parquet as pq
import pydicom
import scipy.io
from golden_table import Rows
from PIL import Image

from lusgan_core.api import Exporter, Gate, Preset
from lusgan_core.testing import ExporterContract
from lusgan_core.testing.exporters import some_frames
from lusgan_core.testing.gates import candidates
from lusgan_core.testing.variations import variations


def gate_rows(gate: Gate) -> Rows:
    """Verdicts on made-up models, the first of them as the current one, a row an option."""
    options = {"defaults": gate.options()}
    for name, varied in variations(gate.options).items():
        options |= {f"{name} {number}": chosen for number, chosen in enumerate(varied)}
    every = candidates()
    return {
        name: [
            [verdict.passed, verdict.measured, verdict.reason]
            for verdict in (gate.check(one, every[0], chosen) for one in every)
        ]
        for name, chosen in options.items()
    }


def preset_rows(preset: Preset) -> Rows:
    """What it sets."""
    return {"settings": preset.settings, "based_on": preset.based_on}


def exporter_rows(exporter: Exporter) -> Rows:
    """The content of every file, a row an option."""
    suite = type("Suite", (ExporterContract,), {"record": exporter})()
    options = {"defaults": exporter.options()}
    options |= {name: varied[0] for name, varied in variations(exporter.options).items()}
    return {
        f"{name}, {channels} channels": {
            file: _content(data) for file, data in suite.export(frames, chosen).items()
        }
        for name, chosen in options.items()
        for channels, frames in ((n, some_frames(3, n)[:, :8, :6]) for n in (1, 3))
    }


def _plain(value: Any) -> Any:
    """Numbers and texts of an array, in lists."""
    listed = np.asarray(value).tolist()
    return json.loads(json.dumps(listed, default=bytes.decode))


def _content(data: bytes) -> Any:
    """What a file holds, whichever way it is compressed."""
    if data.startswith(b"\x89PNG"):
        image = Image.open(io.BytesIO(data))
        return {"mode": image.mode, "text": image.text, "levels": list(image.tobytes())}
    if data.startswith(b"\x89HDF"):
        with h5py.File(io.BytesIO(data)) as file:
            told = {name: _plain(value) for name, value in file.attrs.items()}
            return told | {name: _plain(file[name][()]) for name in file}
    if data.startswith(b"PAR1"):
        table = pq.read_table(io.BytesIO(data))
        rows = [row | {"image": _content(row["image"]["bytes"])} for row in table.to_pylist()]
        said = {name.decode(): text.decode() for name, text in table.schema.metadata.items()}
        return {"metadata": said, "rows": rows}
    if data[128:132] == b"DICM":
        return {"dataset": str(pydicom.dcmread(io.BytesIO(data))), "levels": list(data[-144:])}
    if not data.startswith(b"MATLAB"):
        return data.decode()
    header = re.sub(rb"\s+", b" ", data[:116]).decode()
    content = scipy.io.loadmat(io.BytesIO(data))
    arrays = {name: value for name, value in content.items() if not name.startswith("__")}
    return {"header": header} | {name: value.tolist() for name, value in arrays.items()}
