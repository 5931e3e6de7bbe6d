"""What MkDocs calls for each page: fills in what is written from the code, and tells of tests.

``reference.py`` writes the parts. A comment above a block that says why no test runs it is shown to
the reader. A link to a file of the project that is no page becomes the name of that file.
"""

from __future__ import annotations

import os
import re
from pathlib import Path
from typing import Any

from reference import PARTS  # beside this module, which MkDocs puts on the path while it loads it

ROOT = Path(__file__).parents[2]

GENERATED = re.compile(r"^<!-- generated: (.+) -->$", re.M)
NOT_RUN = re.compile(r"^<!-- test: not run: (.+) -->$", re.M)
LINK = re.compile(r"\[([^\]]*)\]\((\.\./[^)#]+)(?:#[^)]*)?\)")


def on_page_markdown(markdown: str, page: Any, **_: Any) -> str:
    """Complete the text of a page.

    Args:
        markdown: The text of its file.
        page: The page, whose file says where it is.

    Returns:
        The text that is made into HTML.
    """
    beside = (ROOT / "docs" / page.file.src_uri).parent
    markdown = GENERATED.sub(lambda found: PARTS[found[1]](), markdown)
    markdown = NOT_RUN.sub(r"*Not run by the tests: \1.*\n", markdown)
    return LINK.sub(lambda found: _inside(found, beside), markdown)


def _inside(found: re.Match[str], beside: Path) -> str:
    """A link as it stands, or the file's name if that is no part of the site."""
    text, target = found[1].strip("`"), Path(os.path.normpath(beside / found[2]))
    if target.is_relative_to(ROOT / "docs"):
        return found[0]
    name = str(target.relative_to(ROOT))
    return f"`{name}`" if name.endswith(text) else f"{text} (`{name}`)"
