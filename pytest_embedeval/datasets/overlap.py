"""What two data sets share, such as training and test data: whoever was trained on the answers is judged on nothing.

Texts are compared as `plain` words: lower case, no punctuation. Documents that stand whole in another, or share half of
their runs of eight words with it, are found through an index of those runs, so that the work grows with the number of
words and not with the number of pairs: 100,000 passages of 850 characters beside as many others take half a minute of
one core, and about 1.2 GB beside the texts.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import chain, count
from typing import TYPE_CHECKING

import numpy as np

from pytest_embedeval.datasets.languages import plain
from pytest_embedeval.datasets.retrieval import RetrievalData
from pytest_embedeval.findings import Finding

if TYPE_CHECKING:
    from numpy.typing import NDArray

_RUN = 8  # words; shorter runs are shared by chance
# A run that stands in more documents than this (a notice below every page) is looked up in the first of them only: a
# document made of such runs is still found, and the work stays linear.
_LOOKED_UP = 8
_BLOCK = 5_000  # documents taken at once
_FACTOR = np.uint64(0x9E3779B97F4A7C15)


def overlap(first: RetrievalData, second: RetrievalData) -> tuple[Finding, ...]:
    """Return what of `first` stands in `second` too.

    Parameters
    ----------
    first
        The data to judge on, whose queries and documents are counted.
    second
        The data to compare with, for example what a model was trained on.

    Returns
    -------
    At most one finding each: equal queries, equal documents, documents of which one stands whole in the other (from
    eight words on), documents that share at least half of the shorter one's runs of eight words.
    """
    queries = [[plain(text, data.language) for text in data.queries] for data in (first, second)]
    documents = [[plain(text, data.language) for text in data.documents] for data in (first, second)]
    return (
        *_told("equal-queries", "queries", "are also queries", first.query_ids, second, _equal(*queries)),
        *_shared_documents(first, second, *documents),
    )


def _shared_documents(
    first: RetrievalData, second: RetrievalData, ours: Sequence[str], theirs: Sequence[str]
) -> Iterator[Finding]:
    equal = _equal(ours, theirs)
    contained: dict[int, int] = {}
    partial: dict[int, int] = {}
    for own, other, is_half in _candidates(ours, theirs):
        if own in equal:
            continue
        if _is_part(ours[own], theirs[other]):
            contained.setdefault(own, other)
        elif is_half:
            partial.setdefault(own, other)
    partial = {own: other for own, other in partial.items() if own not in contained}
    for kind, relation, found in (
        ("equal-documents", "have the text of a document", equal),
        ("contained-documents", "contain, or are contained in, a document", contained),
        ("overlapping-documents", f"share at least half of their runs of {_RUN} words with a document", partial),
    ):
        yield from _told(kind, "documents", relation, first.document_ids, second, found)


def _told(
    kind: str, side: str, relation: str, ids: Sequence[str], second: RetrievalData, found: dict[int, int]
) -> Iterator[Finding]:
    if found:
        theirs = second.query_ids if side == "queries" else second.document_ids
        examples = ", ".join(
            f"{ids[own]!r} and {theirs[other]!r}" for (own, other), _ in zip(found.items(), range(2), strict=False)
        )
        message = f"{len(found):,} of {len(ids):,} {side} {relation} of {second.name!r} (for example {examples})"
        yield Finding(kind, len(found), message)


def _equal(ours: Sequence[str], theirs: Sequence[str]) -> dict[int, int]:
    """Return own position -> first position of an equal text."""
    places: dict[str, int] = {}
    for position, text in enumerate(theirs):
        places.setdefault(text, position)
    return {own: places[text] for own, text in enumerate(ours) if text in places}


def _is_part(one: str, other: str) -> bool:
    """Whether the shorter text stands in the longer one, from word to word."""
    short, long = sorted((one, other), key=len)
    return f" {short} " in f" {long} "


def _candidates(ours: Sequence[str], theirs: Sequence[str]) -> Iterator[tuple[int, int, bool]]:
    """Yield pairs of own and other position that may share all runs of the shorter one, and those that share half."""
    numbers: dict[str, int] = defaultdict(count(1).__next__)
    index = _Index.of(theirs, numbers)
    for start in range(0, len(ours), _BLOCK):
        block = _runs(ours[start : start + _BLOCK], numbers)
        counts = np.bincount(block.document, minlength=_BLOCK)
        own, other, common = index.look_up(block)
        pairs, shared = np.unique(own * len(theirs) + other, return_counts=True)
        own, other = np.divmod(pairs, max(len(theirs), 1))
        size = np.minimum(counts[own], index.counts[other])
        is_half = 2 * shared >= size
        kept = is_half | (shared + np.bincount(common, minlength=_BLOCK)[own] >= size)
        yield from zip((own[kept] + start).tolist(), other[kept].tolist(), is_half[kept].tolist(), strict=True)


@dataclass(frozen=True)
class _Runs:
    """The runs of words of several documents, each once per document, in the order of their hashes.

    Attributes
    ----------
    hash
        uint64 array [m].
    document
        Position of the document that has the run, int64 array [m].
    """

    hash: NDArray[np.uint64]
    document: NDArray[np.int64]

    @classmethod
    def sorted(cls, hashes: NDArray[np.uint64], document: NDArray[np.int64]) -> _Runs:
        order = np.argsort(hashes, kind="stable")
        hashes, document = hashes[order], document[order]
        first = np.ones(len(hashes), dtype=np.bool_)
        first[1:] = (hashes[1:] != hashes[:-1]) | (document[1:] != document[:-1])
        return cls(hashes[first], document[first])


def _runs(texts: Sequence[str], numbers: dict[str, int]) -> _Runs:
    """Take the runs of texts: polynomials of their words' numbers modulo 2**64; new words get new numbers."""
    words = [text.split() for text in texts]
    sizes = np.array([len(text) for text in words], dtype=np.int64)
    number = np.fromiter(map(numbers.__getitem__, chain.from_iterable(words)), dtype=np.uint64, count=sizes.sum())
    document = np.repeat(np.arange(len(texts)), sizes)
    starts = max(len(number) - _RUN + 1, 0)
    hashes = np.zeros(starts, dtype=np.uint64)
    for step in range(_RUN):
        hashes = hashes * _FACTOR + number[step : step + starts]
    within = document[:starts] == document[len(document) - starts :]
    return _Runs.sorted(hashes[within], document[:starts][within])


