"""Hybrid search: the documents that vectors and words find, put in one order."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING

import numpy as np

from pytest_embedeval.models.searching import Fusion
from pytest_embedeval.retrieval.listed import Lists
from pytest_embedeval.retrieval.ranked import Ranker, Rankings

if TYPE_CHECKING:
    from numpy.typing import NDArray

DEPTH = 1000  # documents that each side may name for a query
_DECIMALS = 6  # scores that differ by less are the same
_RRF = 60  # Cormack, Clarke, Buettcher 2009


@dataclass(frozen=True)
class _Side:
    """What one search found: positions int64 [n, k], ascending scores' ranks and scaled scores float32 [n, k]."""

    documents: NDArray[np.int64]
    scaled: NDArray[np.float32]
    reciprocal: NDArray[np.float32]

    @classmethod
    def of(cls, ranker: Ranker, size: int, depth: int) -> _Side:
        """Search, and leave out the documents that share the last score with one that did not fit in.

        Which of these come back is chance, and says nothing about them.
        """
        found = ranker.search(min(depth + 1, size))
        scores = np.asarray(np.round(found.scores.astype(np.float64), _DECIMALS), dtype=np.float64)
        documents = np.where(np.isfinite(scores), found.documents, -1)
        if scores.shape[1] > depth:
            crossing = np.isfinite(scores[:, -1:]) & (scores <= scores[:, -1:])
            documents = np.where(crossing, -1, documents)[:, :depth]
            scores = scores[:, :depth]
        kept = documents >= 0
        ended = ~np.isfinite(found.scores[:, -1:])  # it found no more: to BM25, the others have a score of 0
        return cls(documents, _scaled(scores, kept, ended), _reciprocal_ranks(scores, kept))


class Pool:
    """The documents that either of two searches found for each query, with what both say of them.

    Parameters
    ----------
    vectors, words
        The two searches, over one corpus and the same queries.
    size
        Documents of the corpus.
    depth
        How many documents each may name for a query; what is held grows with queries × depth.

    Attributes
    ----------
    vectors, words
        The two searches.
    documents
        Positions of those found, int64 array [n, 2 · depth at most], ascending; -1 for none.
    """

    def __init__(self, vectors: Ranker, words: Ranker, size: int, depth: int = DEPTH) -> None:
        self.vectors, self.words = vectors, words
        sides = [_Side.of(each, size, depth) for each in (vectors, words)]
        documents = np.concatenate([side.documents for side in sides], axis=1)
        order = np.argsort(documents, axis=1, kind="stable")
        self.documents = np.take_along_axis(documents, order, axis=1)
        again = np.zeros(documents.shape, dtype=np.bool_)
        again[:, 1:] = self.documents[:, 1:] == self.documents[:, :-1]
        self.documents[again] = -1
        self._scaled = _joined([side.scaled for side in sides], order, again)
        self._reciprocal = _joined([side.reciprocal for side in sides], order, again)

    def fused(self, fusion: Fusion) -> FusedRanker:
        """Return the search that puts these documents in order."""
        if fusion.method == "rrf":
            scores = self._reciprocal[0] + self._reciprocal[1]
        else:
            alpha = np.float32(fusion.alpha)
            scores = alpha * self._scaled[0] + (1 - alpha) * self._scaled[1]
        return FusedRanker(self.documents, np.where(self.documents >= 0, scores, np.float32(-np.inf)))


class FusedRanker(Lists):
    """Ranks the documents of a pool; no other document is returned.

    Parameters
    ----------
    documents
        Positions, int64 array [n, w], ascending; -1 for none.
    scores
        float32 array [n, w]; -inf for none.
    """

    def __init__(self, documents: NDArray[np.int64], scores: NDArray[np.float32]) -> None:
        super().__init__()
        self.found = Rankings(documents, scores)

    def search(self, k: int) -> Rankings:
        """Return the k best documents of every query; equal scores stand in the order of the corpus."""
        order = self._order[:, :k]
        documents = np.take_along_axis(self.found.documents, order, axis=1)
        return Rankings(documents, np.take_along_axis(self.found.scores, order, axis=1))

    @cached_property
    def _order(self) -> NDArray[np.int64]:
        return np.argsort(-self.found.scores, axis=1, kind="stable")


def _scaled(scores: NDArray[np.float64], kept: NDArray[np.bool_], ended: NDArray[np.bool_]) -> NDArray[np.float32]:
    """Scale the scores of each list so that the best is 1 and the lowest 0; where all are equal, they are 1.

    Where a list has `ended`, the documents that are not on it take part with 0.
    """
    found = kept.any(axis=1, keepdims=True)
    low = np.where(found, np.min(scores, axis=1, keepdims=True, initial=np.inf, where=kept), 0)
    low = np.where(ended, np.minimum(low, 0), low)
    high = np.where(found, np.max(scores, axis=1, keepdims=True, initial=-np.inf, where=kept), 0)
    width = np.where(high > low, high - low, 1)
    share = np.where(high > low, (np.where(kept, scores, low) - low) / width, 1)
    return np.where(kept, share, 0).astype(np.float32)


def _reciprocal_ranks(scores: NDArray[np.float64], kept: NDArray[np.bool_]) -> NDArray[np.float32]:
    """Return 1 / (60 + rank); documents with equal scores share the best of their ranks."""
    places = np.broadcast_to(np.arange(1, scores.shape[1] + 1), scores.shape)
    begins = np.ones(scores.shape, dtype=np.bool_)
    begins[:, 1:] = scores[:, 1:] != scores[:, :-1]
    ranks = np.maximum.accumulate(np.where(begins, places, 0), axis=1)
    return np.where(kept, 1 / (_RRF + ranks), 0).astype(np.float32)


def _joined(
    sides: list[NDArray[np.float32]], order: NDArray[np.int64], again: NDArray[np.bool_]
) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """Return what each side says of the sorted documents, a document of both in one place; float32 arrays [n, w]."""
    both = []
    for number in range(2):
        padded = [side if place == number else np.zeros_like(side) for place, side in enumerate(sides)]
        values = np.take_along_axis(np.concatenate(padded, axis=1), order, axis=1)
        values[:, :-1] = np.where(again[:, 1:], np.maximum(values[:, :-1], values[:, 1:]), values[:, :-1])
        both.append(values)
    return both[0], both[1]
