"""The sides on which a model is looked at as a whole, each as a number from 0 (chance) to 1 (nothing left to gain)."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from statistics import fmean
from typing import TYPE_CHECKING

from pytest_embedeval.gate import PRIMARY, Measurement

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
        """The metric it is told by."""
        return PRIMARY[self.suite]

    def is_told_by(self, row: Measurement) -> bool:
        """Whether a measurement is the one that tells it."""
        return (row.suite, row.metric) == (self.suite, self.metric)

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


def places(report: Report, suite: str) -> list[str]:
    """Return the data sets on which most models of a suite were measured."""
    rows = [row for row in report.measurements if ASPECTS[suite].is_told_by(row) and row.value is not None]
    count = Counter(row.dataset for row in rows)
    return [dataset for dataset, number in count.items() if number == max(count.values())]


def aspect_scores(report: Report, suite: str) -> dict[str, float]:
    """Return alias -> the mean over these data sets, from 0 (chance) to 1, of the models measured on all of them."""
    aspect, wanted = ASPECTS[suite], places(report, suite)
    found: dict[str, dict[str, float]] = {}
    for row in report.measurements:
        if row.dataset in wanted and row.value is not None and aspect.is_told_by(row):
            found.setdefault(row.model, {})[row.dataset] = aspect.normalised(row.value)
    return {alias: fmean(values.values()) for alias, values in found.items() if len(values) == len(wanted)}
