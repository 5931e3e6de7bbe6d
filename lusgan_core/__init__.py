"""lusgan as a library: from exams to synthetic frames, their measured values and a report.

    import lusgan_core as lusgan

    exams = lusgan.find_exams("exams/")                     # what is there, and what is rejected
    clip = lusgan.read_clip(exams.clips[0])                 # its frames and scores
    frames = lusgan.preprocess(clip, image_size=64)         # square images of the fan
    model = lusgan.train(frames, preset="demo", seed=1)
    pictures = model.generate(16, seed=7)
    values = lusgan.evaluate(pictures, frames)

Each name is loaded when it is first used: importing this loads neither PyTorch nor anything else
that takes its time. Frames are always uint8 arrays, (N, H, W) grey or (N, H, W, 3) RGB; what cannot
be used raises ``InputError``, which says what was expected. No function leaves anything on the disk
but what it is asked to write.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from lusgan_core.calls.section import Measured
    from lusgan_core.errors import InputError, LusganError
    from lusgan_core.library.comparison import compare, evaluate
    from lusgan_core.library.exams import Clip, Exams, find_exams, read_clip
    from lusgan_core.library.frames import preprocess
    from lusgan_core.library.installed_plugins import InstalledPlugin, plugins
    from lusgan_core.library.models import Model, train
    from lusgan_core.library.page import report

__all__ = [
    "Clip",
    "Exams",
    "InputError",
    "InstalledPlugin",
    "LusganError",
    "Measured",
    "Model",
    "compare",
    "evaluate",
    "find_exams",
    "plugins",
    "preprocess",
    "read_clip",
    "report",
    "train",
]

_MODULES = {
    "Clip": "library.exams",
    "Exams": "library.exams",
    "InputError": "errors",
    "InstalledPlugin": "library.installed_plugins",
    "LusganError": "errors",
    "Measured": "calls.section",
    "Model": "library.models",
    "compare": "library.comparison",
    "evaluate": "library.comparison",
    "find_exams": "library.exams",
    "plugins": "library.installed_plugins",
    "preprocess": "library.frames",
    "read_clip": "library.exams",
    "report": "library.page",
    "train": "library.models",
}
"""The module of each name, below this package."""


def __getattr__(name: str) -> Any:
    """Load a name of the library when it is first used (PEP 562)."""
    if name not in _MODULES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    value = getattr(import_module(f"{__name__}.{_MODULES[name]}"), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    """List the library's names beside what the module holds already."""
    return sorted({*globals(), *__all__})
