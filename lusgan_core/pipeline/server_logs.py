"""Takes withdrawn patients out of the logs of `lusgan up`, which its servers write.

lusgan's own lines name no patient; an S3 server's may hold a key, and with it a code.
"""

from __future__ import annotations

import os
import re
from collections.abc import Collection
from pathlib import Path
from urllib.parse import quote

LOGS = "LUSGAN_LOGS"
"""Environment variable with the folder of a stack's logs."""


def forget(codes: Collection[str]) -> int:
    """Delete every line of the stack's logs in which one of the codes stands.

    Files are changed in place: who writes to them appends, and goes on doing so.

    Args:
        codes: Codes of patients.

    Returns:
        Number of lines deleted; 0 where no stack runs here.
    """
    folder, codes = os.environ.get(LOGS), {code for code in codes if code}
    if not folder or not codes:
        return 0
    spelled = {form for code in codes for form in (code, quote(code, safe=""))}
    words = "|".join(re.escape(form) for form in sorted(spelled))
    named = re.compile(rf"(?<![0-9A-Za-z])(?:{words})(?![0-9A-Za-z])".encode())
    deleted = 0
    for log in sorted(Path(folder).glob("*.log")):
        lines = log.read_bytes().splitlines(keepends=True)
        kept = [line for line in lines if not named.search(line)]
        if len(kept) < len(lines):
            deleted += len(lines) - len(kept)
            with log.open("r+b") as stream:
                stream.truncate()
                stream.write(b"".join(kept))
    return deleted
