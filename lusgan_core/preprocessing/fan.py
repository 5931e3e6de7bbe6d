r"""The fan: which pixels the transducer paints, and the annular sector behind them.

A scanner's screen shows more than the fan: text, a depth ruler, grey bars. `find_region` tells
them apart by size and closeness in the brightest value of each pixel over a clip, since what lies
in shadow in one frame seldom does in all. `fit_fan` then reads the geometry off a region's edges:
the two straight sides of a convex probe's image meet in the apex, and both arcs are centred there.

        apex .
            / \         a region is often cut: by the edge of the screen, which hides part of
     near  /---\        the sides, or by darkness, which hides the far corners; what is left of
          /     \       the sides decides, and the far arc is the one that explains most of it
     far  \_____/
"""

from __future__ import annotations

import math

import cv2
import numpy as np
from numpy.typing import NDArray

from lusgan_core.domain import Fan
from lusgan_core.errors import ClipError
from lusgan_core.preprocessing.geometry import IDENTITY, Affine, Box, bounding_box

Mask = NDArray[np.bool_]
"""(H, W), true inside."""

_CONTRAST = 3
"""Grey levels by which a smoothed pixel must differ from the background to count as painted."""
_MIN_SHARE = 0.02
"""Smallest share of the frame that a fan's largest bright part covers."""
_HULL_PER_PIXEL = 3.0
"""Area that a part may add to the convex hull, in units of its own area."""
_RECTANGLE = 0.98
"""Share of its bounding box from which on a region is a filled rectangle."""
_MIN_SIDE_SLOPE = math.tan(math.radians(4))
"""Smallest dx/dy of a side; steeper sides are those of a linear probe, or of a cut."""
_MIN_SIDE_ROWS = 6
"""Fewest rows of a side, which also takes at least 5% of the region's rows."""
_MIN_STRAIGHT = 0.5
"""Share of a region's edge above its widest row that lies on one line, if it is a fan's side."""
_MIN_AGREEMENT = 0.75
"""Smallest intersection over union with the region for a fan to be accepted."""


def find_region(brightest: NDArray[np.uint8]) -> Mask:
    """The convex region that the transducer paints, from the brightest frame (H, W).

    ``brightest`` is the maximum over a clip's frames; a single frame works less well. Raises
    ClipError where nothing large enough stands out from the background.
    """
    background = _background(brightest)
    smooth = cv2.medianBlur(brightest, 5)  # unlike a mean, it does not thicken a ruler's ticks
    painted = (np.abs(smooth.astype(np.int16) - background) > _CONTRAST).astype(np.uint8)
    # Opening takes off what is thinner than the disc: strokes of letters, ruler ticks, frame lines.
    side = max(3, round(max(brightest.shape) / 60)) | 1
    disc = cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (side, side))
    opened = np.asarray(cv2.morphologyEx(painted, cv2.MORPH_OPEN, disc), np.uint8)
    hull = _grow_hull(opened)
    if hull is None:
        raise ClipError(
            f"no fan found: no connected part of at least {_MIN_SHARE:.0%} of the frame stands out "
            f"from the background ({background} of 255; brightest pixel {brightest.max()}); "
            "expected an ultrasound image"
        )
    region = np.zeros(brightest.shape, np.uint8)
    cv2.fillConvexPoly(region, hull, 1)
    return region.astype(bool)


def is_rectangle(mask: Mask) -> bool:
    """Whether a mask is a filled rectangle, which says where to look but not where the fan is."""
    box = bounding_box(mask)
    return bool(mask.sum() >= _RECTANGLE * box.width * box.height)


def fit_fan(mask: Mask) -> Fan | None:
    """The annular sector whose part inside the mask's bounding box is the mask.

    Returns None where no convex fan explains the mask: a rectangle, a region without two slanting
    sides, an arbitrary shape. Where the near arc is a straight chord (the hull of a fan), its ends
    are taken to lie on the arc; a mask that begins at the frame's top edge is taken to be cut.
    """
    if is_rectangle(mask):
        return None
    box = bounding_box(mask)
    hull = np.zeros(mask.shape, np.uint8)
    cv2.fillConvexPoly(hull, _convex_hull(mask.astype(np.uint8)), 1)
    inside = hull[box.top : box.bottom, box.left : box.right].astype(bool)
    left = _straight_side(-(box.left + inside.argmax(axis=1)), box.top)
    right = _straight_side(box.right - 1 - inside[:, ::-1].argmax(axis=1), box.top)
    if left is None or right is None:
        return None
    (slope_left, at_left), (slope_right, at_right) = left, right
    apex_y = -(at_left + at_right) / (slope_left + slope_right)
    apex_x = at_right + slope_right * apex_y
    if apex_y > box.top + 0.1 * box.height:
        return None
    angle_left, angle_right = -math.atan(slope_left), math.atan(slope_right)
    radius, angle = polar(IDENTITY, apex_x, apex_y, box)
    sector = (angle >= angle_left) & (angle <= angle_right)
    if box.top <= 1:
        kept = mask[box.top : box.bottom, box.left : box.right] & sector
        near = float(radius[kept].min(initial=radius.max()))
    else:  # the upper end of the side that slants more is the region's highest point
        near = max(0.0, (box.top - apex_y) / math.cos(max(-angle_left, angle_right)))
    fan = Fan(
        apex_x=apex_x,
        apex_y=apex_y,
        radius_near=near,
        radius_far=_far_radius(radius, inside, sector),
        angle_left=angle_left,
        angle_right=angle_right,
    )
    drawn = sector & (radius >= near) & (radius <= fan.radius_far)
    agreement = (drawn & inside).sum() / max(1, (drawn | inside).sum())
    return fan if agreement >= _MIN_AGREEMENT else None


