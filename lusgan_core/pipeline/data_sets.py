"""Data sets for classifiers from a store's current models: exported, or made to balance a set.

A *balance* gives every score of a training set as many frames as the one that has most, with
synthetic frames of the score's current model; its plan says how many of which, and why.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from lusgan_core.calls.call import data_of
from lusgan_core.calls.provenance import Manifest
from lusgan_core.calls.section import plural
from lusgan_core.domain import SCORES, Record
from lusgan_core.errors import ConfigError
from lusgan_core.evaluation.audit import section as audit_words
from lusgan_core.evaluation.stage import EvaluationRecord
from lusgan_core.exporting.card import ModelTold, Told
from lusgan_core.exporting.data_set import Order, write_data_set
from lusgan_core.exporting.key import patient_letters
from lusgan_core.exporting.parts import Part, real_parts, synthetic_part
from lusgan_core.exporting.record import ExportRecord, keep
from lusgan_core.exporting.splits import splits
from lusgan_core.generation.copy_out import check_empty
from lusgan_core.generation.stage import GenerationOptions
from lusgan_core.pipeline import index
from lusgan_core.pipeline.models import ListedModel, known_score, list_models
from lusgan_core.pipeline.runner import Runner
from lusgan_core.pipeline.sampling import choose_model, sample
from lusgan_core.registry import Registry
from lusgan_core.selection.stage import ScoreDataset
from lusgan_core.store import Store
from lusgan_core.store.base import key_part


class Wanted(Record):
    """Synthetic frames of one score that are to be made."""

    score: int
    have: int = 0
    """Frames of this score that there are on the training side."""
    count: int
    """Synthetic frames to make."""
    why: str = ""
    model: ListedModel | None = None
    """The model to make them; None where none is to be made, or there is none."""
    lacking: str = ""
    """Why there is no model; empty if there is one, or none is needed."""


@dataclass(frozen=True)
class Request:
    """How a data set is to be written."""

    format: str
    """Name of the exporter."""
    seed: int = 7
    include_real: bool = False
    licence: str = ""


def plan_balance(
    store: Store,
    scores: Sequence[int] = SCORES,
    have: Mapping[int, int] | None = None,
    target: int | None = None,
) -> tuple[Wanted, ...]:
    """Work out what a training set lacks; nothing is generated.

    Args:
        store: Store with datasets and models.
        scores: Severity scores to fill up.
        have: Score -> frames of the training set; None for the frames of training patients in the
            newest dataset of each score in the store.
        target: Frames that each score is to have; None for as many as the largest has.

    Returns:
        What would be made, for each of the scores.

    Raises:
        UnknownNameError: There is no such score.
        ConfigError: The store holds no dataset, and ``have`` is not given.
    """
    for score in (*scores, *(have or ())):
        known_score(score)
    where = "in the given training set"
    patients: dict[int, int] = {}
    if have is None:
        where = "on the training side"
        newest = newest_datasets(store)
        if not newest:
            raise ConfigError(
                "the store holds no dataset: name its store with --store, or tell the frames of "
                "your training set with --have, e.g. --have 0=900,3=120"
            )
        have = {score: data.training_frames for score, data in newest.items()}
        patients = {s: len({c.patient for c in d.training}) for s, d in newest.items()}
    most = max(have.values(), default=0) if target is None else target
    return tuple(_wanted(store, s, have.get(s, 0), most, where, patients) for s in scores)


def _wanted(
    store: Store, score: int, have: int, target: int, where: str, patients: Mapping[int, int]
) -> Wanted:
    count = max(0, target - have)
    of = f" of {plural(patients[score], 'patient')}" if score in patients else ""
    why = f"{plural(have, 'frame')}{of} {where}, {target:,} wanted"
    if not count:
        return Wanted(score=score, have=have, count=0, why=why)
    model, lacking = None, ""
    try:
        model = choose_model(store, score, "")
    except ConfigError as error:
        lacking = str(error)
    return Wanted(score=score, have=have, count=count, why=why, model=model, lacking=lacking)


def wanted_frames(
    store: Store, scores: Sequence[int], number: int, names: Iterable[str] = ()
) -> tuple[Wanted, ...]:
    """Choose models to take the same number of frames from each.

    Args:
        store: Store with the models.
        scores: Scores whose current models are taken; those without one are left out where
            ``scores`` is every score.
        number: Frames of each model; 0 for none.
        names: Names of models, or their ends, to take in place of the current ones.

    Returns:
        What is to be made.

    Raises:
        UnknownNameError: There is no such score or model.
        ConfigError: There is no model to take.
    """
    for score in scores:
        known_score(score)
    if not number:
        return ()
    models = [choose_model(store, None, name) for name in names]
    if not models:
        current = {m.score for m in list_models(store) if m.state == "current"}
        every = set(scores) == set(SCORES) and bool(current)
        chosen = [score for score in scores if score in current or not every]
        models = [choose_model(store, score, "") for score in chosen]
    twice = next((m.score for m in models if [o.score for o in models].count(m.score) > 1), None)
    if twice is not None:
        raise ConfigError(f"two models of score {twice} are named: name one of each score")
    ordered = sorted(models, key=lambda model: model.score)
    return tuple(Wanted(score=m.score, count=number, model=m) for m in ordered)


def export_data_set(
    runner: Runner,
    store: Store,
    folder: Path,
    wanted: Sequence[Wanted],
    request: Request,
    registry: Registry,
    scores: Sequence[int] = SCORES,
) -> ExportRecord:
    """Generate what is wanted and write it as a data set.

    Args:
        runner: Makes the calls.
        store: Store with models and datasets; it keeps a record of the data set, and the key of
            patients' letters.
        folder: New or empty folder.
        wanted: Synthetic frames, from ``plan_balance`` or ``wanted_frames``.
        request: Format, seed, and whether real frames are put beside them.
        registry: Installed plugins.
        scores: Scores of real frames.

    Returns:
        What was written.

    Raises:
        ConfigError: A score that lacks frames has no model, the folder is not empty, there is
            nothing to export, or the datasets' splits differ.
        UnknownPluginError: The exporter is not installed.
        PluginError: It failed.
        StoreError: Something in the store is missing or damaged.
    """
    check_empty(folder)
    exporter = registry.exporter(request.format)
    for want in wanted:
        if want.lacking:
            raise ConfigError(f"{want.lacking}; or leave score {want.score} out with --scores")
    taken = [(want, want.model) for want in wanted if want.model is not None and want.count]
    newest = newest_datasets(store)
    datasets = [newest[score] for score in sorted(newest)]
    for _, model in taken:
        _check_unseen(store, model, datasets)
    letters = patient_letters(
        store, {clip.patient for data in datasets for clip in (*data.training, *data.held_out)}
    )
    table = splits(datasets, letters)
    parts: list[Part] = []
    if request.include_real:
        real = [data for data in datasets if data.score in scores]
        parts += [part for data in real for part in real_parts(data, letters)]
    told = []
    for want, model in taken:
        options = GenerationOptions(count=want.count, seed=request.seed, formats=())
        made = sample(runner, store, model, options, registry)
        trained = Manifest.model_validate_json(store.get(model.manifest))
        parts.append(synthetic_part(made, trained, model.state, want.why))
        told.append(_model_told(store, model))
    order = Order(
        exporter=exporter,
        options=exporter.options(),
        provider=registry.provider_of(f"exporter/{exporter.name}"),
        splits=table,
        told=Told(
            models=tuple(told),
            date=max((m.created.date().isoformat() for _, m in taken if m.created), default=""),
            licence=request.licence,
        ),
    )
    parts.sort(key=lambda part: (part.samples.side, part.samples.synthetic), reverse=True)
    record = write_data_set(store, folder, parts, order)
    shards = {clip.key for part in parts for clip in part.clips}
    keep(store, record, {part.folder for part in parts if part.folder}, shards)
    return record


def newest_datasets(store: Store) -> dict[int, ScoreDataset]:
    """The newest dataset of each score that has one."""
    found = sorted(index.datasets(store), key=lambda pair: _time(pair[0]))
    return {data.score: data for _, data in found}


def _check_unseen(store: Store, model: ListedModel, datasets: Iterable[ScoreDataset]) -> None:
    """Raise ConfigError where a model was trained on a patient whom the newest split holds out.

    So it does where nothing says what the model was trained on.
    """
    held = {key_part(clip.patient) for data in datasets for clip in data.held_out}
    seen = index.seen_shards(store, model.folder)
    if seen is None or held & {key.split("/")[1] for key in seen}:
        raise ConfigError(
            f"model {model.model} of score {model.score} was trained on a patient whom the newest "
            "dataset holds out: its frames would leak into the test side; train it again with "
            "`lusgan run`, or name another model"
        )


def _model_told(store: Store, model: ListedModel) -> ModelTold:
    folder = f"evaluations/score-{model.score}/{model.model}/"
    made = [m for m in index.manifests(store, folder) if m.stage == "evaluate"]
    record = data_of(max(made, key=_time), EvaluationRecord) if made else None
    audit: tuple[str, ...] = ()
    if record is not None and record.audit is not None:
        audit = (audit_words.verdict(record.audit), audit_words.calibration(record.audit))
    return ModelTold(
        score=model.score,
        model=model.model,
        state=model.state,
        frames=model.frames,
        patients=model.patients,
        iterations=model.iterations,
        held_back=model.held_back,
        values=record.values if record else (),
        audit=audit,
    )


def _time(manifest: Manifest) -> float:
    return manifest.created.timestamp() if manifest.created else 0.0
