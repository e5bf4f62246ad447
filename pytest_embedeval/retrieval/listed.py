"""Lists that are all there is to know: no document beyond them has a score."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from pytest_embedeval.retrieval.ranked import Rankings

if TYPE_CHECKING:
    from numpy.typing import NDArray

DEEPEST = 1000  # places that an engine is asked for at most
_PAIRS = 4096  # looked up at once


class Lists:
    """The lists of the latest search, asked what they know.

    An engine that returns k documents does not tell what it would return below them: these have no score, and nothing
    counts as tied with the last place of a list.

    Attributes
    ----------
    found
        The lists.
    """

    def __init__(self) -> None:
        self.found = Rankings(np.empty((0, 0), dtype=np.int64), np.empty((0, 0), dtype=np.float32))

    def keep(self, documents: NDArray[np.int64], scores: NDArray[np.float32]) -> Rankings:
        """Put lists in order and keep them: by score, equal scores by position, and at the end the places left empty.

        Parameters
        ----------
        documents
            Positions in the corpus, int64 array [n, k]; -1 where there is none.
        scores
            float32 array [n, k].
        """
        scores = np.where(documents < 0, np.float32(-np.inf), scores)
        order = np.lexsort((documents, documents < 0, -scores), axis=1)
        self.found = Rankings(np.take_along_axis(documents, order, axis=1), np.take_along_axis(scores, order, axis=1))
        return self.found

    def count_at_least(self, queries: NDArray[np.int64], bounds: NDArray[np.float32]) -> NDArray[np.int64]:
        """Return how many documents of the list of query `queries[i]` score at least `bounds[i]`; int64 array."""
        counts: NDArray[np.int64] = np.count_nonzero(self.found.scores[queries] >= bounds[:, None], axis=1)
        return counts

    def score(self, queries: NDArray[np.int64], documents: NDArray[np.int64]) -> NDArray[np.float32]:
        """Return the score of each pair, -inf for a document that is not in the list of the query; float32 array."""
        scores = np.full(len(queries), -np.inf, dtype=np.float32)
        for start in range(0, len(queries), _PAIRS):
            block = slice(start, start + _PAIRS)
            row, place = np.nonzero(self.found.documents[queries[block]] == documents[block, None])
            scores[start + row] = self.found.scores[queries[start + row], place]
        return scores
