"""A search is scored: lists as long as the metrics need, and what ties with their last place asked for."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np

from pytest_embedeval.datasets import RetrievalData
from pytest_embedeval.metrics import expectation, ties
from pytest_embedeval.metrics.judged_lists import Beyond
from pytest_embedeval.metrics.names import RankingMetric, parse_metric
from pytest_embedeval.metrics.ranking import score_rankings
from pytest_embedeval.metrics.scores import Measured
from pytest_embedeval.metrics.tie_range import extreme_orders
from pytest_embedeval.retrieval import Ranker, Rankings

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Scores = NDArray[np.float64]

TOP = 10  # documents per query that are kept to explain a comparison


@dataclass(frozen=True)
class Searched:
    """What a search found.

    Attributes
    ----------
    measured
        Each metric.
    top
        Query id -> ids of its first ten documents.
    top_scores
        Query id -> what the search gave each of them.
    neighbours
        The same by position, int64 array [n, at most 10]; -1 where fewer came back.
    """

    measured: dict[str, Measured]
    top: dict[str, tuple[str, ...]]
    top_scores: dict[str, tuple[float, ...]]
    neighbours: NDArray[np.int64]


def score_search(
    ranker: Ranker, data: RetrievalData, metrics: Sequence[RankingMetric], *, level: int = 1, as_listed: bool = False
) -> Searched:
    """Search to the largest cutoff and score; ask the ranker about ties that reach beyond the lists.

    Parameters
    ----------
    level
        Lowest grade that counts as relevant.
    as_listed
        Take the lists as they stand and ignore ties.
    """
    cutoffs = [metric.cutoff for metric in metrics if metric.cutoff is not None]
    whole = [metric for metric in metrics if metric.cutoff is None and (as_listed or metric.measure != "mrr")]
    rankings = ranker.search(len(data.documents) if whole else max([TOP, *cutoffs]))
    groups, beyond = (None, None) if as_listed else _tied_beyond(ranker, rankings, data)
    scores = score_rankings(
        rankings, data.judgements, metrics, level=level, groups=groups, beyond=beyond, as_listed=as_listed
    )
    worst, best = ({name: each.copy() for name, each in scores.items()} for _ in range(2))
    if groups is not None:
        worst, best = (
            score_rankings(order, data.judgements, metrics, level=level, as_listed=True)
            for order in extreme_orders(rankings, data.judgements, groups, beyond)
        )
    if "mrr" in scores and not whole:
        _complete_mrr(scores["mrr"], worst["mrr"], best["mrr"], ranker, data, level)
    measured = {name: Measured.mean_of(each, data.query_ids) for name, each in scores.items()}
    return Searched(
        {name: _between(found, worst[name], best[name]) for name, found in measured.items()},
        *_top(rankings, data),
        rankings.documents[:, :TOP],
    )


def score_each(ranker: Ranker, data: RetrievalData, metric: str) -> Scores:
    """Return the score of each query by one metric, float64 array [n]; see `score_search`.

    Raises
    ------
    UsageError
        No such metric.
    """
    each = score_search(ranker, data, [parse_metric(metric)]).measured[metric].each
    assert each is not None
    return each


def _between(found: Measured, worst: Scores, best: Scores) -> Measured:
    low, high = float(worst.mean()), float(best.mean())
    return found if high - low <= 1e-12 else replace(found, worst=low, best=high)


def _top(rankings: Rankings, data: RetrievalData) -> tuple[dict[str, tuple[str, ...]], dict[str, tuple[float, ...]]]:
    ids, found, scores = data.document_ids, {}, {}
    rows = zip(rankings.documents[:, :TOP].tolist(), rankings.scores[:, :TOP].tolist(), strict=True)
    for query, (documents, values) in zip(data.query_ids, rows, strict=True):
        found[query] = tuple(ids[document] for document in documents if document >= 0)
        scores[query] = tuple(values[: len(found[query])])
    return found, scores


def _tied_beyond(ranker: Ranker, rankings: Rankings, data: RetrievalData) -> tuple[ties.Groups | None, Beyond | None]:
    """Find how far the last tie group of each list reaches into the documents that were not returned."""
    groups = ties.group(rankings)
    n, k = rankings.documents.shape
    if k == len(data.documents):
        return groups, None
    bounds = ties.last_bounds(rankings, groups)
    open_rows = np.flatnonzero(np.isfinite(bounds))
    reach = np.zeros(n, dtype=np.int64)
    reach[open_rows] = np.maximum(ranker.count_at_least(open_rows, bounds[open_rows]) - k, 0)
    if not reach.any():
        return groups, None
    beyond = _judged_beyond(ranker, rankings, data, bounds, reach)
    reach = np.maximum(reach, np.bincount(beyond.query, minlength=n))  # a count and a score may differ by rounding
    return ties.extended(groups, reach, (n, k)), beyond


def _judged_beyond(
    ranker: Ranker,
    rankings: Rankings,
    data: RetrievalData,
    bounds: NDArray[np.float32],
    reach: NDArray[np.int64],
) -> Beyond:
    judged = data.judgements
    near = np.flatnonzero(reach[judged.query] > 0)
    query, document = judged.query[near], judged.document[near]
    listed = (rankings.documents[query] == document[:, None]).any(axis=1)
    tied = ranker.score(query, document) >= bounds[query]
    kept = near[~listed & tied]
    return Beyond(judged.query[kept], judged.document[kept], judged.grade[kept])


def _complete_mrr(scores: Scores, worst: Scores, best: Scores, ranker: Ranker, data: RetrievalData, level: int) -> None:
    """Find the first relevant document of those queries whose list need not hold one, by counting what stands above it.

    Fills the zeros of `scores`, and those of the two ends, in place.
    """
    judged = data.judgements
    missing = np.flatnonzero(worst == 0)
    pairs = np.flatnonzero(np.isin(judged.query, missing) & (judged.grade >= level))
    if not len(pairs):
        return
    query = judged.query[pairs]
    values = ranker.score(query, judged.document[pairs])
    highest = np.full(len(data.query_ids), -np.inf, dtype=np.float32)
    np.maximum.at(highest, query, values)
    rows = missing[np.isfinite(highest[missing])]
    beyond = np.nextafter(highest[rows], np.float32(np.inf))  # large scores of words swallow the tolerance
    above = ranker.count_at_least(rows, np.maximum(highest[rows] + ties.TOLERANCE, beyond))
    among = ranker.count_at_least(rows, highest[rows] - ties.TOLERANCE) - above
    tied = np.bincount(query[values >= highest[query] - ties.TOLERANCE], minlength=len(highest))[rows]
    among = np.maximum(among, tied)
    unseen = scores[rows] == 0
    scores[rows[unseen]] = expectation.first_relevant(above[unseen], among[unseen], tied[unseen])
    for end, first in ((worst, above + among - tied + 1), (best, above + 1)):
        end[rows] = np.where(end[rows] == 0, 1 / first, end[rows])
