"""The ``lusgan`` command: sets up the process, then calls ``lusgan_cli``.

It comes before everything else because libraries read the environment when they are imported.
"""

from __future__ import annotations

import os

from lusgan_flows import NOTHING_SENT

DEFAULTS = NOTHING_SENT | {
    # Idle threads sleep rather than spin: where the machine has other work, spinning makes
    # training on the CPU some 20 times slower (benchmarks/shared_machine.py).
    "OMP_WAIT_POLICY": "PASSIVE",
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