@dataclass(frozen=True)
class _Index:
    """Which documents have a run.

    Attributes
    ----------
    hash
        Different runs in ascending order, uint64 array [r].
    begin
        Where the documents of each run begin in `document`, int64 array [r + 1].
    document
        int64 array [m].
    counts
        Different runs of each document, int64 array [n].
    """

    hash: NDArray[np.uint64]
    begin: NDArray[np.int64]
    document: NDArray[np.int64]
    counts: NDArray[np.int64]

    @classmethod
    def of(cls, texts: Sequence[str], numbers: dict[str, int]) -> _Index:
        blocks = [(start, _runs(texts[start : start + _BLOCK], numbers)) for start in range(0, len(texts), _BLOCK)]
        runs = _Runs.sorted(
            np.concatenate([np.empty(0, dtype=np.uint64), *(block.hash for _, block in blocks)]),
            np.concatenate([np.empty(0, dtype=np.int64), *(block.document + start for start, block in blocks)]),
        )
        hashes, begin = np.unique(runs.hash, return_index=True)
        counts = np.bincount(runs.document, minlength=len(texts))
        return cls(hashes, np.append(begin, len(runs.hash)), runs.document, counts)

    def look_up(self, runs: _Runs) -> tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.int64]]:
        """Return the documents that share a run, as two arrays: of `runs`, and of this index.

        The third array holds the document of each run that stands in more documents than were looked up.
        """
        place = np.searchsorted(self.hash, runs.hash)
        known = place < len(self.hash)
        known[known] = self.hash[place[known]] == runs.hash[known]
        place = place[known]
        document = runs.document[known]
        every = self.begin[place + 1] - self.begin[place]
        length = np.minimum(every, _LOOKED_UP)
        # Of every run the places begin, begin + 1 … begin + length - 1, one after the other.
        step = np.arange(length.sum()) - np.repeat(np.cumsum(length) - length, length)
        other = self.document[np.repeat(self.begin[place], length) + step]
        return np.repeat(document, length), other, document[every > _LOOKED_UP]
