"""Search through an approximate index, scored as deep as each metric looks."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from pytest_embedeval.datasets import RetrievalData
from pytest_embedeval.metrics.names import RankingMetric
from pytest_embedeval.metrics.searched import TOP, Searched, score_search
from pytest_embedeval.retrieval.approximate import BuiltIndex
from pytest_embedeval.retrieval.listed import DEEPEST


def score_index(
    index: BuiltIndex,
    data: RetrievalData,
    metrics: Sequence[RankingMetric],
    *,
    level: int = 1,
    as_listed: bool = False,
) -> Searched:
    """Score the lists of an index.

    An index that is asked for a hundred documents may look further, and find better first ten, than where it is asked
    for ten. So metrics up to ten places are those of a search for ten, as users see them; those beyond, of a search for
    the largest of their cutoffs; and those without a cutoff, of one for 1,000.

    Parameters
    ----------
    level
        Lowest grade that counts as relevant.
    as_listed
        Take the lists as they stand and ignore ties.
    """
    near, far, whole = list[RankingMetric](), list[RankingMetric](), list[RankingMetric]()
    for metric in metrics:
        (whole if metric.cutoff is None else near if metric.cutoff <= TOP else far).append(metric)
    found = score_search(index.ranker(), data, near, level=level, as_listed=as_listed)
    measured = dict(found.measured)
    for part, least in ((far, 1), (whole, DEEPEST)):
        if part:
            measured |= score_search(index.ranker(least), data, part, level=level, as_listed=as_listed).measured
    return replace(found, measured={str(metric): measured[str(metric)] for metric in metrics})
