"""The registry: what it takes in, what it refuses, and what it says about it."""

from __future__ import annotations

import itertools
import signal
import subprocess
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

from lusgan_core.api import FeatureExtractor, SetMetric, hookimpl
from lusgan_core.errors import ConfigError, PluginError, UnknownPluginError
from lusgan_core.registry import BUILT_IN, Provider, Registry, discover, installed
from lusgan_losses import cross_entropy
from lusgan_metrics import mse

LOSS = cross_entropy.SGAN
OURS = Provider("ours", "ours-dist", "1.0")
THEIRS = Provider("theirs", "theirs-dist", "2.0")
BUILT_IN_ONE = Provider("lusgan_losses", "lusgan", "1.0")
SET_METRIC = SetMetric("gap", "Gap", "Distance of means", "lower", 0.0, lambda a, b: 0.0)


def plugin(hook: str = "register_losses", records: Any = (), **more: Any) -> ModuleType:
    """A plugin module with one hook that returns the records."""

    def implementation() -> Any:
        return records() if isinstance(records, Callable) else list(records)

    module = ModuleType("made_up")
    setattr(module, hook, hookimpl(implementation))
    for name, thing in more.items():
        setattr(module, name, thing)
    return module


def refused(module: object, *words: str, registry: Registry | None = None) -> None:
    """The plugin is refused with a text that holds all the words, and leaves nothing behind."""
    registry = registry or Registry()
    before = {kind: dict(records) for kind, records in registry.records.items()}
    with pytest.raises(PluginError) as caught:
        registry.add(module, THEIRS)
    for word in words:
        assert word in str(caught.value)
    assert registry.records == before


def test_a_record_is_handed_out_by_name() -> None:
    """What a plugin offers comes out as it went in, and its provider is remembered."""
    registry = Registry()
    registry.add(plugin(records=[LOSS]), OURS)
    assert registry.loss("SGAN") is LOSS
    assert registry.providers["loss", "SGAN"] == OURS


def test_a_clash_with_a_built_in_plugin_names_both_sides() -> None:
    """The built-in one keeps its name; the error names both plugins with their releases."""
    registry = Registry()
    registry.add(plugin(records=[LOSS]), BUILT_IN_ONE)
    other = replace(LOSS, description="another")
    words = ("SGAN", "lusgan_losses (lusgan 1.0)", "theirs (theirs-dist 2.0)", "rename")
    refused(plugin(records=[other]), *words, registry=registry)
    assert registry.loss("SGAN") is LOSS


def test_between_strangers_nobody_has_a_name_that_several_offer() -> None:
    """Neither of two, nor a third one: which comes first is chance. Each is told of the others, and
    whoever asks for the name is, too; their other records can be used."""
    registry = Registry()
    other = replace(LOSS, name="other")
    registry.add(plugin(records=[LOSS, other]), OURS)
    for provider in (THEIRS, Provider("third", "third-dist", "3.0")):
        with pytest.raises(PluginError, match=r"'SGAN': ours \(ours-dist 1.0\) and theirs"):
            registry.add(plugin(records=[LOSS]), provider)
        assert registry.records["loss"] == {"other": other}
    assert [b.provider.module for b in registry.broken] == ["ours", "theirs", "third"]
    with pytest.raises(UnknownPluginError, match="two plugins offer the loss 'SGAN'"):
        registry.loss("SGAN")


def test_a_plugin_that_clashes_with_itself_is_refused() -> None:
    """Two records of one kind and name in one plugin are a clash as well."""
    refused(plugin(records=[LOSS, LOSS]), "SGAN", "theirs")


def test_one_name_for_two_kinds_is_fine() -> None:
    """Names need to be unique within a kind only."""
    registry = Registry()
    registry.add(plugin(records=[LOSS]), OURS)
    registry.add(plugin("register_metrics", [replace(mse.METRIC, name="SGAN")]), THEIRS)
    assert registry.pair_metric("SGAN").title == "MSE"
    assert registry.loss("SGAN") is LOSS


def test_a_misspelled_hook_is_refused() -> None:
    """An unknown hook is an error that names it and lists the hooks there are."""
    refused(plugin("register_loses", [LOSS]), "register_loses", "register_losses", "theirs")


def test_a_hook_with_unknown_arguments_is_refused() -> None:
    """A hook that asks for an argument which does not exist is an error."""
    module = ModuleType("made_up")
    module.register_losses = hookimpl(lambda registry: [])
    refused(module, "theirs", "registry")


def test_a_plugin_without_hooks_is_refused() -> None:
    """A forgotten @hookimpl is told from a plugin that offers nothing on purpose."""
    module = ModuleType("made_up")
    module.register_losses = lambda: [LOSS]
    refused(module, "implements no hook", "@hookimpl")
    Registry().add(plugin(records=[]), THEIRS)


