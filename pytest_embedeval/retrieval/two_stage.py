"""Two stages: a fast search finds documents, and a better model puts the first of them in order."""

from __future__ import annotations

from collections.abc import Callable
from functools import cached_property
from typing import TYPE_CHECKING

import numpy as np

from pytest_embedeval.retrieval.ranked import Ranker, Rankings

if TYPE_CHECKING:
    from numpy.typing import NDArray

Score = Callable[["NDArray[np.int64]", "NDArray[np.int64]"], "NDArray[np.float32]"]

_TIED = np.float32(1e-6)
_SPARE = 16  # documents beyond the depth that are looked at for ties
_PAIRS = 4096
_HALVINGS = 64  # until nothing lies between two float64 numbers


class TwoStageRanker:
    """The first documents of a search in the order of a second model, the others behind them as they were.

    Documents that tie with the last one within the depth are put in order too. Where more than a few do, none of them
    is: which of these the first stage names first is chance. A document behind those in order has the lowest score of
    them, less 1, less what it lacked in the first stage.

    Parameters
    ----------
    first
        The search.
    second
        (positions of queries, positions of documents) -> how well they fit, higher is better; int64 and float32
        arrays [p].
    size
        Documents of the corpus.
    depth
        How many documents of each query the second model sees.
    """

    def __init__(self, first: Ranker, second: Score, size: int, depth: int) -> None:
        self._first = first
        self._second = second
        self._size = size
        self._depth = min(depth, size)

    def search(self, k: int) -> Rankings:
        """Return the k best documents of every query; equal scores stand in the order of the corpus."""
        seen, scores = self._seen
        if k > seen.shape[1]:
            more = self._first.search(min(k, self._size))
            rows = np.arange(len(seen))[:, None]
            scores = np.concatenate([scores, self._behind(rows, more.scores[:, seen.shape[1] :])], axis=1)
            seen = np.concatenate([seen, more.documents[:, seen.shape[1] :]], axis=1)
        order = np.lexsort((seen, -scores), axis=1)[:, :k]
        return Rankings(np.take_along_axis(seen, order, axis=1), np.take_along_axis(scores, order, axis=1))

    def count_at_least(self, queries: NDArray[np.int64], bounds: NDArray[np.float32]) -> NDArray[np.int64]:
        """Return how many documents score at least `bounds[i]` for query `queries[i]`; int64 array."""
        _, scores = self._seen
        counts: NDArray[np.int64] = np.count_nonzero(
            (scores[queries] >= bounds[:, None]) & self._ordered[queries], axis=1
        )
        behind = np.flatnonzero(bounds <= self._ends[0][queries].astype(np.float32))
        if len(behind):  # all that are in order, and those behind them
            total = self._first.count_at_least(queries[behind], self._before(queries[behind], bounds[behind]))
            counts[behind] = np.maximum(total, counts[behind])
        return counts

    def score(self, queries: NDArray[np.int64], documents: NDArray[np.int64]) -> NDArray[np.float32]:
        """Return the score of each pair, -inf for a document that the first stage would not return; float32 array."""
        seen, scores = self._seen
        result = self._behind(queries, self._first.score(queries, documents))
        for start in range(0, len(queries), _PAIRS):
            block = slice(start, start + _PAIRS)
            query = queries[block]
            row, place = np.nonzero((seen[query] == documents[block, None]) & self._ordered[query])
            result[start + row] = scores[query[row], place]
        return result

    @cached_property
    def _listed(self) -> Rankings:
        return self._first.search(min(self._depth + _SPARE, self._size))

    @cached_property
    def _ordered(self) -> NDArray[np.bool_]:
        """Which places of the first lists the second model puts in order; bool array [n, depth + a few]."""
        scores = self._listed.scores
        last = scores[:, self._depth - 1 : self._depth]  # -inf where fewer were found: then all of them
        ordered = np.isfinite(scores) & (scores >= last - _TIED)
        if scores.shape[1] < self._size:  # ties that do not end within the list
            ordered &= (scores > last + _TIED) | ~ordered[:, -1:]
        return np.asarray(ordered)

    @cached_property
    def _seen(self) -> tuple[NDArray[np.int64], NDArray[np.float32]]:
        """Documents of the first lists with their final scores; arrays [n, depth + a few]."""
        documents, first = self._listed.documents, self._listed.scores
        row, place = np.nonzero(self._ordered)
        scores = self._behind(np.arange(len(first))[:, None], first)
        scores[row, place] = self._reordered[row, place]
        return documents, scores

    @cached_property
    def _reordered(self) -> NDArray[np.float32]:
        """What the second model says of the documents that it puts in order, 0 elsewhere; as large as the lists."""
        row, place = np.nonzero(self._ordered)
        scores = np.zeros(self._ordered.shape, dtype=np.float32)
        scores[row, place] = self._second(row, self._listed.documents[row, place])
        return scores

    @cached_property
    def _ends(self) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """Where the scores of each query go on behind those in order, and from which of the first stage.

        float64 arrays [n]; both the highest of the first stage where nothing is in order.
        """
        first, ordered = self._listed.scores.astype(np.float64), self._ordered.any(axis=1)
        lowest, last = (np.min(each, axis=1, initial=np.inf, where=self._ordered) for each in (self._reordered, first))
        top = np.where(np.isfinite(first[:, 0]), first[:, 0], 0)
        return np.where(ordered, lowest - 1, top), np.where(ordered, last, top)

    def _behind(self, queries: NDArray[np.int64], first: NDArray[np.floating]) -> NDArray[np.float32]:
        """Return the final scores of documents that are not put in order, from those of the first stage."""
        highest, last = (each[queries] for each in self._ends)
        return (highest - (last - first)).astype(np.float32)

    def _before(self, queries: NDArray[np.int64], bounds: NDArray[np.float32]) -> NDArray[np.float32]:
        """Return the lowest scores of the first stage whose final ones, rounded as they are, reach the bounds."""
        highest, last = (each[queries] for each in self._ends)
        around = last - (highest - bounds)
        width = 2 * np.spacing(np.abs(bounds)) + 1e-9
        low, high = around - width, around + width
        for _ in range(_HALVINGS):
            middle = (low + high) / 2
            reached = self._behind(queries, middle) >= bounds
            low, high = np.where(reached, low, middle), np.where(reached, middle, high)
        rounded = high.astype(np.float32)
        return np.where(rounded < high, np.nextafter(rounded, np.float32(np.inf)), rounded)
