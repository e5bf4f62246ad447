"""Exact search against a plain matrix product, in whatever blocks."""

from __future__ import annotations

from pathlib import Path

import faiss
import numpy as np
import pytest
from numpy.typing import NDArray

from pytest_embedeval.retrieval import engine
from pytest_embedeval.retrieval.exact import ExactRanker
from pytest_embedeval.vectors import normalised

BOUNDS = [None, 1, 40_000, 200_000, 1_000_000]  # bytes; 1,500 vectors of 24 numbers take 144,000

by_bound = pytest.mark.parametrize("memory", BOUNDS, ids="memory={}".format)


def vectors(n: int, seed: int, dimension: int = 16) -> NDArray[np.float32]:
    return normalised(np.random.default_rng(seed).standard_normal((n, dimension)).astype(np.float32))


def ranked(products: NDArray[np.floating], k: int) -> NDArray[np.int64]:
    return np.argsort(-products, axis=1, kind="stable")[:, :k]


@pytest.mark.parametrize("k", [1, 10, 100, 300, 999], ids="k={}".format)
@by_bound
def test_the_top_k_are_those_of_the_product(k: int, memory: int | None) -> None:
    queries, documents = vectors(50, 0), vectors(300, 1)
    found = ExactRanker(queries, documents, memory).search(k)
    products = queries @ documents.T
    order = ranked(products, k)
    assert found.documents.tolist() == order.tolist()
    np.testing.assert_allclose(found.scores, np.take_along_axis(products, order, axis=1), atol=1e-6)


@pytest.mark.parametrize("distinct", [1, 2, 30, 600], ids="{} distinct".format)
@pytest.mark.parametrize("queries", [3, 40], ids="{} queries".format)
@by_bound
def test_equal_vectors_stand_in_the_order_of_the_corpus(memory: int | None, queries: int, distinct: int) -> None:
    """A matrix product gives equal vectors scores that differ in the last bit with their place in it."""
    rng = np.random.default_rng(distinct)
    which = rng.integers(distinct, size=1_500)
    pool, asked = vectors(distinct, 2, 24), vectors(queries, 3, 24)
    ranker = ExactRanker(asked, pool[which], memory)
    products = (asked.astype(np.float64) @ pool.T)[:, which]
    for k in (1, 10, 200):
        found = ranker.search(k)
        order = ranked(products, k)
        assert found.documents.tolist() == order.tolist()
        np.testing.assert_allclose(found.scores, np.take_along_axis(products, order, axis=1), atol=1e-6)
        same = which[order][:, 1:] == which[order][:, :-1]
        assert (np.diff(found.scores)[same] == 0).all()


@pytest.mark.parametrize("seed", range(4))
@by_bound
def test_scores_that_are_whole_numbers_come_back_exactly(memory: int | None, seed: int) -> None:
    """Four numbers from -2 to 2: hardly more scores than documents sought, so that ties cross every cut."""
    rng = np.random.default_rng(seed)
    queries, documents = (rng.integers(-2, 3, (n, 4)).astype(np.float32) for n in (30, 700))
    ranker = ExactRanker(queries, documents, memory)
    products = queries @ documents.T
    for k in (1, 20, 150):
        found = ranker.search(k)
        order = ranked(products, k)
        assert found.documents.tolist() == order.tolist()
        assert found.scores.tolist() == np.take_along_axis(products, order, axis=1).tolist()
        rows = np.arange(len(queries))
        at_least = ranker.count_at_least(rows, found.scores[:, -1])
        assert at_least.tolist() == (products >= found.scores[:, -1:]).sum(axis=1).tolist()


@by_bound
def test_counts_and_pair_scores_agree_with_the_product(memory: int | None) -> None:
    queries, documents = vectors(3, 4), vectors(20_000, 5)
    ranker, products = ExactRanker(queries, documents, memory and 10 * memory), queries @ documents.T
    rows = np.array([2, 0])
    bounds = np.array([0.3, 0.5], dtype=np.float32)
    assert ranker.count_at_least(rows, bounds).tolist() == [(products[2] >= 0.3).sum(), (products[0] >= 0.5).sum()]
    np.testing.assert_allclose(ranker.score(np.array([0, 2]), np.array([7, 9])), products[[0, 2], [7, 9]], atol=1e-6)


def test_a_corpus_of_one_vector_is_listed_from_its_start() -> None:
    same = np.repeat(vectors(1, 3), 20_000, axis=0)
    assert ExactRanker(same[:2], same).search(10).documents.tolist() == [list(range(10))] * 2


@pytest.mark.parametrize("memory", [None, 1000])
@pytest.mark.parametrize(("queries", "documents"), [(0, 5), (5, 0)])
def test_nothing_is_found_by_no_query_or_in_no_document(queries: int, documents: int, memory: int | None) -> None:
    ranker = ExactRanker(vectors(queries, 0), vectors(documents, 1), memory)
    assert ranker.search(10).documents.shape == (queries, documents)
    assert ranker.count_at_least(np.arange(queries), np.zeros(queries, dtype=np.float32)).tolist() == [0] * queries


class Reading:
    """Notes which documents the engine is given at once, and how many products it holds."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.documents: list[NDArray[np.float32]] = []
        self.products: list[int] = []
        self.whole = engine.by_inner_product
        monkeypatch.setattr(engine, "by_inner_product", self)

    def __call__(
        self, queries: NDArray[np.float32], documents: NDArray[np.float32], k: int, *, tile: int
    ) -> tuple[NDArray[np.float32], NDArray[np.int64]]:
        if not self.documents or documents.ctypes.data != self.documents[-1].ctypes.data:
            self.documents.append(documents)
        self.products.append(4 * len(queries) * min(tile, len(documents)))
        return self.whole(queries, documents, k, tile=tile)


@pytest.mark.parametrize("memory", [200_000, 1_000_000, 2_000_000])
def test_each_document_is_read_once_and_blocks_stay_within_the_bound(
    memory: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    queries, documents = vectors(600, 0), vectors(20_000, 1)
    read = Reading(monkeypatch)
    ExactRanker(queries, documents, memory).search(10)
    assert sum(len(block) for block in read.documents) == len(documents)
    assert all(np.shares_memory(block, documents) for block in read.documents)
    assert max(read.products) + max(block.nbytes for block in read.documents) <= memory
    assert max(read.products) > memory / 8


def test_without_a_bound_the_corpus_is_one_block(monkeypatch: pytest.MonkeyPatch) -> None:
    read = Reading(monkeypatch)
    ExactRanker(vectors(30, 0), vectors(20_000, 1)).search(10)
    assert [len(block) for block in read.documents] == [20_000]


def test_a_mapped_file_is_searched_like_an_array(tmp_path: Path) -> None:
    queries, documents = vectors(30, 6), vectors(2_000, 7)
    np.save(tmp_path / "documents.npy", documents)
    mapped = np.load(tmp_path / "documents.npy", mmap_mode="r")
    found = ExactRanker(queries, mapped[3:], memory=30_000).search(20)
    assert found.documents.tolist() == ranked(queries @ documents[3:].T, 20).tolist()


def test_a_search_leaves_the_settings_of_faiss_alone() -> None:
    names = ("distance_compute_blas_database_bs", "distance_compute_blas_threshold")
    before = [getattr(faiss.cvar, name) for name in names]
    ExactRanker(vectors(30, 0), vectors(50, 1)).search(5)
    assert [getattr(faiss.cvar, name) for name in names] == before
