"""Prefect flows over lusgan's stages, and the command line."""

from __future__ import annotations

import os

NOTHING_SENT = {"DO_NOT_TRACK": "1", "PREFECT_SERVER_ANALYTICS_ENABLED": "false"}
"""Variables without which Prefect and its server send usage data home; a user's own are kept."""

for _name, _value in NOTHING_SENT.items():  # on import, since Prefect asks when it is imported
    os.environ.setdefault(_name, _value)
