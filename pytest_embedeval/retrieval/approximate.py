"""Search through an approximate index: its lists as it returns them, and what it costs beside exact search."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

import numpy as np

from pytest_embedeval.findings import Finding
from pytest_embedeval.retrieval.index_names import IndexName
from pytest_embedeval.retrieval.listed import DEEPEST, Lists
from pytest_embedeval.retrieval.ranked import Ranker, Rankings

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from pytest_embedeval.cluster import Cluster
    from pytest_embedeval.retrieval.placed import PlacedIndex

TOP = 10  # places in which an index is compared with exact search
TIMED = 100  # queries that are timed one by one; with fewer there is no 95th percentile
_SPARE = 100  # places beyond a list in which ties with its last are looked for
_TILE = 8192  # documents that exact search multiplies at once
_ROUNDING = 1e-6  # two ways of multiplying the same float32 vectors differ by less


class VectorIndex(Protocol):
    """Vectors of documents, arranged so that the nearest are found without looking at all of them.

    Attributes
    ----------
    bytes
        What it takes, serialised or on disk.
    findings
        What is worth knowing about how it was built.
    """

    bytes: int
    findings: tuple[Finding, ...]

    def search(self, queries: NDArray[np.float32], k: int) -> tuple[NDArray[np.float32], NDArray[np.int64]]:
        """Return scores, higher is better, and positions; arrays [n, k], position -1 where fewer were found."""
        ...


def build_index(name: IndexName, documents: NDArray[np.float32]) -> VectorIndex:
    """Build an index of unit vectors, float32 array [m, d].

    Raises
    ------
    UsageError
        It cannot be built on these vectors; the message names the flag and the fix.
    MissingExtraError
        LanceDB is not installed.
    """
    if name.is_lancedb:
        from pytest_embedeval.retrieval.lance import LanceIndex

        return LanceIndex(name, documents)
    from pytest_embedeval.retrieval.engine import FactoryIndex

    return FactoryIndex(name, documents)


class HeldIndex:
    """An index with its documents, built here.

    Parameters
    ----------
    name
        What to build.
    documents
        Unit vectors, float32 array [m, d].

    Attributes
    ----------
    bytes, findings
        Those of the index.
    build_s
        Seconds to train and fill it.

    Raises
    ------
    UsageError, MissingExtraError
        It cannot be built on these vectors.
    """

    def __init__(self, name: IndexName, documents: NDArray[np.float32]) -> None:
        self._documents = np.ascontiguousarray(documents, dtype=np.float32)
        started = time.perf_counter()
        self._index = build_index(name, self._documents)
        self.build_s = time.perf_counter() - started
        self.bytes, self.findings = self._index.bytes, self._index.findings

    def search(self, queries: NDArray[np.float32], k: int) -> tuple[NDArray[np.float32], NDArray[np.int64]]:
        """Return scores and positions; see `VectorIndex`."""
        return self._index.search(queries, k)

    def times(self, queries: NDArray[np.float32], k: int) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """Return the milliseconds of a search for each query alone, in the index and exact; float64 arrays [n]."""
        from pytest_embedeval.retrieval import engine

        with engine.threads(1):  # those of several wait for each other where the processor is busy
            return (
                _timed(queries, lambda query: self._index.search(query, k)),
                _timed(queries, lambda query: engine.by_inner_product(query, self._documents, k, tile=_TILE)),
            )


class ApproximateRanker(Lists):
    """Ranks documents by the lists that an index returns, in its order and with its scores.

    Scores are not computed anew from the vectors, even where the index rounds them: the order that users see is that
    of the index, and where it cannot tell two documents apart, they tie: those beyond a list whose scores equal that of
    its last place are looked for among the hundred that follow. Better ones that a deeper search would find are not.

    An index is asked for k documents where k are wanted, since many look further where they are asked for more. So two
    searches may disagree, and each answers for its own lists alone. No list is longer than 1,000 places; in particular
    an mrr without a cutoff sees no further.

    Parameters
    ----------
    queries
        Unit vectors, float32 array [n, d].
    index
        Holds the documents.
    size
        How many documents there are.
    least
        How many are asked for at least.
    """

    def __init__(self, queries: NDArray[np.float32], index: VectorIndex, size: int, least: int = 1) -> None:
        super().__init__()
        self._queries = queries
        self._index = index
        self._size = size
        self._least = least
        self._is_extended = False

    def search(self, k: int) -> Rankings:
        """Return the k best documents of every query as far as the index finds them; equal scores by position."""
        k = min(max(k, self._least), DEEPEST, self._size)
        scores, documents = self._index.search(self._queries, k)
        self._is_extended = False
        return self.keep(documents, scores)

    def count_at_least(self, queries: NDArray[np.int64], bounds: NDArray[np.float32]) -> NDArray[np.int64]:
        """Return how many documents in the list of query `queries[i]`, or tied with its last, score at least that."""
        self._extend()
        return super().count_at_least(queries, bounds)

    def score(self, queries: NDArray[np.int64], documents: NDArray[np.int64]) -> NDArray[np.float32]:
        """Return the score of each pair, -inf for a document neither in the query's list nor tied with its last."""
        self._extend()
        return super().score(queries, documents)

    def _extend(self) -> None:
        """Add the documents that tie with the last place of a list, once per search."""
        k = self.found.scores.shape[1]
        more = min(k + _SPARE, DEEPEST, self._size)
        if self._is_extended or more <= k or not k:
            return
        self._is_extended = True
        scores, documents = self._index.search(self._queries, more)
        last = self.found.scores[:, -1:]
        near = (scores >= last - _ROUNDING) & (scores <= last + _ROUNDING) & np.isfinite(last) & (documents >= 0)
        row, place = np.nonzero(near)
        unlisted = (self.found.documents[row] != documents[row, place][:, None]).all(axis=1)
        tied = np.full_like(documents, -1)
        tied[row[unlisted], place[unlisted]] = documents[row[unlisted], place[unlisted]]
        self.keep(
            np.concatenate([self.found.documents, tied], axis=1), np.concatenate([self.found.scores, scores], axis=1)
        )


