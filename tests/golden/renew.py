"""Writes the tables anew: ``python tests/golden/renew.py [--check] [SUBJECT ...]``.

A subject is a stage, a plugin, or a kind of plugin. Results that changed under the same version are
refused: raise it first. With ``--check`` nothing is written.
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

sys.path[:0] = [str(Path(__file__).parent), str(Path(__file__).parents[1])]

import torch  # noqa: E402
from golden_subjects import subjects  # noqa: E402
from golden_table import ChangedError, check, renew  # noqa: E402


def main() -> int:
    """Check or renew the subjects that are named; all if none is."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--check", action="store_true", help="write nothing")
    parser.add_argument("subjects", nargs="*", help="all if none is named")
    asked = parser.parse_args()
    torch.set_num_threads(1)
    print(f"vector instructions: {torch.backends.cpu.get_cpu_capability()}")
    failed = 0
    for name, subject in subjects().items():
        if asked.subjects and not {name, name.partition("/")[0]} & set(asked.subjects):
            continue
        try:
            if asked.check:
                check(subject)
            else:
                print(f"{name}: {renew(subject)}")
        except ChangedError as error:
            print(error, file=sys.stderr)
            failed += 1
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