def test_another_api_version_is_refused() -> None:
    """A plugin for another version of the boundary is refused, naming both versions; plugins of
    versions that there were are not."""
    refused(plugin(records=[LOSS], LUSGAN_API=99), "API 99", "has 2", "theirs")


@pytest.mark.parametrize("version", [0, 3, True, 1.0, "2", None, object()])
def test_an_odd_api_version_is_refused(version: object) -> None:
    """Only the whole numbers 1 and 2 are versions, whatever else equals them."""
    refused(plugin(records=[LOSS], LUSGAN_API=version), "theirs", "expected LUSGAN_API = 1 or 2")


@pytest.mark.parametrize("version", [1, 2])
def test_plugins_of_either_version_are_taken(version: int) -> None:
    """What was written for version 1 goes on working."""
    Registry().add(plugin(records=[LOSS], LUSGAN_API=version), THEIRS)


def test_a_record_of_another_kind_is_refused() -> None:
    """A metric among the losses is an error that says what was expected; the loss can be used."""
    registry = Registry()
    with pytest.raises(PluginError, match="PairMetric, expected Loss"):
        registry.add(plugin(records=[LOSS, mse.METRIC]), THEIRS)
    assert registry.records["loss"] == {"SGAN": LOSS}


@pytest.mark.parametrize("name", ["", "my-loss", "../up", "a b", "7th"])
def test_an_unfit_name_is_refused(name: str) -> None:
    """Names become parts of file names, so anything but letters, digits and _ is refused."""
    refused(plugin(records=[replace(LOSS, name=name)]), repr(name), "letters")


def test_a_hook_that_raises_is_refused() -> None:
    """An exception inside a hook becomes a PluginError that names plugin, hook and exception."""

    def broken() -> Any:
        raise KeyError("weights")

    refused(plugin(records=broken), "theirs", "register_losses", "KeyError", "weights")


@pytest.mark.parametrize(
    "error", [SystemExit(3), GeneratorExit(), type("Odd", (BaseException,), {})()]
)
def test_a_hook_that_raises_what_is_no_exception_is_refused(error: BaseException) -> None:
    """Nor does ``sys.exit`` in a hook end the process."""

    def broken() -> Any:
        raise error

    refused(plugin(records=broken), "theirs", "register_losses failed", type(error).__name__)


def test_ctrl_c_in_a_hook_stays_ctrl_c() -> None:
    """A user who loses patience with a plugin can still stop."""

    def slow() -> Any:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        Registry().add(plugin(records=slow), THEIRS)


def test_what_a_signals_handler_raises_is_not_the_plugins() -> None:
    """A flow run that is cancelled while plugins are looked for ends: Prefect raises in a handler
    what no ``except Exception`` catches."""

    class Cancelled(BaseException):
        pass

    def cancel(number: int, frame: object) -> None:
        raise Cancelled

    before = signal.signal(signal.SIGUSR1, cancel)
    try:
        with pytest.raises(Cancelled):
            Registry().add(plugin(records=lambda: signal.raise_signal(signal.SIGUSR1)), THEIRS)
    finally:
        signal.signal(signal.SIGUSR1, before)


@pytest.mark.parametrize(
    ("returned", "said"),
    [
        (None, "returned None: is `return` missing?"),
        (LOSS, "TypeError"),
        ("SGAN", "returned 'SGAN', expected a list of records"),
        ({"SGAN": LOSS}, "expected a list of records"),
        ([None], "None is of type NoneType, expected Loss"),
        (itertools.repeat(LOSS), "more than 1,000 records"),
    ],
)
def test_a_hook_that_returns_no_list_of_records_is_refused(returned: object, said: str) -> None:
    """A forgotten ``return``, a record without its list, and what never ends are told."""
    refused(plugin(records=lambda: returned), "theirs", "register_losses", said)


def test_one_hook_that_fails_leaves_the_others() -> None:
    """Metrics of a plugin whose losses fail can be used."""
    module = plugin(records=lambda: 1 / 0)
    module.register_metrics = hookimpl(lambda: [mse.METRIC])
    registry = Registry()
    with pytest.raises(PluginError, match="ZeroDivisionError"):
        registry.add(module, THEIRS)
    assert registry.pair_metric("mse") is mse.METRIC


def test_an_unknown_name_lists_choices_and_the_nearest() -> None:
    """A misspelled name gets the nearest one, all the choices, and errors that anyone can catch."""
    with pytest.raises(UnknownPluginError, match="did you mean 'RaSGAN'") as caught:
        installed().loss("RasGAN")
    for word in ("unknown loss 'RasGAN'", "RaHinge", "LSGAN"):
        assert word in str(caught.value)
    assert isinstance(caught.value, LookupError)
    assert isinstance(caught.value, ConfigError)


