"""Which metrics and feature extractors an evaluation uses."""

from __future__ import annotations

from dataclasses import dataclass

from lusgan_core.api import PairMetric, SetMetric
from lusgan_core.encoder.stage import FEATURES
from lusgan_core.errors import ConfigError
from lusgan_core.evaluation.stage import EvaluationOptions
from lusgan_core.measures.pairs.results import LIKENESS
from lusgan_core.registry import Registry

AUDIT_FEATURES = ("lite0", "random")
"""Feature extractors for the memorisation audit, of which the first that is installed is used. None
has seen training patients; one that has would find every copy of them far from other frames."""


@dataclass(frozen=True)
class Choice:
    """The plugins of one evaluation."""

    pairs: tuple[PairMetric, ...]
    sets: tuple[SetMetric, ...]
    features: tuple[str, ...]
    """Names of the feature extractors on which set metrics are taken."""
    audit: str | None = None
    """Name of the feature extractor of the memorisation audit; None without an audit."""

    @property
    def metrics(self) -> tuple[PairMetric | SetMetric, ...]:
        """The metrics of both kinds."""
        return *self.pairs, *self.sets

    @property
    def plugins(self) -> tuple[tuple[str, str], ...]:
        """Kind and name of each, for the cache key."""
        metrics = [("metric", metric.name) for metric in self.metrics]
        features = dict.fromkeys((*self.features, *([self.audit] if self.audit else [])))
        return (*metrics, *(("feature", name) for name in features))

    def extractors_of(self, metric: SetMetric, options: EvaluationOptions) -> tuple[str, ...]:
        """Name the feature extractors on which a metric is taken.

        Args:
            metric: The metric.
            options: Options of the evaluation.

        Returns:
            Those that the metric is defined on, else those of the options.
        """
        return metric.features or options.features


def choose(options: EvaluationOptions, registry: Registry) -> Choice:
    """Choose the plugins that an evaluation uses.

    A likeness that is not among the metrics is added to them. Where no metric on pairs is named,
    those by which likeness is usually measured are added. An extractor that a metric is defined on
    is left out where it is not installed.

    Args:
        options: Options of the evaluation.
        registry: Installed plugins.

    Returns:
        The plugins, each once.

    Raises:
        UnknownPluginError: A metric or feature extractor that is named is not installed.
        ConfigError: The likeness is not a metric on pairs, or the LUS encoder's features are named
            where there is none, or for the audit.
    """
    names = list(options.metrics or sorted(registry.records["metric"]))
    metrics = [registry.metric(name) for name in dict.fromkeys(names)]
    pairs = [metric for metric in metrics if isinstance(metric, PairMetric)]
    sets = [metric for metric in metrics if isinstance(metric, SetMetric)]
    if options.likeness is not None:
        try:
            likeness = registry.pair_metric(options.likeness)
        except ConfigError as error:
            raise ConfigError(f"evaluation.likeness: {error}") from error
        pairs += [likeness] if likeness not in pairs else []
    elif not pairs:
        installed = registry.pair_metrics()
        pairs = [installed[name] for name in LIKENESS if name in installed]
    if FEATURES in options.features and FEATURES not in registry.records["feature"]:
        raise ConfigError(
            f"evaluation.features names {FEATURES}, the features of the LUS encoder: they are used "
            "wherever encoder.network is not none, so leave the name out"
        )
    asked = [registry.feature(name).name for name in options.features] if sets else []
    needed = [name for metric in sets for name in metric.features or asked]
    features = [name for name in dict.fromkeys(needed) if name in registry.records["feature"]]
    audit = _of_audit(options, registry) if options.audit_frames else None
    return Choice(tuple(pairs), tuple(sets), tuple(features), audit)


def _of_audit(options: EvaluationOptions, registry: Registry) -> str | None:
    """Name the feature extractor of the audit; None where none of the usual ones is installed."""
    if options.audit_features == FEATURES:
        raise ConfigError(
            f"evaluation.audit_features is {FEATURES}: the LUS encoder has seen the training "
            "patients, so it would find every frame like theirs; name another, e.g. "
            f"{AUDIT_FEATURES[0]}"
        )
    if options.audit_features is not None:
        return registry.feature(options.audit_features).name
    return next((name for name in AUDIT_FEATURES if name in registry.records["feature"]), None)


def identical_likeness(metric: PairMetric) -> float:
    """The value from which distances are counted: that of two identical frames.

    Where it depends on the frame, or is infinite, the bound on that side stands in for it.

    Raises ConfigError where that is infinite, too.
    """
    bound = metric.bounds[1 if metric.better == "higher" else 0]
    for value in (metric.identical, bound):
        if abs(value) < float("inf"):  # neither infinite nor NaN
            return value
    raise ConfigError(
        f"evaluation.likeness is {metric.name!r}, which has no finite value for identical frames: "
        "name a metric that has one, e.g. ssim"
    )
