"""Ranking metrics over integer positions: one score per query, by trec_eval's definitions.

Every measure takes the expectation over the orders of each tie group; where nothing is tied it is the usual
formula. A query that the search missed scores 0.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING

import numpy as np

from pytest_embedeval.datasets import Judgements
from pytest_embedeval.metrics import expectation
from pytest_embedeval.metrics.names import RankingMetric
from pytest_embedeval.metrics.ties import Groups, group
from pytest_embedeval.retrieval import Rankings

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Scores = NDArray[np.float64]

_UNJUDGED = np.iinfo(np.int64).min


@dataclass(frozen=True)
class Beyond:
    """Judged documents that tie with the last place of a list but did not fit in; parallel int64 arrays [m]."""

    query: NDArray[np.int64]
    grade: NDArray[np.int64]


def score_rankings(
    rankings: Rankings,
    judgements: Judgements,
    metrics: Sequence[RankingMetric],
    *,
    level: int = 1,
    groups: Groups | None = None,
    beyond: Beyond | None = None,
    as_listed: bool = False,
) -> dict[str, Scores]:
    """Score ranked lists, one row per query.

    Parameters
    ----------
    rankings
        Lists of length k; all queries of the data, in its order.
    judgements
        Graded relevance by position.
    metrics
        What to compute. A cutoff beyond k sees only the k documents of the list.
    level
        Lowest grade that counts as relevant.
    groups
        Tie groups; found from the scores if None. Pass those of `ties.extended` where groups reach beyond the list.
    beyond
        The judged documents in that reach.
    as_listed
        Take the lists as they stand and ignore ties (trec_eval's way, after `ties.trec_order`).

    Returns
    -------
    dict
        Name of the metric -> float64 array [n].
    """
    found = None if as_listed else groups or group(rankings)
    lists = _Lists(rankings, judgements, level, found, beyond)
    return {str(metric): _MEASURES[metric.measure](lists, metric.cutoff) for metric in metrics}


class _Lists:
    """Ranked lists joined with their judgements; every property is computed once, over [n, k] arrays."""

    def __init__(
        self,
        rankings: Rankings,
        judgements: Judgements,
        level: int,
        groups: Groups | None,
        beyond: Beyond | None,
    ) -> None:
        self.n, self.k = rankings.documents.shape
        self.documents = rankings.documents
        self.judgements = judgements
        self.level = level
        self.groups = groups
        self.beyond = beyond

    @cached_property
    def grades(self) -> NDArray[np.int64]:
        """The grade of each place; `_UNJUDGED` where there is none."""
        return _look_up(self.documents, self.judgements)

    @cached_property
    def relevant(self) -> NDArray[np.bool_]:
        return self.grades >= self.level

    @cached_property
    def total(self) -> NDArray[np.int64]:
        """Relevant documents of each query in the whole corpus (R)."""
        counted = self.judgements.query[self.judgements.grade >= self.level]
        return np.bincount(counted, minlength=self.n)

    @cached_property
    def expected_relevant(self) -> Scores:
        """The chance that each place holds a relevant document."""
        beyond = None if self.beyond is None else (self.beyond.grade >= self.level).astype(np.float64)
        return self._expected(self.relevant.astype(np.float64), beyond)

    @cached_property
    def expected_judged(self) -> Scores:
        beyond = None if self.beyond is None else np.ones(len(self.beyond.grade))
        return self._expected((self.grades != _UNJUDGED).astype(np.float64), beyond)

    def expected_gain(self, gain: Callable[[NDArray[np.int64]], Scores]) -> Scores:
        beyond = None if self.beyond is None else gain(self.beyond.grade)
        gains = np.zeros(self.grades.shape)
        positive = self.grades > 0
        gains[positive] = gain(self.grades[positive])
        return self._expected(gains, beyond)

    @cached_property
    def group_relevant(self) -> NDArray[np.float64]:
        """Relevant documents in the tie group of each place, with those beyond the list."""
        if self.groups is None:
            return self.relevant.astype(np.float64)
        return np.rint(self.expected_relevant * self.groups.size)

    def _expected(self, values: Scores, beyond: Scores | None) -> Scores:
        """Replace each value by the mean of its tie group."""
        if self.groups is None:
            return values
        extra = None
        if beyond is not None and self.beyond is not None:
            extra = np.bincount(self.beyond.query, weights=beyond, minlength=self.n).astype(np.float64)
        return expectation.group_means(values, self.groups, extra)


def _look_up(documents: NDArray[np.int64], judgements: Judgements) -> NDArray[np.int64]:
    """Return the grade of each listed document, int64 array [n, k]."""
    n, k = documents.shape
    grades = np.full((n, k), _UNJUDGED, dtype=np.int64)
    if len(judgements) == 0 or k == 0:
        return grades
    counts = np.bincount(judgements.query, minlength=n)
    nth = np.arange(len(judgements)) - np.repeat(np.cumsum(counts) - counts, counts)
    # The i-th judgement of every query at once: one comparison of [queries, k] each, and most data sets have few.
    order = np.argsort(nth, kind="stable")
    for block in np.split(order, np.cumsum(np.bincount(nth))[:-1]):
        rows = judgements.query[block]
        hit, place = np.nonzero(documents[rows] == judgements.document[block, None])
        grades[rows[hit], place] = judgements.grade[block[hit]]
    return grades


def _hit_rate(lists: _Lists, cutoff: int | None) -> Scores:
    k = min(cutoff or lists.k, lists.k)
    if lists.groups is None:
        hits: Scores = lists.relevant[:, :k].any(axis=1).astype(np.float64)
        return hits
    return expectation.any_relevant(lists.group_relevant, lists.groups, k)


def _hits(lists: _Lists, cutoff: int) -> Scores:
    sums: Scores = lists.expected_relevant[:, :cutoff].sum(axis=1)
    return sums


def _precision(lists: _Lists, cutoff: int | None) -> Scores:
    k = cutoff or lists.k
    shares: Scores = _hits(lists, k) / k
    return shares


def _recall(lists: _Lists, cutoff: int | None) -> Scores:
    return _share(_hits(lists, cutoff or lists.k), lists.total)


def _reciprocal_rank(lists: _Lists, cutoff: int | None) -> Scores:
    k = min(cutoff or lists.k, lists.k)
    if lists.groups is None:
        relevant = lists.relevant[:, :k]
        found: Scores = np.where(relevant.any(axis=1), 1.0 / (relevant.argmax(axis=1) + 1), 0.0)
        return found
    return expectation.reciprocal_rank(lists.group_relevant, lists.groups, k, whole=cutoff is None)


def _average_precision(lists: _Lists, cutoff: int | None) -> Scores:
    k = min(cutoff or lists.k, lists.k)
    relevant = lists.expected_relevant[:, :k]
    if lists.groups is None:
        hits = np.cumsum(relevant, axis=1)
    else:
        hits = expectation.hits_if_relevant(lists.expected_relevant, lists.group_relevant, lists.groups)[:, :k]
    precisions = relevant * hits / np.arange(1, k + 1)
    return _share(precisions.sum(axis=1), lists.total)


def _linear(grades: NDArray[np.int64]) -> Scores:
    return np.maximum(grades, 0).astype(np.float64)


def _exponential(grades: NDArray[np.int64]) -> Scores:
    return np.exp2(np.maximum(grades, 0)) - 1.0


def _ndcg(gain: Callable[[NDArray[np.int64]], Scores]) -> Callable[[_Lists, int | None], Scores]:
    def measure(lists: _Lists, cutoff: int | None) -> Scores:
        k = min(cutoff or lists.k, lists.k)
        discounts = 1.0 / np.log2(np.arange(2, k + 2))
        return _share(lists.expected_gain(gain)[:, :k] @ discounts, _ideal(lists, cutoff or lists.k, gain))

    return measure


def _ideal(lists: _Lists, k: int, gain: Callable[[NDArray[np.int64]], Scores]) -> Scores:
    """Return the discounted gain of the ideal order of all judged documents, float64 array [n]."""
    judged = lists.judgements
    order = np.lexsort((-judged.grade, judged.query))
    query, gains = judged.query[order], gain(judged.grade[order])
    counts = np.bincount(query, minlength=lists.n)
    place = np.arange(len(query)) - np.repeat(np.cumsum(counts) - counts, counts)
    weights = np.where(place < k, gains / np.log2(place + 2), 0.0)
    return np.bincount(query, weights=weights, minlength=lists.n).astype(np.float64)


def _r_precision(lists: _Lists, _: int | None) -> Scores:
    within = np.arange(lists.k) < lists.total[:, None]
    return _share((lists.expected_relevant * within).sum(axis=1), lists.total)


def _bpref(lists: _Lists, _: int | None) -> Scores:
    grades = lists.grades
    wrong = (grades >= 0) & ~lists.relevant
    judged = lists.judgements
    all_wrong = np.bincount(judged.query[(judged.grade >= 0) & (judged.grade < lists.level)], minlength=lists.n)
    bound = np.minimum(all_wrong, lists.total)
    if lists.groups is None:
        above = np.minimum(np.cumsum(wrong, axis=1), bound[:, None])
        lost = np.divide(above, bound[:, None], out=np.zeros(grades.shape), where=bound[:, None] > 0)
        return _share((lists.relevant * (1.0 - lost)).sum(axis=1), lists.total)
    return _share(expectation.bpref_sums(lists.relevant, wrong, lists.groups, bound), lists.total)


def _judged(lists: _Lists, cutoff: int | None) -> Scores:
    k = cutoff or lists.k
    returned = (lists.documents[:, :k] >= 0).sum(axis=1)
    return 1.0 - _share(returned - lists.expected_judged[:, :k].sum(axis=1), np.full(lists.n, k))


def _share(part: NDArray[np.number], whole: NDArray[np.number]) -> Scores:
    """Return part / whole, 0 where there is nothing to share."""
    result: Scores = np.divide(part, whole, out=np.zeros(len(part), dtype=np.float64), where=whole > 0)
    return result


_MEASURES: dict[str, Callable[[_Lists, int | None], Scores]] = {
    "hit_rate": _hit_rate,
    "recall": _recall,
    "precision": _precision,
    "mrr": _reciprocal_rank,
    "map": _average_precision,
    "ndcg": _ndcg(_linear),
    "ndcg_exp": _ndcg(_exponential),
    "r_precision": _r_precision,
    "bpref": _bpref,
    "judged": _judged,
}
