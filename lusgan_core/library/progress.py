"""Shows the progress of the library's functions on stderr."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager


@contextmanager
def shown(progress: bool) -> Iterator[None]:
    """Show all work that is tracked in a block, if asked to; see ``progress_bars``."""
    if not progress:
        yield
        return
    from rich.console import Console

    from lusgan_core.progress_bars import shown_on

    with shown_on(Console(stderr=True, highlight=False)):
        yield
