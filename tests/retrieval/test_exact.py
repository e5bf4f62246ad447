"""Exact search against a plain matrix product."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.typing import NDArray

from pytest_embedeval.retrieval.exact import ExactRanker
from pytest_embedeval.vectors import normalised


def vectors(n: int, seed: int) -> NDArray[np.float32]:
    return normalised(np.random.default_rng(seed).standard_normal((n, 16)).astype(np.float32))


@pytest.mark.parametrize("k", [1, 10, 100, 300, 999], ids="k={}".format)
def test_the_top_k_are_those_of_the_product(k: int) -> None:
    queries, documents = vectors(50, 0), vectors(300, 1)
    found = ExactRanker(queries, documents).search(k)
    products = queries @ documents.T
    order = np.argsort(-products, axis=1, kind="stable")[:, :k]
    assert found.documents.tolist() == order.tolist()
    np.testing.assert_allclose(found.scores, np.take_along_axis(products, order, axis=1), atol=1e-6)


def test_equal_scores_stand_in_the_order_of_the_corpus() -> None:
    documents = np.repeat(vectors(4, 2), 5, axis=0)
    found = ExactRanker(documents[[0, 5]], documents).search(8)
    assert found.documents[0, :5].tolist() == [0, 1, 2, 3, 4]
    assert found.documents[1, :5].tolist() == [5, 6, 7, 8, 9]
    last = found.documents[0, 5:]
    assert last.tolist() == list(range(last[0], last[0] + 3))
    assert last[0] % 5 == 0


def test_a_corpus_of_one_vector_is_listed_from_its_start() -> None:
    same = np.repeat(vectors(1, 3), 20_000, axis=0)
    assert ExactRanker(same[:2], same).search(10).documents.tolist() == [list(range(10))] * 2


def test_counts_and_pair_scores_agree_with_the_product() -> None:
    queries, documents = vectors(3, 4), vectors(20_000, 5)
    ranker, products = ExactRanker(queries, documents), queries @ documents.T
    rows = np.array([2, 0])
    bounds = np.array([0.3, 0.5], dtype=np.float32)
    assert ranker.count_at_least(rows, bounds).tolist() == [(products[2] >= 0.3).sum(), (products[0] >= 0.5).sum()]
    np.testing.assert_allclose(ranker.score(np.array([0, 2]), np.array([7, 9])), products[[0, 2], [7, 9]], atol=1e-6)
