"""``lusgan plugins``."""

from __future__ import annotations

import json
import os
from dataclasses import replace

import pytest

from lusgan_core import registry
from lusgan_core.api import Preset
from lusgan_core.registry import Broken, Provider


def test_all_that_is_installed_is_listed(lusgan, plugins) -> None:
    """Every record of every kind is in the table, with where it comes from."""
    result = lusgan("plugins")
    assert result.code == 0
    for kind, records in plugins.records.items():
        for name in records:
            (line,) = [x for x in result.out.splitlines() if x.split()[:2] == [kind, name]]
            assert "lusgan 0." in line


def test_json_tells_options(lusgan, plugins) -> None:
    """A program gets names, descriptions, origin and the options of each plugin."""
    listed = json.loads(lusgan("plugins", "--json").out)
    assert listed["broken"] == []
    by_name = {(p["kind"], p["name"]): p for p in listed["plugins"]}
    assert set(by_name) == {(k, n) for k, records in plugins.records.items() for n in records}
    assert by_name["backbone", "dcgan"]["options"]["width"]["description"]


def test_licences_are_listed(lusgan, monkeypatch) -> None:
    """Feature extractors and backbones have one in the list for programs and in the table; other
    kinds, and who states none, have not."""
    whole = registry.discover()
    theirs = replace(whole.backbone("dcgan"), name="theirs", licence="CC-BY-NC-4.0")
    whole.records["backbone"]["theirs"] = theirs
    whole.providers["backbone", "theirs"] = Provider("theirs", "their-dist", "2")
    monkeypatch.setattr("lusgan_core.registry.installed", lambda: whole)
    listed = json.loads(lusgan("plugins", "--json").out)["plugins"]
    found = {(p["kind"], p["name"]): p["licence"] for p in listed if p["licence"]}
    ours = {("feature", name): "Apache-2.0" for name in ("random", "lite0", "lite2")}
    ours |= {
        ("feature", name): "that of your file" for name in ("efficientnet_lite", "inception_v3")
    }
    assert found == ours | {("backbone", "theirs"): "CC-BY-NC-4.0"}
    assert "(licence: CC-BY-NC-4.0)" in " ".join(lusgan("plugins").out.split())


def test_a_preset_that_no_run_takes_is_broken(lusgan, monkeypatch) -> None:
    """Its settings are tried when it is listed; it is listed with the option that is wrong."""
    whole = registry.discover()
    whole.records["preset"]["theirs"] = Preset("theirs", "Broken", {"training": {"sed": 1}})
    whole.providers["preset", "theirs"] = Provider("theirs", "their-dist", "2")
    monkeypatch.setattr("lusgan_core.registry.installed", lambda: whole)
    result = lusgan("plugins", "--json")
    assert result.code == 1
    (broken,) = json.loads(result.out)["broken"]
    assert broken["plugin"] == "theirs (their-dist 2)"
    assert "did you mean 'seed'" in broken["reason"]


def test_help_lists_presets(lusgan, plugins) -> None:
    """Whatever is installed is named where a preset can be chosen."""
    said = " ".join(lusgan("run", "--help").out.replace("│", " ").split())
    for name in plugins.presets():
        assert name in said
    assert "about a minute a score" in said


@pytest.mark.parametrize("arguments", [[], ["--json"]])
def test_a_broken_plugin_is_shown_and_fails(lusgan, monkeypatch, arguments: list[str]) -> None:
    """What cannot be used is named with the reason, safely, and the exit code is 1."""
    whole = registry.discover()
    whole.broken.append(Broken(Provider("theirs", "their-dist", "2"), "[red]no\x1b module"))
    monkeypatch.setattr("lusgan_core.registry.installed", lambda: whole)
    result = lusgan("plugins", *arguments)
    assert result.code == 1
    assert "theirs (their-dist 2)" in result.out
    assert "[red]no" in result.out
    assert "\x1b" not in result.out


def test_what_was_left_out_or_put_back_is_shown(lusgan, monkeypatch) -> None:
    """Neither is a fault: the exit code is 0, in the table as in the list for programs."""
    whole = registry.discover()
    whole.left_out.append(Provider("theirs", "their-dist", "2"))
    whole.changes[Provider("other", "other-dist", "3")] = ["changes the working directory"]
    monkeypatch.setattr("lusgan_core.registry.installed", lambda: whole)
    shown, listed = lusgan("plugins"), json.loads(lusgan("plugins", "--json").out)
    assert shown.code == 0
    assert "left out by LUSGAN_PLUGINS: theirs (their-dist 2)" in shown.out
    assert "other (other-dist 3): changes the working directory" in shown.out
    assert listed["left_out"] == ["theirs (their-dist 2)"]
    assert listed["changes"] == {"other (other-dist 3)": ["changes the working directory"]}


def test_no_plugins_is_said_to_processes_that_are_started(lusgan, monkeypatch) -> None:
    """The option sets the variable that they inherit, whatever it was."""
    monkeypatch.setenv("LUSGAN_PLUGINS", "theirs")
    assert lusgan("--no-plugins", "plugins", "--json").code == 0
    assert os.environ["LUSGAN_PLUGINS"] == ""
