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
    interval
        One-sided 95 % bounds of a score of the whole; those of a mean follow from `each`.
    is_compared
        Whether a reference's value is compared with it. A change, or a rate of errors, is not: what it is made of is.
    """

    value: float
    n: int
    each: NDArray[np.float64] | None = None
    ids: Sequence[str] = ()
    bounds: tuple[float, float] = (0.0, 1.0)
    worst: float | None = None
    best: float | None = None
    interval: tuple[float, float] | None = None
    is_compared: bool = True

    @classmethod
    def mean_of(
        cls,
        each: NDArray[np.float64],
        ids: Sequence[str],
        bounds: tuple[float, float] = (0.0, 1.0),
        *,
        is_compared: bool = True,
    ) -> Measured:
        """Make the score that is the arithmetic mean of its rows."""
        return cls(float(each.mean()), len(each), each, ids, bounds, is_compared=is_compared)

    @classmethod
    def mean_by(
        cls,
        scores: NDArray[np.float64],
        owner: NDArray[np.int64],
        names: Sequence[str],
        bounds: tuple[float, float] = (0.0, 1.0),
        *,
        is_compared: bool = True,
    ) -> Measured:
        """Make the mean over owners of several scores each, of which an owner's own mean counts.

        Parameters
        ----------
        scores
            float64 array [m].
        owner
            Position in `names` of what each belongs to, int64 array [m]; one without any is left out.
        """
        held, member = np.unique(owner, return_inverse=True)
        each = np.bincount(member, weights=scores) / np.bincount(member)
        return cls.mean_of(each, [names[place] for place in held.tolist()], bounds, is_compared=is_compared)

    def part(self, rows: NDArray[np.bool_]) -> Measured:
        """Return the mean of some rows alone; there must be one."""
        assert self.each is not None
        ids = [self.ids[row] for row in np.flatnonzero(rows).tolist()]
        return Measured.mean_of(self.each[rows], ids, self.bounds, is_compared=self.is_compared)

    def by(self, name: str, labels: Sequence[str]) -> dict[str, Measured]:
        """Return one score per label, called `NAME.LABEL`, in the order in which labels first come."""
        column = np.asarray(labels)
        return {f"{name}.{label}": self.part(column == label) for label in dict.fromkeys(labels)}


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
    top_scores
        Query id -> what the search gave each of them.
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
    top_scores: Mapping[str, Sequence[float]] = field(default_factory=dict)
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
