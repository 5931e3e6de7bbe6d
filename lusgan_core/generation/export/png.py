"""Synthetic frames as PNG files, one a frame, with a list of their digests."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from lusgan_core.calls.call import stored
from lusgan_core.calls.provenance import ArtifactRef, digest_bytes
from lusgan_core.pictures import png_bytes
from lusgan_core.store import Store


class PngExport:
    """Writes ``png/frame-000000.png`` and so on below a folder of the store."""

    def __init__(self, store: Store, folder: str) -> None:
        self._store, self._folder = store, folder
        self._sums: list[str] = []

    def add(self, frame: NDArray[np.uint8]) -> None:
        """Write the next frame, (H, W) or (H, W, 3) uint8."""
        name = f"frame-{len(self._sums):06d}.png"
        data = png_bytes(frame)
        self._store.put(f"{self._folder}/png/{name}", data)
        self._sums.append(f"{digest_bytes(data)}  {name}\n")

    def finish(self) -> dict[str, ArtifactRef]:
        """Write the digests of all files, in the format of ``sha256sum -c``.

        Returns:
            The reference to the list of digests, as ``png``.
        """
        text = "".join(self._sums).encode()
        return {"png": stored(self._store, f"{self._folder}/png/SHA256SUMS", text)}
