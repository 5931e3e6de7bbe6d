"""Frames put through a network a batch at a time."""

from __future__ import annotations

from typing import TYPE_CHECKING

from lusgan_features.precision import full_precision

if TYPE_CHECKING:
    from collections.abc import Callable

    import numpy as np
    from numpy.typing import NDArray
    from torch import Tensor


def extractor(
    network: Callable[[Tensor], Tensor], device: str, side: int, at_once: int
) -> Callable[[NDArray[np.uint8]], NDArray[np.float32]]:
    """Return the function that computes the features of frames.

    Args:
        network: From images (N, C, side, side) float32 of grey levels 0..255, where C is 1 for grey
            frames and 3 for coloured ones, to features (N, D).
        device: A device of torch.
        side: Pixels a side to which frames are resized (bilinear, antialiased).
        at_once: Frames that go through the network together.

    Returns:
        A function from frames (N, H, W) or (N, H, W, 3) uint8 to features (N, D) float32.
    """
    import torch
    from torch.nn import functional

    def extract(frames: NDArray[np.uint8]) -> NDArray[np.float32]:
        parts = []
        with torch.no_grad(), full_precision():
            for first in range(0, len(frames), at_once):
                x = torch.tensor(frames[first : first + at_once], device=device).float()
                x = x.unsqueeze(1) if x.ndim == 3 else x.permute(0, 3, 1, 2)
                x = functional.interpolate(x, (side, side), mode="bilinear", antialias=True)
                parts.append(network(x))
        found: NDArray[np.float32] = torch.cat(parts).cpu().numpy()
        return found

    return extract
