"""``lusgan compare``, and the page that lists a store's reports."""

from __future__ import annotations

import json
import re
import shutil
from pathlib import Path

import pytest

from lusgan_core.pipeline.pruning import Doomed, PrunePlan, carry_out
from lusgan_core.reporting.runs import INDEX, find_run, list_runs
from lusgan_core.store import LocalStore
from tiny_runs import CODES, Pipeline, tiny_config, write_exams


@pytest.fixture(scope="module")
def pipeline(tmp_path_factory: pytest.TempPathFactory) -> Pipeline:
    """Two runs of score 2 that differ in seed and rate, and one of scores 0 and 2."""
    folder = tmp_path_factory.mktemp("compare")
    pipeline = Pipeline(write_exams(folder / "exams"), folder / "store")
    pipeline.run(tiny_config(scores=(2,)))
    pipeline.run(tiny_config("training.seed=1", "training.lr_generator=0.01", scores=(2,)))
    pipeline.run(tiny_config("report.title=Both <scores>", scores=(0, 2)))
    return pipeline


@pytest.fixture
def names(pipeline: Pipeline) -> list[str]:
    """The runs' names, the first one first."""
    return [run.name for run in reversed(list_runs(pipeline.store))]


def test_runs_are_listed_with_the_latest_first(lusgan, pipeline: Pipeline, names) -> None:
    """Without a run, `compare` says which there are; a store without reports has none."""
    shown = lusgan("compare", "--store", pipeline.store.uri).out.splitlines()
    assert [line.split()[0] for line in shown] == names[::-1]
    listed = json.loads(lusgan("compare", "--store", pipeline.store.uri, "--json").out)
    assert [run["title"] == "Both <scores>" for run in listed] == [True, False, False]


def test_an_empty_store_has_no_runs(lusgan, tmp_path: Path) -> None:
    """That is said, and is no error."""
    assert lusgan("compare", "--store", tmp_path).out == "no runs\n"


def test_only_options_that_differ_are_shown(lusgan, pipeline: Pipeline, names) -> None:
    """Seed and rate stand side by side in the order asked for, and no other option."""
    asked = (names[1], names[0], "--store", pipeline.store.uri, "--json")
    found = json.loads(lusgan("compare", *asked).out)
    assert found["options"]["train.seed"] == ["1", str(tiny_config().training.seed)]
    assert found["options"]["train.lr_generator"][0] == "0.01"
    assert {name for name in found["options"] if name.startswith("train.")} == {
        "train.seed", "train.lr_generator"
    }  # fmt: skip


def test_values_of_each_run_stand_beside_their_floors(lusgan, pipeline: Pipeline, names) -> None:
    """The mean likeness of each run is what its own evaluation has; a score of one run is alone."""
    asked = (names[0], names[2], "--store", pipeline.store.uri, "--json")
    found = json.loads(lusgan("compare", *asked).out)
    assert list(found["values"]) == ["0", "2"]
    rows = {(row[0] or row[1])["metric"]: row for row in found["values"]["2"]}
    assert rows["ssim"][0] == rows["ssim"][1]  # the same model, evaluated once
    assert all(row[0] is None and row[1] is not None for row in found["values"]["0"])


def test_the_page_has_samples_and_options_and_names_nobody(
    lusgan, pipeline: Pipeline, names, tmp_path: Path
) -> None:
    """One page with a sheet of samples a run and score, which fetches nothing."""
    page = tmp_path / "side by side.html"
    shown = lusgan("compare", *names[:2], "--store", pipeline.store.uri, "--out", page)
    assert f"page: {page}" in shown.out
    html = page.read_text(encoding="utf-8")
    assert html.count('<img class="sheet" src="data:image/png') == 2
    assert all(name in html for name in names[:2])
    assert "train.lr_generator" in html
    assert not re.search(r"url\(|@import|<script|https?://", html)
    assert not any(code in re.sub(r"base64,[^\"]*", "", html) for code in CODES)


def test_a_run_may_be_named_by_the_address_of_its_report(pipeline: Pipeline, names) -> None:
    """The page's address, as the run printed it, is as good as the eight digits."""
    address = f"{pipeline.store.uri}/reports/{names[0]}/index.html"
    assert find_run(pipeline.store, address).name == names[0]


@pytest.mark.parametrize(
    ("asked", "told"),
    [(["00000000", "11111111"], "there is no run '00000000'"), ([0], "needs two runs or more")],
)
def test_bad_names_are_told(lusgan, pipeline: Pipeline, names, asked, told) -> None:
    """A run that is not there is told with those that are, and one run is too few."""
    words = [names[0] if word == 0 else word for word in asked]
    result = lusgan("compare", *words, "--store", pipeline.store.uri)
    assert result.code == 2
    assert told in result.err


def test_the_index_lists_every_report(pipeline: Pipeline, names) -> None:
    """The store's index links to each report, the latest first, with titles escaped."""
    html = pipeline.store.get(INDEX).decode()
    assert re.findall(r'<a href="(\w+)/index.html">', html) == names[::-1]
    assert "Both &lt;scores&gt;" in html
    for name in names:
        assert pipeline.store.get(f"reports/{name}/index.html")


def test_the_index_forgets_what_was_pruned(pipeline: Pipeline, names, tmp_path: Path) -> None:
    """A report that `prune` deletes is no longer listed; without any there is no index."""
    shutil.copytree(pipeline.store.root, tmp_path, dirs_exist_ok=True)
    store = LocalStore(tmp_path)
    for number, name in enumerate(names, 1):
        keys = tuple(item.key for item in store.list(f"reports/{name}/"))
        report = Doomed(what="report", name=name, why="a test", keys=keys, size=1)
        carry_out(store, PrunePlan(items=(report,)))
        listed = store.get(INDEX).decode() if store.exists(INDEX) else ""
        assert re.findall(r'<a href="(\w+)/index.html">', listed) == names[number:][::-1]
    assert not store.exists(INDEX)
