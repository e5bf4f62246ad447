"""Ranked lists: what a search returns, and what may be asked of the engine behind it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray


@dataclass(frozen=True)
class Rankings:
    """The top k documents of n queries.

    Attributes
    ----------
    documents
        Positions in the corpus, int64 array [n, k], best first; -1 where fewer than k came back.
    scores
        float32 array [n, k], descending; -inf where there is no document.
    """

    documents: NDArray[np.int64]
    scores: NDArray[np.float32]


class Ranker(Protocol):
    """A search engine over one corpus, asked by position of the query."""

    def search(self, k: int) -> Rankings:
        """Return the k best documents of every query."""
        ...

    def count_at_least(self, queries: NDArray[np.int64], bounds: NDArray[np.float32]) -> NDArray[np.int64]:
        """Return how many documents of the whole corpus score at least `bounds[i]` for query `queries[i]`."""
        ...

    def score(self, queries: NDArray[np.int64], documents: NDArray[np.int64]) -> NDArray[np.float32]:
        """Return the score of each pair, -inf for a document that the engine would not return."""
        ...
