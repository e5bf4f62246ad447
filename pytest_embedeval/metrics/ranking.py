"""Ranking metrics over integer positions: one score per query, by trec_eval's definitions.

Every measure takes the expectation over the orders of each tie group; where nothing is tied it is the usual
formula. A query that the search missed scores 0.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

import numpy as np

from pytest_embedeval.datasets import Judgements
from pytest_embedeval.metrics import expectation
from pytest_embedeval.metrics.judged_lists import Beyond, JudgedLists, discounts
from pytest_embedeval.metrics.names import RankingMetric
from pytest_embedeval.metrics.ties import Groups, group
from pytest_embedeval.retrieval import Rankings

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Scores = NDArray[np.float64]
    Gain = Callable[[NDArray[np.int64]], Scores]


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
    lists = JudgedLists(rankings, judgements, level, found, None if found is None else beyond)
    return {str(metric): _MEASURES[metric.measure](lists, metric.cutoff) for metric in metrics}


def _hit_rate(lists: JudgedLists, cutoff: int | None) -> Scores:
    places = lists.before(cutoff)
    chance = expectation.any_relevant(places.size, lists.relevant[places.group], places.inside)
    # At most the last group is cut by the cutoff; any other that holds a relevant document makes it certain.
    return np.minimum(lists.of_queries(places, chance), 1.0)


def _precision(lists: JudgedLists, cutoff: int | None) -> Scores:
    return lists.expected(lists.relevant, cutoff) / (cutoff or lists.k)


def _recall(lists: JudgedLists, cutoff: int | None) -> Scores:
    return _share(lists.expected(lists.relevant, cutoff), lists.total)


def _reciprocal_rank(lists: JudgedLists, cutoff: int | None) -> Scores:
    first = lists.first_relevant
    last = None if cutoff is None else min(cutoff, lists.k)
    scores = np.zeros(lists.n)
    scores[lists.query[first]] = expectation.first_relevant(
        lists.start[first], lists.size[first], lists.relevant[first], last
    )
    return scores


def _average_precision(lists: JudgedLists, cutoff: int | None) -> Scores:
    places = lists.before(cutoff)
    sums = expectation.precisions(
        lists.relevant_above[places.group], places.start, places.size, lists.relevant[places.group], places.inside
    )
    return _share(lists.of_queries(places, sums), lists.total)


def _linear(grades: NDArray[np.int64]) -> Scores:
    return np.maximum(grades, 0).astype(np.float64)


def _exponential(grades: NDArray[np.int64]) -> Scores:
    return np.exp2(np.maximum(grades, 0)) - 1.0


def _ndcg(gain: Gain) -> Callable[[JudgedLists, int | None], Scores]:
    def measure(lists: JudgedLists, cutoff: int | None) -> Scores:
        places = lists.before(cutoff)
        mean, ideal = lists.gains(gain)
        running = np.append(0.0, np.cumsum(discounts(lists.k)))
        weights = running[places.start + places.inside] - running[places.start]
        query, place, _ = lists.ideal
        best = np.bincount(query, weights=np.where(place < (cutoff or lists.k), ideal, 0.0), minlength=lists.n)
        return _share(lists.of_queries(places, mean[places.group] * weights), best)

    return measure


def _r_precision(lists: JudgedLists, _: int | None) -> Scores:
    last = np.minimum(lists.total, lists.k)[lists.query]
    inside = np.minimum(np.maximum(last - lists.start, 0), lists.size)
    sums = np.bincount(lists.query, weights=lists.relevant * inside / lists.size, minlength=lists.n)
    return _share(sums, lists.total)


def _bpref(lists: JudgedLists, _: int | None) -> Scores:
    judged = lists.judgements
    all_wrong = np.bincount(judged.query[(judged.grade >= 0) & (judged.grade < lists.level)], minlength=lists.n)
    wrong = lists.of_groups(lists.is_listed & (lists.grade >= 0) & (lists.grade < lists.level))
    right = lists.of_groups(lists.is_listed & (lists.grade >= lists.level))
    held = np.flatnonzero(right)
    query = lists.query[held]
    bound = np.minimum(all_wrong, lists.total)[query]
    kept = expectation.kept_preferences(lists.above(wrong)[held], wrong[held], bound)
    return _share(np.bincount(query, weights=right[held] * kept, minlength=lists.n), lists.total)


def _judged(lists: JudgedLists, cutoff: int | None) -> Scores:
    k = cutoff or lists.k
    unjudged = np.minimum(lists.lengths, k) - lists.expected(lists.judged, cutoff)
    return 1.0 - unjudged / k


def _share(part: NDArray[np.number], whole: NDArray[np.number]) -> Scores:
    """Return part / whole, 0 where there is nothing to share; a whole counts documents or gains of at least 1."""
    result: Scores = part / np.maximum(whole, 1)
    return result


_MEASURES: dict[str, Callable[[JudgedLists, int | None], Scores]] = {
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
