"""Two searches put in one order: weighted scores and ranks, beside a slow reference, and where they say nothing."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
import pytest
from numpy.typing import NDArray

from pytest_embedeval.datasets import Judgements, RetrievalData
from pytest_embedeval.metrics import parse_metric, score_rankings, score_search
from pytest_embedeval.models.searching import Fusion
from pytest_embedeval.retrieval import Ranker, Rankings
from pytest_embedeval.retrieval.bm25 import BM25Ranker
from pytest_embedeval.retrieval.exact import ExactRanker
from pytest_embedeval.retrieval.hybrid import FusedRanker, Pool
from pytest_embedeval.retrieval.words import Analyser

QUERIES, SIZE = 12, 60
RRF = Fusion("rrf")
Found = dict[int, float]  # document -> score, of one query


class Table:
    """A search whose scores are given; -inf for a document that it does not find."""

    def __init__(self, scores: NDArray[np.floating] | list[list[float]]) -> None:
        self.scores = np.array(scores, dtype=np.float32)

    def search(self, k: int) -> Rankings:
        order = np.argsort(-self.scores, axis=1, kind="stable")[:, :k]
        scores = np.take_along_axis(self.scores, order, axis=1)
        return Rankings(np.where(np.isfinite(scores), order, -1), scores)

    def count_at_least(self, queries: NDArray[np.int64], bounds: NDArray[np.float32]) -> NDArray[np.int64]:
        counts: NDArray[np.int64] = np.count_nonzero(self.scores[queries] >= bounds[:, None], axis=1)
        return counts

    def score(self, queries: NDArray[np.int64], documents: NDArray[np.int64]) -> NDArray[np.float32]:
        found: NDArray[np.float32] = self.scores[queries, documents]
        return found


def random_sides(seed: int) -> tuple[Table, Table]:
    """Return vectors that score every document, with ties, and words that find a few, or none for some query."""
    rng = np.random.default_rng(seed)
    vectors = np.round(rng.normal(size=(QUERIES, SIZE)), 1)
    words = np.round(rng.gamma(2, size=(QUERIES, SIZE)), 1)
    words[rng.random(words.shape) < rng.random((QUERIES, 1))] = -np.inf
    words[:2], words[1, 7] = -np.inf, 2.0
    return Table(vectors), Table(words)


def named(side: Table, query: int, depth: int) -> Found:
    """Return the documents that a search names: the first of them, but none that ties with the next one."""
    every = {document: float(score) for document, score in enumerate(side.scores[query]) if np.isfinite(score)}
    ordered = sorted(every.values(), reverse=True)
    bar = ordered[depth] if len(ordered) > depth else -np.inf
    return {document: score for document, score in every.items() if score > bar}


def weighted(vectors: Found, words: Found, alpha: float, *, was_cut: bool = False) -> Found:
    """Fuse scores as the documentation of `Fusion` says."""
    fused: Found = {}
    for side, weight, floor in ((vectors, alpha, np.inf), (words, 1 - alpha, np.inf if was_cut else 0.0)):
        low, high = (min(floor, *side.values()), max(side.values())) if side else (0.0, 0.0)
        for document, score in side.items():
            share = (score - low) / (high - low) if high > low else 1.0
            fused[document] = fused.get(document, 0.0) + weight * share
    for document in (*vectors, *words):
        fused.setdefault(document, 0.0)
    return fused


def by_ranks(vectors: Found, words: Found) -> Found:
    """Fuse by 1 / (60 + rank), equal scores on the best of their ranks."""
    fused: Found = {}
    for side in (vectors, words):
        for document, score in side.items():
            rank = 1 + sum(other > score for other in side.values())
            fused[document] = fused.get(document, 0.0) + 1 / (60 + rank)
    return fused


def listed(found: Rankings, query: int) -> Found:
    pairs = zip(found.documents[query].tolist(), found.scores[query].tolist(), strict=True)
    return {document: score for document, score in pairs if document >= 0}


def assert_equal(ranker: Ranker, expected: list[Found]) -> None:
    """Check every list, that it is in order, and that nothing else comes back."""
    found = ranker.search(2 * SIZE)
    for query, fused in enumerate(expected):
        assert listed(found, query) == pytest.approx(fused, abs=1e-6), query
        scores = found.scores[query]
        assert (scores[:-1] >= scores[1:]).all(), query
        equal = np.flatnonzero((scores[:-1] == scores[1:]) & np.isfinite(scores[1:]))
        assert (found.documents[query, equal] < found.documents[query, equal + 1]).all(), query


@pytest.mark.parametrize("depth", [5, 20, 1000])
@pytest.mark.parametrize("seed", range(4))
def test_fusion_is_that_of_a_slow_reference(seed: int, depth: int) -> None:
    vectors, words = random_sides(seed)
    pool = Pool(vectors, words, SIZE, depth)
    sides = [(named(vectors, query, depth), named(words, query, depth)) for query in range(QUERIES)]
    assert [bool(of_words) for _, of_words in sides][:2] == [False, True]
    cut = [bool(np.isfinite(words.scores[query]).sum() > depth) for query in range(QUERIES)]
    assert any(cut) == (depth < SIZE)
    for alpha in (0.0, 0.25, 0.5, 0.9, 1.0):
        expected = [weighted(*side, alpha, was_cut=more) for side, more in zip(sides, cut, strict=True)]
        assert_equal(pool.fused(Fusion("weighted", alpha)), expected)
    assert_equal(pool.fused(RRF), [by_ranks(*side) for side in sides])


def test_weighting_by_hand() -> None:
    """Vectors from -0.2 to 0.8, words from 1 to 5; the third document shares no word with the query."""
    pool = Pool(Table([[0.8, 0.3, -0.2, 0.2]]), Table([[1.0, 3.0, -np.inf, 5.0]]), 4)
    found = pool.fused(Fusion("weighted", 0.3)).search(4)
    assert listed(found, 0) == pytest.approx({3: 0.12 + 0.7, 1: 0.15 + 0.42, 0: 0.3 + 0.14, 2: 0.0})
    assert found.documents.tolist() == [[3, 1, 0, 2]]


def test_where_all_documents_share_a_word_the_lowest_has_nothing_of_the_words() -> None:
    pool = Pool(Table([[0.8, 0.3, -0.2]]), Table([[1.0, 3.0, 5.0]]), 3)
    assert listed(pool.fused(Fusion("weighted", 0.5)).search(3), 0) == pytest.approx({0: 0.5, 1: 0.5, 2: 0.5})


def test_ranks_by_hand() -> None:
    """Two documents share the first rank of the vectors; the next one has the third."""
    pool = Pool(Table([[0.9, 0.9, 0.1]]), Table([[-np.inf, 2.0, 7.0]]), 3)
    found = listed(pool.fused(RRF).search(3), 0)
    assert found == pytest.approx({1: 1 / 61 + 1 / 62, 2: 1 / 63 + 1 / 61, 0: 1 / 61})


def real_sides(seed: int = 0, size: int = 300) -> tuple[ExactRanker, BM25Ranker]:
    """Return two real searches of one corpus, each with documents that nothing ties with, and what they agree on."""
    rng = np.random.default_rng(seed)
    documents = rng.normal(size=(size, 16)).astype(np.float32)
    texts = [" ".join(f"w{word}" for word in rng.integers(0, 200, rng.integers(5, 40))) for _ in range(size)]
    queries = rng.normal(size=(QUERIES, 16)).astype(np.float32)
    asked = [" ".join(f"w{word}" for word in rng.integers(0, 210, 4)) for _ in range(QUERIES)]
    unit = [each / np.linalg.norm(each, axis=1, keepdims=True) for each in (queries, documents)]
    return ExactRanker(*unit), BM25Ranker(asked, texts, Analyser(stemmer="none"))


def test_alpha_one_ranks_as_the_vectors_do_and_alpha_zero_as_the_words_do() -> None:
    vectors, words = real_sides()
    pool = Pool(vectors, words, 300)
    by_vectors = pool.fused(Fusion("weighted", 1.0)).search(300)
    np.testing.assert_array_equal(by_vectors.documents, vectors.search(300).documents)
    by_words, alone = pool.fused(Fusion("weighted", 0.0)).search(300), words.search(300)
    for query in range(QUERIES):
        found = alone.documents[query][alone.documents[query] >= 0]
        above = by_words.documents[query][by_words.scores[query] > 0]
        assert 0 < len(above) < 300
        assert above.tolist() == found.tolist()


@pytest.mark.parametrize("fusion", [Fusion("weighted", 0.5), RRF], ids=["weighted", "rrf"])
def test_a_document_that_one_side_alone_finds_is_found(fusion: Fusion) -> None:
    """The words name only the last document, and the vectors, two deep, the first two."""
    pool = Pool(Table([[0.9, 0.8, 0.7, 0.1]]), Table([[-np.inf, -np.inf, -np.inf, 4.0]]), 4, depth=2)
    found = pool.fused(fusion).search(4)
    assert sorted(found.documents[0].tolist()) == [-1, 0, 1, 3]
    assert found.scores[0, 3] == -np.inf
    assert set(found.documents[0, :2].tolist()) == {0, 3}
    scores = pool.fused(fusion).score(np.zeros(4, np.int64), np.arange(4))
    assert np.isneginf(scores).tolist() == [False, False, True, False]


def test_documents_that_tie_across_the_depth_are_left_out() -> None:
    """Which of three equal documents come back is chance; the two above them do not tie with the fourth place."""
    side = Table([[0.9, 0.5, 0.5, 0.5, 0.7], [0.9, 0.8, 0.7, 0.5, 0.5]])
    nothing = Table(np.full((2, 5), -np.inf))
    found = Pool(side, nothing, 5, depth=3).fused(RRF).search(5)
    assert [list(listed(found, query)) for query in range(2)] == [[0, 4], [0, 1, 2]]
    swapped = Pool(nothing, side, 5, depth=3).fused(RRF).search(5)
    np.testing.assert_array_equal(swapped.documents[:, :3], found.documents[:, :3])


def test_scores_that_differ_by_rounding_are_ties() -> None:
    near = Table([[0.5, 0.5 + 2e-8, 0.5 - 2e-8, 0.9]])
    found = Pool(near, Table([[-np.inf] * 4]), 4).fused(RRF).search(4)
    assert listed(found, 0) == pytest.approx({3: 1 / 61, 0: 1 / 62, 1: 1 / 62, 2: 1 / 62})


def test_queries_that_neither_side_answers_have_empty_lists() -> None:
    nothing = Table(np.full((2, 3), -np.inf))
    for fusion in (Fusion(), RRF):
        found = Pool(nothing, nothing, 3).fused(fusion).search(3)
        assert (found.documents == -1).all()
        assert np.isneginf(found.scores).all()


def test_a_side_that_finds_one_document_gives_it_its_whole_weight() -> None:
    pool = Pool(Table([[0.2, 0.9, 0.1]]), Table([[3.0, -np.inf, -np.inf]]), 3)
    assert listed(pool.fused(Fusion("weighted", 0.4)).search(3), 0) == pytest.approx({0: 0.4 / 8 + 0.6, 1: 0.4, 2: 0})


def judged(seed: int, size: int, queries: int = QUERIES) -> RetrievalData:
    rng = np.random.default_rng(seed)
    grades = {
        (query, int(document)): int(rng.integers(1, 4))
        for query in range(queries)
        for document in rng.choice(size, 3, replace=False)
    }
    names = [f"d{number}" for number in range(size)]
    asked = [f"q{number}" for number in range(queries)]
    return RetrievalData("drawn", names, names, asked, asked, Judgements.of(grades))


@pytest.mark.parametrize("fusion", [Fusion("weighted", 0.1), Fusion("weighted", 0.9), RRF], ids=lambda f: f.described)
def test_a_constant_encoder_leaves_the_words_as_they_are(fusion: Fusion) -> None:
    """It ties all documents, more than the pool takes, and so names none: scores are those of the words."""
    _, words = real_sides()
    data = judged(1, 300)
    constant = ExactRanker(np.ones((QUERIES, 8), np.float32), np.ones((300, 8), np.float32))
    metrics = [parse_metric(name) for name in ("mrr@10", "recall@10", "ndcg@10", "mrr")]
    hybrid = score_search(Pool(constant, words, 300, depth=100).fused(fusion), data, metrics)
    alone = score_search(words, data, metrics)
    assert 0 < alone.measured["mrr"].value < 1
    for name, found in hybrid.measured.items():
        assert found.value == pytest.approx(alone.measured[name].value), name


@pytest.mark.parametrize("fusion", [Fusion("weighted", 0.1), Fusion("weighted", 0.9), RRF], ids=lambda f: f.described)
def test_a_constant_encoder_of_a_small_corpus_puts_no_document_before_another(fusion: Fusion) -> None:
    """It names all documents alike; those without any of the words tie behind the others."""
    _, words = real_sides()
    constant = ExactRanker(np.ones((QUERIES, 8), np.float32), np.ones((300, 8), np.float32))
    fused, alone = Pool(constant, words, 300).fused(fusion).search(300), words.search(300)
    for query in range(QUERIES):
        found = listed(alone, query)
        scores = listed(fused, query)
        order = sorted(found, key=found.__getitem__, reverse=True)
        assert all(scores[better] >= scores[worse] for better, worse in pairwise(order))
        rest = {scores[document] for document in range(300) if document not in found}
        assert len(rest) == 1
        assert scores[order[-1]] > rest.pop()


def rankers() -> list[tuple[str, FusedRanker]]:
    vectors, words = random_sides(9)
    pool = Pool(vectors, words, SIZE, depth=25)
    return [
        (fusion.described, pool.fused(fusion)) for fusion in (Fusion("weighted", 0.4), Fusion("weighted", 1.0), RRF)
    ]


@pytest.mark.parametrize(("_", "ranker"), rankers(), ids=lambda value: value if isinstance(value, str) else "")
def test_counts_and_scores_agree_with_the_lists(_: str, ranker: FusedRanker) -> None:
    found = ranker.search(2 * SIZE)
    row, place = np.nonzero(found.documents >= 0)
    np.testing.assert_array_equal(ranker.score(row, found.documents[row, place]), found.scores[row, place])
    counts = ranker.count_at_least(row, found.scores[row, place])
    expected = [(found.scores[query] >= found.scores[query, at]).sum() for query, at in zip(row, place, strict=True)]
    assert counts.tolist() == expected
    for query in range(QUERIES):
        rest = np.setdiff1d(np.arange(SIZE), found.documents[query])
        assert np.isneginf(ranker.score(np.full(len(rest), query), rest)).all()


def test_many_pairs_are_scored_as_few_are() -> None:
    ranker = rankers()[0][1]
    queries = np.random.default_rng(0).integers(0, QUERIES, 9000)
    documents = np.random.default_rng(1).integers(0, SIZE, 9000)
    scores = ranker.score(queries, documents)
    alone = [ranker.score(queries[i : i + 1], documents[i : i + 1])[0] for i in range(0, 9000, 97)]
    assert scores[::97].tolist() == alone
    assert 0 < np.isneginf(scores).sum() < 9000


@pytest.mark.parametrize(("_", "ranker"), rankers(), ids=lambda value: value if isinstance(value, str) else "")
def test_metrics_of_short_lists_are_those_of_the_whole(_: str, ranker: FusedRanker) -> None:
    """Ties that reach beyond a list are counted, and `mrr` finds what stands far below it."""
    data = judged(2, SIZE)
    names = ("mrr", "mrr@10", "recall@3", "ndcg@10", "map@10", "hit_rate@1")
    metrics = [parse_metric(name) for name in names]
    found = score_search(ranker, data, metrics)
    whole = score_rankings(ranker.search(2 * SIZE), data.judgements, metrics)
    for name in names:
        each = found.measured[name].each
        assert each is not None
        np.testing.assert_allclose(each, whole[name], atol=1e-9, err_msg=name)
