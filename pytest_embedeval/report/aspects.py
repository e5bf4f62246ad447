"""The sides on which a model is looked at as a whole, each as a number from 0 (chance) to 1 (nothing left to gain)."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from statistics import fmean
from typing import TYPE_CHECKING

from pytest_embedeval.gate import PRIMARY

if TYPE_CHECKING:
    from pytest_embedeval.report.schema import Report

NORMALISATION = "0 is chance, 1 a perfect score: (score - chance) / (1 - chance)"


@dataclass(frozen=True)
class Aspect:
    """A suite, seen through the metric that decides its comparisons.

    Attributes
    ----------
    chance
        What a model that knows nothing scores.
    """

    suite: str
    title: str
    chance: float = 0.0

    @property
    def metric(self) -> str:
        """What it is told by unless a run marks another as primary."""
        return PRIMARY[self.suite]

    def takes(self, metric: str) -> bool:
        """Whether it can be told by a metric: one of search, or a part of its own, which have the same chance."""
        return self.suite == "retrieval" or metric.startswith(self.metric)

    def normalised(self, value: float) -> float:
        """Return a score in which 0 is chance and 1 a perfect one; below chance it is negative."""
        return (value - self.chance) / (1 - self.chance)


ASPECTS: Mapping[str, Aspect] = {
    aspect.suite: aspect
    for aspect in (
        Aspect("retrieval", "search"),
        Aspect("robustness", "queries typed otherwise"),
        Aspect("crosslingual", "two languages"),
        Aspect("morphology", "word forms", chance=0.5),
        Aspect("triplets", "random negatives", chance=0.5),
        Aspect("confusions", "minimal pairs", chance=0.5),
        Aspect("similarity", "sentence pairs"),
    )
}


def places(report: Report, suite: str) -> dict[str, str]:
    """Return data set -> the metric that tells a suite there, for those on which most models were measured."""
    told = _told_by(report, suite)
    count = Counter(dataset for _, dataset, _ in _values(report, suite, told))
    return {dataset: told[dataset] for dataset, number in count.items() if number == max(count.values())}


def aspect_scores(report: Report, suite: str) -> dict[str, float]:
    """Return alias -> the mean over these data sets, from 0 (chance) to 1, of the models measured on all of them."""
    aspect, wanted = ASPECTS[suite], places(report, suite)
    found: dict[str, list[float]] = {}
    for alias, _, value in _values(report, suite, wanted):
        found.setdefault(alias, []).append(aspect.normalised(value))
    return {alias: fmean(values) for alias, values in found.items() if len(values) == len(wanted)}


def _told_by(report: Report, suite: str) -> dict[str, str]:
    """Return data set -> the first metric that the run marks as primary there, else the suite's own."""
    aspect, rows = ASPECTS[suite], [row for row in report.measurements if row.suite == suite]
    marked = {row.dataset: row.metric for row in reversed(rows) if row.primary and aspect.takes(row.metric)}
    return {row.dataset: aspect.metric for row in rows} | marked


def _values(report: Report, suite: str, told: Mapping[str, str]) -> Iterator[tuple[str, str, float]]:
    """Yield (alias, data set, value) of the metrics that tell a suite."""
    for row in report.measurements:
        if row.suite == suite and row.metric == told.get(row.dataset) and row.value is not None:
            yield row.model, row.dataset, row.value
