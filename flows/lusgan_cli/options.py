"""Options that several commands share."""

from __future__ import annotations

from json import dumps
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from lusgan_core.errors import ConfigError
from lusgan_core.presets import DEFAULT_PRESET

if TYPE_CHECKING:
    from lusgan_core.config import RunConfig
    from lusgan_core.generation.stage import GenerationOptions

_S3 = (
    "or `s3://bucket/prefix`, optionally with `?endpoint=`, `profile=`, `path_style=`, `sse=` or "
    "`kms_key_id=`; credentials come from the AWS_* variables or ~/.aws"
)


def _time_zone(name: str) -> str:
    from zoneinfo import available_timezones

    if name not in available_timezones():
        raise typer.BadParameter(f"{name!r} is no time zone: expected one such as Europe/Berlin")
    return name


Exams = Annotated[
    str,
    typer.Option(
        help=f"Folder with PATIENT/EXAM/convex_PATIENT_EXAM_AREA.mat, {_S3}", show_default=False
    ),
]
Store = Annotated[str, typer.Option(help=f"Folder for models, samples and reports, {_S3}")]
PresetName = Annotated[str, typer.Option(help="Where the options start from")]
ConfigFile = Annotated[
    list[Path] | None,
    typer.Option(
        "--config",
        help="File of options, TOML or JSON, laid over the preset; its penalties replace the "
        "preset's",
    ),
]
Settings = Annotated[
    list[str] | None,
    typer.Option(
        "--set",
        metavar="A.B=C",
        help="One option, e.g. `--set batch_size=32` or `--set training.penalties.r1.weight=2`; "
        "may be repeated. A section given as one value (`--set training.penalties={}`) is "
        "replaced. `lusgan options` lists them all",
    ),
]
Scores = Annotated[
    str | None, typer.Option(help="Scores to work on, e.g. `0,3`; all four unless given")
]
Score = Annotated[int, typer.Option(help="Severity score to work on", show_default=False)]
Strict = Annotated[
    bool, typer.Option("--strict", help="Fail, with exit code 1, if any clip cannot be used")
]
WithdrawAll = Annotated[
    bool,
    typer.Option(
        "--withdraw-all",
        help="Treat all missing exams as withdrawn, even if none is left",
    ),
]
TaskRunner = Annotated[
    str,
    typer.Option(
        metavar="threads|dask[=ADDRESS]",
        help="Where exams are read: in threads, in a Dask cluster of processes on this machine, or "
        "on the workers of the Dask scheduler at ADDRESS",
    ),
]
Json = Annotated[bool, typer.Option("--json", help="Print the result for a program to read")]
Verbose = Annotated[bool, typer.Option("--verbose", help="Show Prefect's own log")]

DEFAULT_STORE = "lusgan-store"


Every = Annotated[
    int, typer.Option(help="Polling interval: seconds between two looks for new exams", min=10)
]
Settle = Annotated[
    int, typer.Option(help="Seconds without a change after which an exam is complete", min=1)
]
Nightly = Annotated[
    int,
    typer.Option(
        help="Hour of the nightly run, which takes up what is left; the store is checked three "
        "hours later",
        min=0,
        max=23,
    ),
]
TimeZone = Annotated[
    str, typer.Option(help="Time zone of that hour, e.g. Europe/Berlin", callback=_time_zone)
]
Notify = Annotated[
    list[str] | None,
    typer.Option(help="Notification block of the server, TYPE/NAME; may be repeated"),
]


def chosen(
    preset: str, config: list[Path] | None, settings: list[str] | None, scores: str | None
) -> RunConfig:
    """Resolve the options of a run from those of the command line.

    Args:
        preset: Name of the preset to start from.
        config: Files of options, TOML or JSON, laid over the preset; None for none.
        settings: Single options as ``NAME=VALUE``, which win over files; None for none.
        scores: Severity scores such as ``0,3``; None keeps those of preset and files.

    Returns:
        The options, complete and validated.

    Raises:
        ConfigError: An option, file, preset or score cannot be used.
    """
    from lusgan_core.config import resolve
    from lusgan_core.registry import installed

    return resolve(preset, installed(), config or (), settings or (), parse_scores(scores))


def generation(
    number: int | None, seed: int | None, formats: str | None, settings: list[str] | None = None
) -> GenerationOptions:
    """Make the options of a generation from those of the command line.

    Args:
        number: Number of frames; None for the default.
        seed: Seed of the noise; None for the default.
        formats: Exporters beside HDF5 by name, e.g. ``png,mat``; None for the default.
        settings: Single options of ``generation``, over which the others win; None for none.

    Returns:
        The options, validated.

    Raises:
        ConfigError: A value is out of bounds, an exporter is not installed or refuses its options,
            or a setting is of another section.
    """
    from lusgan_core.config import resolve
    from lusgan_core.registry import installed

    of_section(settings, "generation")
    settings = [within(text, "generation") for text in settings or ()]
    if formats is not None:
        names = [name.strip() for name in formats.split(",") if name.strip()]
        settings += [f"generation.formats={dumps(names)}"]
    settings += [f"generation.count={number}"] if number is not None else []
    settings += [f"generation.seed={seed}"] if seed is not None else []
    return resolve(DEFAULT_PRESET, installed(), settings=settings).generation


def of_section(settings: list[str] | None, section: str) -> dict[str, Any]:
    """Read single options of one section.

    Args:
        settings: Options as ``NAME=VALUE``; None for none.
        section: The section that they may be of, e.g. ``generation``, at any depth.

    Returns:
        The options below that section, nested.

    Raises:
        ConfigError: One is of another section, or not of the form NAME=VALUE.
    """
    from lusgan_core.layered_options import merge, setting

    together: dict[str, Any] = {}
    for text in settings or ():
        merge(together, setting(within(text, section)), lays_over=False)
    for part in section.split("."):
        together = together.get(part, {})
    return together


def within(text: str, section: str) -> str:
    """Put a section before ``NAME=VALUE`` where the name begins with no section of a run's options.

    Args:
        text: An option as it was given.
        section: The section, e.g. ``generation``.

    Returns:
        The option with its whole name.

    Raises:
        ConfigError: It begins with another section.
    """
    from lusgan_core.config import RunConfig

    if text.startswith(f"{section}."):
        return text
    if text.partition("=")[0].partition(".")[0].strip() in RunConfig.model_fields:
        raise ConfigError(f"--set {text!r}: this command takes options of {section} alone")
    return f"{section}.{text}"


def parse_scores(text: str | None) -> list[int] | None:
    """Read scores such as ``0,3``; None stays None. Raises ConfigError for anything but numbers."""
    if text is None:
        return None
    try:
        return [int(part) for part in text.replace(" ", ",").split(",") if part]
    except ValueError as error:
        raise ConfigError(f"--scores {text!r}: expected numbers such as 0,3") from error
