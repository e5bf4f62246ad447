"""Scores of one model on one data set: a value per metric and, where it has one, a score per query or item."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import numpy as np

from pytest_embedeval.errors import UsageError, did_you_mean
from pytest_embedeval.findings import Finding

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from pytest_embedeval.retrieval.approximate import IndexFacts
    from pytest_embedeval.vectors import EncodedList


@dataclass(frozen=True)
class Measured:
    """One metric.

    Attributes
    ----------
    each
        Score of each query, pair, item or document, float64 array [n]; None for a score of the whole.
    value
        The score; the mean of `each` unless the metric is defined otherwise.
    ids
        What each row of `each` is; as long as it.
    n
        What the value rests on.
    bounds
        Lowest and highest possible score of one row, for the interval.
    worst, best
        The value in the worst and the best order of tied documents; None where no tie touches it.
    """

    value: float
    n: int
    each: NDArray[np.float64] | None = None
    ids: Sequence[str] = ()
    bounds: tuple[float, float] = (0.0, 1.0)
    worst: float | None = None
    best: float | None = None

    @classmethod
    def mean_of(
        cls, each: NDArray[np.float64], ids: Sequence[str], bounds: tuple[float, float] = (0.0, 1.0)
    ) -> Measured:
        """Make the score that is the arithmetic mean of its rows."""
        return cls(float(each.mean()), len(each), each, ids, bounds)


class Score(float):
    """A score that remembers what it is the score of, so that a failed `assert` can say so."""

    metric: str
    model: str
    dataset: str
    n: int

    def __new__(cls, value: float, metric: str = "", model: str = "", dataset: str = "", n: int = 0) -> Score:
        """Make a float with a label."""
        score = super().__new__(cls, value)
        score.metric, score.model, score.dataset, score.n = metric, model, dataset, n
        return score

    @property
    def label(self) -> str:
        """What the number is, in words."""
        return f"{self.metric} of {self.model} on {self.dataset} (n = {self.n})"


@dataclass(frozen=True)
class Scores:
    """What one suite found for one model on one data set.

    `scores["mrr@10"]` is the mean; `scores.measured["mrr@10"].each` has one score per query.

    Attributes
    ----------
    fingerprint
        Of the data set.
    parameters
        What the scores depend on beside model and data.
    top
        Query id -> ids of the first ten documents found; empty where nothing is searched.
    encoded
        What is known of the lists of texts that were encoded; empty for a model without vectors.
    whole
        The same metrics with all numbers of each vector in float32; empty where the model's entry asks for no less.
    exact
        The same metrics by exact search of the same vectors; empty where no approximate index was searched.
    index
        What that index costs; None where there was none.
    findings
        What is worth knowing about the search.
    """

    suite: str
    dataset: str
    model: str
    measured: Mapping[str, Measured]
    fingerprint: str
    parameters: Mapping[str, str | int | float] = field(default_factory=dict)
    top: Mapping[str, Sequence[str]] = field(default_factory=dict)
    encoded: Sequence[EncodedList] = ()
    whole: Mapping[str, Measured] = field(default_factory=dict)
    exact: Mapping[str, Measured] = field(default_factory=dict)
    index: IndexFacts | None = None
    findings: Sequence[Finding] = ()

    def __getitem__(self, metric: str) -> Score:
        try:
            found = self.measured[metric]
        except KeyError:
            raise UsageError(f"{self.suite} has no metric {metric!r}; {did_you_mean(metric, self.measured)}") from None
        return Score(found.value, metric, self.model, self.dataset, found.n)

    def __repr__(self) -> str:
        values = ", ".join(f"{name}={found.value:.4f}" for name, found in self.measured.items())
        return f"<{self.suite}/{self.dataset} of {self.model}: {values}>"
