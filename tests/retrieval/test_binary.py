"""Binary search against its definition, written out: every distance, every product, one sort."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.typing import NDArray

from pytest_embedeval.datasets import Judgements, RetrievalData
from pytest_embedeval.metrics import parse_metric, score_search
from pytest_embedeval.retrieval.binary import BinaryRanker
from pytest_embedeval.vectors import normalised

Vectors = NDArray[np.float32]


def vectors(n: int, dimension: int, seed: int) -> Vectors:
    return normalised(np.random.default_rng(seed).standard_normal((n, dimension)).astype(np.float32))


def eighths(n: int) -> Vectors:
    return (np.round(8 * vectors(n, 24, n)) / 8).astype(np.float32)


def table(queries: Vectors, documents: Vectors, candidates: int) -> NDArray[np.float64]:
    """The score of every document for every query, as the class describes it."""
    d = queries.shape[1]
    distances = ((queries > 0)[:, None, :] != (documents > 0)[None, :, :]).sum(axis=2)
    last = np.sort(distances, axis=1)[:, min(candidates, len(documents)) - 1]
    products = queries.astype(np.float64) @ np.where(documents > 0, 1, -1).T / np.sqrt(d)
    scores: NDArray[np.float64] = np.where(distances <= last[:, None], products.round(12), -2 - distances / d)
    return scores


CORPORA: dict[str, tuple[Vectors, Vectors]] = {
    "384 numbers": (vectors(20, 384, 0), vectors(600, 384, 1)),
    "13 numbers": (vectors(20, 13, 2), vectors(600, 13, 3)),
    "6 numbers": (vectors(20, 6, 4), vectors(900, 6, 5)),
    "repeated vectors": (vectors(20, 64, 6), np.repeat(vectors(30, 64, 7), 20, axis=0)),
    "one vector": (vectors(4, 16, 8), np.repeat(vectors(1, 16, 9), 900, axis=0)),
    "zeros among the numbers": (eighths(20), eighths(500)),
    "few documents": (vectors(5, 32, 10), vectors(7, 32, 11)),
}

of_each_corpus = pytest.mark.parametrize("corpus", CORPORA)


@pytest.mark.parametrize("candidates", [1, 15, 40])
@of_each_corpus
def test_lists_are_those_of_the_definition(corpus: str, candidates: int) -> None:
    queries, documents = CORPORA[corpus]
    ranker = BinaryRanker(queries, documents, candidates)
    scores = table(queries, documents, candidates)
    order = np.argsort(-scores, axis=1, kind="stable")
    for k in (1, 10, 70, 1000):
        found = ranker.search(k)
        np.testing.assert_allclose(found.scores, np.take_along_axis(scores, order[:, :k], axis=1), atol=1e-5)
        np.testing.assert_allclose(found.scores, np.take_along_axis(scores, found.documents, axis=1), atol=1e-5)
        tied = np.diff(found.scores) == 0
        assert (np.diff(found.documents)[tied] > 0).all(), "equal scores stand in the order of the corpus"
        equal = np.diff(np.take_along_axis(scores, found.documents, axis=1)) == 0
        assert (tied == equal).all()


@of_each_corpus
def test_ties_at_the_end_of_a_list_are_the_first_of_the_corpus(corpus: str) -> None:
    """A list of ten is the beginning of the whole one."""
    queries, documents = CORPORA[corpus]
    short, whole = (BinaryRanker(queries, documents).search(k) for k in (10, len(documents)))
    assert short.documents.tolist() == whole.documents[:, :10].tolist()
    assert short.scores.tolist() == whole.scores[:, :10].tolist()


@pytest.mark.parametrize("searched", [0, 10, 300])
@of_each_corpus
def test_counts_and_pair_scores_are_those_of_the_definition(corpus: str, searched: int) -> None:
    queries, documents = CORPORA[corpus]
    ranker, scores = BinaryRanker(queries, documents), table(queries, documents, 40)
    if searched:
        ranker.search(searched)
    rows, places = (each.ravel() for each in np.indices(scores.shape))
    np.testing.assert_allclose(ranker.score(rows, places), scores.ravel(), atol=1e-5)
    for quantile in (0.01, 0.5, 0.95, 0.999):
        bounds = np.quantile(scores, quantile, axis=1) + 2e-5
        counts = ranker.count_at_least(np.arange(len(queries)), bounds.astype(np.float32))
        near = np.abs(scores - bounds[:, None]) < 1e-5
        assert (np.abs(counts - (scores >= bounds[:, None]).sum(axis=1)) <= near.sum(axis=1)).all()
        assert near.mean() < 0.01


@of_each_corpus
def test_no_score_depends_on_the_order_of_the_corpus(corpus: str) -> None:
    queries, documents = CORPORA[corpus]
    order = np.random.default_rng(0).permutation(len(documents))
    found, shuffled = BinaryRanker(queries, documents).search(50), BinaryRanker(queries, documents[order]).search(50)
    assert found.scores.tolist() == shuffled.scores.tolist()


def test_every_candidate_stands_before_every_other_document() -> None:
    """The nearest by Hamming distance are few; an opposite of the query is still scored below them."""
    queries = vectors(1, 32, 0)
    documents = np.concatenate([-queries, vectors(50, 32, 1), queries])
    found = BinaryRanker(queries, documents, candidates=3).search(52)
    inside = found.scores[0] >= -1.001
    assert 3 <= inside.sum() < 10
    assert (np.diff(inside.astype(int)) <= 0).all()
    assert found.documents[0, 0] == 51
    assert found.scores[0, -1] == -3.0


def test_a_longer_search_changes_no_metric() -> None:
    queries, documents = vectors(40, 48, 20), vectors(2_000, 48, 21)
    relevant = {(query, 7 * query): 1 for query in range(40)}
    documents[[7 * query for query in range(40)]] += queries / 2
    ids = [[f"{side}{i}" for i in range(n)] for side, n in (("d", 2_000), ("q", 40))]
    data = RetrievalData("small", ids[0], ids[0], ids[1], ids[1], Judgements.of(relevant))
    ranker = BinaryRanker(queries, documents)
    alone, beside = (
        score_search(ranker, data, [parse_metric(name) for name in names]).measured
        for names in (["mrr@10", "mrr"], ["mrr@10", "mrr", "map@100", "bpref"])
    )
    assert 0.1 < alone["mrr@10"].value < 0.9
    for metric, found in alone.items():
        assert found.value == pytest.approx(beside[metric].value), metric
        assert (found.worst, found.best) == pytest.approx((beside[metric].worst, beside[metric].best)), metric


def test_the_uncut_rank_is_that_of_the_whole_order() -> None:
    queries, documents = vectors(12, 40, 30), vectors(800, 40, 31)
    ids = [[f"{side}{i}" for i in range(n)] for side, n in (("d", 800), ("q", 12))]
    data = RetrievalData("small", ids[0], ids[0], ids[1], ids[1], Judgements.of({(q, 60 * q): 1 for q in range(12)}))
    found = score_search(BinaryRanker(queries, documents), data, [parse_metric("mrr")]).measured["mrr"]
    expected = []
    for query, scores in enumerate(table(queries, documents, 40)):
        above = (scores > scores[60 * query] + 1e-9).sum()
        tied = (np.abs(scores - scores[60 * query]) <= 1e-9).sum()
        expected.append(np.mean([1 / (above + place) for place in range(1, tied + 1)]))
    assert found.value == pytest.approx(np.mean(expected))


@pytest.mark.parametrize(("queries", "documents"), [(0, 5), (5, 0)])
def test_nothing_is_found_by_no_query_or_in_no_document(queries: int, documents: int) -> None:
    ranker = BinaryRanker(vectors(queries, 16, 0), vectors(documents, 16, 1))
    assert ranker.search(10).documents.shape == (queries, documents)
    assert ranker.count_at_least(np.arange(queries), np.zeros(queries, dtype=np.float32)).tolist() == [0] * queries
