"""Exact search by inner product, in bounded memory."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

import faiss
import numpy as np

from pytest_embedeval.retrieval.ranked import Rankings

if TYPE_CHECKING:
    from numpy.typing import NDArray

_QUERY_BLOCK = 1024
_DOCUMENT_BLOCK = 8192
_SPARE = 16  # documents sought beyond the list, so that a short row of ties needs no second look at the corpus
_ROUNDING = 1e-6  # two ways of multiplying the same float32 vectors differ by less


class ExactRanker:
    """Every query against every document.

    Parameters
    ----------
    queries, documents
        Unit vectors, float32 arrays [n, d] and [m, d]; neither is copied.
    """

    def __init__(self, queries: NDArray[np.float32], documents: NDArray[np.float32]) -> None:
        self._queries = np.ascontiguousarray(queries, dtype=np.float32)
        self._documents = np.ascontiguousarray(documents, dtype=np.float32)
        self._best = np.empty((len(queries), 0), dtype=np.float32)  # highest scores of each query, as far as known

    def search(self, k: int) -> Rankings:
        """Return the k best documents of every query; equal scores stand in the order of the corpus.

        Works through blocks of queries and documents, so memory does not grow with n × m. `faiss.knn` returns any of
        the documents that share the last score; rows in which they reach into the k are settled afterwards.
        """
        k = min(k, len(self._documents))
        more = min(k + _SPARE, len(self._documents))
        scores = np.empty((len(self._queries), more), dtype=np.float32)
        documents = np.empty((len(self._queries), more), dtype=np.int64)
        with _document_blocks(_DOCUMENT_BLOCK):
            for start in range(0, len(self._queries), _QUERY_BLOCK):
                rows = slice(start, start + _QUERY_BLOCK)
                scores[rows], documents[rows] = faiss.knn(
                    self._queries[rows], self._documents, more, metric=faiss.METRIC_INNER_PRODUCT
                )
        tied = np.flatnonzero((scores[:, 1:] == scores[:, :-1]).any(axis=1))
        if len(tied):
            order = np.lexsort((documents[tied], -scores[tied]), axis=1)
            documents[tied] = np.take_along_axis(documents[tied], order, axis=1)
        self._best = scores
        scores, documents = np.ascontiguousarray(scores[:, :k]), np.ascontiguousarray(documents[:, :k])
        if more < len(self._documents):
            self._settle(np.flatnonzero(self._best[:, -1] == self._best[:, k - 1]), documents, scores)
        return Rankings(documents, scores)

    def _settle(self, rows: NDArray[np.int64], documents: NDArray[np.int64], scores: NDArray[np.float32]) -> None:
        """Fill the places that share the last score with the first such documents of the corpus, in place."""
        bounds = scores[rows, -1]
        above = [documents[row, scores[row] > bound] for row, bound in zip(rows, bounds, strict=True)]
        found: list[list[int]] = [[] for _ in rows]
        wanted = [documents.shape[1] - len(kept) for kept in above]
        for block, first, products in self._products(rows):
            for i, product in enumerate(products, start=block.start):
                if len(found[i]) < wanted[i]:
                    equal = first + np.flatnonzero(np.abs(product - bounds[i]) <= _ROUNDING)
                    found[i].extend(np.setdiff1d(equal, above[i])[: wanted[i] - len(found[i])].tolist())
        for i, row in enumerate(rows):
            if len(found[i]) == wanted[i]:
                documents[row, len(above[i]) :] = found[i]

    def count_at_least(self, queries: NDArray[np.int64], bounds: NDArray[np.float32]) -> NDArray[np.int64]:
        """Return how many documents score at least `bounds[i]` for query `queries[i]`; int64 array."""
        counts: NDArray[np.int64] = np.count_nonzero(self._best[queries] >= bounds[:, None], axis=1)
        unknown = np.flatnonzero(counts == self._best.shape[1])
        counts[unknown] = 0
        for rows, _, products in self._products(queries[unknown]):
            counts[unknown[rows]] += np.count_nonzero(products >= bounds[unknown[rows], None], axis=1)
        return counts

    def score(self, queries: NDArray[np.int64], documents: NDArray[np.int64]) -> NDArray[np.float32]:
        """Return the inner product of each pair; float32 array."""
        scores = np.empty(len(queries), dtype=np.float32)
        for start in range(0, len(queries), _DOCUMENT_BLOCK):
            block = slice(start, start + _DOCUMENT_BLOCK)
            pairs = self._queries[queries[block]], self._documents[documents[block]]
            scores[block] = np.einsum("ij,ij->i", *pairs)
        return scores

    def _products(self, queries: NDArray[np.int64]) -> Iterator[tuple[slice, int, NDArray[np.float32]]]:
        for start in range(0, len(queries), _QUERY_BLOCK):
            rows = slice(start, start + _QUERY_BLOCK)
            block = self._queries[queries[rows]]
            for first in range(0, len(self._documents), _DOCUMENT_BLOCK):
                yield rows, first, block @ self._documents[first : first + _DOCUMENT_BLOCK].T


@contextmanager
def _document_blocks(size: int) -> Iterator[None]:
    """Let FAISS multiply so many documents at once; with its own 1,024 the threads wait for each other too often."""
    before = faiss.cvar.distance_compute_blas_database_bs
    faiss.cvar.distance_compute_blas_database_bs = size
    try:
        yield
    finally:
        faiss.cvar.distance_compute_blas_database_bs = before
