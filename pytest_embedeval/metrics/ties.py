"""The ranking rule, in one place: which documents count as tied, and where each group stands.

A group begins with the best document not yet in one and holds every document within `TOLERANCE` of that score, so
it never grows wider than the tolerance. Scores are the expectation over the orders of each group (McSherry &
Najork, ECIR 2008): they depend on no id and on no order of insertion.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

import numpy as np

from pytest_embedeval.errors import VectorError
from pytest_embedeval.retrieval import Rankings

if TYPE_CHECKING:
    from numpy.typing import NDArray

TOLERANCE = np.float32(1e-6)

Ties = Literal["expected", "trec"]


@dataclass(frozen=True)
class Groups:
    """The tie groups of n ranked lists of length k.

    Attributes
    ----------
    first
        Where each group begins in the flattened lists, ascending; every list begins with a group. int64 array.
    shape
        (n, k).
    beyond
        Documents of the last group of each list that are not listed, int64 array [n]; None for none.
    """

    first: NDArray[np.int64]
    shape: tuple[int, int]
    beyond: NDArray[np.int64] | None = None

    def at(self, rows: NDArray[np.int64], places: NDArray[np.int64]) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
        """Return of the group of each given place how many places stand before it, and its size; int64 arrays."""
        n, k = self.shape
        flat = rows * k
        group = np.searchsorted(self.first, flat + places, side="right") - 1
        start = self.first[group] - flat
        end = np.append(self.first, n * k)[group + 1] - flat
        size = end - start
        if self.beyond is not None:
            size += np.where(end == k, self.beyond[rows], 0)
        return start, size

    @property
    def start(self) -> NDArray[np.int64]:
        """Places before the group of each place, int64 array [n, k]."""
        rows, places = np.indices(self.shape)
        return self.at(rows, places)[0]

    @property
    def size(self) -> NDArray[np.int64]:
        """Documents in the group of each place, int64 array [n, k]; the last group may reach beyond the list."""
        rows, places = np.indices(self.shape)
        return self.at(rows, places)[1]


def group(rankings: Rankings) -> Groups | None:
    """Find the tie groups of each list; None where no two documents of any list are tied.

    Raises
    ------
    VectorError
        A score is NaN: no order exists.
    """
    scores = rankings.scores
    with np.errstate(invalid="ignore"):  # -inf - -inf: two places without a document
        steps = scores[:, :-1] - scores[:, 1:]
    apart = steps > TOLERANCE
    if apart.size and apart.all():
        return None
    if np.isnan(scores).any():
        row = int(np.flatnonzero(np.isnan(scores).any(axis=1))[0])
        raise VectorError(f"the scores of query number {row + 1} hold NaN; they have no order")
    apart |= rankings.documents[:, 1:] < 0
    # Where tied scores are not all equal, many small steps may lead further than the tolerance.
    uneven = np.flatnonzero(((steps > 0) & ~apart).any(axis=1))
    if len(uneven):
        apart[uneven] = _apart_from_the_best(scores[uneven], apart[uneven])
    if apart.all():
        return None
    begins = np.ones(scores.shape, dtype=np.bool_)
    begins[:, 1:] = apart
    return Groups(np.flatnonzero(begins), (len(scores), scores.shape[1]))


def _apart_from_the_best(scores: NDArray[np.float32], apart: NDArray[np.bool_]) -> NDArray[np.bool_]:
    """Return which places begin a group: the next one, and any further from its best than the tolerance."""
    apart = apart.copy()
    best = scores[:, 0]
    for place, score in enumerate(scores.T[1:]):
        with np.errstate(invalid="ignore"):
            apart[:, place] |= best - score > TOLERANCE
        best = np.where(apart[:, place], score, best)
    return apart


def last_bounds(rankings: Rankings, groups: Groups | None) -> NDArray[np.float32]:
    """Return the lowest score that still belongs to the group of the last place of each list; float32 array [n].

    A list that is not full ends for want of documents: its bound is +inf, since nothing lies beyond it.
    """
    n, k = rankings.scores.shape
    rows, last = np.arange(n), np.full(n, k - 1)
    leader = rankings.scores[rows, last if groups is None else groups.at(rows, last)[0]]
    return np.where(rankings.documents[:, -1] >= 0, leader - TOLERANCE, np.float32(np.inf)).astype(np.float32)


def extended(groups: Groups | None, beyond: NDArray[np.int64], shape: tuple[int, int]) -> Groups | None:
    """Return the groups with `beyond[i]` further documents in the last group of row i."""
    if not beyond.any():
        return groups
    return Groups(np.arange(shape[0] * shape[1]) if groups is None else groups.first, shape, beyond)


def trec_order(rankings: Rankings, document_ids: Sequence[str]) -> Rankings:
    """Return the lists in trec_eval's order: float32 score descending, then id descending as UTF-8 bytes."""
    preference = trec_preference(document_ids)
    listed = rankings.documents >= 0
    key = np.where(listed, preference[rankings.documents], len(document_ids))
    order = np.lexsort((key, -rankings.scores), axis=1)
    return Rankings(
        np.take_along_axis(rankings.documents, order, axis=1),
        np.take_along_axis(rankings.scores, order, axis=1),
    )


def trec_preference(document_ids: Sequence[str]) -> NDArray[np.int64]:
    """Return the place of each document where all scores are equal; int64 array."""
    order = sorted(range(len(document_ids)), key=lambda i: document_ids[i].encode("utf-8"), reverse=True)
    preference = np.empty(len(order), dtype=np.int64)
    preference[order] = np.arange(len(order))
    return preference
