"""A study of usefulness: folds by patient, GANs and classifiers in each, and what came of it.

Each part is a call of a stage, so a study that is stopped goes on where it was, and ends in the
same table. The GANs of a fold are trained and looked up like any others; none of them is promoted.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from importlib.util import find_spec
from pathlib import Path

from lusgan_core.calls.call import StageCall, data_of, lookup
from lusgan_core.calls.provenance import Manifest, digest_json
from lusgan_core.calls.section import plural
from lusgan_core.classification import stage as classify
from lusgan_core.classification.stage import TITLES, Arm, real_frames, synthetic_frames
from lusgan_core.config import RunConfig
from lusgan_core.domain import ExamRecord, Rejection
from lusgan_core.errors import ConfigError, LeaseError, LusganError, WeightsLostError
from lusgan_core.generation import stage as generate
from lusgan_core.ingestion.agreement import agreements
from lusgan_core.ingestion.discover import Discovery
from lusgan_core.pipeline.chain import NewError, Peek, all_rejections, healing, prepare
from lusgan_core.pipeline.runner import OF_ONE_SCORE, Runner
from lusgan_core.preprocessing.stage import ExamShards
from lusgan_core.progress import Task, track
from lusgan_core.registry import Registry
from lusgan_core.reporting.wording import duration
from lusgan_core.selection import stage as select
from lusgan_core.selection.sides_file import read_folds
from lusgan_core.selection.stage import ScoreDataset, SelectionOptions
from lusgan_core.store import Store
from lusgan_core.training import stage as train
from lusgan_core.usefulness import stage as useful
from lusgan_core.usefulness.folds import ENOUGH, fold_patients
from lusgan_core.usefulness.stage import Raters, StudyRecord


@dataclass
class Study:
    """What came of a study."""

    exams: int
    manifest: Manifest
    clips: int = 0
    rejected: tuple[Rejection, ...] = ()
    healed: tuple[str, ...] = ()
    """What was found damaged on the way, and was made again."""

    @property
    def record(self) -> StudyRecord:
        """Its verdict and table."""
        return data_of(self.manifest, StudyRecord)


@dataclass
class _Plan:
    """Who is judged in which fold, of which scores, by classifiers trained on what."""

    folds: dict[str, int]
    """Patient -> fold."""
    scores: tuple[int, ...]
    arms: tuple[Arm, ...]
    notes: list[str]
    folder: str = ""


@dataclass
class _Fold:
    """One fold: its frames, and what its GANs are to make."""

    number: int
    datasets: dict[int, Manifest]
    counts: dict[int, int]
    """Score -> real frames that classifiers are trained on."""
    trainings: dict[int, StageCall] = field(default_factory=dict)
    samples: dict[int, Manifest] = field(default_factory=dict)


def run_study(runner: Runner, found: Discovery, config: RunConfig, registry: Registry) -> Study:
    """Find out whether synthetic frames help, on the patients of these exams.

    A score that has no GAN in a fold gets no synthetic frames there, and the study goes on and says
    so.

    Args:
        runner: Makes the calls.
        found: The exams.
        config: Options of every stage; ``selection.held_out`` does not count, everyone is judged.
        registry: Registry with the plugins that the options name.

    Returns:
        The result.

    Raises:
        ConfigError: Patients or scores are too few, or the file of folds cannot be used.
        DamagedError: What was made again is damaged once more.
        LeaseError: Another process trains one of the GANs.
        WeightsLostError: A GAN is damaged, and has to be trained again, which nobody has asked for.
        StoreError: The store cannot be read or written.
    """
    study, healed = healing(lambda: _once(runner, found, config, registry))
    study.healed = healed
    return study


def peek_study(
    store: Store, found: Discovery, config: RunConfig, registry: Registry
) -> Study | None:
    """Look up whether a study has nothing left to do; makes and writes nothing.

    Args:
        store: Store with earlier results.
        found: The exams.
        config: Options of every stage.
        registry: Registry with the plugins that the options name.

    Returns:
        The study if all was done before; None if anything is left to do.
    """
    try:
        return run_study(Peek(store), found, config, registry)
    except NewError:
        return None


def _once(runner: Runner, found: Discovery, config: RunConfig, registry: Registry) -> Study:
    ingested, preprocessed = prepare(runner, found, config, registry)
    plan = _planned(preprocessed, config)
    folds = [
        _fold(runner, preprocessed, number, plan, config, registry)
        for number in sorted(set(plan.folds.values()))
    ]
    options = config.usefulness
    gans = sum(len(fold.trainings) for fold in folds)
    classifiers = len(folds) * len(plan.arms) * options.seeds
    judged: list[Manifest] = []
    with track("study", gans + classifiers, "trainings") as task:
        task.say(f"{len(folds)} folds: {gans} GANs and {classifiers} classifiers")
        clock = _Clock(task, gans, classifiers)
        for fold in folds:
            _generate(runner, fold, plan, config, registry, clock)
            for arm in plan.arms:
                if arm == "synthetic-only" and not fold.samples:
                    plan.notes.append(f"fold {fold.number + 1}: {TITLES[arm]}: there are none")
                    continue
                for seed in range(options.seed, options.seed + options.seeds):
                    call = classify.call(
                        [fold.datasets[score] for score in plan.scores],
                        fold.samples,
                        options,
                        arm=arm,
                        fold=fold.number,
                        seed=seed,
                        folder=plan.folder,
                    )
                    new = lookup(call, runner.store) is None
                    judged.append(runner.one(call))
                    clock.classified(judged[-1], new)
    exams = [data_of(manifest, ExamRecord) for manifest in ingested]
    call = useful.call(
        judged,
        options,
        configuration=useful.configuration(config.preprocessing, config.training),
        raters=_raters(exams),
        notes=plan.notes,
        folder=plan.folder,
    )
    return Study(
        exams=len(found.exams),
        manifest=runner.one(call),
        clips=sum(m.counts["shards"] for m in preprocessed),
        rejected=all_rejections(found, ingested, preprocessed),
    )


def _planned(preprocessed: Sequence[Manifest], config: RunConfig) -> _Plan:
    """Decide on scores, folds and arms; raises ConfigError where nothing can be studied."""
    options, notes = config.usefulness, []
    shown: dict[str, set[int]] = {}
    for manifest in preprocessed:
        for shard in data_of(manifest, ExamShards).shards:
            shown.setdefault(shard.patient, set()).update(set(shard.by_score) & set(config.scores))
    by_score = {s: sum(s in own for own in shown.values()) for s in sorted(config.scores)}
    scores = tuple(score for score, count in by_score.items() if count >= ENOUGH)
    patients = {code: own & set(scores) for code, own in shown.items() if own & set(scores)}
    if len({code for code, own in shown.items() if own}) < ENOUGH:
        raise ConfigError(
            f"a study takes {ENOUGH} patients with scored frames at least, one to learn from while "
            f"the other is judged; there {'is 1' if any(shown.values()) else 'is none'}: add exams"
        )
    if len(scores) < ENOUGH:
        raise ConfigError(
            f"a study takes {ENOUGH} scores that {ENOUGH} patients show; patients by score: "
            + ", ".join(f"{score}: {count}" for score, count in by_score.items())
        )
    notes += [
        f"score {score} is left out: {plural(count, 'patient')} with it, and it takes {ENOUGH}"
        for score, count in by_score.items()
        if score not in scores
    ]
    if config.selection.sides:
        folds = _told_folds(Path(config.selection.sides), set(patients))
    else:
        count = min(options.folds, len(patients))
        if count < options.folds:
            notes.append(f"{options.folds} folds of {len(patients)} patients: one patient a fold")
        folds = fold_patients(patients, count, options.seed)
    arms = options.arms
    if "augmented" in arms and find_spec("torchvision") is None:
        arms = tuple(arm for arm in arms if arm != "augmented")
        notes.append(
            f"{TITLES['augmented']}: left out, torchvision is not installed: "
            "pip install 'lusgan[inception]'"
        )
    split = digest_json([sorted(m.cache_key for m in preprocessed), sorted(folds.items())])
    return _Plan(folds, scores, arms, notes, f"{useful.FOLDER}{split[:8]}")


def _told_folds(path: Path, patients: set[str]) -> dict[str, int]:
    """Folds of a user's file, which must name every patient."""
    told = read_folds(path)
    missing = len(patients - told.keys())
    if missing:
        raise ConfigError(
            f"{path} does not say the fold of {missing} of {len(patients)} patients: a study "
            "judges each of them once"
        )
    folds = {code: told[code] for code in patients}
    if len(set(folds.values())) < ENOUGH:
        raise ConfigError(f"{path} puts all patients into one fold: a study takes {ENOUGH}")
    return folds


