"""Ranked lists joined with their judgements: what every measure is computed from.

Only the tie groups that hold judged documents are kept. They are few beside the places of the lists, which is what
makes scoring fast.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING

import numpy as np

from pytest_embedeval.datasets import Judgements
from pytest_embedeval.metrics.ties import Groups
from pytest_embedeval.retrieval import Rankings

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Scores = NDArray[np.float64]
    Gain = Callable[[NDArray[np.int64]], Scores]

_COMPARED = 1 << 18  # documents compared at once: they should stay in the cache of the processor


@dataclass(frozen=True)
class Beyond:
    """Judged documents that tie with the last place of a list but did not fit in; parallel int64 arrays [m]."""

    query: NDArray[np.int64]
    document: NDArray[np.int64]
    grade: NDArray[np.int64]


@dataclass(frozen=True)
class Places:
    """Those of the groups of `JudgedLists` that begin before a cutoff.

    `group` is their position there, `start` how many documents stand before them, and the first `inside` of their
    `size` places, the part `share`, stand before the cutoff.
    """

    group: NDArray[np.int64]
    query: NDArray[np.int64]
    start: NDArray[np.int64]
    size: NDArray[np.int64]
    inside: NDArray[np.int64]
    share: Scores


class JudgedLists:
    """Ranked lists joined with their judgements: the tie groups that hold judged documents, best first by query.

    A document that ties with nothing is a group of its own. `query`, `start` (documents before the group) and `size`
    are [g], one per group; `member` (position of the group) and `grade` are [m], one per judged document found.
    """

    def __init__(
        self,
        rankings: Rankings,
        judgements: Judgements,
        level: int,
        groups: Groups | None,
        beyond: Beyond | None,
    ) -> None:
        self.n, self.k = rankings.documents.shape
        self.documents = rankings.documents
        self.judgements = judgements
        self.level = level
        query, place, grade = _find(rankings.documents, judgements)
        listed = len(query)
        if beyond is not None:
            query = np.concatenate([query, beyond.query])
            place = np.concatenate([place, np.full(len(beyond.query), self.k - 1)])
            grade = np.concatenate([grade, beyond.grade])
        order = np.argsort(query * self.k + place)
        query, place, self.grade = query[order], place[order], grade[order]
        self.is_listed = order < listed
        if groups is None:
            self.query, self.start, self.size = query, place, np.ones_like(place)
            self.member = np.arange(len(query))
        else:
            start, size = groups.at(query, place)
            first = (np.diff(query, prepend=-1) > 0) | (np.diff(start, prepend=-1) > 0)
            self.query, self.start, self.size = query[first], start[first], size[first]
            self.member = np.cumsum(first) - 1
        self._before: dict[int, Places] = {}
        self._gains: dict[Gain, tuple[Scores, Scores]] = {}

    @cached_property
    def relevant(self) -> Scores:
        """Relevant documents of each group."""
        return self.of_groups(self.grade >= self.level)

    @cached_property
    def judged(self) -> Scores:
        """Judged documents of each group."""
        return self.of_groups(np.ones(len(self.grade)))

    @cached_property
    def relevant_above(self) -> Scores:
        """Relevant documents of the same query above each group."""
        return self.above(self.relevant)

    @cached_property
    def first_relevant(self) -> NDArray[np.int64]:
        """The first group of each query that holds a relevant document."""
        held = np.flatnonzero(self.relevant)
        return held[np.diff(self.query[held], prepend=-1) > 0]

    @cached_property
    def total(self) -> NDArray[np.int64]:
        """Relevant documents of each query in the whole corpus (R)."""
        return np.bincount(self.judgements.query[self.judgements.grade >= self.level], minlength=self.n)

    @cached_property
    def lengths(self) -> NDArray[np.int64]:
        """Documents in each list."""
        if self.k and (self.documents[:, -1] >= 0).all():
            return np.full(self.n, self.k)
        lengths: NDArray[np.int64] = np.count_nonzero(self.documents >= 0, axis=1)
        return lengths

    @cached_property
    def ideal(self) -> tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.int64]]:
        """Query, place and grade of the documents that have a gain, in the ideal order."""
        judged = self.judgements
        gaining = judged.grade > 0
        query, grade = judged.query[gaining], judged.grade[gaining]
        best = int(np.max(grade, initial=0)) + 1
        grade = query * best - np.sort(query * best - grade)
        place = np.arange(len(query)) - _offsets(query, self.n)[query]
        return query, place, grade

    def of_groups(self, values: NDArray[np.number] | NDArray[np.bool_]) -> Scores:
        """Return the sum over the documents of each group."""
        return np.bincount(self.member, weights=values, minlength=len(self.query)).astype(np.float64, copy=False)

    def of_queries(self, places: Places, values: Scores) -> Scores:
        """Return the sum over the groups of each query."""
        return np.bincount(places.query, weights=values, minlength=self.n).astype(np.float64, copy=False)

    def before(self, cutoff: int | None) -> Places:
        """Return the places of the first `cutoff` ranks; a list has no more than k."""
        k = min(cutoff or self.k, self.k)
        if k not in self._before:
            near = np.flatnonzero(self.start < k)
            start, size = self.start[near], self.size[near]
            inside = np.minimum(size, k - start)
            self._before[k] = Places(near, self.query[near], start, size, inside, inside / size)
        return self._before[k]

    def expected(self, values: Scores, cutoff: int | None) -> Scores:
        """Return the expected sum over the places before the cutoff; `values` are sums over groups."""
        places = self.before(cutoff)
        return self.of_queries(places, values[places.group] * places.share)

    def above(self, values: Scores) -> Scores:
        """Return the sum of the values of the groups of the same query above each group."""
        running = np.cumsum(values) - values
        return running - running[_offsets(self.query, self.n)[self.query]]

    def gains(self, gain: Gain) -> tuple[Scores, Scores]:
        """Return the mean gain of each group's documents, and the discounted gains of the ideal order."""
        if gain not in self._gains:
            _, place, grade = self.ideal
            mean = self.of_groups(gain(self.grade)) / self.size
            self._gains[gain] = mean, gain(grade) * discounts(len(place) and int(place.max()) + 1)[place]
        return self._gains[gain]


