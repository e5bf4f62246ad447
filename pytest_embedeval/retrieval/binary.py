"""Search among vectors of one bit per number: first by Hamming distance, then the nearest once more by the query."""

from __future__ import annotations

from collections.abc import Iterator
from copy import copy
from functools import cached_property
from typing import TYPE_CHECKING

import numpy as np

from pytest_embedeval.retrieval import engine
from pytest_embedeval.retrieval.exact import merge
from pytest_embedeval.retrieval.ranked import Rankings

if TYPE_CHECKING:
    from numpy.typing import NDArray

_ROWS = 8192
_QUERIES = 256
_FETCHED = 4  # times the candidates, so that a tie at their end is seen whole


class BinaryRanker:
    """Two stages, for which the index keeps nothing but the bits: d / 8 bytes per document.

    A bit is set where a number is above 0. The candidates of a query are the documents at the smallest Hamming
    distances, and all that are as near as the last of them. Candidates are scored by the inner product of the query,
    with all its numbers, and the signs of the document at unit length, ±1/√d (Yamada, Asai, Hajishirzi 2021;
    `rescore` in sentence-transformers). The other documents follow by their Hamming distance h: their score is
    −2 − h/d, below that of every candidate. So no score depends on ids, or on how long a list is asked for.

    Equal bits give equal scores, to the last digit: the numbers of a query are rounded so far (to about 1e-6) that
    their sums are exact in any order.

    Parameters
    ----------
    queries, documents
        Unit vectors, float32 arrays [n, d] and [m, d]. Of the documents the signs alone are used.
    candidates
        How many are scored a second time: four for each place of a list of ten, unless set.
    """

    def __init__(self, queries: NDArray[np.float32], documents: NDArray[np.float32], candidates: int = 40) -> None:
        self._bits = _packed(documents)
        self._candidates = min(candidates, len(documents))
        self._dimension = queries.shape[1]
        self._ask(queries)

    def asking(self, queries: NDArray[np.float32]) -> BinaryRanker:
        """Return the search of the same documents for other queries."""
        other = copy(self)
        for found in ("_near", "_radius"):
            other.__dict__.pop(found, None)
        other._ask(queries)
        return other

    def _ask(self, queries: NDArray[np.float32]) -> None:
        self._queries = _summable(queries)
        self._own = _packed(queries)
        self._best = np.empty((len(queries), 0), dtype=np.float32)  # highest scores of each query, as far as known

    def search(self, k: int) -> Rankings:
        """Return the k best documents of every query; equal scores stand in the order of the corpus."""
        k = min(k, len(self._bits))
        distances, documents = self._near
        if k > documents.shape[1]:
            distances, documents = engine.by_hamming_distance(self._own, self._bits, k)
        scores = self._far(distances)
        row, place = np.nonzero(distances <= self._radius[:, None])
        scores[row, place] = self._products(row, documents[row, place])
        order = np.lexsort((documents, -scores), axis=1)
        scores = np.take_along_axis(scores, order, axis=1)
        documents = np.take_along_axis(documents, order, axis=1)
        if documents.shape[1] < len(self._bits):
            more = np.flatnonzero(distances[:, -1] <= self._radius)
            scores[more], documents[more] = self._scanned(more, documents.shape[1])
        self._best = scores
        return Rankings(np.ascontiguousarray(documents[:, :k]), np.ascontiguousarray(scores[:, :k]))

    def count_at_least(self, queries: NDArray[np.int64], bounds: NDArray[np.float32]) -> NDArray[np.int64]:
        """Return how many documents score at least `bounds[i]` for query `queries[i]`; int64 array."""
        counts: NDArray[np.int64] = np.count_nonzero(self._best[queries] >= bounds[:, None], axis=1)
        unknown = np.flatnonzero(counts == self._best.shape[1])
        counts[unknown] = 0
        for rows, _, scores in self._blocks(queries[unknown]):
            counts[unknown[rows]] += np.count_nonzero(scores >= bounds[unknown[rows], None], axis=1)
        return counts

    def score(self, queries: NDArray[np.int64], documents: NDArray[np.int64]) -> NDArray[np.float32]:
        """Return the score of each pair; float32 array."""
        distances = np.empty(len(queries), dtype=np.int64)
        for start in range(0, len(queries), _ROWS):
            block = slice(start, start + _ROWS)
            differing = self._own[queries[block]] ^ self._bits[documents[block]]
            distances[block] = np.bitwise_count(differing).sum(axis=1)
        scores = self._far(distances)
        near = np.flatnonzero(distances <= self._radius[queries])
        scores[near] = self._products(queries[near], documents[near])
        return scores

    @cached_property
    def _near(self) -> tuple[NDArray[np.int32], NDArray[np.int64]]:
        """Hamming distances and positions of the nearest documents, more than the candidates; arrays [n, k]."""
        return engine.by_hamming_distance(self._own, self._bits, min(_FETCHED * self._candidates, len(self._bits)))

    @cached_property
    def _radius(self) -> NDArray[np.int32]:
        """The Hamming distance of the last candidate of each query; int32 array [n]."""
        last: NDArray[np.int32] = self._near[0][:, : self._candidates].max(axis=1, initial=-1)
        return last

    def _far(self, distances: NDArray[np.integer] | NDArray[np.float32]) -> NDArray[np.float32]:
        """Return the scores of documents at these distances that are no candidates; float32 array."""
        scores: NDArray[np.float32] = np.float32(-2) - distances.astype(np.float32) / np.float32(self._dimension)
        return scores

    def _products(self, queries: NDArray[np.int64], documents: NDArray[np.int64]) -> NDArray[np.float32]:
        """Return the inner product of query and signs of each pair; float32 array."""
        products = np.empty(len(queries), dtype=np.float32)
        for start in range(0, len(queries), _ROWS):
            block = slice(start, start + _ROWS)
            pairs = self._queries[queries[block]], self._signs(self._bits[documents[block]])
            products[block] = np.einsum("ij,ij->i", *pairs)
        return products / np.float32(np.sqrt(self._dimension))

    def _signs(self, bits: NDArray[np.uint8]) -> NDArray[np.float32]:
        """Return 1 for each bit that is set and -1 for the others; float32 array [n, d]."""
        return np.unpackbits(bits, axis=1, count=self._dimension) * np.float32(2) - np.float32(1)

    def _scanned(self, queries: NDArray[np.int64], k: int) -> tuple[NDArray[np.float32], NDArray[np.int64]]:
        """Return scores and positions of the k best documents, having looked at all of them; arrays [n, k]."""
        scores = np.full((len(queries), k), -np.inf, dtype=np.float32)
        documents = np.full((len(queries), k), -1, dtype=np.int64)
        for rows, first, block in self._blocks(queries):
            positions = np.broadcast_to(np.arange(first, first + block.shape[1]), block.shape)
            merge(scores[rows], documents[rows], block, positions)
        return scores, documents

    def _blocks(self, queries: NDArray[np.int64]) -> Iterator[tuple[slice, int, NDArray[np.float32]]]:
        """Yield rows of `queries`, the first document of a block, and the scores of the two."""
        if not len(queries):
            return
        for first in range(0, len(self._bits), _ROWS):
            signs = self._signs(self._bits[first : first + _ROWS]).T
            for start in range(0, len(queries), _QUERIES):
                rows = slice(start, start + _QUERIES)
                chosen = queries[rows]
                distances = (self._dimension - self._signs(self._own[chosen]) @ signs) / 2
                products = self._queries[chosen] @ signs / np.float32(np.sqrt(self._dimension))
                yield rows, first, np.where(distances <= self._radius[chosen, None], products, self._far(distances))


def _packed(vectors: NDArray[np.float32]) -> NDArray[np.uint8]:
    """Return one bit per number, set where it is above 0; uint8 array [n, ⌈d / 8⌉]."""
    bits = np.empty((len(vectors), (vectors.shape[1] + 7) // 8), dtype=np.uint8)
    for start in range(0, len(vectors), _ROWS):
        bits[start : start + _ROWS] = np.packbits(vectors[start : start + _ROWS] > 0, axis=1)
    return bits


def _summable(vectors: NDArray[np.float32]) -> NDArray[np.float32]:
    """Round the numbers of each vector to multiples of a power of two, so that all sums of ± them are exact."""
    largest = np.abs(vectors).sum(axis=1, keepdims=True, dtype=np.float64) * (1 + 1e-6)
    step = np.exp2(np.ceil(np.log2(np.maximum(largest, np.finfo(np.float32).tiny))) - 23)
    rounded: NDArray[np.float32] = (np.round(vectors / step) * step).astype(np.float32)
    return rounded