@dataclass(frozen=True)
class IndexFacts:
    """What an index costs beside exact search of the same vectors.

    Attributes
    ----------
    index
        Its name, in full.
    documents
        How many it holds.
    shared
        Share of the exact top ten that the index returned in its top ten, float64 array [n], one per query. Documents
        that tie with the exact tenth count as well as it.
    build_s
        Seconds to train and fill it.
    p50_ms, p95_ms
        Milliseconds of a search for one query, top ten, on one thread of FAISS: median and 95th percentile; the
        latter None for fewer than 100 queries.
    exact_p50_ms
        The median of exact search of the same queries.
    bytes
        What it takes, serialised or on disk.
    findings
        What is worth knowing about it.
    """

    index: str
    documents: int
    shared: NDArray[np.float64]
    build_s: float
    p50_ms: float
    p95_ms: float | None
    exact_p50_ms: float
    bytes: int
    findings: tuple[Finding, ...] = ()


class BuiltIndex:
    """An index over the documents of a data set, with its queries.

    Parameters
    ----------
    name
        What to build.
    queries, documents
        Unit vectors, float32 arrays [n, d] and [m, d].
    cluster
        One of whose nodes holds it; None for this machine.

    Attributes
    ----------
    name
        Its name, in full.

    Raises
    ------
    UsageError, MissingExtraError
        It cannot be built on these vectors.
    """

    def __init__(
        self,
        name: IndexName,
        queries: NDArray[np.float32],
        documents: NDArray[np.float32],
        cluster: Cluster | None = None,
    ) -> None:
        self.name = name.text
        self._queries = np.ascontiguousarray(queries, dtype=np.float32)
        self._size = len(documents)
        self._index: HeldIndex | PlacedIndex
        if cluster is None:
            self._index = HeldIndex(name, documents)
        else:
            from pytest_embedeval.retrieval.placed import PlacedIndex

            self._index = PlacedIndex(name, documents, cluster)

    def ranker(self, least: int = 1) -> ApproximateRanker:
        """Return what ranks by its lists, of at least so many places."""
        return ApproximateRanker(self._queries, self._index, self._size, least)

    def facts(self, exact: Ranker, nearest: NDArray[np.int64]) -> IndexFacts:
        """Compare it with exact search, and time both, one query at a time.

        Parameters
        ----------
        exact
            Exact search of the same vectors.
        nearest
            Positions that it finds first for each query, int64 array [n, at least 10].
        """
        k = min(TOP, self._size)
        times, usual = self._index.times(self._queries[:TIMED], k)
        shared, short = self._shared(exact, nearest[:, :k])
        return IndexFacts(
            index=self.name,
            documents=self._size,
            shared=shared,
            build_s=self._index.build_s,
            p50_ms=float(np.median(times)),
            p95_ms=float(np.percentile(times, 95)) if len(times) >= TIMED else None,
            exact_p50_ms=float(np.median(usual)),
            bytes=self._index.bytes,
            findings=(*self._index.findings, *_short_lists(self.name, short, len(self._queries), k)),
        )

    def _shared(self, exact: Ranker, nearest: NDArray[np.int64]) -> tuple[NDArray[np.float64], int]:
        """Return the share of the exact top k that is found, one per query, and how many lists are not full."""
        n, k = nearest.shape
        last = exact.score(np.arange(n), nearest[:, -1])
        found = self.ranker().search(k).documents
        row, place = np.nonzero(found >= 0)
        near = exact.score(row, found[row, place]) >= last[row] - _ROUNDING
        shared = np.bincount(row[near], minlength=n) / k
        return shared, int(np.count_nonzero((found < 0).any(axis=1)))


def _timed(queries: NDArray[np.float32], search: Callable[[NDArray[np.float32]], object]) -> NDArray[np.float64]:
    """Return the milliseconds of each search for one query, after one that is not timed."""
    search(queries[:1])
    times = np.empty(len(queries))
    for place in range(len(queries)):
        started = time.perf_counter()
        search(queries[place : place + 1])
        times[place] = time.perf_counter() - started
    return times * 1000


def _short_lists(text: str, short: int, n: int, k: int) -> tuple[Finding, ...]:
    if not short:
        return ()
    message = (
        f"{text} returned fewer than {k} documents for {short:,} of {n:,} queries; it looks at too few of its cells"
    )
    return (Finding("short-lists", short, f"{message} (nprobe)"),)
