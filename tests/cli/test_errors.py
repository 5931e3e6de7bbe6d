"""What goes wrong before any work is done: one clear line on stderr, and the exit code."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from lusgan_core.errors import PluginError
from lusgan_core.plugin_guard import inside_plugin
from tiny_runs import write_exams


@pytest.fixture(scope="module")
def exams(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_exams(tmp_path_factory.mktemp("errors") / "exams", patients=1, clips_per_exam=1)


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["--preset", "papr"], r"unknown preset 'papr'; did you mean 'paper'\? choices: demo"),
        (["--set", "training.backbone=dcgam"], r"did you mean 'dcgan'\? choices: dcgan, pacgan2"),
        (["--set", "training.loss=RaSGAM"], r"unknown loss 'RaSGAM'; did you mean 'RaSGAN'\?"),
        (["--set", 'evaluation.metrics=["psnrr"]'], r"unknown metric.*did you mean 'psnr'"),
        (["--set", "training.batch_sise=4"], r"training\.batch_sise; did you mean 'batch_size'"),
        (["--set", "training.batch_size=four"], r"training\.batch_size: .*integer.*got 'four'"),
        (["--set", "preprocessing.image_size=100"], r"100 is not a power of two; choose 32, 64"),
        (["--set", "preprocessing.image_size=1024"], r"less than or equal to 512, got 1024"),
        (["--set", "training.batch_size"], r"--set 'training\.batch_size': expected NAME=VALUE"),
        (["--scores", "x"], r"--scores 'x': expected numbers such as 0,3"),
        (["--scores", "7"], r"unknown score '7'; choices: 0, 1, 2, 3"),
        (["--scores", ""], r"option scores: .*at least 1"),
        (["--config", "nowhere.toml"], r"--config nowhere\.toml: No such file"),
        (["--config", "no.toml"], r"--config no\.toml is not \.toml"),
        (["--store", "/dev/null/store"], r"/dev/null/store cannot be written: .*--store"),
    ],
)
def test_bad_configuration_is_told_in_one_line(
    lusgan, exams: Path, tmp_path: Path, monkeypatch, arguments: list[str], said: str
) -> None:
    """What cannot be asked for exits with 2 and says what, the choices, and what to do."""
    monkeypatch.chdir(tmp_path)
    Path("no.toml").write_text("training: {}")
    result = lusgan("run", "--exams", exams, "--preset", "demo", *arguments)
    assert result.code == 2
    assert re.search(said, result.last)
    assert result.err.count("\n") == 1
    assert result.out == ""


@pytest.mark.parametrize("command", ["run", "check", "train", "evaluate"])
def test_exams_that_are_not_there(lusgan, tmp_path: Path, command: str) -> None:
    """A folder that is missing, is a file or holds no exam is named, with the layout expected."""
    (tmp_path / "empty").mkdir()
    (tmp_path / "file").write_text("")
    for name, said in (
        ("missing", r"missing cannot be read: No such file or directory; check the path"),
        ("file", r"file is not a folder"),
        ("empty", r"no exam in .*empty: expected .*clips at PATIENT/EXAM/convex_PATIENT_EXAM"),
    ):
        path = tmp_path / name
        where = [path] if command == "check" else ["--exams", path, "--store", tmp_path / "store"]
        score = ["--score", 0] if command in ("train", "evaluate") else []
        result = lusgan(command, *where, *score)
        assert result.code == 2
        assert re.search(said, result.last)
        assert result.err.count("\n") <= 2  # what was looked at, and what is wrong


@pytest.mark.parametrize(
    "arguments", [["run"], ["train", "--exams", "x"], ["nonsense"], ["run", "--nonsense"]]
)
def test_bad_usage(lusgan, arguments: list[str]) -> None:
    """A command, option or value that is missing or unknown exits with 2 and shows the usage."""
    result = lusgan(*arguments)
    assert result.code == 2
    assert "Usage" in result.err


def test_help_without_arguments(lusgan) -> None:
    """Every command is listed with a line on what it does."""
    shown = lusgan("--help")
    assert shown.code == 0
    for command in (
        "demo", "phantom", "check", "run", "train", "generate", "evaluate", "pairs", "plugins"
    ):  # fmt: skip
        assert re.search(rf"\b{command}\b +\w", shown.out)


def test_unexpected_errors_are_one_line_too(lusgan, exams: Path, monkeypatch) -> None:
    """A bug shows as one line that names no patient; a traceback is there for who asks."""

    def bug(*_: object, **__: object) -> None:
        raise ZeroDivisionError(f"{exams}/9001")

    monkeypatch.setattr("lusgan_core.pipeline.exam_digests.find_exams", bug)
    result = lusgan("run", "--exams", exams, "--store", exams.parent / "store")
    assert (result.code, result.err.count("\n")) == (1, 1)
    assert "unexpected ZeroDivisionError: set LUSGAN_TRACEBACK=1" in result.last
    assert "9001" not in result.err
    monkeypatch.setenv("LUSGAN_TRACEBACK", "1")
    with pytest.raises(ZeroDivisionError):
        lusgan("run", "--exams", exams, "--store", exams.parent / "store")


def test_what_goes_wrong_in_a_plugin_is_told_by_its_name(lusgan, exams: Path, monkeypatch) -> None:
    """It ends with 1 and a line that names the plugin, and is no bug of lusgan's; a traceback is
    there for who asks."""

    def fault(*_: object, **__: object) -> None:
        with inside_plugin("loss", "odd", "its generator loss"):
            raise ZeroDivisionError("division by zero")

    monkeypatch.setattr("lusgan_core.pipeline.exam_digests.find_exams", fault)
    result = lusgan("run", "--exams", exams, "--store", exams.parent / "store")
    assert (result.code, result.err.count("\n")) == (1, 1)
    assert "loss 'odd': its generator loss raised ZeroDivisionError: division by" in result.last
    monkeypatch.setenv("LUSGAN_TRACEBACK", "1")
    with pytest.raises(PluginError):
        lusgan("run", "--exams", exams, "--store", exams.parent / "store")


def test_phantoms_go_to_empty_folders_only(lusgan, exams: Path) -> None:
    """Phantom exams never mix with what is there."""
    result = lusgan("phantom", exams)
    assert result.code == 2
    assert "not an empty folder" in result.last
