"""FAISS, which finds the nearest: by inner product, by Hamming distance, and through the indexes of its factory."""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import faiss
import numpy as np

from pytest_embedeval.findings import Finding

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from pytest_embedeval.retrieval.index_names import IndexName

_FEW = 20  # queries below which FAISS is faster pair by pair than by a matrix product
_USUAL = (768, 1024, 1536, 5040)  # dimensions at which a name is tried; the last has most divisors below 17
_EXAMPLES = "take a factory string of FAISS, such as HNSW32 or IVF256,Flat"
_GRAPHS = re.compile("HNSW|NSG|NND")  # their links depend on the order in which threads come to them
_TRAINING = re.compile(
    r"Number of training points \((\d+)\) should be at least as large as number of clusters \((\d+)\)"
)


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


class FactoryIndex:
    """An index that FAISS makes from a string such as `HNSW32` or `IVF256,Flat`, by inner product.

    Where FAISS has an index, or makes it, for Euclidean distance alone, that is used: of unit vectors both give the
    same order, and a squared distance D the score 1 − D / 2.

    Two indexes of the same documents return the same lists: FAISS draws with fixed seeds, and graphs (HNSW, NSG) are
    built by one thread. On another machine the last digits of products may differ, and with them a cell or a link.

    Parameters
    ----------
    name
        Factory string, and parameters of the search as FAISS's `ParameterSpace` names them: `nprobe`, `efSearch` …
    documents
        Unit vectors, float32 array [m, d], contiguous. FAISS copies them, even from a map of a file.

    Raises
    ------
    UsageError
        FAISS cannot build it on these vectors; the message says why and what to do.
    """

    def __init__(self, name: IndexName, documents: NDArray[np.float32]) -> None:
        self._index = _made(name, documents.shape[1])
        self.findings = _few_for_training(name, self._index, len(documents))
        try:
            with threads(1 if _GRAPHS.search(name.kind) else faiss.omp_get_max_threads()):
                if not self._index.is_trained:
                    self._index.train(documents)
                _add(self._index, documents)
        except RuntimeError as error:
            raise name.error(_cannot_build(error, len(documents))) from None
        self.bytes = _size(self._index)

    def search(self, queries: NDArray[np.float32], k: int) -> tuple[NDArray[np.float32], NDArray[np.int64]]:
        """Return scores and positions of the k best documents of every query, best first; arrays [n, k]."""
        scores, documents = self._index.search(queries, k)
        if self._index.metric_type != faiss.METRIC_INNER_PRODUCT:
            scores = np.float32(1) - scores / np.float32(2)
        return scores, documents


def check(name: IndexName) -> None:
    """Raise a UsageError where FAISS knows no such index, or the index has no such parameter."""
    for dimension in _USUAL:
        try:
            _set(name, _empty(name, dimension))
        except RuntimeError as error:
            refusal = error
        else:
            return
    raise name.error(f"FAISS knows no such index ({_said(refusal)}); {_EXAMPLES}")


def _made(name: IndexName, dimension: int) -> Any:
    """Return an empty index with its parameters."""
    try:
        return _set(name, _empty(name, dimension))
    except RuntimeError as error:
        problem = f"FAISS makes no such index of {dimension} numbers per vector ({_said(error)})"
        raise name.error(f"{problem}; {_EXAMPLES}") from None


def _empty(name: IndexName, dimension: int) -> Any:
    try:
        return faiss.index_factory(dimension, name.kind, faiss.METRIC_INNER_PRODUCT)
    except RuntimeError:
        return faiss.index_factory(dimension, name.kind, faiss.METRIC_L2)


def _set(name: IndexName, index: Any) -> Any:
    for key, value in name.options.items():
        try:
            faiss.ParameterSpace().set_index_parameter(index, key, value)
        except RuntimeError:
            raise name.error(f"{name.kind} has no parameter {key!r}; IVF has nprobe, HNSW efSearch") from None
    return index


def _add(index: Any, documents: NDArray[np.float32]) -> None:
    if hasattr(faiss.downcast_index(index), "id_map"):
        index.add_with_ids(documents, np.arange(len(documents)))
    else:
        index.add(documents)


def _cannot_build(error: RuntimeError, documents: int) -> str:
    few = _TRAINING.search(str(error))
    if few:
        return (
            f"is trained on at least {int(few[2]):,} documents, and there are {documents:,}; "
            "take a smaller one, HNSW32 or flat"
        )
    return f"cannot be built on {documents:,} documents: {_said(error)}; take another one, such as HNSW32 or flat"


def _said(error: RuntimeError) -> str:
    """Return what FAISS says, without the place in its source."""
    said = re.sub(r"^Error in .*? at \S+:\d+: ", "", str(error).strip(), flags=re.DOTALL)
    return re.sub(r"^Error: '.*?' failed:? ?(?=.)", "", said, flags=re.DOTALL)


def _few_for_training(name: IndexName, index: Any, documents: int) -> tuple[Finding, ...]:
    try:
        cells = faiss.extract_index_ivf(index)
    except RuntimeError:
        return ()
    wanted = cells.nlist * cells.cp.min_points_per_centroid
    if documents >= wanted:
        return ()
    message = f"{name.text} has {cells.nlist:,} cells, which FAISS would train on {wanted:,} documents or more"
    return (Finding("few-for-training", documents, f"{message}; there are {documents:,}"),)


def _size(index: Any) -> int:
    """Return how many bytes an index takes when it is written, without keeping them."""
    written = 0

    def count(block: bytes) -> int:
        nonlocal written
        written += len(block)
        return len(block)

    faiss.write_index(index, faiss.PyCallbackIOWriter(count))  # type: ignore[attr-defined]
    return written


@contextmanager
def threads(number: int) -> Iterator[None]:
    """Let FAISS use so many threads."""
    before = faiss.omp_get_max_threads()
    faiss.omp_set_num_threads(number)
    try:
        yield
    finally:
        faiss.omp_set_num_threads(before)


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
