"""Phantom exams: a small lung-ultrasound simulator that writes the hospital's layout.

No real patient is in here, and none is needed to try, test or demonstrate the pipeline. Read
``scanner`` (the fan), ``scene`` (the anatomy), ``echoes`` (what each score looks like), ``render``
(speckle and frames), ``files`` and ``tree`` (the exams on disk), in this order.
"""

from lusgan_core.exams.phantom.render import render_clip, render_frames
from lusgan_core.exams.phantom.scanner import MODELS, Scanner, draw_scanner, fan_mask
from lusgan_core.exams.phantom.tree import (
    ClipPlan,
    PhantomOptions,
    PhantomTree,
    plan_clips,
    write_phantoms,
)

__all__ = [
    "MODELS",
    "ClipPlan",
    "PhantomOptions",
    "PhantomTree",
    "Scanner",
    "draw_scanner",
    "fan_mask",
    "plan_clips",
    "render_clip",
    "render_frames",
    "write_phantoms",
]
