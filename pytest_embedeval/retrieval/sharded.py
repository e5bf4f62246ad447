"""Exact search on the nodes of a cluster: a part of the corpus on each, and one list of it all."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import numpy as np

from pytest_embedeval.retrieval.exact import ExactRanker, merge
from pytest_embedeval.retrieval.shards import Rows, divided

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from pytest_embedeval.cluster import Cluster


class ShardedRanker(ExactRanker):
    """Every query against every document, part by part on the nodes of a cluster.

    The lists, their order and what ties are those of `ExactRanker`: nearly equal scores are multiplied pair by pair
    here as there, whatever the shards. Each is searched where a node can read it, or is sent to it and stays with Ray
    for as long as this object is there.

    Parameters
    ----------
    queries, documents
        Unit vectors, float32 arrays [n, d] and [m, d].
    cluster
        Where they are searched.
    memory
        Bytes that this process may hold, as for `ExactRanker`.
    shards
        Parts of the corpus; None for one on each node, or more where these would exceed 256 MiB.
    """

    def __init__(
        self,
        queries: NDArray[np.float32],
        documents: NDArray[np.float32],
        cluster: Cluster,
        *,
        memory: int | None = None,
        shards: int | None = None,
    ) -> None:
        super().__init__(queries, documents, memory)
        self._cluster = cluster
        self._asked = cluster.put(self._queries)
        self._edges, self._shards = divided(self._documents, cluster, shards)

    def nearest(self, k: int) -> tuple[NDArray[np.float32], NDArray[np.int64]]:
        """Return scores and positions of the k best, merged from the shards; arrays [n, k]."""
        scores = np.full((len(self._queries), k), -np.inf, dtype=np.float32)
        documents = np.full((len(self._queries), k), -1, dtype=np.int64)
        sizes = np.diff(self._edges).tolist()
        for start, found in self._each("nearest", [(min(k, size),) for size in sizes]):
            merge(scores, documents, found[0], found[1] + start)
        return scores, documents

    def first_at_least(
        self, queries: NDArray[np.int64], bounds: NDArray[np.float32], without: list[NDArray[np.int64]], most: int
    ) -> list[list[int]]:
        """Return the first documents of the corpus that score at least a bound; see `ExactRanker`."""
        found: list[list[int]] = [[] for _ in queries]
        if not len(queries):
            return found
        calls = [(queries, bounds, [each - start for each in without], most) for start in self._edges[:-1]]
        for start, parts in self._each("first_at_least", calls):
            for known, more, each in zip(found, parts, without, strict=True):
                known.extend(start + document for document in more[: most - len(each) - len(known)])
        return found

    def count_all(self, queries: NDArray[np.int64], bounds: NDArray[np.float32]) -> NDArray[np.int64]:
        """Return how many documents score at least `bounds[i]` for query `queries[i]`; int64 array."""
        counts = np.zeros(len(queries), dtype=np.int64)
        if len(queries):
            for _, found in self._each("count_all", [(queries, bounds)] * len(self._shards)):
                counts += found
        return counts

    def _each(self, method: str, calls: list[tuple[Any, ...]]) -> Iterator[tuple[int, Any]]:
        """Ask every shard; yield its first position in the corpus and what it answers, in the order of the corpus."""
        asked = ((shard, self._asked, method, *given) for shard, given in zip(self._shards, calls, strict=True))
        for place, answer in enumerate(self._cluster.each(_ask, asked)):
            start, stop = self._edges[place : place + 2].tolist()
            if answer is None:  # of a node that has joined since, and does not see the file
                self._shards[place] = self._cluster.put(np.asarray(self._documents[start:stop]))
                again = self._shards[place], self._asked, method, *calls[place]
                (answer,) = self._cluster.each(_ask, [again])
            yield start, answer


def _ask(shard: Rows | NDArray[np.float32], queries: NDArray[np.float32], method: str, *given: Any) -> Any:
    """Ask an exact search over one shard; runs on a node. None where that does not see the file."""
    if isinstance(shard, Rows) and not shard.is_here():
        return None
    documents = shard.read() if isinstance(shard, Rows) else shard
    return getattr(ExactRanker(queries, documents), method)(*given)
