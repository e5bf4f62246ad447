"""What a report says: measurements, and judgements of them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

State = Literal["pass", "fail", "inconclusive", "error"]
RuleName = Literal["min", "max", "baseline", "against"]
Policy = Literal["observed", "strict", "proven"]
Change = Literal["non-inferior", "improved", "regressed", "inconclusive"]

POLICIES: tuple[Policy, ...] = ("observed", "strict", "proven")


@dataclass(frozen=True)
class Measurement:
    """One number of a report: a metric of a model on a data set, with its interval.

    Attributes
    ----------
    value
        None where it is not a finite number.
    n
        Queries, items or documents it rests on.
    low, high
        One-sided 95 % bounds of the mean; None where the metric has no score per query.
    worst, best
        The value in the worst and the best order of tied documents; None where no tie touches it.
    primary
        It decides comparisons, by the configuration of the run.
    """

    model: str
    suite: str
    dataset: str
    metric: str
    value: float | None
    n: int
    low: float | None = None
    high: float | None = None
    worst: float | None = None
    best: float | None = None
    primary: bool = False


@dataclass(frozen=True)
class Verdict:
    """One judgement of a report: a rule applied to a measurement.

    Attributes
    ----------
    bound
        The threshold, or the value of the reference.
    delta
        Value minus bound; for a comparison the mean of the paired differences.
    low, high
        One-sided 95 % bounds: of the mean for a threshold, of the mean difference for a comparison.
    n, differ
        Queries (or clusters of queries) judged, and how many of them changed.
    reference
        Alias that a comparison is made with.
    change
        What the interval of a comparison shows; None for a threshold.
    slice
        The part of the queries it is about (`category=kalp`); None for all.
    advisory
        It informs and decides nothing.
    """

    model: str
    suite: str
    dataset: str
    metric: str
    rule: RuleName
    value: float | None
    bound: float | None
    state: State
    reason: str
    delta: float | None = None
    low: float | None = None
    high: float | None = None
    n: int | None = None
    differ: int | None = None
    reference: str | None = None
    change: Change | None = None
    slice: str | None = None
    advisory: bool = False

    @property
    def blocks(self) -> bool:
        """Whether the model must not pass."""
        return not self.advisory and self.state in ("fail", "error")
