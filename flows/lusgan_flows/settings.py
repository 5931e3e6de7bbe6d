"""How Prefect is set up for a run; to be called before Prefect is imported.

Whatever the user has set stays as it is.
"""

from __future__ import annotations

import os
from pathlib import Path


def prepare_prefect(store: Path, verbose: bool = False) -> None:
    """Keep task results in the store, send nothing home, and stay quiet on the terminal."""
    defaults = {
        "PREFECT_LOCAL_STORAGE_PATH": str(store / "results"),
        "PREFECT_SERVER_ANALYTICS_ENABLED": "false",
        "PREFECT_LOGGING_LEVEL": "INFO" if verbose else "CRITICAL",
        "PREFECT_SERVER_LOGGING_LEVEL": "CRITICAL",
        "PREFECT_CLI_PROMPT": "false",
    }
    for name, value in defaults.items():
        os.environ.setdefault(name, value)
