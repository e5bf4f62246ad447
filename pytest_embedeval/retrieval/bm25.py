"""BM25, the lexical yardstick (bm25s: Lucene's variant, k1 = 1.5, b = 0.75)."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache
from typing import TYPE_CHECKING, Any

import numpy as np

from pytest_embedeval.errors import MissingExtraError
from pytest_embedeval.retrieval.ranked import Rankings
from pytest_embedeval.retrieval.words import words

if TYPE_CHECKING:
    from numpy.typing import NDArray

_STEMMERS = {"tr": "turkish", "en": "english", "de": "german"}


class BM25Ranker:
    """Ranks documents by the words they share with the query.

    Documents that share none are not returned. Words are stemmed (Snowball) where the language is known.

    Parameters
    ----------
    queries, documents
        Texts.
    language
        BCP 47 code that decides casing and stemmer, or None for neither.

    Raises
    ------
    MissingExtraError
        bm25s or PyStemmer is not installed.
    """

    def __init__(self, queries: Sequence[str], documents: Sequence[str], language: str | None = None) -> None:
        bm25s = _bm25s()
        stem = _stemmer(language)
        self._queries = [stem(words(text, language)) for text in queries]
        self._size = len(documents)
        corpus = [stem(words(text, language)) for text in documents]
        self._index = bm25s.BM25() if any(corpus) else None
        if self._index is not None:
            self._index.index(corpus, show_progress=False)

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

    def _scores(self, query: int | np.integer[Any]) -> NDArray[np.float32]:
        known = self._index.vocab_dict if self._index is not None else {}
        terms = [word for word in self._queries[query] if word in known]
        if not terms:
            return np.zeros(self._size, dtype=np.float32)
        return np.asarray(self._index.get_scores(terms), dtype=np.float32)  # type: ignore[union-attr]


def _best(scores: NDArray[np.float32], k: int) -> NDArray[np.int64]:
    """Return the positions of the k highest scores above zero, best first, equal scores by position."""
    bound = max(np.partition(scores, -k)[-k], np.nextafter(np.float32(0), np.float32(1))) if k else np.inf
    candidates = np.flatnonzero(scores >= bound)
    return candidates[np.argsort(-scores[candidates], kind="stable")[:k]]


def _bm25s() -> Any:
    try:
        import bm25s
    except ImportError:
        raise MissingExtraError("bm25s", "lexical") from None
    return bm25s


@cache
def _stemmer(language: str | None) -> Any:
    name = _STEMMERS.get((language or "").split("-")[0])
    if name is None:
        return list
    try:
        import Stemmer
    except ImportError:
        raise MissingExtraError("PyStemmer", "lexical") from None
    return Stemmer.Stemmer(name).stemWords
