"""Defective plugins disturb nobody who does not name them, and are listed with what is wrong."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

import forked_commands
from defective_plugins import CARELESS, DEFECTIVE, lay_out
from distributions import install, run_python
from lusgan_core.registry import KINDS, Registry
from tiny_runs import write_exams

RUN = """
import json, sys
from pathlib import Path
from tiny_runs import Pipeline, tiny_config
outcome = Pipeline(Path(sys.argv[1]), Path(sys.argv[2])).run(
    tiny_config("evaluation.metrics=[]", scores=(0,))
)
outcome.check()
stages = outcome.scores[0]
found = stages["evaluate"].data
print("result:", json.dumps({
    "weights": stages["train"].artifacts["generator"].digest,
    "values": [v for v in found["values"] if v["metric"] in ("mse", "ssim", "vif")],
    "absent": found["absent"],
}))
"""
FAILING = {
    "fails": ("1 / 0", "ZeroDivisionError"),
    "exits": ("raise SystemExit(1)", "SystemExit"),
    "scribbles": ("first[:] = 0; return 0.0", "read-only"),
    "complex": ("return 1j", "expected a real number"),
    "text": ("return '1.0'", "expected a real number"),
}
"""Metrics that can be registered, and fail when they are used: body and reason."""


@dataclass(frozen=True)
class Told:
    """What a process told of its plugins."""

    code: str
    listed: dict[str, Any]
    err: str


@pytest.fixture(scope="module")
def told(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Told]:
    """``lusgan plugins --json`` with each of the defective plugins alone, and with none."""
    sites = tmp_path_factory.mktemp("sites")
    (sites / "none").mkdir()
    for name in DEFECTIVE:
        lay_out(sites / name, name)
    subprocess.run(
        [sys.executable, forked_commands.__file__, sites, "plugins", "--json"],
        check=True, timeout=280,
    )  # fmt: skip
    return {
        site.name: Told(
            (site / "code").read_text(),
            json.loads((site / "stdout").read_text()),
            (site / "stderr").read_text(),
        )
        for site in sites.iterdir()
    }


def test_there_are_enough() -> None:
    """Every kind of record is among them, and more than forty plugins in all."""
    assert len(DEFECTIVE) > 40
    sources = "".join(defect.source for defect in DEFECTIVE.values())
    for hook, types in KINDS.values():
        assert f"def {hook}()" in sources
        assert all(f"[{kind.__name__}(" in sources for kind in types)


@pytest.mark.parametrize("name", DEFECTIVE)
def test_a_defective_plugin_is_listed_and_disturbs_no_listing(
    name: str, told: dict[str, Told]
) -> None:
    """In a process of its own: the program that reads ``--json`` gets JSON and nothing else, all
    built-in records as without the plugin, and what is wrong with it; nothing ends in a traceback,
    and the process ends."""
    alone, found, defect = told["none"], told[name], DEFECTIVE[name]
    assert found.code == ("1" if defect.reason else "0"), found.err
    records = [r for r in found.listed["plugins"] if r["from"].startswith("lusgan ")]
    assert records == alone.listed["plugins"]
    assert "Traceback" not in found.err
    broken = [(b["plugin"], b["reason"]) for b in found.listed["broken"]]
    assert bool(broken) == bool(defect.reason), broken
    assert all(name in plugin and len(reason) < 600 for plugin, reason in broken)
    assert all(reason.isprintable() for _, reason in broken)
    assert not defect.reason or any(defect.reason in reason for _, reason in broken), broken
    changes = [text for texts in found.listed["changes"].values() for text in texts]
    assert bool(changes) == bool(defect.change), changes
    assert defect.change in " ".join(changes)


def test_what_plugins_print_goes_to_stderr(told: dict[str, Told]) -> None:
    """It is not lost: who looks for a plugin's own words finds them."""
    for name in ("prints", "prints_in_hook", "writes"):
        assert "hello" in told[name].err