def test_metrics_of_the_two_sorts_are_told_apart() -> None:
    """A set metric is no pair metric: neither is handed out, nor offered, as the other."""
    registry = Registry()
    registry.add(plugin("register_metrics", [mse.METRIC, SET_METRIC]), OURS)
    assert registry.set_metric("gap") is SET_METRIC
    assert list(registry.pair_metrics()) == ["mse"]
    with pytest.raises(
        ConfigError, match=r"'gap' compares sets of frames.* pairs of frames: mse\."
    ):
        registry.pair_metric("gap")
    with pytest.raises(ConfigError, match=r"'mse' compares pairs of frames.* features: gap\."):
        registry.set_metric("mse")
    with pytest.raises(UnknownPluginError, match="unknown metric 'gaps'; choices: mse"):
        registry.pair_metric("gaps")


def test_built_in_plugins_are_found() -> None:
    """The built-in plugins come through entry points, none of them broken."""
    registry = discover()
    assert {"pacgan2", "dcgan", "selu_sn"} <= registry.records["backbone"].keys()
    assert {"SGAN", "RaSGAN", "RaHinge"} <= registry.records["loss"].keys()
    assert {"gp", "r1", "r2"} <= registry.records["penalty"].keys()
    assert {"psnr", "msssim", "vif"} <= registry.records["metric"].keys()
    assert {"divergence", "collapse", "near_copies"} <= registry.gates().keys()
    assert {"paper", "demo"} <= registry.presets().keys()
    assert {"png", "mat"} <= registry.exporters().keys()
    modules = {provider.module for provider in registry.providers.values()}
    assert set(BUILT_IN) <= modules
    assert not [b for b in registry.broken if b.provider.module in BUILT_IN]


def in_other_process(folder: Path, code: str) -> str:
    """Run code in a fresh Python that sees the folder's packages, and return what it prints."""
    code = f"import sys; sys.path.insert(0, {str(folder)!r})\n" + code
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True, timeout=120
    )
    return done.stdout


def lay_out(folder: Path, name: str, source: str) -> None:
    """Write a module and the metadata of an installed distribution that names it."""
    (folder / f"{name}.py").write_text(source)
    info = folder / f"{name}-3.1.dist-info"
    info.mkdir()
    (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {name}\nVersion: 3.1\n")
    (info / "entry_points.txt").write_text(f"[lusgan]\n{name} = {name}\n")


def test_broken_plugins_stop_nobody_else(tmp_path: Path) -> None:
    """A plugin that cannot be imported, or clashes, is listed with the reason; the rest works."""
    lay_out(tmp_path, "needs_more", "import no_such_library\n")
    lay_out(
        tmp_path,
        "greedy",
        "from lusgan_core.api import hookimpl\n"
        "from lusgan_losses.cross_entropy import SGAN\n"
        "@hookimpl\n"
        "def register_losses():\n"
        "    return [SGAN]\n",
    )
    shown = in_other_process(
        tmp_path,
        "from lusgan_core.registry import installed\n"
        "registry = installed()\n"
        "for broken in registry.broken: print(broken.provider, '|', broken.reason)\n"
        "print(registry.loss('SGAN').name, registry.providers['loss', 'SGAN'].module)\n"
        "try: registry.loss('greedy_loss')\n"
        "except LookupError as error: print(error)\n",
    )
    lines = shown.splitlines()
    assert "greedy (greedy 3.1) | two plugins offer the loss 'SGAN': lusgan_losses" in lines[0]
    assert lines[1].startswith("needs_more (needs_more 3.1) | cannot be imported: ModuleNotFound")
    assert "no_such_library" in lines[1]
    assert lines[2] == "SGAN lusgan_losses"
    assert "broken plugin needs_more" in lines[3]


def test_a_metric_is_found_whichever_kind_it_is(plugins: Registry) -> None:
    """One accessor serves metrics on pairs and on sets, and knows the names of both."""
    assert plugins.metric("mse") is plugins.pair_metric("mse")
    assert plugins.metric("kid") is plugins.set_metric("kid")
    with pytest.raises(UnknownPluginError, match="did you mean 'kid'"):
        plugins.metric("kidd")


def test_weights_are_part_of_what_an_extractor_is(tmp_path: Path) -> None:
    """Other weights are another identity, under the same version; so are weights that are gone, for
    an extractor that nobody named must not end the call that asks for identities."""
    weights = tmp_path / "weights.bin"
    record = FeatureExtractor(
        "net", "A network", lambda device: None, "none", 4, weights=lambda: [weights], version="1"
    )

    class Plugin:
        @hookimpl
        def register_features(self) -> list[FeatureExtractor]:
            return [record]

    registry = Registry()
    registry.add(Plugin(), Provider("net"))
    assert registry.feature("net") is record
    weights.write_bytes(b"one")
    first = registry.identity("feature", "net")
    weights.write_bytes(b"two")
    second = registry.identity("feature", "net")
    weights.unlink()
    assert len({first, second, registry.identity("feature", "net")}) == 3
