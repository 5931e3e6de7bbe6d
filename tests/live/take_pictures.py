"""Takes the documentation's pictures of Prefect's UI: ``python tests/live/take_pictures.py docs``.

Runs the demo's score 2 on phantom exams in a stack of its own; needs Chromium.
"""

from __future__ import annotations

import shutil
import sys
import tempfile
import time
from pathlib import Path

HERE = Path(__file__).parent
sys.path[:0] = [str(HERE), str(HERE.parent)]

from browser import Browser  # noqa: E402
from stack import Stack  # noqa: E402

from lusgan_core.config import resolve  # noqa: E402
from lusgan_core.phantom.options import PhantomOptions  # noqa: E402
from lusgan_core.phantom.tree import write_phantoms  # noqa: E402
from lusgan_core.registry import installed  # noqa: E402


def main() -> None:
    """Write ui-form.png and ui-run.png into the folder named on the command line.

    More words are options of the run, as ``--set`` takes them: ``training.iterations=100``.
    """
    target = Path(sys.argv[1])
    chromium = shutil.which("chromium") or shutil.which("google-chrome")
    if chromium is None:
        sys.exit("Chromium is missing: apt-get install chromium")
    options = resolve("demo", installed(), settings=sys.argv[2:], scores=(2,))
    with tempfile.TemporaryDirectory(prefix="lusgan-pictures-") as name:
        folder = Path(name)
        write_phantoms(folder / "exams", PhantomOptions(patients=6))
        with Stack(folder / "up", options) as stack:
            stack.start()
            stack.upload(folder / "exams", *(str(code) for code in range(9001, 9007)))
            run = stack.next_run(0, within_s=3000)
            take(stack, run, chromium, target)


def take(stack: Stack, run: dict[str, str], chromium: str, target: Path) -> None:
    """Open the pages and photograph them."""
    ui = stack.api.removesuffix("/api")
    deployment = stack.ask("/deployments/name/pipeline/pipeline")["id"]
    found = stack.ask(
        "/artifacts/filter", {"artifacts": {"flow_run_id": {"any_": [run["id"]]}}, "limit": 50}
    )
    with Browser(chromium, width=1300, height=900) as browser:
        browser.sign_in(ui, stack.login())
        browser.open(f"{ui}/deployments/deployment/{deployment}/run", "Backbone")
        time.sleep(2)
        browser.run("[...document.querySelectorAll('*')].filter(e => e.textContent.trim() === "
                    "'Training' || e.innerText === 'Backbone').pop().scrollIntoView()")  # fmt: skip
        time.sleep(1)
        browser.picture(target / "ui-form.png")
        page = next(a["id"] for a in found if a["key"] == "score-2-nearest")
        browser.open(f"{ui}/artifacts/artifact/{page}", "score-2-nearest")
        stack.until(lambda: len(browser.pictures()) > 3, 60, "the run's pictures")
        time.sleep(2)
        browser.picture(target / "ui-run.png")


if __name__ == "__main__":
    main()
