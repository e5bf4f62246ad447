"""The worst and the best order of tied documents, against every order there is."""

from __future__ import annotations

import itertools
from dataclasses import dataclass

import numpy as np
import pytest
from numpy.typing import NDArray

from pytest_embedeval.datasets import Judgements
from pytest_embedeval.metrics import Beyond, parse_metric, score_rankings
from pytest_embedeval.metrics.names import RankingMetric
from pytest_embedeval.metrics.tie_range import extreme_orders
from pytest_embedeval.metrics.ties import extended, group
from pytest_embedeval.retrieval import Rankings

CORPUS = 7
MEASURES = ("mrr", "recall", "precision", "map", "ndcg", "ndcg_exp", "hit_rate", "judged")

Orders = NDArray[np.int64]
Range = dict[str, tuple[float, float]]


@dataclass(frozen=True)
class Case:
    """Scores of a whole corpus for one query, and its grades; -inf for a document that is never returned."""

    scores: NDArray[np.float32]
    grades: dict[int, int]

    def orders(self) -> Orders:
        """Return every order that the scores allow, int64 array [m, corpus]; -1 where nothing is returned."""
        values = sorted({*self.scores.tolist()} - {-np.inf}, reverse=True)
        groups = [np.flatnonzero(self.scores == value).tolist() for value in values]
        found = [list(itertools.chain(*parts)) for parts in itertools.product(*map(itertools.permutations, groups))]
        missing = CORPUS - sum(map(len, groups))
        return np.array([order + [-1] * missing for order in found], dtype=np.int64)

    def listed(self, k: int) -> tuple[Orders, NDArray[np.float32], int, list[int]]:
        """Return the first k as an engine lists them, their scores, and the number and the judged of those beyond."""
        order = np.argsort(-self.scores, kind="stable")[:k]
        scores = self.scores[order]
        outside = [int(d) for d in np.flatnonzero(self.scores == scores[-1]) if d not in order]
        if not np.isfinite(scores[-1]):
            outside = []
        return np.where(np.isfinite(scores), order, -1), scores, len(outside), [d for d in outside if d in self.grades]


def random_case(rng: np.random.Generator) -> Case:
    scores = rng.integers(0, int(rng.integers(1, 5)), CORPUS).astype(np.float32)
    if rng.random() < 0.3:
        scores[rng.random(CORPUS) < 0.4] = -np.inf
    grades = {document: int(rng.integers(-2, 4)) for document in range(CORPUS) if rng.random() < 0.7}
    return Case(scores, {**grades, int(rng.integers(CORPUS)): int(rng.integers(1, 4))})


def every_order(case: Case, k: int, metrics: list[RankingMetric], level: int) -> Range:
    """Score each order as it stands and return the least and the greatest value of each metric."""
    orders = case.orders()[:, :k]
    documents, grades = (np.array(side) for side in zip(*sorted(case.grades.items()), strict=True))
    judgements = Judgements(
        np.repeat(np.arange(len(orders)), len(documents)),
        np.tile(documents, len(orders)),
        np.tile(grades, len(orders)),
    )
    rankings = Rankings(orders, np.zeros(orders.shape, dtype=np.float32))
    found = score_rankings(rankings, judgements, metrics, level=level, as_listed=True)
    return {name: (float(each.min()), float(each.max())) for name, each in found.items()}


def by_extremes(cases: list[Case], k: int, metrics: list[RankingMetric], level: int) -> list[Range]:
    """Score the worst and the best order of each list, all queries at once."""
    lists = [case.listed(k) for case in cases]
    rankings = Rankings(np.array([documents for documents, *_ in lists]), np.array([scores for _, scores, *_ in lists]))
    judgements = Judgements.of({(row, d): g for row, case in enumerate(cases) for d, g in case.grades.items()})
    reach = np.array([number for *_, number, _ in lists])
    known = [(row, d, cases[row].grades[d]) for row, (*_, judged) in enumerate(lists) for d in judged]
    beyond = Beyond(*np.array(known, dtype=np.int64).reshape(-1, 3).T)
    groups = extended(group(rankings), reach, (len(cases), k))
    if groups is None:
        ends = [score_rankings(rankings, judgements, metrics, level=level, as_listed=True)] * 2
    else:
        orders = extreme_orders(rankings, judgements, groups, beyond)
        ends = [score_rankings(order, judgements, metrics, level=level, as_listed=True) for order in orders]
    return [
        {name: (float(ends[0][name][row]), float(ends[1][name][row])) for name in ends[0]} for row in range(len(cases))
    ]


@pytest.mark.parametrize("level", [1, 2])
@pytest.mark.parametrize("k", range(1, CORPUS + 1))
def test_no_order_is_worse_or_better_than_the_extremes(k: int, level: int) -> None:
    rng = np.random.default_rng(k)
    metrics = [parse_metric(f"{measure}@{cutoff}") for measure in MEASURES for cutoff in {1, (k + 1) // 2, k}]
    if k == CORPUS:
        metrics += map(parse_metric, ("mrr", "r_precision", "bpref"))
    cases = [case for case in (random_case(rng) for _ in range(30)) if len(case.orders()) <= 300][:6]
    assert len(cases) == 6
    for case, found in zip(cases, by_extremes(cases, k, metrics, level), strict=True):
        for name, ends in every_order(case, k, metrics, level).items():
            assert found[name] == pytest.approx(ends), (name, case)


@pytest.mark.parametrize("k", [1, 3, 5])
def test_where_all_documents_tie_every_order_counts(k: int) -> None:
    """A constant encoder: 5,040 orders, of which the list shows the first k documents."""
    case = Case(np.ones(CORPUS, dtype=np.float32), {0: 0, 3: 1, 5: 2, 6: -1})
    metrics = [parse_metric(f"{measure}@{k}") for measure in MEASURES]
    (found,) = by_extremes([case], k, metrics, 1)
    assert found == {name: pytest.approx(ends) for name, ends in every_order(case, k, metrics, 1).items()}


def test_a_list_keeps_its_documents_and_their_scores() -> None:
    rankings = Rankings(np.array([[4, 2, 0, 1]]), np.array([[0.9, 0.5, 0.5, 0.1]], dtype=np.float32))
    groups = group(rankings)
    assert groups is not None
    worst, best = extreme_orders(rankings, Judgements.of({(0, 2): 1, (0, 4): 1, (0, 1): 3}), groups, None)
    assert worst.documents.tolist() == [[4, 0, 2, 1]]
    assert best.documents.tolist() == [[4, 2, 0, 1]]
    assert worst.scores is rankings.scores
    assert rankings.documents.tolist() == [[4, 2, 0, 1]]


def test_more_known_documents_than_the_group_has_room_for() -> None:
    """Two ways of multiplying differ in the last bit, so a count may miss what a pair's own score finds."""
    rankings = Rankings(np.array([[0, 1]]), np.array([[0.5, 0.5]], dtype=np.float32))
    beyond = Beyond(np.array([0, 0]), np.array([2, 3]), np.array([1, 1]))
    groups = extended(group(rankings), np.array([1]), (1, 2))
    assert groups is not None
    worst, best = extreme_orders(rankings, Judgements.of({(0, 2): 1, (0, 3): 1}), groups, beyond)
    assert worst.documents.tolist() == [[0, 1]]
    assert best.documents.tolist() == [[2, 3]]
