"""FAISS, which finds the nearest: by inner product and by Hamming distance."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

import faiss

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

_FEW = 20  # queries below which FAISS is faster pair by pair than by a matrix product


def by_inner_product(
    queries: NDArray[np.float32], documents: NDArray[np.float32], k: int, *, tile: int
) -> tuple[NDArray[np.float32], NDArray[np.int64]]:
    """Return scores and positions of the k best documents of every query, best first; arrays [n, k].

    Which documents come back among those that share the last score is chance.

    Parameters
    ----------
    queries, documents
        float32 arrays [n, d] and [m, d], contiguous.
    k
        At most m.
    tile
        Documents that are multiplied at once: 4 × n × tile bytes are held.
    """
    with _products_of(tile, matrix=len(queries) >= _FEW):
        scores, positions = faiss.knn(queries, documents, k, metric=faiss.METRIC_INNER_PRODUCT)
    return scores, positions


def by_hamming_distance(
    queries: NDArray[np.uint8], documents: NDArray[np.uint8], k: int
) -> tuple[NDArray[np.int32], NDArray[np.int64]]:
    """Return distances and positions of the k nearest documents of every query, nearest first; arrays [n, k].

    Equal distances stand in the order of the corpus, and so the first of those that share the last distance come
    back: FAISS's heap compares positions where distances are equal.

    Parameters
    ----------
    queries, documents
        Packed bits, uint8 arrays [n, b] and [m, b].
    k
        At most m.
    """
    distances, positions = faiss.knn_hamming(queries, documents, k)
    return distances, positions


@contextmanager
def _products_of(tile: int, *, matrix: bool) -> Iterator[None]:
    """Let FAISS multiply so many documents at once, as one matrix product where that is worth it.

    With its own 1,024 documents the threads wait for each other too often. And from version 1.15 on it takes
    hundreds of queries pair by pair, which takes five times as long.
    """
    size, threshold = faiss.cvar.distance_compute_blas_database_bs, faiss.cvar.distance_compute_blas_threshold
    faiss.cvar.distance_compute_blas_database_bs = tile
    if matrix:
        faiss.cvar.distance_compute_blas_threshold = 1
    try:
        yield
    finally:
        faiss.cvar.distance_compute_blas_database_bs = size
        faiss.cvar.distance_compute_blas_threshold = threshold
