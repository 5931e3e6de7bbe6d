"""Results of every stage and built-in plugin, held against committed tables.

Keys hold versions and no code: so whatever changes a result has to raise a version, and these tests
are what notices. ``make golden`` writes the tables anew.
"""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import golden_table
import golden_training
import pytest
from golden_stages import EVALUATION, GENERATION, PREPROCESSING, PROMOTION, SELECTION
from golden_subjects import ROOMS, subjects
from golden_table import ChangedError, Subject, check, renew

from lusgan_core.config import RunConfig
from lusgan_core.pipeline.runner import VERSIONS
from lusgan_core.registry import installed
from lusgan_core.training import label_noise

FEATURES = golden_training.FEATURES
SUBJECTS = subjects()
HERE = Path(__file__).parent


@pytest.mark.parametrize("name", SUBJECTS)
def test_results_are_those_of_the_version(name: str) -> None:
    """A stage or plugin gives what its table holds, or its version was raised."""
    check(SUBJECTS[name])


@pytest.mark.parametrize("capability", ["default", "avx2"])
def test_results_do_not_depend_on_the_processor(capability: str) -> None:
    """Tables hold with the vector instructions of other processors."""
    done = subprocess.run(
        [sys.executable, str(HERE / "renew.py"), "--check", "train", "generate", "backbone", "loss",
         "penalty", "augmentation", "feature"],
        env=os.environ | {"ATEN_CPU_CAPABILITY": capability},
        capture_output=True, text=True, check=False, timeout=600,
    )  # fmt: skip
    assert done.returncode == 0, done.stdout + done.stderr
    assert f"vector instructions: {capability}" in done.stdout.lower()


def test_every_stage_has_a_table() -> None:
    """A new stage gets one."""
    assert set(ROOMS) == set(VERSIONS)


@pytest.mark.parametrize(
    ("section", "rows"),
    [
        ("preprocessing", PREPROCESSING),
        ("selection", SELECTION),
        ("generation", GENERATION),
        ("evaluation", EVALUATION),
        ("promotion", PROMOTION),
        ("training", golden_training.TRAINING),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_every_option_has_a_row(section: str, rows: dict[str, dict[str, object]]) -> None:
    """A new option gets a row in which it is off its default."""
    model = RunConfig.model_fields[section].annotation
    assert set(model.model_fields) <= set(rows) | {"percentile", "clahe"}


@pytest.mark.parametrize("name", golden_training.BACKBONES)
def test_every_option_of_a_backbone_has_a_row(name: str) -> None:
    """The same for options of the networks."""
    fields = set(installed().backbone(name).options.model_fields)
    assert fields <= set(golden_training.BACKBONES[name])


def test_every_option_of_other_plugins_has_a_row() -> None:
    """The same for those of metrics on sets, of feature extractors and augmentations."""
    for rows, kind in (
        (golden_training.SET_METRICS, "metric"),
        (FEATURES, "feature"),
        (golden_training.AUGMENTATIONS, "augmentation"),
    ):
        for name, options in rows.items():
            fields = installed().records[kind][name].options.model_fields
            assert set(fields) <= set(options)


def test_each_row_is_another() -> None:
    """A row whose option changes nothing would guard nothing."""
    for stage in ("train", "preprocess", "evaluate", "promote"):
        rows = golden_table.encoded(SUBJECTS[stage].rows())
        names = list(rows)
        for name in names[1:]:
            assert rows[name] != rows[names[0]], f"{stage}: {name}"


def test_a_changed_result_says_what_to_do(monkeypatch: pytest.MonkeyPatch) -> None:
    """A change of training under the same version fails and names the version to raise."""
    drawn = label_noise.drawn

    def changed(*arguments: object) -> object:
        targets = drawn(*arguments)
        return type(targets)(real=targets.real + 1e-3, fake=targets.fake)

    monkeypatch.setattr(label_noise, "drawn", changed)
    with pytest.raises(ChangedError, match=r"raise VERSION in lusgan_core/training/stage\.py, or"):
        check(SUBJECTS["train"])
    with pytest.raises(ChangedError, match="raise VERSION"):
        renew(SUBJECTS["train"])


def test_a_raised_version_asks_for_another_table(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """The table of the version before is refused, and written anew when that is asked for."""
    monkeypatch.setattr(golden_table, "TABLES", tmp_path)
    one = Subject("it", "1", "VERSION", lambda: {"row": [1.0, 2.0], "old": "text"})
    with pytest.raises(ChangedError, match="no table yet"):
        check(one)
    assert renew(one) == "renewed"
    assert renew(one) == "as it was"
    check(one)
    two = Subject("it", "2", "VERSION", lambda: {"row": [1.0, 3.0]})
    with pytest.raises(ChangedError, match="`make golden` renews it"):
        check(two)
    assert renew(two) == "renewed"
    check(two)
