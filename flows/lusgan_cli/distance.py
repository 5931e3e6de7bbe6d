"""``lusgan distance``: how far the images of one folder are from those of another, as sets."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from lusgan_cli import options
from lusgan_cli.console import err, out, print_json, progress_shown, visible
from lusgan_core.errors import ConfigError

if TYPE_CHECKING:
    from lusgan_core.measured import Measured
    from lusgan_core.pipeline.set_distances import SetDistances
    from lusgan_core.registry import Registry


def distance(
    a: Annotated[
        Path,
        typer.Argument(
            metavar="A",
            help="Real frames: a folder of images (as for `lusgan pairs`), or an .npy, .mat or "
            "shard file",
        ),
    ],
    b: Annotated[Path, typer.Argument(metavar="B", help="The frames that are held against them")],
    groups: Annotated[
        Path | None,
        typer.Option(
            metavar="CSV",
            help="Whose each image is: columns `file,patient` or `file,patient,clip`, files as "
            "they lie in A (or in B). Gives the floor, and leaves out pairs of one patient or clip",
        ),
    ] = None,
    features: Annotated[
        str, typer.Option(help="Feature extractors, e.g. `lite0,random`")
    ] = "lite0,random",
    metrics: Annotated[
        str, typer.Option(help="E.g. `kid,fid`, or `all` that are installed")
    ] = "all",
    frames: Annotated[
        int, typer.Option(min=2, help="Largest number of frames a side, spread over all of them")
    ] = 1000,
    settings: Annotated[
        list[str] | None,
        typer.Option(
            "--set",
            metavar="OPTION=VALUE",
            help="An option of a feature extractor, such as its file of weights: "
            "`--set evaluation.feature_options.NAME.OPTION=VALUE`; may be repeated",
        ),
    ] = None,
    device: Annotated[str, typer.Option(help="`cpu`, `cuda`, or `auto`")] = "auto",
    json: options.Json = False,
) -> None:
    """Measure how far the images of B are from those of A: KID, FID, precision, recall ...

    Beside each distance stand its floor (random halves of A's patients, where they are known), its
    range with other patients, and the distance of white noise.
    """
    from lusgan_core.measures.pairs.engines import check_device
    from lusgan_core.pipeline.frame_groups import FrameGroups, read_groups
    from lusgan_core.pipeline.image_sets import load_frames
    from lusgan_core.pipeline.set_distances import compare_folders
    from lusgan_core.registry import installed

    registry = installed()
    names = _named(metrics, "--metrics")
    if "all" in names:
        names = list(registry.set_metrics())
    chosen = [registry.set_metric(name) for name in names]
    extractors = [registry.feature(name) for name in _named(features, "--features")]
    own = _feature_options([extractor.name for extractor in extractors], settings, registry)
    first, second = (load_frames(path, lambda line: err.print(visible(line))) for path in (a, b))
    known = FrameGroups(), FrameGroups()
    if groups is not None:
        known = read_groups(groups, a, first.names or (), b, second.names or ())
    with progress_shown():
        found = compare_folders(
            first,
            second,
            known,
            chosen,
            extractors,
            feature_options=own,
            most=frames,
            device=check_device(device),
        )
    if not found.values:
        reasons = "; ".join(f"{title} {reason}" for title, reason in found.absent.items())
        raise ConfigError(f"no distance could be taken: {reasons}")
    if json:
        values = [value.model_dump(mode="json") for value in found.values]
        print_json({"frames": found.frames, "values": values, "absent": found.absent})
    else:
        _show(found, grouped=bool(known[0].patients))


def _feature_options(
    names: list[str], settings: list[str] | None, registry: Registry
) -> dict[str, dict[str, Any]]:
    """Options of the extractors that have some, with their defaults, checked."""
    from lusgan_core.evaluation.stage import EvaluationOptions
    from lusgan_core.plugin_options import with_metrics

    given = options.of_section(settings, "evaluation.feature_options")
    asked = EvaluationOptions(features=tuple(names), feature_options=given)
    return with_metrics(asked, registry).feature_options


def _named(text: str, option: str) -> list[str]:
    names = [name.strip() for name in text.split(",") if name.strip()]
    if not names:
        raise ConfigError(f"{option} names nothing: expected names with commas between them")
    return list(dict.fromkeys(names))


def _show(found: SetDistances, grouped: bool) -> None:
    from lusgan_core.evaluation.distances_section import agreement_in_words

    by_extractor: dict[str, list[Measured]] = {}
    for value in found.values:
        by_extractor.setdefault(value.metric.rpartition("/")[2], []).append(value)
    for extractor, values in by_extractor.items():
        _show_table(extractor, values)
    for title, reason in found.absent.items():
        out.print(f"[yellow]{visible(title)} is absent:[/] {visible(reason)}")
    if agreement := agreement_in_words(found.values):
        out.print(visible(agreement))
    if not grouped:
        err.print("without --groups every frame counts as a patient of its own: no floor, no range")
    err.print(f"{found.frames:,} frames a side")


def _show_table(extractor: str, values: list[Measured]) -> None:
    """Print the distances on the features of one extractor; arrows say which way is more alike."""
    from rich.table import Table

    table = Table(box=None, header_style="bold", pad_edge=False)
    table.add_column(f"on {extractor}", no_wrap=True)
    for heading in ("value", "5% to 95%", "floor", "5% to 95%", "noise"):
        table.add_column(heading, justify="right")
    for value in values:
        title = value.title.removesuffix(f" ({extractor})")
        arrow = "↑" if value.better == "higher" else "↓"
        table.add_row(visible(f"{title} {arrow}"), *_cells(value))
    out.print(table)


def _cells(value: Measured) -> list[str]:
    ranges = (value.interval, value.floor_range)
    interval, floor_range = ("-" if r is None else f"{r[0]:.3g} to {r[1]:.3g}" for r in ranges)
    numbers = (value.value, value.floor, value.ceilings.get("noise"))
    own, floor, noise = ("-" if n is None else f"{n:.3g}" for n in numbers)
    return [own, interval, floor, floor_range, noise]