def _fold(
    runner: Runner,
    preprocessed: Sequence[Manifest],
    number: int,
    plan: _Plan,
    config: RunConfig,
    registry: Registry,
) -> _Fold:
    """Select a fold's frames, and make the calls for the GANs that it takes."""
    told = {code: own == number for code, own in plan.folds.items()}
    chosen = SelectionOptions(validation=config.selection.validation, seed=config.selection.seed)
    datasets = {
        score: runner.one(select.call(preprocessed, score, chosen, told, f"{plan.folder}/datasets"))
        for score in plan.scores
    }
    data = {score: data_of(made, ScoreDataset) for score, made in datasets.items()}
    fold = _Fold(number, datasets, real_frames(data, config.usefulness))
    sizes = config.preprocessing
    for score, count in fold.counts.items():
        if not count:
            plan.notes.append(
                f"fold {number + 1}: all patients with score {score} are in it, so classifiers do "
                "not learn it, and its frames are judged wrong"
            )
        if not count or not any(score in synthetic_frames(a, fold.counts) for a in plan.arms):
            continue
        try:
            train.check_enough(data[score], config.training)
        except OF_ONE_SCORE as error:
            plan.notes.append(_without(fold, score, error))
            continue
        fold.trainings[score] = train.call(
            datasets[score], config.training, sizes.image_size, sizes.channels, registry
        )
    return fold


