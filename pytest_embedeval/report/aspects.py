"""The sides on which a model is looked at as a whole, each as a number from 0 (chance) to 1 (nothing left to gain)."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from statistics import fmean
from typing import TYPE_CHECKING

from pytest_embedeval.gate import PRIMARY, Measurement

if TYPE_CHECKING:
    from pytest_embedeval.report.schema import Report

NORMALISATION = "0 is chance, 1 a perfect score: (score - chance) / (1 - chance), and never below 0"


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
        """Return a score between 0, chance, and 1."""
        return max(0.0, value - self.chance) / (1 - self.chance)


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


def aspect_scores(report: Report, aliases: Iterable[str]) -> Iterator[tuple[Aspect, dict[str, float]]]:
    """Yield each aspect that was measured, and alias -> normalised score: the mean over the data sets of its suite.

    A data set counts where all models that have scores in the suite were measured on it.
    """
    wanted = set(aliases)
    for aspect in ASPECTS.values():
        found: dict[str, dict[str, float]] = {}
        for row in report.measurements:
            if row.model in wanted and row.value is not None and aspect.is_told_by(row):
                found.setdefault(row.dataset, {})[row.model] = aspect.normalised(row.value)
        models = {alias for scores in found.values() for alias in scores}
        common = [scores for scores in found.values() if scores.keys() == models]
        if common:
            yield aspect, {alias: fmean(scores[alias] for scores in common) for alias in sorted(models)}
