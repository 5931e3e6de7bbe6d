"""Previews of a training: frames from the same noise after several iterations, as an animation."""

from __future__ import annotations

import io
import logging
from collections.abc import Iterable, Sequence

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageFont
from torch import Tensor, nn

from lusgan_core.networks.value_range import ValueMap

LOG = logging.getLogger(__name__)
CAPTION_PX = 22
MARGIN_PX = 6
FRAME_MS = 220
LAST_MS = 2500
"""How long each picture of the animation is shown, and how long the last one, milliseconds."""


def preview_iterations(iterations: int, count: int) -> tuple[int, ...]:
    """Choose the iterations after which previews are made: dense at first, when most changes.

    Args:
        iterations: Iterations of the whole training.
        count: Number of previews wanted, at least 2.

    Returns:
        At most ``count`` numbers, 1 or more, rising; the last one is ``iterations``.
    """
    spread = np.linspace(0, 1, count) ** 1.5 * iterations
    return tuple(sorted({max(1, round(float(value))) for value in spread}))


@torch.no_grad()
def preview_frames(
    generator: nn.Module, noise: Tensor, values: ValueMap, scores: Tensor | None = None
) -> NDArray[np.uint8]:
    """Generate frames from fixed noise, in eval mode as generation does.

    Args:
        generator: Network from noise to images; the mode of each of its modules is restored
            afterwards, so that what a backbone keeps in eval mode stays so.
        noise: Noise vectors, (B, D), on the generator's device.
        values: The map between grey levels and network values.
        scores: Scores of the frames, (B,) int64, for a conditional generator; else None.

    Returns:
        Frames (B, H, W) or (B, H, W, 3) uint8.
    """
    modes = [(module, module.training) for module in generator.modules()]
    generator.eval()
    images = generator(noise) if scores is None else generator(noise, scores)
    for module, mode in modes:
        module.training = mode
    return values.to_uint8(images).cpu().numpy()


def tile(frames: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """Lay frames (B, H, W[, 3]) out in a grid as square as possible; empty places are black."""
    columns = int(np.ceil(np.sqrt(len(frames))))
    rows = -(-len(frames) // columns)
    blank = np.zeros((rows * columns - len(frames), *frames.shape[1:]), np.uint8)
    cells = np.concatenate([frames, blank]).reshape(rows, columns, *frames.shape[1:])
    height, width = frames.shape[1:3]
    return np.ascontiguousarray(
        cells.swapaxes(1, 2).reshape(rows * height, columns * width, *frames.shape[3:])
    )


def readable(pictures: Iterable[tuple[int, bytes]]) -> list[tuple[int, bytes]]:
    """Leave out damaged ones of (iteration, PNG file) pairs: no training ends for a picture."""
    found = []
    for iteration, png in pictures:
        try:
            with Image.open(io.BytesIO(png), formats=["PNG"]) as picture:
                picture.load()
        except Exception as error:  # decoders raise all kinds of things
            LOG.warning("the preview of iteration %d is damaged and left out: %s", iteration, error)
            continue
        found.append((iteration, png))
    return found


def animation(pictures: Sequence[tuple[int, bytes]]) -> bytes:
    """Make a GIF of (iteration, PNG file) pairs, with the iteration written below each picture."""
    font = ImageFont.load_default(14)
    captions = [f"iteration {iteration:,}" for iteration, _ in pictures]
    widest = 2 * MARGIN_PX + int(max(font.getlength(caption) for caption in captions))
    frames = []
    for caption, (_, png) in zip(captions, pictures, strict=True):
        picture = Image.open(io.BytesIO(png))
        size = max(picture.width, widest), picture.height + CAPTION_PX
        canvas = Image.new(picture.mode, size)
        canvas.paste(picture)
        ink = ImageDraw.Draw(canvas)
        ink.text((MARGIN_PX, picture.height + 3), caption, fill="white", font=font)
        frames.append(canvas)
    out = io.BytesIO()
    durations = [FRAME_MS] * (len(frames) - 1) + [LAST_MS]
    frames[0].save(out, "GIF", save_all=True, append_images=frames[1:], duration=durations, loop=0)
    return out.getvalue()
