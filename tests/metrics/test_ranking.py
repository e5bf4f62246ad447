"""Ranking metrics against trec_eval, and against the definition of an expectation."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
import pytrec_eval
from numpy.typing import NDArray

from pytest_embedeval.datasets import Judgements
from pytest_embedeval.metrics import Beyond, parse_metric, score_rankings
from pytest_embedeval.metrics.ties import extended, group, trec_order
from pytest_embedeval.retrieval import Rankings

TREC_NAMES = {
    "hit_rate@5": "success_5",
    "recall@5": "recall_5",
    "precision@5": "P_5",
    "map@10": "map_cut_10",
    "ndcg@5": "ndcg_cut_5",
    "ndcg@10": "ndcg_cut_10",
    "mrr": "recip_rank",
    "r_precision": "Rprec",
    "bpref": "bpref",
}
ALL = [*TREC_NAMES, "mrr@3", "ndcg_exp@5", "judged@5", "hit_rate@2", "map@3"]


Grades = dict[tuple[int, int], int]


def random_case(seed: int, *, tied: bool, queries: int = 6, corpus: int = 30) -> tuple[Rankings, Grades]:
    """Ranked lists of unequal lengths, and graded judgements of which each query has at least one relevant."""
    rng = np.random.default_rng(seed)
    k = int(rng.integers(3, corpus))
    grades: dict[tuple[int, int], int] = {}
    documents = np.full((queries, k), -1, dtype=np.int64)
    scores = np.full((queries, k), -np.inf, dtype=np.float32)
    for query in range(queries):
        for document in rng.choice(corpus, rng.integers(1, 15), replace=False).tolist():
            grades[query, document] = int(rng.integers(0, 4))
        grades[query, int(rng.integers(corpus))] = int(rng.integers(1, 4))
        listed = int(rng.integers(0, k + 1))
        values = rng.integers(0, 8, listed) / 8 if tied else rng.random(listed)
        documents[query, :listed] = rng.permutation(corpus)[:listed]
        scores[query, :listed] = np.sort(values.astype(np.float32))[::-1]
    return Rankings(documents, scores), grades


def trec_eval(rankings: Rankings, grades: Grades, ids: list[str]) -> dict[str, NDArray[np.float64]]:
    n = len(rankings.documents)
    qrels: dict[str, dict[str, int]] = {str(query): {} for query in range(n)}
    for (query, document), grade in grades.items():
        qrels[str(query)][ids[document]] = grade
    run = {
        str(query): {ids[d]: float(s) for d, s in zip(listed.tolist(), scores.tolist(), strict=True) if d >= 0}
        for query, (listed, scores) in enumerate(zip(rankings.documents, rankings.scores, strict=True))
    }
    measures = {"success", "recall", "P", "map_cut", "ndcg_cut", "recip_rank", "Rprec", "bpref"}
    found = pytrec_eval.RelevanceEvaluator(qrels, measures).evaluate(run)
    return {
        ours: np.array([found.get(str(query), {}).get(theirs, 0.0) for query in range(n)])
        for ours, theirs in TREC_NAMES.items()
    }


@pytest.mark.parametrize("tied", [False, True], ids=["distinct", "tied"])
@pytest.mark.parametrize("seed", range(40))
def test_scores_equal_trec_eval(seed: int, tied: bool) -> None:
    rankings, grades = random_case(seed, tied=tied)
    ids = [f"d{document}" for document in range(30)]
    expected = trec_eval(rankings, grades, ids)
    metrics = [parse_metric(name) for name in TREC_NAMES]
    found = score_rankings(trec_order(rankings, ids), Judgements.of(grades), metrics, as_listed=True)
    for name, values in expected.items():
        np.testing.assert_allclose(found[name], values, atol=1e-9, err_msg=name)


@pytest.mark.parametrize("seed", range(12))
def test_tied_scores_are_the_mean_over_all_orders(seed: int) -> None:
    """Six documents, each tie group shuffled in every way, scored as listed and averaged."""
    rng = np.random.default_rng(seed)
    scores = -np.sort(-rng.integers(0, 3, 6).astype(np.float32))
    grades = {(0, document): int(rng.integers(-1, 4)) for document in range(6) if rng.random() < 0.8}
    grades |= {(0, 5): 2, (0, 7): 1}
    judgements = Judgements.of(grades)
    metrics = [parse_metric(name) for name in ALL]
    runs = [np.flatnonzero(scores == value) for value in sorted(set(scores.tolist()), reverse=True)]
    orders = [np.concatenate(parts) for parts in itertools.product(*map(list, map(itertools.permutations, runs)))]
    each = [score_rankings(_one(np.array(order), scores), judgements, metrics, as_listed=True) for order in orders]
    found = score_rankings(_one(np.arange(6), scores), judgements, metrics)
    for name in ALL:
        assert found[name][0] == pytest.approx(np.mean([result[name][0] for result in each])), name


@pytest.mark.parametrize("k", [1, 2, 4])
def test_a_group_that_crosses_the_end_of_the_list_counts_whole(k: int) -> None:
    """The list holds k of eight documents that all tie; the others are known by number and grade alone."""
    grades = {(0, 0): 1, (0, 3): 2, (0, 6): 0, (0, 7): 1}
    names = ["hit_rate@1", f"recall@{k}", f"precision@{k}", f"mrr@{k}", f"map@{k}", f"ndcg@{k}", f"judged@{k}"]
    metrics = [parse_metric(name) for name in names]
    whole = score_rankings(_one(np.arange(8), np.ones(8, dtype=np.float32)), Judgements.of(grades), metrics)
    short = _one(np.arange(k), np.ones(k, dtype=np.float32))
    outside = np.array([(q, d, g) for (q, d), g in grades.items() if d >= k])
    beyond = Beyond(*outside.T)
    groups = extended(group(short), np.array([8 - k]), (1, k))
    found = score_rankings(short, Judgements.of(grades), metrics, groups=groups, beyond=beyond)
    for name in names:
        assert found[name] == pytest.approx(whole[name]), name


def test_recall_is_not_hit_rate_where_many_are_relevant() -> None:
    rankings = _one(np.array([0, 5, 6]), np.array([0.9, 0.8, 0.7], dtype=np.float32))
    judgements = Judgements.of({(0, document): 1 for document in range(4)})
    found = score_rankings(rankings, judgements, [parse_metric("recall@3"), parse_metric("hit_rate@3")])
    assert found["recall@3"][0] == 0.25
    assert found["hit_rate@3"][0] == 1.0


def test_precision_divides_by_the_cutoff_even_if_fewer_came_back() -> None:
    rankings = _one(np.array([0, -1]), np.array([0.9, -np.inf], dtype=np.float32))
    found = score_rankings(rankings, Judgements.of({(0, 0): 1}), [parse_metric("precision@10")])
    assert found["precision@10"][0] == 0.1


def test_the_level_decides_what_is_relevant() -> None:
    rankings = _one(np.array([0, 1]), np.array([0.9, 0.8], dtype=np.float32))
    judgements = Judgements.of({(0, 0): 1, (0, 1): 2})
    metric = [parse_metric("mrr@10")]
    assert score_rankings(rankings, judgements, metric)["mrr@10"][0] == 1.0
    assert score_rankings(rankings, judgements, metric, level=2)["mrr@10"][0] == 0.5


def test_negative_grades_add_no_gain_and_burges_gain_is_exponential() -> None:
    rankings = _one(np.array([0, 1, 2]), np.array([0.9, 0.8, 0.7], dtype=np.float32))
    judgements = Judgements.of({(0, 0): -1, (0, 1): 2, (0, 2): 1})
    found = score_rankings(rankings, judgements, [parse_metric("ndcg@3"), parse_metric("ndcg_exp@3")])
    second, third = 1 / np.log2(3), 1 / np.log2(4)
    assert found["ndcg@3"][0] == pytest.approx((2 * second + 1 * third) / (2 + 1 * second))
    assert found["ndcg_exp@3"][0] == pytest.approx((3 * second + 1 * third) / (3 + 1 * second))


def test_a_query_that_the_search_missed_scores_zero() -> None:
    nothing = Rankings(np.full((1, 3), -1), np.full((1, 3), -np.inf, dtype=np.float32))
    found = score_rankings(
        nothing, Judgements.of({(0, 0): 1}), [parse_metric(name) for name in ALL if "judged" not in name]
    )
    assert {name: values[0] for name, values in found.items()} == dict.fromkeys(found, 0.0)


def _one(documents: NDArray[np.int64], scores: NDArray[np.float32]) -> Rankings:
    return Rankings(documents[None, :], scores[None, :])
