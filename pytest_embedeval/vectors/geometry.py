"""How the vectors of a list lie: in a narrow cone, around hubs, on top of each other. Pure, in bounded memory."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np

from pytest_embedeval.datasets.duplicates import folded
from pytest_embedeval.findings import Finding
from pytest_embedeval.keys import first_equal
from pytest_embedeval.vectors.checks import SAME, equal_rows, shown

if TYPE_CHECKING:
    from numpy.typing import NDArray

_DEPTH = 10  # of the lists in which hubs are looked for
_FEWEST = 30  # texts, or queries, below which a mean or a share says little
_NARROW = 0.5  # mean cosine from which thresholds of other models mislead
# Good models stay below 0.33 and 10 (Turkish and English questions on 96 to 271 passages, three models); an English
# model on Turkish passages has hubs in 0.55 to 0.90 of the lists, at 32 to 77 times the odds.
_HUB_SHARE, _HUB_ODDS = 0.2, 20.0
_BLOCK = 8192
_DIRECTIONS = 4
_ROUNDS = 32
_NUMBERING = 2048 ** np.arange(_DIRECTIONS)  # a cell's place along a direction lies within ±708: an own number for each


@dataclass(frozen=True)
class Hubness:
    """How unevenly documents occur in the lists of a search.

    Attributes
    ----------
    skewness
        Of the number of lists in which each document occurs; 0 where all occur alike often.
    queries, depth
        How many lists there are, and how long they are.
    document
        The one that occurs most, the first of several; None where nothing was found.
    share
        The share of the lists in which it occurs.
    expected
        The share in which each document would occur if all occurred alike often.
    """

    skewness: float
    queries: int
    depth: int
    document: int | None
    share: float
    expected: float

    @property
    def has_hub(self) -> bool:
        """Whether one document is found for so many queries that hardly all of them can mean it."""
        odds = self.share * (1 - self.expected) > _HUB_ODDS * self.expected * (1 - self.share)
        return self.queries >= _FEWEST and self.share > _HUB_SHARE and odds


@dataclass(frozen=True)
class Duplicates:
    """Vectors that equal another one.

    Attributes
    ----------
    count
        How many.
    share
        As a share of all.
    example
        Two rows that are equal, the first such; None where there are none.
    """

    count: int
    share: float
    example: tuple[int, int] | None


@dataclass(frozen=True)
class Geometry:
    """How the vectors of a list of texts lie.

    Attributes
    ----------
    distinct
        Texts that differ in more than white space: those of which the next two tell.
    mean_cosine
        Of all pairs of them; None for fewer than two.
    duplicates
        Those whose vector equals that of another one; the example is by position in the whole list.
    hubness
        Of the first ten documents of each query; None where nothing was searched.
    """

    distinct: int
    mean_cosine: float | None
    duplicates: Duplicates
    hubness: Hubness | None = None

    @classmethod
    def of(
        cls, texts: Sequence[str], vectors: NDArray[np.float32], neighbours: NDArray[np.int64] | None = None
    ) -> Geometry:
        """Look at a list of texts.

        Parameters
        ----------
        texts
            The n texts.
        vectors
            Their unit vectors, float32 array [n, d].
        neighbours
            Where these texts were searched: the positions found first for each query, int64 array [queries, k], -1
            for none.
        """
        rows = np.unique(first_equal(map(folded, texts)))
        once = vectors if len(rows) == len(texts) else vectors[rows]
        equal = duplicates(once)
        if equal.example is not None:
            one, other = rows[list(equal.example)].tolist()
            equal = replace(equal, example=(one, other))
        found = None if neighbours is None else hubness(neighbours[:, :_DEPTH], len(texts))
        return cls(len(rows), mean_cosine(once), equal, found)


def mean_cosine(vectors: NDArray[np.float32]) -> float | None:
    """Return the mean cosine of all pairs of different rows; None for fewer than two rows.

    In closed form, (‖Σv‖² − n) / (n (n − 1)) for unit vectors. Ethayarajh (EMNLP 2019) takes it for the anisotropy of a
    model: near 0 where vectors point everywhere, near 1 where they share a narrow cone.

    Parameters
    ----------
    vectors
        Unit vectors, float32 array [n, d].
    """
    n = len(vectors)
    if n < 2:
        return None
    total = vectors.sum(axis=0, dtype=np.float64)
    return float((total @ total - n) / (n * (n - 1)))


def hubness(neighbours: NDArray[np.int64], documents: int) -> Hubness:
    """Return how unevenly documents occur in ranked lists.

    The skewness of the k-occurrences N_k, E[(N_k − µ)³] / σ³, after Radovanović, Nanopoulos & Ivanović (JMLR 11, 2010).

    Parameters
    ----------
    neighbours
        The first k documents of each query by position, int64 array [queries, k]; -1 where there is none.
    documents
        How many there are in the corpus.
    """
    queries, depth = neighbours.shape
    found = neighbours[neighbours >= 0]
    if not len(found):
        return Hubness(0.0, queries, depth, None, 0.0, 0.0)
    occurrences = np.bincount(found, minlength=documents)
    apart = occurrences - occurrences.mean()
    spread = math.sqrt(float(np.mean(apart**2)))
    most = int(occurrences.argmax())
    return Hubness(
        skewness=float(np.mean(apart**3)) / spread**3 if spread else 0.0,
        queries=queries,
        depth=depth,
        document=most,
        share=int(occurrences[most]) / queries,
        expected=len(found) / queries / documents,
    )


def duplicates(vectors: NDArray[np.float32], *, seed: int = 42) -> Duplicates:
    """Return how many vectors equal another one: those whose cosine is at least 1 − 1e-6.

    Rows are sorted into cells by their projections on four random directions, and only those of one cell are compared,
    so time and memory do not grow with n². It is done five times, each with the cells shifted by a fifth of their
    width: an edge of one direction separates a pair at most once, unless the pair differs along it by more than that
    fifth (2.8e-4). Vectors that differ by rounding alone are never missed, those right at the bound (1.4e-3 apart)
    hardly ever, and no pair is invented. Where more than 32 different vectors share a cell (many texts, at a mean
    cosine above 0.99), the others are compared with 32 of them.

    Parameters
    ----------
    vectors
        Unit vectors of distinct texts, float32 array [n, d].
    seed
        Of the directions.
    """
    n, d = vectors.shape
    directions = np.random.default_rng(seed).standard_normal((d, _DIRECTIONS)).astype(np.float32)
    directions /= np.linalg.norm(directions, axis=0)
    places = (vectors @ directions) / np.float32(math.sqrt(2 * SAME))
    partner = np.full(n, -1, dtype=np.int64)
    for shift in range(_DIRECTIONS + 1):
        cells = np.floor(places + np.float32(shift / (_DIRECTIONS + 1))).astype(np.int64)
        for rows, others in _equal_pairs(vectors, cells @ _NUMBERING):
            partner[rows] = others
            partner[others[::-1]] = rows[::-1]  # of several, the first stays
    equal = np.flatnonzero(partner >= 0)
    if not len(equal):
        return Duplicates(0, 0.0, None)
    return Duplicates(len(equal), len(equal) / n, (int(equal[0]), int(partner[equal[0]])))


def _equal_pairs(
    vectors: NDArray[np.float32], cells: NDArray[np.int64]
) -> Iterator[tuple[NDArray[np.int64], NDArray[np.int64]]]:
    """Yield rows, and the row of the same cell that each equals: every round compares each cell with its first row."""
    order = np.argsort(cells, kind="stable")
    for _ in range(_ROUNDS):
        leads = np.append(True, cells[order[1:]] != cells[order[:-1]])[: len(order)]
        if leads.all():
            return
        starts = np.flatnonzero(leads)
        leaders = np.repeat(order[starts], np.diff(starts, append=len(order)))[~leads]
        order = order[~leads]
        equal = np.empty(len(order), dtype=bool)
        for start in range(0, len(order), _BLOCK):
            block = slice(start, start + _BLOCK)
            equal[block] = equal_rows(vectors[order[block]], vectors[leaders[block]])
        yield order[equal], leaders[equal]
        order = order[~equal]


def vector_findings(
    geometry: Geometry, texts: Sequence[str], *, model: str, things: str = "documents"
) -> tuple[Finding, ...]:
    """Return what is worth knowing about the vectors that a model gave to a list of texts.

    Parameters
    ----------
    geometry
        How they lie.
    texts
        The texts, in the order of the vectors.
    model
        Alias, for the messages.
    things
        What the messages call the texts.

    Returns
    -------
    tuple of Finding
        `anisotropy` (mean cosine above 0.5), `hub` (a document among the first ten of more than a fifth of the
        queries, at more than 20 times the odds of an even spread), `equal-vectors` (any); the first two from 30 texts,
        or queries, on. None where all is as it should be.
    """
    found = _anisotropy(geometry, model, things), _hub(geometry, texts, model), _equal(geometry, texts, model, things)
    return tuple(finding for finding in found if finding is not None)


def _anisotropy(geometry: Geometry, model: str, things: str) -> Finding | None:
    if geometry.mean_cosine is None or geometry.mean_cosine <= _NARROW or geometry.distinct < _FEWEST:
        return None
    message = (
        f"{model}: the cosines of unrelated {things} average {geometry.mean_cosine:.2f}; a fixed cosine threshold of "
        "another model does not carry over"
    )
    return Finding("anisotropy", geometry.distinct, message)


def _hub(geometry: Geometry, texts: Sequence[str], model: str) -> Finding | None:
    hubs = geometry.hubness
    if hubs is None or hubs.document is None or not hubs.has_hub:
        return None
    message = (
        f"{model}: one document of {len(texts):,} is among the first {hubs.depth} of {100 * hubs.share:.0f} % of the "
        f"{hubs.queries:,} queries (even would be {100 * hubs.expected:.1f} %): {shown(texts[hubs.document])}"
    )
    return Finding("hub", round(hubs.share * hubs.queries), message)


def _equal(geometry: Geometry, texts: Sequence[str], model: str, things: str) -> Finding | None:
    equal = geometry.duplicates
    if equal.example is None:
        return None
    one, other = (shown(texts[row]) for row in equal.example)
    message = (
        f"{model} gives {equal.count:,} of {geometry.distinct:,} distinct {things} ({100 * equal.share:.1f} %) the "
        f"vector of another one, for example {one} and {other}"
    )
    return Finding("equal-vectors", equal.count, message)