def _generate(
    runner: Runner,
    fold: _Fold,
    plan: _Plan,
    config: RunConfig,
    registry: Registry,
    clock: _Clock,
) -> None:
    """Train a fold's GANs and make as many frames as any arm takes of each."""
    most = max(fold.counts.values())
    for score, call in fold.trainings.items():
        new = lookup(call, runner.store) is None
        made = runner.trainings({score: call})[score]
        clock.trained(made, new)
        if isinstance(made, LeaseError | WeightsLostError):
            raise made  # the GAN can be had: a verdict without its frames would be another
        if isinstance(made, LusganError):
            plan.notes.append(_without(fold, score, made))
            continue
        options = generate.GenerationOptions(
            count=2 * most - fold.counts[score],
            seed=config.generation.seed,
            formats=(),
            batch_size=config.generation.batch_size,
        )
        try:
            fold.samples[score] = runner.one(generate.call(made, options, registry))
        except OF_ONE_SCORE as error:
            plan.notes.append(_without(fold, score, error))


def _without(fold: _Fold, score: int, error: LusganError) -> str:
    return f"fold {fold.number + 1}: score {score} gets no synthetic frames: {error}"


def _raters(exams: Sequence[ExamRecord]) -> list[Raters]:
    """How far raters of these clips agree, where there are several."""
    pairs = agreements(clip.files for exam in exams for clip in exam.clips)
    return [Raters(names=pair.raters, clips=pair.rows, kappa=pair.kappa) for pair in pairs]


@dataclass
class _Clock:
    """Says how long a study will take, by its first GAN and its first classifier."""

    task: Task
    gans: int
    classifiers: int
    _said: set[str] = field(default_factory=set)

    def trained(self, made: Manifest | LusganError, new: bool) -> None:
        """Count a GAN."""
        self.gans -= 1
        self._count(made, new, "GAN", self.gans)

    def classified(self, made: Manifest, new: bool) -> None:
        """Count a classifier."""
        self.classifiers -= 1
        self._count(made, new, "classifier", self.classifiers)

    def _count(self, made: Manifest | LusganError, new: bool, what: str, left: int) -> None:
        self.task.advance()
        seconds = made.timings_s.get("total") if isinstance(made, Manifest) else None
        if new and seconds and left and what not in self._said:
            self._said.add(what)
            self.task.say(
                f"the first {what} took {duration(seconds)}: {left} more take about "
                f"{duration(seconds * left)}"
            )
