"""The ``lusgan`` command: sets up the process, then calls ``lusgan_cli``.

It comes before everything else because libraries read the environment when they are imported.
"""

from __future__ import annotations

import os

DEFAULTS = {
    # Idle threads sleep rather than spin: where the machine has other work, spinning makes
    # training on the CPU some 20 times slower (benchmarks/shared_machine.py).
    "OMP_WAIT_POLICY": "PASSIVE",
    # Nothing is sent home. Prefect asks for the first when it is imported, its server for the
    # second.
    "DO_NOT_TRACK": "1",
    "PREFECT_SERVER_ANALYTICS_ENABLED": "false",
}
"""Environment variables that are set unless the user has set them."""


def main() -> None:
    """Run the command line."""
    for name, value in DEFAULTS.items():
        os.environ.setdefault(name, value)
    from lusgan_cli import main as run

    run()


if __name__ == "__main__":
    main()
