"""Where each kept vector lies: what the batches of a store say, put together and found by text."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from pytest_embedeval.keys import Keys

Batch = tuple[int, str, int, bytes, bytes, bytes, float]
"""A row of the table: its number, the file, the first row in it, then keys, checks and tokens of each text, seconds."""

_MOST_ROWS = 2**40  # of one file; a greater number is a damaged one


@dataclass(frozen=True)
class Index:
    """Arrays of one length, in the order in which the vectors were kept.

    Attributes
    ----------
    keys
        Texts, uint64 [n, 2].
    segment
        Number of the file, in the order in which the shelf came to know them.
    row, check
        Where in the file, and what tells a damaged vector.
    tokens
        Tokens of each text with its prompt; -1 where nobody counted.
    seconds
        Each text's share of the time that its batch took to compute.
    """

    keys: NDArray[np.uint64]
    segment: NDArray[np.int32]
    row: NDArray[np.int64]
    check: NDArray[np.uint64]
    tokens: NDArray[np.int32]
    seconds: NDArray[np.float64]

    @classmethod
    def empty(cls) -> Index:
        """Return an index of nothing."""
        return cls.of_batch((0, "", 0, b"", b"", b"", 0.0), 0)

    @classmethod
    def of_batch(cls, batch: Batch, segment: int) -> Index:
        """Return an index of one batch, in its order."""
        _, _, first, texts, checks, tokens, seconds = batch
        keys = np.frombuffer(texts, dtype=np.uint64).reshape(-1, 2)
        n = len(keys)
        return cls(
            keys,
            np.full(n, segment, dtype=np.int32),
            np.arange(first, first + n, dtype=np.int64),
            np.frombuffer(checks, dtype=np.uint64),
            np.frombuffer(tokens, dtype=np.int32),
            np.full(n, seconds / max(n, 1)),
        )

    def with_batches(self, batches: list[Index]) -> Index:
        """Return an index of all."""
        return Index(*map(np.concatenate, zip(*map(_columns, (self, *batches)), strict=True)))

    def without(self, segments: list[int]) -> Index:
        """Return an index of the other files."""
        rest = ~np.isin(self.segment, segments)
        return Index(*(column[rest] for column in _columns(self)))

    def find(self, keys: Keys) -> NDArray[np.int64]:
        """Return the place of each text in this index, int64 array [n]; -1 where it has none."""
        if not len(self.keys):
            return np.full(len(keys), -1, dtype=np.int64)
        if np.array_equal(keys, self.keys):  # one list, in the order in which it was kept
            return np.arange(len(keys))
        order = np.argsort(half := np.ascontiguousarray(keys[:, 0]))  # sorted, a search walks in one direction
        half = half[order]
        found = np.minimum(np.searchsorted(self._halves, half), len(self.keys) - 1)
        places = np.empty(len(keys), dtype=np.int64)
        places[order] = np.where(self._halves[found] == half, self._by_half[found], -1)
        # Another text with the same first half hides this one, which is then computed again: wrong it never is.
        places[self.keys[places, 1] != keys[:, 1]] = -1
        return places

    @cached_property
    def _by_half(self) -> NDArray[np.int64]:
        first = np.ascontiguousarray(self.keys[:, 0])
        return np.argsort(first, kind="stable")  # where a text was kept twice, what came first stays first

    @cached_property
    def _halves(self) -> NDArray[np.uint64]:
        halves: NDArray[np.uint64] = self.keys[self._by_half, 0]
        return halves


def _columns(index: Index) -> tuple[Any, ...]:
    return index.keys, index.segment, index.row, index.check, index.tokens, index.seconds


def holds_together(batch: tuple[object, ...]) -> bool:
    """Whether a batch says as much of each of its texts; one that does not was damaged."""
    match batch:
        case (int(), str(), int(first), bytes(texts), bytes(checks), bytes(tokens), float()):
            n = len(texts) // 16
            lengths = len(texts), len(checks), len(tokens)
            return lengths == (16 * n, 8 * n, 4 * n) and 0 <= first < _MOST_ROWS
    return False
