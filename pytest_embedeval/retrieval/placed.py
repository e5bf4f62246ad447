"""An approximate index on a node of a cluster: built there from the whole corpus, and asked from here."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from pytest_embedeval.cluster import fetched
from pytest_embedeval.errors import EmbedevalError
from pytest_embedeval.retrieval.approximate import HeldIndex
from pytest_embedeval.retrieval.shards import Shard, divided, joined

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from pytest_embedeval.cluster import Cluster
    from pytest_embedeval.retrieval.index_names import IndexName


class PlacedIndex:
    """What `HeldIndex` is, on one node: the same index, and so the same lists.

    A corpus divided among several indexes would have other lists than one index has.

    Parameters
    ----------
    name
        What to build.
    documents
        Unit vectors, float32 array [m, d].

    Raises
    ------
    UsageError, MissingExtraError
        It cannot be built on these vectors.
    """

    def __init__(self, name: IndexName, documents: NDArray[np.float32], cluster: Cluster) -> None:
        _, self._shards = divided(documents, cluster)  # held as well for a node that has to build it anew
        self._workers = cluster.workers(_Holder, (name, self._shards, documents.shape), most=1)
        self.bytes, self.findings, self.build_s = self._workers.ask("about")

    def search(self, queries: NDArray[np.float32], k: int) -> tuple[NDArray[np.float32], NDArray[np.int64]]:
        """Return scores and positions; see `VectorIndex`."""
        found: tuple[NDArray[np.float32], NDArray[np.int64]] = self._workers.ask("search", queries, k)
        return found

    def times(self, queries: NDArray[np.float32], k: int) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """Return what searches take on the node; see `HeldIndex`."""
        found: tuple[NDArray[np.float64], NDArray[np.float64]] = self._workers.ask("times", queries, k)
        return found


class _Holder:
    """What the worker holds. An error in building is kept, and raised to whoever asks."""

    def __init__(self, name: IndexName, shards: list[Shard], shape: tuple[int, int]) -> None:
        self._error: EmbedevalError | None = None
        try:
            self._index = HeldIndex(name, joined(shards, shape, fetched))
        except EmbedevalError as error:
            self._error = error

    def about(self) -> tuple[Any, ...]:
        if self._error is not None:
            raise self._error
        return self._index.bytes, self._index.findings, self._index.build_s

    def search(self, queries: NDArray[np.float32], k: int) -> tuple[NDArray[np.float32], NDArray[np.int64]]:
        return self._index.search(queries, k)

    def times(self, queries: NDArray[np.float32], k: int) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        return self._index.times(queries, k)
