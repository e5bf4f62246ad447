"""The ranking rule, in one place: which documents count as tied, and where each group stands.

A group begins with the best document not yet in one and holds every document within `TOLERANCE` of that score, so
it never grows wider than the tolerance. Scores are the expectation over the orders of each group (McSherry &
Najork, ECIR 2008): they depend on no id and on no order of insertion.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
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
    """The tie group of each place of n ranked lists of length k.

    Attributes
    ----------
    start
        Places before the group, int32 array [n, k].
    size
        Documents in the group, int32 array [n, k]; the last group of a row may reach beyond the list.
    """

    start: NDArray[np.int32]
    size: NDArray[np.int32]


def group(rankings: Rankings) -> Groups | None:
    """Find the tie groups of each list; None where no two documents of any list are tied.

    Raises
    ------
    VectorError
        A score is NaN: no order exists.
    """
    if np.isnan(rankings.scores).any():
        row = int(np.flatnonzero(np.isnan(rankings.scores).any(axis=1))[0])
        raise VectorError(f"the scores of query number {row + 1} hold NaN; they have no order")
    listed = rankings.documents >= 0
    scores = np.where(listed, rankings.scores, np.finfo(np.float32).min)
    tied = (scores[:, :-1] - scores[:, 1:] <= TOLERANCE) & listed[:, 1:] if scores.shape[1] > 1 else listed[:, :0]
    if not tied.any():
        return None
    places = np.arange(scores.shape[1], dtype=np.int32)
    start = np.broadcast_to(places, scores.shape).copy()
    rows = np.flatnonzero(tied.any(axis=1))
    leader, first = scores[rows, 0], np.zeros(len(rows), dtype=np.int32)
    for place in places[1:]:
        begins = ~((leader - scores[rows, place] <= TOLERANCE) & listed[rows, place])
        leader = np.where(begins, scores[rows, place], leader)
        first = np.where(begins, place, first)
        start[rows, place] = first
    size = np.ones(scores.shape, dtype=np.int32)
    size[rows] = _sizes(start[rows])
    return Groups(start, size)


def _sizes(start: NDArray[np.int32]) -> NDArray[np.int32]:
    """Return how often the start of each place occurs in its row."""
    n, k = start.shape
    flat = start + np.arange(n, dtype=np.int32)[:, None] * k
    sizes: NDArray[np.int32] = np.bincount(flat.ravel(), minlength=n * k).astype(np.int32)[flat]
    return sizes


def last_bounds(rankings: Rankings, groups: Groups | None) -> NDArray[np.float32]:
    """Return the lowest score that still belongs to the group of the last place of each list; float32 array [n].

    A list that is not full ends for want of documents: its bound is +inf, since nothing lies beyond it.
    """
    rows = np.arange(len(rankings.scores))
    leader = rankings.scores[:, -1] if groups is None else rankings.scores[rows, groups.start[:, -1]]
    return np.where(rankings.documents[:, -1] >= 0, leader - TOLERANCE, np.float32(np.inf)).astype(np.float32)


def extended(groups: Groups | None, beyond: NDArray[np.int64], shape: tuple[int, int]) -> Groups | None:
    """Return the groups with `beyond[i]` further documents in the last group of row i."""
    if not beyond.any():
        return groups
    if groups is None:
        start = np.broadcast_to(np.arange(shape[1], dtype=np.int32), shape).copy()
        groups = Groups(start, np.ones(shape, dtype=np.int32))
    last = groups.start == groups.start[:, -1:]
    return replace(groups, size=groups.size + last * beyond[:, None].astype(np.int32))


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
