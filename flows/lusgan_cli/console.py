"""What the command line prints: results to stdout, everything else to stderr."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from rich.console import Console
from rich.markup import escape

from lusgan_core.progress_bars import shown_on

out = Console(highlight=False, soft_wrap=not sys.stdout.isatty())
err = Console(stderr=True, highlight=False, soft_wrap=not sys.stderr.isatty())


def visible(text: str) -> str:
    """Text from outside, safe to print: control characters are escaped, markup is not followed."""
    shown = "".join(c if c.isprintable() else repr(c)[1:-1] for c in text)
    return escape(shown.encode("utf-8", "backslashreplace").decode())


def print_json(value: Any) -> None:
    """Print a value as JSON on stdout."""
    sys.stdout.write(json.dumps(value, indent=2, sort_keys=True) + "\n")


@contextmanager
def progress_shown() -> Iterator[None]:
    """Show all work that is tracked in a block: bars on a terminal, plain lines elsewhere."""
    with shown_on(err):
        yield
