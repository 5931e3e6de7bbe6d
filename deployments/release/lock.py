"""Writes the packages of a release with their hashes: a report of ``pip install`` into a lock.

``python lock.py REPORT OUT``. REPORT is what ``pip install --dry-run --ignore-installed --report``
found for this platform and this Python; OUT is for ``pip install --require-hashes --requirement``.
"""

from __future__ import annotations

import json
import platform
import sys
from pathlib import Path
from typing import Any

HEAD = """\
# What a release is installed with: `make lock` wrote it, on {system}, Python {python}.
# On another platform, or with another Python, make your own.
#   pip install --require-hashes --requirement {name} && pip install --no-deps lusgan
"""


def lines(report: dict[str, Any]) -> list[str]:
    """Make the lines of a lock.

    Args:
        report: A report of pip's, version 1.

    Returns:
        ``NAME==VERSION --hash=sha256:DIGEST`` of each package, sorted; the project itself, which is
        a folder and has no hash, is left out.

    Raises:
        ValueError: A package comes from no archive with a digest.
    """
    found = []
    for item in report["install"]:
        name, version = item["metadata"]["name"], item["metadata"]["version"]
        if "dir_info" in item["download_info"]:
            continue
        digest = item["download_info"].get("archive_info", {}).get("hashes", {}).get("sha256")
        if digest is None:
            raise ValueError(f"{name} {version} comes without a digest: install it from an index")
        found.append(f"{name.lower()}=={version} --hash=sha256:{digest}")
    return sorted(found)


def main() -> None:
    """Read the report and write the lock that the command line names."""
    report, out = Path(sys.argv[1]), Path(sys.argv[2])
    system = f"{platform.system()} {platform.machine()}"
    python = ".".join(platform.python_version_tuple()[:2])
    head = HEAD.format(system=system, python=python, name=out.name)
    out.write_text(head + "\n".join(lines(json.loads(report.read_text()))) + "\n")


if __name__ == "__main__":
    main()