def _find(
    documents: NDArray[np.int64], judgements: Judgements
) -> tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.int64]]:
    """Find the judged documents in the lists: their queries, places and grades."""
    k = documents.shape[1]
    if k == 0 or len(judgements) == 0:
        return (np.empty(0, dtype=np.int64),) * 3
    pairs, places = [], []
    step = max(1, _COMPARED // k)
    for start in range(0, len(judgements), step):
        query = judgements.query[start : start + step]
        # The lower 16 bits first, four times as many at once; what agrees in them is compared in full below.
        lists = documents[query[0] : query[-1] + 1].astype(np.int16)
        wanted = judgements.document[start : start + step, None].astype(np.int16)
        found = np.flatnonzero(lists.take(query - query[0], axis=0) == wanted)
        pairs.append(start + found // k)
        places.append(found % k)
    pair, place = np.concatenate(pairs), np.concatenate(places)
    same = documents[judgements.query[pair], place] == judgements.document[pair]
    pair, place = pair[same], place[same]
    return judgements.query[pair], place, judgements.grade[pair]


def _offsets(sorted_rows: NDArray[np.int64], n: int) -> NDArray[np.int64]:
    """Return where each of n rows begins, given the row of each entry; int64 array [n]."""
    counts = np.bincount(sorted_rows, minlength=n)
    offsets: NDArray[np.int64] = np.cumsum(counts) - counts
    return offsets


def discounts(k: int) -> Scores:
    """Return what a gain is worth at each of k places."""
    return 1.0 / np.log2(np.arange(2, k + 2))
