"""Two stages beside a slow reference: what is put in order, what stays behind, ties at the depth, and empty lists."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.typing import NDArray

from pytest_embedeval.metrics import parse_metric, score_rankings, score_search
from pytest_embedeval.models.searching import Fusion
from pytest_embedeval.retrieval import Ranker
from pytest_embedeval.retrieval.bm25 import BM25Ranker
from pytest_embedeval.retrieval.exact import ExactRanker
from pytest_embedeval.retrieval.hybrid import Pool
from pytest_embedeval.retrieval.two_stage import TwoStageRanker
from pytest_embedeval.retrieval.words import Analyser
from tests.retrieval.test_hybrid import Table, judged, listed, real_sides

QUERIES, SIZE = 12, 60
METRICS = ("mrr", "mrr@10", "recall@3", "ndcg@10", "map@10", "hit_rate@1", "judged@10")
Pairs = NDArray[np.int64]


class Second:
    """A second model whose scores are given; it notes the pairs that it sees."""

    def __init__(self, scores: NDArray[np.floating]) -> None:
        self.scores = np.asarray(scores, dtype=np.float32)
        self.seen: set[tuple[int, int]] = set()

    def __call__(self, queries: Pairs, documents: Pairs) -> NDArray[np.float32]:
        pairs = list(zip(queries.tolist(), documents.tolist(), strict=True))
        assert not self.seen.intersection(pairs), "a pair is scored twice"
        self.seen.update(pairs)
        found: NDArray[np.float32] = self.scores[queries, documents]
        return found


def random_first(seed: int) -> Table:
    """Return a first stage with ties, documents that it does not find, and queries for which it finds few or none."""
    rng = np.random.default_rng(seed)
    scores = np.round(rng.normal(size=(QUERIES, SIZE)), 1)
    scores[rng.random(scores.shape) < rng.random((QUERIES, 1))] = -np.inf
    scores[0] = -np.inf
    scores[1, 3:] = -np.inf
    scores[1, 2] = 0.5
    return Table(scores)


def random_second(seed: int, spread: float = 1.0) -> Second:
    rng = np.random.default_rng(seed + 100)
    return Second(np.round(rng.normal(size=(QUERIES, SIZE)) * spread, 1).astype(np.float32))


def by_hand(first: Table, second: Second, query: int, depth: int, spare: int = 16) -> dict[int, float]:
    """Return document -> final score, as the documentation of `TwoStageRanker` says."""
    found = {document: float(score) for document, score in enumerate(first.scores[query]) if np.isfinite(score)}
    ranked = sorted(found.values(), reverse=True)
    ordered = set(found)
    if len(ranked) > depth:
        last = ranked[depth - 1]
        ordered = {document for document, score in found.items() if score >= last - 1e-6}
        if len(ordered) >= depth + spare < SIZE:
            ordered = {document for document, score in found.items() if score > last + 1e-6}
    if not ordered:
        return found
    lowest = min(float(second.scores[query, document]) for document in ordered)
    last = min(found[document] for document in ordered)
    return {
        document: float(second.scores[query, document]) if document in ordered else lowest - 1 - (last - score)
        for document, score in found.items()
    }


@pytest.mark.parametrize("depth", [1, 5, 20, 60, 1000])
@pytest.mark.parametrize("seed", range(4))
def test_lists_are_those_of_a_slow_reference(seed: int, depth: int) -> None:
    first, second = random_first(seed), random_second(seed)
    found = TwoStageRanker(first, second, SIZE, depth).search(SIZE)
    for query in range(QUERIES):
        expected = by_hand(first, second, query, depth)
        assert listed(found, query) == pytest.approx(expected, abs=1e-5), query
        scores = found.scores[query]
        assert (scores[:-1] >= scores[1:]).all(), query
        equal = np.flatnonzero((scores[:-1] == scores[1:]) & np.isfinite(scores[1:]))
        assert (found.documents[query, equal] < found.documents[query, equal + 1]).all(), query


def test_documents_behind_the_depth_keep_the_order_of_the_first_stage() -> None:
    vectors, _ = real_sides()
    rng = np.random.default_rng(3)
    second = Second(rng.normal(size=(QUERIES, 300)) * 10)
    alone = vectors.search(300).documents
    found = TwoStageRanker(vectors, second, 300, 20).search(300).documents
    np.testing.assert_array_equal(found[:, 20:], alone[:, 20:])
    assert (np.sort(found[:, :20]) == np.sort(alone[:, :20])).all()
    for query in range(QUERIES):
        assert (np.diff(second.scores[query, found[query, :20]]) <= 0).all()


def test_the_second_model_sees_no_more_than_it_must() -> None:
    vectors, _ = real_sides()
    second = Second(np.zeros((QUERIES, 300)))
    ranker = TwoStageRanker(vectors, second, 300, 20)
    ranker.search(10)
    ranker.search(100)
    ranker.score(np.arange(QUERIES), np.arange(QUERIES))
    assert second.seen == {(query, d) for query, row in enumerate(vectors.search(20).documents.tolist()) for d in row}


def test_documents_that_tie_with_the_last_one_are_put_in_order_too() -> None:
    """Three documents share the second place, and the second model prefers the last of them."""
    first = Table([[0.9, 0.5, 0.5, 0.5, 0.1]])
    second = Second(np.array([[1.0, 2.0, 3.0, 4.0, 9.0]]))
    found = TwoStageRanker(first, second, 5, 2).search(5)
    assert found.documents.tolist() == [[3, 2, 1, 0, 4]]
    assert found.scores[0].tolist() == pytest.approx([4, 3, 2, 1, 1 - 1 - 0.4])


@pytest.mark.parametrize("tied", [10, 16, 17, 18, 30])
def test_more_ties_than_can_be_looked_at_are_chance_and_stay_as_they_were(tied: int) -> None:
    """Two documents stand above the ties. What the second model would say of the last of these must not count."""
    size, depth = 50, 3
    scores = np.full((1, size), 0.1)
    scores[0, [4, 7]] = 0.9, 0.8
    scores[0, size - tied :] = 0.5
    second = np.linspace(0, 1, size)[None]
    reversed_order = np.arange(size)[::-1]
    found = TwoStageRanker(Table(scores), Second(second), size, depth)
    turned = TwoStageRanker(Table(scores[:, reversed_order]), Second(second[:, reversed_order]), size, depth)
    each, back = (ranker.score(np.zeros(size, np.int64), np.arange(size)) for ranker in (found, turned))
    np.testing.assert_array_equal(each, back[reversed_order])
    best = listed(found.search(size), 0)
    if tied <= 16:  # with the two above them they end within the list
        assert max(best, key=best.__getitem__) == size - 1
    else:
        assert [*best][:2] == [7, 4]
        assert len({best[document] for document in range(size - tied, size)}) == 1


def test_a_constant_first_stage_stays_chance() -> None:
    constant = Table(np.full((2, 40), 0.25))
    second = Second(np.random.default_rng(0).normal(size=(2, 40)))
    ranker = TwoStageRanker(constant, second, 40, 5)
    assert second.seen == set()
    assert np.ptp(ranker.search(40).scores) == 0
    assert ranker.count_at_least(np.array([0, 1, 1]), np.array([0.25, 0.2, 0.3], np.float32)).tolist() == [40, 40, 0]


def test_a_depth_beyond_the_corpus_puts_all_that_is_found_in_order() -> None:
    first, second = random_first(2), random_second(2)
    found = TwoStageRanker(first, second, SIZE, 10_000).search(SIZE)
    for query in range(QUERIES):
        documents = np.flatnonzero(np.isfinite(first.scores[query]))
        assert listed(found, query) == {d: pytest.approx(float(second.scores[query, d])) for d in documents.tolist()}


def test_queries_for_which_nothing_is_found_stay_empty() -> None:
    words = BM25Ranker(["a", "nowhere", ""], ["a b", "b", "a"], Analyser(stemmer="none"))
    ranker = TwoStageRanker(words, Second(np.arange(9.0).reshape(3, 3)), 3, 2)
    assert ranker.search(3).documents.tolist() == [[2, 0, -1], [-1] * 3, [-1] * 3]
    pairs = np.repeat(np.arange(3), 3), np.tile(np.arange(3), 3)
    assert ranker.score(*pairs).tolist() == [0, -np.inf, 2] + [-np.inf] * 6
    assert ranker.count_at_least(np.arange(3), np.full(3, -5, np.float32)).tolist() == [2, 0, 0]


def stages(kind: str, spread: float) -> tuple[TwoStageRanker, int]:
    """Return a two-stage search over one of the first stages that there are, and the size of its corpus."""
    if kind == "table":
        return TwoStageRanker(random_first(5), random_second(5, spread), SIZE, 12), SIZE
    vectors, words = real_sides(4)
    firsts: dict[str, Ranker] = {"vectors": vectors, "words": words}
    first = firsts.get(kind) or Pool(vectors, words, 300, 100).fused(Fusion("rrf"))
    second = Second(np.random.default_rng(7).normal(size=(QUERIES, 300)) * spread)
    return TwoStageRanker(first, second, 300, 12), 300


KINDS = pytest.mark.parametrize(
    ("kind", "spread"),
    [("table", 1.0), ("vectors", 1.0), ("words", 1.0), ("words", 12.0), ("rrf", 12.0)],
)


@KINDS
def test_counts_and_scores_agree_with_the_lists(kind: str, spread: float) -> None:
    ranker, size = stages(kind, spread)
    found = ranker.search(size)
    row, place = np.nonzero(found.documents >= 0)
    scores = found.scores[row, place]
    np.testing.assert_allclose(ranker.score(row, found.documents[row, place]), scores, atol=1e-6)
    above = np.maximum(scores + np.float32(1e-6), np.nextafter(scores, np.float32(np.inf)))
    expected = [(found.scores[query] >= bound).sum() for query, bound in zip(row, above, strict=True)]
    assert ranker.count_at_least(row, above).tolist() == expected


@KINDS
def test_metrics_of_short_lists_are_those_of_the_whole(kind: str, spread: float) -> None:
    """An `mrr` without a cutoff is the rank in the full list, be it behind the depth or before it."""
    ranker, size = stages(kind, spread)
    data = judged(6, size)
    metrics = [parse_metric(name) for name in METRICS]
    found = score_search(ranker, data, metrics)
    whole = score_rankings(ranker.search(size), data.judgements, metrics)
    for name in METRICS:
        each = found.measured[name].each
        assert each is not None
        np.testing.assert_allclose(each, whole[name], atol=1e-6, err_msg=name)
    assert found.measured["mrr"].value > found.measured["mrr@10"].value


def test_a_better_second_model_gains_by_what_it_sees() -> None:
    """It knows every relevant document; those that the first stage put behind the depth stay out of its reach."""
    vectors, _ = real_sides(1)
    data = judged(1, 300)
    knows = np.zeros((QUERIES, 300))
    knows[data.judgements.query, data.judgements.document] = data.judgements.grade
    lists = vectors.search(300).documents
    values = []
    for depth in (10, 100, 300):
        ranker = TwoStageRanker(vectors, Second(knows), 300, depth)
        found = score_search(ranker, data, [parse_metric("hit_rate@1")]).measured["hit_rate@1"]
        reached = [bool(knows[query, lists[query, :depth]].any()) for query in range(QUERIES)]
        assert found.each is not None
        assert found.each[reached].tolist() == [1.0] * sum(reached)
        values.append(found.value)
    assert values[0] < values[1] < values[2] == 1.0


def test_real_vectors_in_two_dimensions_are_put_in_order_by_all_sixteen() -> None:
    """The second stage is exact search itself: at the depth of the corpus, both give the same lists."""
    vectors, _ = real_sides(2)
    rng = np.random.default_rng(2)
    queries, documents = (rng.normal(size=(n, 2)).astype(np.float32) for n in (QUERIES, 300))
    short = ExactRanker(queries, documents)
    ranker = TwoStageRanker(short, vectors.score, 300, 300)
    np.testing.assert_array_equal(ranker.search(50).documents, vectors.search(50).documents)