@pytest.fixture(scope="module")
def everything(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """All of the defective plugins in one folder, with metrics that fail when they are used."""
    site = tmp_path_factory.mktemp("everything")
    for name in DEFECTIVE:
        lay_out(site, name)
    for name, (body, _) in FAILING.items():
        source = (
            "from lusgan_core.api import PairMetric, hookimpl\n"
            f"def value(first, second):\n    {body}\n"
            "@hookimpl\ndef register_metrics():\n"
            f"    return [PairMetric('{name}', 'Odd {name}', 'Odd', 'lower', 0.0, value)]\n"
        )
        install(site, f"metric_{name}", {f"metric_{name}.py": source}, f"metric_{name}")
    return site


def lusgan(site: Path | None, *arguments: object, **more: str) -> subprocess.CompletedProcess[str]:
    """Run a command in a process of its own, as a user does."""
    paths = [str(site)] if site else []
    paths += os.environ.get("PYTHONPATH", "").split(os.pathsep)
    return subprocess.run(
        [sys.executable, "-m", "lusgan_cli.start", *map(str, arguments)],
        env={**os.environ, "PYTHONPATH": os.pathsep.join(paths), **more},
        capture_output=True, text=True, check=False, timeout=280,
    )  # fmt: skip


def test_all_of_them_at_once_are_listed(everything: Path) -> None:
    """One listing names every plugin that is broken, and every one that changes the process."""
    done = lusgan(everything, "plugins", "--json")
    listed = json.loads(done.stdout)
    broken = " ".join(b["plugin"] for b in listed["broken"])
    changed = " ".join(listed["changes"])
    for name, defect in DEFECTIVE.items():
        assert not defect.reason or name in broken, name
        assert not defect.change or name in changed, name
    assert done.returncode == 1
    assert "Traceback" not in done.stderr


def test_with_all_of_them_help_and_check_are_as_without(everything: Path, tmp_path: Path) -> None:
    """Who looks at exams or for help does not notice what else is installed."""
    exams = write_exams(tmp_path / "exams", patients=1, clips_per_exam=2)
    for arguments in (("--help",), ("check", exams, "--json")):
        without, done = lusgan(None, *arguments), lusgan(everything, *arguments)
        assert (done.returncode, done.stdout) == (without.returncode, without.stdout)
        assert done.returncode == 0


def test_with_all_of_them_a_run_that_names_none_is_as_without(
    everything: Path, tmp_path: Path
) -> None:
    """The same weights, and the same values of the built-in metrics; what fails when it is used is
    absent, with the reason."""
    exams = write_exams(tmp_path / "exams")
    results = []
    for name, site in (("without", tmp_path), ("with", everything)):
        said = run_python(site, "-c", RUN, str(exams), str(tmp_path / name), source=TESTS)
        (line,) = [x for x in said.splitlines() if x.startswith("result:")]
        results.append(json.loads(line.removeprefix("result:")))
    without, done = results
    assert done["weights"] == without["weights"]
    assert done["values"] == without["values"]
    assert done["values"]
    for name, (_, reason) in FAILING.items():
        text = done["absent"].pop(f"Odd {name}")
        assert reason in text
        assert f"it comes from metric_{name} 1.0" in text
    assert done["absent"] == without["absent"]


TESTS = Path(__file__).parents[1]


def test_lusgan_plugins_leaves_out_what_it_does_not_name(everything: Path) -> None:
    """By distribution or module, in any spelling; what is left out is said, not loaded, and told to
    who asks for it. A name that is not installed is told as well."""
    chosen = {"LUSGAN_PLUGINS": "Metric-Fails, starts,no_such"}
    done = lusgan(everything, "plugins", "--json", **chosen)
    listed = json.loads(done.stdout)
    ours = [r for r in listed["plugins"] if not r["from"].startswith("lusgan ")]
    assert {r["name"] for r in ours} == {"fails", "starts"}
    assert [b["plugin"] for b in listed["broken"]] == ["no_such (not installed)"]
    assert len(listed["left_out"]) == len(DEFECTIVE) + len(FAILING) - 2
    asked = lusgan(everything, "pairs", everything, "--metrics", "exits", **chosen)
    assert asked.returncode == 2
    assert "left out by LUSGAN_PLUGINS" in asked.stderr


def test_without_plugins_only_built_in_ones_are_loaded(everything: Path, plugins: Registry) -> None:
    """``--no-plugins`` comes before the command, and is what an empty ``LUSGAN_PLUGINS`` is."""
    for arguments, more in ((["--no-plugins"], {}), ([], {"LUSGAN_PLUGINS": ""})):
        done = lusgan(everything, *arguments, "plugins", "--json", **more)
        listed = json.loads(done.stdout)
        assert all(r["from"].startswith("lusgan ") for r in listed["plugins"])
        assert len(listed["plugins"]) == sum(map(len, plugins.records.values()))
        assert len(listed["left_out"]) == len(DEFECTIVE) + len(FAILING)
        assert listed["broken"] == []
        assert listed["changes"] == {}


def test_processes_that_are_started_inherit_the_choice(everything: Path) -> None:
    """A process of a run, such as a worker of Prefect's or one of several that train, loads what
    the command was told to load."""
    code = (
        "import subprocess, sys\n"
        "import lusgan_cli\n"
        "lusgan_cli.app(['--no-plugins', 'plugins'], standalone_mode=False)\n"
        "child = 'from lusgan_core.registry import installed; print(len(installed().left_out))'\n"
        "print('child:', subprocess.check_output([sys.executable, '-c', child], text=True))\n"
    )
    said = run_python(everything, "-c", code)
    assert f"child: {len(DEFECTIVE) + len(FAILING)}" in said


def test_the_doctor_names_what_is_broken(everything: Path, tmp_path: Path) -> None:
    """It goes on to the other checks, and prints JSON alone."""
    done = lusgan(everything, "doctor", "--home", tmp_path / "home", "--json")
    first, *others = json.loads(done.stdout)
    assert first["what"] == "plugins"
    assert not first["ok"]
    assert "is broken" in first["text"]
    assert len(others) >= 2


def test_careless_plugins_can_be_used(told: dict[str, Told]) -> None:
    """What they did was put back; their records are offered all the same."""
    for name in CARELESS.keys() - {"prints_in_hook"}:
        assert name in {r["name"] for r in told[name].listed["plugins"]}
