"""What the memorisation audit of one sample set found."""

from __future__ import annotations

from lusgan_core.domain import Record
from lusgan_core.evaluation.real_frame import RealFrame

SIGNIFICANCE = 0.01
"""The verdict is "copies found" where so many flagged frames would come by chance less often."""


class AuditLimit(Record):
    """Limits of both ratios, set for one rate of false alarms, and what they flag."""

    rate: float
    """Share of the frames of strangers that may be flagged."""
    features: float
    """A frame is flagged whose ratio of distances in features is below this."""
    likeness: float
    """A frame is flagged whose ratio of dissimilarities is below this."""
    false_alarms: float | None
    """Share flagged of strangers' frames by limits that are set without their patient; None where
    there is one patient alone."""
    held_out_alarms: float | None
    """The same of held-out patients' frames alone."""
    expected_rate: float
    """Share of a set without copies that is expected to be flagged: the largest of ``rate``, what
    so few frames can tell apart, and ``false_alarms``."""
    flagged: int
    """Synthetic frames that are flagged."""
    p_value: float
    """Chance that as many are flagged in a set without copies: that of the binomial test, averaged
    over the rates of false alarms that a bootstrap over patients gives."""


class Planted(Record):
    """How many planted copies of one kind the audit finds."""

    kind: str
    number: int
    found: tuple[int, ...]
    """Copies flagged, for each of the audit's limits."""
    interval: tuple[float, float]
    """Range of the share found at the last limit, 95 % (Wilson)."""
    power: tuple[float, ...]
    """Chance of the verdict "copies found" for each of the audit's ``shares`` of the set."""

    @property
    def share(self) -> float:
        """Share found at the last limit."""
        return self.found[-1] / self.number


class Suspect(Record):
    """A flagged synthetic frame, and the training frame that it may be a copy of."""

    synthetic: int
    features: float
    """Ratio of distances in features."""
    likeness: float
    """Ratio of dissimilarities."""
    real: RealFrame
    """The nearest training frame, by the ratio that lies further below its limit."""

    def beside(self, limit: AuditLimit) -> float:
        """The ratio that lies further below its limit, as a share of that."""
        pairs = ((self.features, limit.features), (self.likeness, limit.likeness))
        return min(ratio / of for ratio, of in pairs if of > 0)


class AuditRecord(Record):
    """The memorisation audit of one sample set."""

    extractor: str
    """The feature extractor, by name and eight digits of what it computes."""
    likeness: str
    """Title of the metric on pairs of frames."""
    frames: int
    """Synthetic frames that were looked at, from the first on."""
    training_frames: int
    training_patients: int
    """Those who share a clip or a frame count as one."""
    shared: int
    """Patients who share a clip or a frame with another one."""
    held_out_patients: int
    held_out_frames: int
    left_out_frames: int
    """Training frames that served as frames of strangers, compared with other patients alone; 0
    where there are less than three training patients."""
    limits: tuple[AuditLimit, ...]
    """By rising rate."""
    planted: tuple[Planted, ...]
    shares: tuple[float, ...]
    """Shares of copies in the set for which ``Planted.power`` is given."""
    suspects: tuple[Suspect, ...]
    """Frames flagged at the last limit, the worst first."""
    authentic: float
    """Share of authentic frames (Alaa et al. 2022)."""
    c_t: float | None
    """Data-copying statistic (Meehan et al. 2020); None where no cell has enough frames."""

    @property
    def p_value(self) -> float:
        """Chance of a set without copies looking like this at one of the limits (Bonferroni)."""
        return min(1.0, len(self.limits) * min(limit.p_value for limit in self.limits))

    @property
    def copies_found(self) -> bool:
        """Whether more frames are flagged than false alarms explain."""
        return self.p_value < SIGNIFICANCE

    @property
    def checked_patients(self) -> int:
        """Patients on whom false alarms were counted; 0 if there was nobody to count them on."""
        if self.limits[-1].false_alarms is None:
            return 0
        return self.held_out_patients + (self.training_patients if self.left_out_frames else 0)

    @property
    def noticed(self) -> float:
        """Chance that a set with the largest of ``shares`` of copies is noticed, mean of kinds."""
        return sum(kind.power[-1] for kind in self.planted) / len(self.planted)

    @property
    def sensitivity(self) -> float:
        """Share of all planted copies that is found at the last limit."""
        return sum(kind.found[-1] for kind in self.planted) / sum(k.number for k in self.planted)