def fan_mask(fan: Fan, height: int, width: int, affine: Affine = IDENTITY) -> Mask:
    """Draw a fan: the pixels of a frame or an image that lie inside it.

    Args:
        fan: The fan, in pixels of its own frame.
        height: Height of the frame or image, pixels.
        width: Its width, pixels.
        affine: Leads from the fan's frame to the image, where x and y may be scaled differently;
            each pixel's centre is mapped back. By default it is the fan's own frame.

    Returns:
        (height, width) bool, true inside.
    """
    radius, angle = polar(affine, fan.apex_x, fan.apex_y, Box(0, 0, width, height))
    return np.asarray(
        (radius >= fan.radius_near)
        & (radius <= fan.radius_far)
        & (angle >= fan.angle_left)
        & (angle <= fan.angle_right)
    )


def _background(brightest: NDArray[np.uint8]) -> int:
    """The grey level of the screen around the fan: the commonest one in flat places, or 0.

    Flat to 4 levels in 9 x 9 pixels, as a compressed video's screen is and speckle is not: a fan
    may fill the whole frame.
    """
    square = np.ones((9, 9), np.uint8)
    flat = brightest[cv2.morphologyEx(brightest, cv2.MORPH_GRADIENT, square) <= 4]
    levels = np.bincount(flat, minlength=256)
    level = int(levels.argmax())
    return level if levels[level] >= _MIN_SHARE * brightest.size else 0


def _grow_hull(painted: NDArray[np.uint8]) -> NDArray[np.int32] | None:
    """The convex hull of the largest part and of those that belong to it, (P, 1, 2) x, y.

    Parts are tried from large to small. One behind a rib's shadow widens the hull by about its own
    area; a logo or a grey bar, a way off, by much more, and is left out. None without a large part.
    """
    _, labels, stats, _ = cv2.connectedComponentsWithStats(painted, connectivity=8)
    areas = stats[:, cv2.CC_STAT_AREA].copy()
    areas[0] = 0
    order = np.argsort(-areas, kind="stable")
    if areas[order[0]] < _MIN_SHARE * painted.size:
        return None
    hull: NDArray[np.int32] | None = None
    hull_area = 0.0
    for part in order[areas[order] >= 0.005 * areas[order[0]]]:
        points = _convex_hull((labels == part).astype(np.uint8))
        joined = points if hull is None else cv2.convexHull(np.concatenate([hull, points]))
        area = cv2.contourArea(joined)
        if hull is None or area - hull_area <= _HULL_PER_PIXEL * areas[part]:
            hull, hull_area = joined.astype(np.int32), area
    return hull


def _convex_hull(painted: NDArray[np.uint8]) -> NDArray[np.int32]:
    """The convex hull of the pixels that are not 0, (P, 1, 2) x, y: that of their outlines."""
    outlines, _ = cv2.findContours(painted, cv2.RETR_EXTERNAL, cv2.CHAIN_APPROX_SIMPLE)
    return np.asarray(cv2.convexHull(np.concatenate(outlines)), np.int32)


def _straight_side(edge: NDArray[np.float64], top: int) -> tuple[float, float] | None:
    """The line along a region's right edge: its slope dx/dy, and x at y = 0.

    ``edge`` (rows,) is the edge's x in each row from ``top`` on. Of its points above the widest
    row, the line is the one that most of them are close to (exhaustive RANSAC over a subset, then
    least squares over those close by), so that rounded or cut corners don't bend it. For a left
    edge, mirror x. None where no such line is long enough, or it hardly slants.
    """
    stop = int((edge >= edge.max() - 1).argmax())
    y, x = np.arange(top, top + stop, dtype=np.float64), edge[:stop].astype(np.float64)
    if stop < max(_MIN_SIDE_ROWS, 0.05 * len(edge)):
        return None
    picks = np.unique(np.linspace(0, stop - 1, 60).round().astype(int))
    a, b = (picks[i] for i in np.triu_indices(len(picks), k=1))
    slopes = (x[b] - x[a]) / (y[b] - y[a])
    votes = np.abs(x[picks] - x[a, None] - slopes[:, None] * (y[picks] - y[a, None])) <= 1.0
    best = int(np.where(slopes > _MIN_SIDE_SLOPE, votes.sum(axis=1), 0).argmax())
    close = np.abs(x - x[a[best]] - slopes[best] * (y - y[a[best]])) <= 1.0
    if close.sum() < _MIN_STRAIGHT * stop:
        return None
    slope, at_zero = np.polyfit(y[close], x[close], 1)
    return (float(slope), float(at_zero)) if slope > _MIN_SIDE_SLOPE else None


def polar(
    affine: Affine, apex_x: float, apex_y: float, box: Box
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Name the pixels of a box by depth and beam.

    Args:
        affine: From source to output pixels.
        apex_x: The apex, source pixels.
        apex_y: The apex, source pixels.
        box: Output pixels.

    Returns:
        Radius (source pixels) and angle (radians, 0 is down) about the apex, (h, w) each.
    """
    x = np.arange(box.left, box.right) / affine.scale_x + affine.x0 - apex_x
    y = np.arange(box.top, box.bottom) / affine.scale_y + affine.y0 - apex_y
    return np.hypot(x[None], y[:, None]), np.arctan2(x[None], y[:, None])


def _far_radius(radius: NDArray[np.float64], inside: Mask, sector: Mask) -> float:
    """The radius up to which the sector differs least from the region, in number of pixels."""
    bins = np.round(radius).astype(int)
    gain = np.bincount(bins[sector & inside], minlength=bins.max() + 1)
    loss = np.bincount(bins[sector & ~inside], minlength=bins.max() + 1)
    return float(np.cumsum(gain - loss).argmax()) + 0.5
