"""Defective plugins, each a distribution of its own: what is wrong with each, and what is told.

A source is a module; ``record(KIND, FIELD=EXPRESSION, ...)`` makes one that offers a record whose
named fields are replaced. Where several are installed at once, each offers names of its own.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from distributions import install

HEAD = """
from pydantic import ConfigDict, Field, SecretStr
from lusgan_core.api import (
    Backbone, Exporter, FeatureExtractor, Gate, Loss, Options, PairMetric, Penalty, PenaltyOptions,
    Preset, Reader, SetMetric, hookimpl
)

def function(*arguments):
    return 0.0
"""
COMMON = {"name": "__name__", "description": "'Odd'"}
METRIC = COMMON | {
    "title": "'Odd'",
    "better": "'lower'",
    "identical": "0.0",
    "value": "function",
}
FIELDS = {
    "Backbone": COMMON | {"generator": "function", "discriminator": "function"},
    "Loss": COMMON | {"discriminator": "function", "generator": "function"},
    "Penalty": COMMON | {"value": "function"},
    "PairMetric": METRIC,
    "SetMetric": METRIC,
    "FeatureExtractor": COMMON | {"build": "function", "licence": "'none'", "size": "3"},
    "Reader": COMMON | {"layout": "'clips'", "find": "function", "open": "function"},
    "Gate": COMMON | {"check": "function"},
    "Preset": COMMON | {"settings": "{}"},
    "Exporter": COMMON | {"open": "function"},
}
HOOKS = {
    "Backbone": "register_backbones",
    "Loss": "register_losses",
    "Penalty": "register_penalties",
    "PairMetric": "register_metrics",
    "SetMetric": "register_metrics",
    "FeatureExtractor": "register_features",
    "Reader": "register_readers",
    "Gate": "register_gates",
    "Preset": "register_presets",
    "Exporter": "register_exporters",
}


@dataclass(frozen=True)
class Defect:
    """A plugin and what `lusgan plugins` tells of it."""

    source: str
    reason: str = ""
    """Part of the reason why it is broken; empty for one that can be used all the same."""
    change: str = ""
    """Part of what is told to have been put back."""
    point: str = ""
    """Value of its entry point, where that is not the module."""


def record(kind: str, before: str = "", **fields: str) -> str:
    """Source of a plugin that offers one record."""
    given = ", ".join(f"{name}={text}" for name, text in (FIELDS[kind] | fields).items())
    return f"{HEAD}{before}\n@hookimpl\ndef {HOOKS[kind]}():\n    return [{kind}({given})]\n"


def options(field: str, before: str = "", config: str = "", kind: str = "Loss") -> str:
    """Source of a plugin that offers a loss, or another kind of record, with one option."""
    model = f"{before}\nclass OddOptions(Options):\n    {config or '...'}\n    odd: {field}\n"
    return record(kind, model, options="OddOptions")


def hook(body: str) -> str:
    """Source of a plugin whose hook for losses has that body."""
    return f"{HEAD}\n@hookimpl\ndef register_losses():\n    {body}\n"


def careless(code: str) -> str:
    """Source of a plugin that does something to the process when it is imported."""
    return f"{code}\n{record('Loss')}"


SAID = "Field(description='Odd', default={})"
OF_RECORDS = {
    "name_none": Defect(record("PairMetric", name="None"), "name is None"),
    "name_dashed": Defect(record("Loss", name="'my-loss'"), "name is 'my-loss'"),
    "name_path": Defect(record("Backbone", name="'../../etc'"), "name is '../../etc'"),
    "description_none": Defect(record("Penalty", description="None"), "description is None"),
    "description_empty": Defect(record("Backbone", description="' '"), "description is ' '"),
    "description_control": Defect(record("Loss", description=r"'a\x1b[2J'"), "description is"),
    "description_endless": Defect(record("Loss", description="'a' * 2000"), "2,000 characters"),
    "title_two_lines": Defect(record("SetMetric", title=r"'a\nb'"), "title is"),
    "value_none": Defect(record("PairMetric", value="None"), "value is None: expected callable"),
    "set_value_text": Defect(record("SetMetric", value="'f'"), "value is 'f': expected callable"),
    "better_up": Defect(record("PairMetric", better="'up'"), "better is 'up': expected 'higher'"),
    "bounds_reversed": Defect(record("PairMetric", bounds="(1.0, 0.0)"), "bounds are (1.0, 0.0)"),
    "bounds_list": Defect(record("SetMetric", bounds="[0.0, 1.0]"), "bounds is [0.0, 1.0]"),
    "bounds_nan": Defect(record("SetMetric", bounds="(0.0, float('nan'))"), "bounds are"),
    "identical_outside": Defect(record("PairMetric", bounds="(1.0, 2.0)"), "identical is 0.0"),
    "identical_none": Defect(record("SetMetric", identical="None"), "identical is None"),
    "min_size_zero": Defect(record("PairMetric", min_size="0"), "min_size is 0"),
    "channels_two": Defect(record("PairMetric", channels="frozenset({2})"), "channels is"),
    "channels_none": Defect(record("PairMetric", channels="frozenset()"), "channels is"),
    "symmetric_text": Defect(record("PairMetric", symmetric="'no'"), "symmetric is 'no'"),
    "prepare_text": Defect(record("PairMetric", prepare="'f'"), "prepare is 'f'"),
    "unit_none": Defect(record("SetMetric", unit="None"), "unit is None"),
    "version_number": Defect(record("Loss", version="2"), "version is 2"),
    "generator_none": Defect(record("Backbone", generator="None"), "generator is None"),
    "pack_zero": Defect(record("Backbone", pack="0"), "pack is 0"),
    "options_dict": Defect(record("Backbone", options="dict"), "options is <class 'dict'>"),
    "options_instance": Defect(record("Loss", options="Options()"), "options is"),
    "options_of_no_penalty": Defect(record("Penalty", options="Options"), "options is"),
    "targets_list": Defect(record("Loss", targets="['real']"), "targets is ['real']"),
    "targets_unknown": Defect(record("Loss", targets="frozenset({'reel'})"), "'real' or 'fake'"),
    "real_none": Defect(record("Loss", generator_needs_real="None"), "generator_needs_real is"),
    "reads_unknown": Defect(
        record("Loss", reads="frozenset({'pixels'})"), "'noise' or 'iteration'"
    ),
    "conditional_text": Defect(record("Backbone", conditional="'yes'"), "conditional is 'yes'"),
    "device_text": Defect(record("PairMetric", uses_device="'cpu'"), "uses_device is 'cpu'"),
    "features_list": Defect(record("SetMetric", features="['random']"), "features is ['random']"),
    "grouped_by_exam": Defect(record("SetMetric", grouped_by="'exam'"), "'patient' or 'clip'"),
    "min_frames_zero": Defect(record("SetMetric", min_frames="0"), "min_frames is 0"),
    "build_none": Defect(record("FeatureExtractor", build="None"), "build is None"),
    "size_zero": Defect(record("FeatureExtractor", size="0"), "size is 0"),
    "licence_empty": Defect(record("FeatureExtractor", licence="''"), "licence is ''"),
    "weights_list": Defect(record("FeatureExtractor", weights="['a']"), "weights is ['a']"),
    "layout_two_lines": Defect(record("Reader", layout=r"'a\nb'"), "layout is"),
    "find_none": Defect(record("Reader", find="None"), "find is None: expected callable"),
    "open_text": Defect(record("Reader", open="'f'"), "open is 'f': expected callable"),
    "check_none": Defect(record("Gate", check="None"), "check is None: expected callable"),
    "needs_text": Defect(record("Gate", needs="'ssim'"), "needs is 'ssim'"),
    "settings_list": Defect(record("Preset", settings="[]"), "settings is []"),
    "deviations_text": Defect(record("Preset", deviations="'x'"), "deviations is 'x'"),
    "based_on_number": Defect(record("Preset", based_on="3"), "based_on is 3"),
    "settings_unknown": Defect(
        record("Preset", settings="{'trainin': {}}"), "cannot be used: unknown option trainin"
    ),
    "open_none": Defect(record("Exporter", open="None"), "open is None: expected callable"),
    "per_frame_text": Defect(record("Exporter", file_per_frame="'a'"), "file_per_frame is 'a'"),
    "attribute_unknown": Defect(
        HEAD
        + "odd = Penalty(__name__, 'Odd', function)\n"
        + "object.__setattr__(odd, 'colour', 1)\n"
        + "@hookimpl\ndef register_penalties():\n    return [odd]\n",
        "colour is no attribute of Penalty",
    ),
    "field_missing": Defect(
        HEAD + "@hookimpl\ndef register_losses():\n    return [object.__new__(Loss)]\n",
        "name is missing",
    ),
    "no_record": Defect(hook("return [3]"), "3 is of type int, expected Loss"),
    "clash_built_in": Defect(record("PairMetric", name="'mse'"), "two plugins offer the metric"),
}
"""One record of each is faulty."""

OF_OPTIONS = {
    "option_inf": Defect(options("float = " + SAID.format("float('inf')")), "odd is inf"),
    "option_nan": Defect(options("float = " + SAID.format("float('nan')")), "odd is nan"),
    "option_secret": Defect(
        options("SecretStr = " + SAID.format("SecretStr('x')")), "odd is of type SecretStr"
    ),
    "option_bytes": Defect(options("bytes = " + SAID.format("b'x'")), "odd is of type bytes"),
    "option_set": Defect(options("set[str] = " + SAID.format("{'x'}")), "odd is of type set"),
    "option_nested_set": Defect(
        options("tuple[frozenset[int], ...] = " + SAID.format("()")), "odd is of type frozenset"
    ),
    "option_function": Defect(
        options(
            "Callable[[], int] = " + SAID.format("function"),
            "from collections.abc import Callable",
        ),
        "odd is of type",
    ),
    "option_silent": Defect(options("int = 3"), "OddOptions.odd has no description"),
    "option_outside": Defect(
        options("int = Field(description='Odd', default=-1, ge=0)"), "OddOptions.odd is -1 by def"
    ),
    "option_of_nowhere": Defect(
        options("'Nowhere' = " + SAID.format("None")), "OddOptions cannot be used"
    ),
    "option_alias": Defect(
        options("int = Field(description='Odd', default=1, alias='o')"),
        "odd has an alias",
    ),
    "option_raises": Defect(
        options("int = Field(description='Odd', default_factory=lambda: 1 / 0)"),
        "OddOptions cannot be used: ZeroDivisionError",
    ),
    "option_schema": Defect(
        options("int = Field(description='Odd', default=1, json_schema_extra={'x': object()})"),
        "OddOptions cannot be used",
    ),
    "option_required": Defect(
        options("int = Field(description='Odd')", kind="Reader"), "OddOptions.odd has no default"
    ),
    "options_open": Defect(
        options("int = " + SAID.format("1"), config="model_config = ConfigDict(extra='allow')"),
        "OddOptions must stay frozen and closed",
    ),
}

OF_MODULES = {
    "import_missing": Defect("import no_such_library\n", "cannot be imported: ModuleNotFoundError"),
    "syntax": Defect("def (:\n", "cannot be imported: SyntaxError"),
    "exit_at_import": Defect("import sys\nsys.exit(0)\n", "cannot be imported: SystemExit: 0"),
    "odd_at_import": Defect("class Odd(BaseException): pass\nraise Odd\n", "imported: Odd"),
    "mute_error": Defect(
        "class Mute(Exception):\n    def __str__(self): 1 / 0\nraise Mute\n",
        "Mute: its text cannot be shown",
    ),
    "long_error": Defect("raise ValueError('a\\n' * 9999)\n", "ValueError: a a a"),
    "attribute_raises": Defect(
        record("Loss") + "def __getattr__(name):\n    raise RuntimeError('no ' + name)\n",
        "cannot be looked at: RuntimeError",
    ),
    "api_of_tomorrow": Defect("LUSGAN_API = 3\n" + record("Loss"), "plugin API 3"),
    "api_text": Defect("LUSGAN_API = '2'\n" + record("Loss"), "plugin API '2'"),
    "hook_misspelled": Defect(
        record("Loss").replace("register_losses", "register_loses"), "register_loses"
    ),
    "hook_unmarked": Defect(record("Loss").replace("@hookimpl", ""), "implements no hook"),
    "hook_with_arguments": Defect(
        record("Loss").replace("register_losses()", "register_losses(registry)"), "registry"
    ),
    "hook_without_return": Defect(hook("[Loss]"), "register_losses returned None"),
    "hook_of_one": Defect(
        record("Loss").replace("return [", "return (").replace(")]", "))"), "not iterable"
    ),
    "hook_endless": Defect(hook("while True: yield None"), "more than 1,000 records"),
    "hook_exits": Defect(hook("raise SystemExit('enough')"), "register_losses failed: SystemExit"),
    "hook_raises": Defect(hook("return {}['weights']"), "register_losses failed: KeyError"),
    "point_malformed": Defect(record("Loss"), "cannot be imported", point="no module at all !"),
    "point_missing": Defect(record("Loss"), "ModuleNotFoundError", point="no_such_module"),
    "point_attribute": Defect(record("Loss"), "AttributeError", point="point_attribute:nothing"),
    "point_claims": Defect("", "two plugins offer the loss", point="lusgan_losses"),
}

CARELESS = {
    "prints": Defect(careless("print('hello')")),
    "prints_in_hook": Defect(hook("print('hello'); return []")),
    "writes": Defect(careless("import os\nos.write(1, b'hello')")),
    "closes_stdout": Defect(careless("import sys\nsys.stdout.close()")),
    "replaces_stdout": Defect(careless("import io, sys\nsys.stdout = io.StringIO()")),
    "replaces_stderr": Defect(
        careless("import io, sys\nsys.stderr = io.StringIO()"), change="stderr"
    ),
    "moves": Defect(careless("import os\nos.chdir('/')"), change="working directory"),
    "unsets": Defect(careless("import os\nos.environ.pop('HOME', 0)"), change="environment"),
    "warns": Defect(careless("import warnings\nwarnings.simplefilter('error')")),
    "handles": Defect(
        careless("import signal\nsignal.signal(signal.SIGTERM, signal.SIG_IGN)"), change="signals"
    ),
    "logs": Defect(careless("import logging\nlogging.basicConfig(level=0)"), change="root logger"),
    "starts": Defect(
        careless(
            "import threading, time\nthreading.Thread(target=time.sleep, args=[3600]).start()"
        ),
        change="starts 1 thread",
    ),
    "seeds": Defect(careless("import random\nrandom.seed(1)"), change="random numbers"),
    "recurses": Defect(careless("import sys\nsys.setrecursionlimit(5000)"), change="recursion"),
}
"""They can be used, but do to the process what no plugin should."""

DEFECTIVE = OF_RECORDS | OF_OPTIONS | OF_MODULES | CARELESS


def lay_out(site: Path, name: str) -> Path:
    """Install a defective plugin into a folder, which is returned."""
    defect = DEFECTIVE[name]
    install(site, name, {f"{name}.py": defect.source}, defect.point or name)
    return site
