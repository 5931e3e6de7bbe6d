"""The image: what is in it, and the demo in it as anyone, on a root file system to read only."""

from __future__ import annotations

import json
import re
import secrets
from collections.abc import Iterator

import pytest
from engine import IMAGE, Done, docker, last, well

pytestmark = pytest.mark.timeout(600)
QUICK = (
    "training.iterations=10",
    "generation.count=8",
    "evaluation.real_frames=16",
    "evaluation.synthetic_frames=8",
    'evaluation.metrics=["mse","ssim"]',
)
"""Makes the demo short; its exams, scores and stages are all there."""


@pytest.fixture(scope="module")
def volume() -> Iterator[str]:
    """Make a volume for the module."""
    name = f"lusgan-test-{secrets.token_hex(3)}"
    well(docker("volume", "create", name))
    yield name
    docker("volume", "rm", "--force", name)


def confined(volume: str, *command: str) -> Done:
    """Run a command without network, rights, or anything to write to but the data's volume."""
    return docker(
        "run", "--rm", "--network=none", "--read-only", "--cap-drop=ALL",
        "--security-opt=no-new-privileges", f"--volume={volume}:/data", IMAGE, *command,
        timeout_s=550,
    )  # fmt: skip


def test_what_the_image_says_of_itself() -> None:
    """User, command and labels; no secret of the build is in its history."""
    found = json.loads(well(docker("image", "inspect", IMAGE)))[0]
    assert found["Config"]["User"] == "10001:10001"
    assert found["Config"]["Cmd"] == ["lusgan", "--help"]
    assert "Healthcheck" not in found["Config"]
    labels = found["Config"]["Labels"]
    assert labels["org.opencontainers.image.title"] == "lusgan"
    assert labels["org.opencontainers.image.revision"]
    served = json.loads(well(docker("image", "inspect", "lusgan-test/server")))[0]
    assert "api/health" in " ".join(served["Config"]["Healthcheck"]["Test"])
    assert served["RootFS"]["Layers"] == found["RootFS"]["Layers"], "no layer of its own"


def test_no_build_tools(volume: str) -> None:
    """Neither compilers nor pip, nor the checkout; lusgan comes from the wheel."""
    tools = "gcc cc c++ make ld pip pip3 git hatchling"
    search = f"for t in {tools}; do command -v $t || true; done; find /build /run/secrets -type f"
    assert confined(volume, "sh", "-c", search).stdout == ""
    code = "import lusgan_core, lusgan_flows; print(lusgan_core.__file__, lusgan_flows.__file__)"
    paths = well(confined(volume, "python", "-c", code)).split()
    assert all(path.startswith("/opt/lusgan/lib/") for path in paths), paths


def test_the_demo_runs(volume: str) -> None:
    """Exams to report, and the same command again finds everything done."""
    demo = ("lusgan", "demo", *(f"--set={setting}" for setting in QUICK))
    done = confined(volume, *demo)
    out = well(done)
    assert "24 exams, 120 clips" in out
    assert all(f"score {score}: " in out for score in range(4))
    (report,) = re.findall(r"^report: (.*)$", out, re.M)
    assert "<html" in well(confined(volume, "cat", report))
    assert "nothing is new" in confined(volume, *demo).stderr
    owners = well(confined(volume, "find", "/data", "!", "-user", "lusgan"))
    assert owners == "", "everything is the user's own"


def test_no_gpu_where_one_is_asked_for(volume: str) -> None:
    """It is said with what to do, before anything is read or written."""
    command = ("--exams=demo/exams", "--store=other", "--preset=demo", "--set=runtime.device=cuda")
    done = confined(volume, "lusgan", "run", *command)
    assert done.returncode == 1
    wanted = "there is no such device here: give the container one (`docker run --gpus all`"
    assert wanted in done.stderr  # on a busy machine Prefect says one more line
    assert "shards" not in confined(volume, "ls", "other").stdout


def test_a_plugin_that_is_not_in_the_image(volume: str) -> None:
    """Its name is said, and what there is instead."""
    command = ("--exams=demo/exams", "--preset=demo", "--set=training.loss=Wasserstein")
    done = confined(volume, "lusgan", "run", *command)
    assert done.returncode == 2
    assert "unknown loss 'Wasserstein'" in last(done)
    assert "RaSGAN" in last(done)
