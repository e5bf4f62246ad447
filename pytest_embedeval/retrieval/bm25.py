"""BM25, the lexical yardstick (bm25s: Lucene's variant)."""

from __future__ import annotations

from collections.abc import Sequence
from copy import copy
from typing import TYPE_CHECKING, Any

import numpy as np

from pytest_embedeval.errors import MissingExtraError
from pytest_embedeval.retrieval.ranked import Rankings
from pytest_embedeval.retrieval.words import Analyser

if TYPE_CHECKING:
    from numpy.typing import NDArray

_LEFT_OUT = -1


class BM25Ranker:
    """Ranks documents by the words they share with the query.

    Documents that share none are not returned. A word that a query repeats counts as often. Scores are those of bm25s
    (Lù 2024, "BM25S"), method `lucene`: idf · tf / (tf + k1 (1 − b + b · length / mean length)).

    Parameters
    ----------
    queries, documents
        Texts.
    analyser
        Makes words of them.
    k1, b
        Saturation of repeated words, and share of the length normalisation.

    Raises
    ------
    MissingExtraError
        bm25s or PyStemmer is not installed.
    """

    def __init__(
        self,
        queries: Sequence[str],
        documents: Sequence[str],
        analyser: Analyser | None = None,
        *,
        k1: float = 1.5,
        b: float = 0.75,
    ) -> None:
        bm25s = _bm25s()
        self._number = _StemNumbers(analyser or Analyser())
        corpus = self._number.of(documents)
        self._held = held = len(self._number.stems)  # stems that come up in queries alone have higher numbers
        self._queries = self._known(queries)
        self._size = len(documents)
        self._index = bm25s.BM25(k1=k1, b=b) if held else None
        if self._index is not None:
            vocabulary = {stem: stem for stem in range(held)}
            self._index.index((corpus, vocabulary), create_empty_token=False, show_progress=False)

    def search(self, k: int) -> Rankings:
        """Return the k best documents of every query; equal scores stand in the order of the corpus."""
        k = min(k, self._size)
        documents = np.full((len(self._queries), k), -1, dtype=np.int64)
        scores = np.full((len(self._queries), k), -np.inf, dtype=np.float32)
        for row in range(len(self._queries)):
            every = self._scores(row)
            best = _best(every, k)
            documents[row, : len(best)] = best
            scores[row, : len(best)] = every[best]
        return Rankings(documents, scores)

    def asking(self, queries: Sequence[str]) -> BM25Ranker:
        """Return the search of the same documents for other queries."""
        other = copy(self)
        other._queries = self._known(queries)
        return other

    def count_at_least(self, queries: NDArray[np.int64], bounds: NDArray[np.float32]) -> NDArray[np.int64]:
        """Return how many documents score at least `bounds[i]`, and more than zero, for query `queries[i]`."""
        counts = [
            np.count_nonzero((scores >= bound) & (scores > 0))
            for scores, bound in ((self._scores(query), bound) for query, bound in zip(queries, bounds, strict=True))
        ]
        return np.array(counts, dtype=np.int64)

    def score(self, queries: NDArray[np.int64], documents: NDArray[np.int64]) -> NDArray[np.float32]:
        """Return the BM25 score of each pair, -inf where they share no word; float32 array."""
        result = np.empty(len(queries), dtype=np.float32)
        for query in np.unique(queries):
            pairs = queries == query
            result[pairs] = self._scores(query)[documents[pairs]]
        return np.where(result > 0, result, np.float32(-np.inf))

    def _known(self, queries: Sequence[str]) -> list[list[int]]:
        """Return the stems of each query that stand in a document."""
        return [[stem for stem in stems if stem < self._held] for stems in self._number.of(queries)]

    def _scores(self, query: int | np.integer[Any]) -> NDArray[np.float32]:
        stems = self._queries[query]
        if not stems or self._index is None:
            return np.zeros(self._size, dtype=np.float32)
        return np.asarray(self._index.get_scores_from_ids(stems), dtype=np.float32)


class _StemNumbers(dict[str, int]):
    """Number of each word's stem, in the order in which stems come up; -1 for a word that is left out.

    Attributes
    ----------
    stems
        Stem -> its number.
    """

    def __init__(self, analyser: Analyser) -> None:
        super().__init__()
        self.stems: dict[str, int] = {}
        self._analyser = analyser

    def __missing__(self, word: str) -> int:
        (stem,) = self._analyser.stems([word])
        self[word] = self.stems.setdefault(stem, len(self.stems)) if stem else _LEFT_OUT
        return self[word]

    def of(self, texts: Sequence[str]) -> list[list[int]]:
        """Return the stems of each text."""
        words, number = self._analyser.words, self.__getitem__
        if self._analyser.stop_words == "keep":
            return [list(map(number, words(text))) for text in texts]
        return [[stem for stem in map(number, words(text)) if stem != _LEFT_OUT] for text in texts]


def _best(scores: NDArray[np.float32], k: int) -> NDArray[np.int64]:
    """Return the positions of the k highest scores above zero, best first, equal scores by position."""
    found = np.flatnonzero(scores > 0)  # mostly few: a query's words stand in few documents
    above = scores[found]
    if k < len(found):
        found = found[above >= np.partition(above, -k)[-k]] if k else found[:0]
        above = scores[found]
    return found[np.argsort(-above, kind="stable")[:k]]


def _bm25s() -> Any:
    try:
        import bm25s
    except ImportError:
        raise MissingExtraError("bm25s", "lexical") from None
    return bm25s
