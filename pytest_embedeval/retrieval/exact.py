"""Exact search by inner product, in bounded memory."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from pytest_embedeval.retrieval import engine, mapped
from pytest_embedeval.retrieval.ranked import Rankings

if TYPE_CHECKING:
    from numpy.typing import NDArray

_QUERIES = 1024
_TILE = 8192
_FEW, _FEWEST, _SMALL_TILE = 128, 16, 256  # queries and documents at once: with fewer a search slows down
_PAGE = 2**21  # what reading one row of a mapped file may bring into the memory
_SPARE = 16  # documents sought beyond the list, so that a short row of ties needs no second look at the corpus
_ROUNDING = 1e-6  # two ways of multiplying the same float32 vectors differ by less


class ExactRanker:
    """Every query against every document.

    Scores that a matrix product gives to equal vectors differ in the last bit with their place in it. Documents whose
    scores are that near are therefore multiplied pair by pair before they are put in order, so that the lists are the
    same whatever the blocks.

    Parameters
    ----------
    queries, documents
        Unit vectors, float32 arrays [n, d] and [m, d]; neither is copied. The documents may be a map of a file
        (`numpy.memmap`), which is read from front to back.
    memory
        Bytes to hold at most besides the queries, the lists, and documents that are no map; of mapped ones, the part
        that has been read counts. None bounds the blocks of products alone. A bound of less than a few MB may be
        exceeded.
    """

    def __init__(self, queries: NDArray[np.float32], documents: NDArray[np.float32], memory: int | None = None) -> None:
        self._queries = np.ascontiguousarray(queries, dtype=np.float32)
        self._documents = np.ascontiguousarray(documents, dtype=np.float32)
        self._memory = memory
        self._best = np.empty((len(queries), 0), dtype=np.float32)  # highest scores of each query, as far as known

    def search(self, k: int) -> Rankings:
        """Return the k best documents of every query; equal scores stand in the order of the corpus.

        Works through blocks of documents and of queries, so memory does not grow with n × m. Which documents come back
        among those that share the last score is chance; rows in which they reach into the k are settled afterwards.
        """
        k = min(k, len(self._documents))
        more = min(k + _SPARE, len(self._documents))
        scores, documents = self.nearest(more)
        self._order_ties(scores, documents)
        self._best = scores
        scores, documents = np.ascontiguousarray(scores[:, :k]), np.ascontiguousarray(documents[:, :k])
        if more < len(self._documents):
            reaching = np.flatnonzero(self._best[:, k - 1] - self._best[:, -1] <= _ROUNDING)
            self._settle(reaching, documents, scores)
        return Rankings(documents, scores)

    def nearest(self, k: int) -> tuple[NDArray[np.float32], NDArray[np.int64]]:
        """Return scores and positions of the k best, merged from the blocks; arrays [n, k].

        Best first; nearly equal scores in any order.
        """
        blocks = self._blocks(k)
        scores = np.full((len(self._queries), k), -np.inf, dtype=np.float32)
        documents = np.full((len(self._queries), k), -1, dtype=np.int64)
        for block in self._documents_by(blocks.documents):
            part = self._documents[block]
            for start in range(0, len(self._queries), blocks.queries):
                rows = slice(start, start + blocks.queries)
                found = engine.by_inner_product(self._queries[rows], part, min(k, len(part)), tile=blocks.tile)
                found[1][:] += block.start
                if block.start == 0:
                    scores[rows, : len(part)], documents[rows, : len(part)] = found
                else:
                    merge(scores[rows], documents[rows], *found)
        return scores, documents

    def _order_ties(self, scores: NDArray[np.float32], documents: NDArray[np.int64]) -> None:
        """Multiply documents with nearly equal scores pair by pair and put them in order, in place."""
        near = scores[:, :-1] - scores[:, 1:] <= _ROUNDING
        tied = np.flatnonzero(near.any(axis=1))
        if not len(tied):
            return
        places = np.zeros((len(tied), scores.shape[1]), dtype=np.bool_)
        places[:, :-1] = near[tied]
        places[:, 1:] |= near[tied]
        row, place = np.nonzero(places)
        row = tied[row]
        scores[row, place] = self.score(row, documents[row, place])
        order = np.lexsort((documents[tied], -scores[tied]), axis=1)
        scores[tied] = np.take_along_axis(scores[tied], order, axis=1)
        documents[tied] = np.take_along_axis(documents[tied], order, axis=1)

    def _settle(self, rows: NDArray[np.int64], documents: NDArray[np.int64], scores: NDArray[np.float32]) -> None:
        """Fill the places that share the last score with the first such documents of the corpus, in place."""
        bounds = scores[rows, -1]
        above = [documents[row, scores[row] > bound + _ROUNDING] for row, bound in zip(rows, bounds, strict=True)]
        found = self.first_at_least(rows, bounds - _ROUNDING, above, documents.shape[1])
        for row, kept, more in zip(rows, above, found, strict=True):
            if len(kept) + len(more) == documents.shape[1]:
                documents[row, len(kept) :] = more

    def first_at_least(
        self, queries: NDArray[np.int64], bounds: NDArray[np.float32], without: list[NDArray[np.int64]], most: int
    ) -> list[list[int]]:
        """Return, in the order of the corpus, the first documents that score at least `bounds[i]` for `queries[i]`.

        As many as `most` leaves room for beside those of `without[i]`, which are passed over.
        """
        found: list[list[int]] = [[] for _ in queries]
        wanted = [most - len(each) for each in without]
        missing = len(queries)
        for block, first, products in self._products(queries):
            for i, product in enumerate(products, start=block.start):
                if len(found[i]) < wanted[i]:
                    equal = first + np.flatnonzero(product >= bounds[i])
                    found[i].extend(np.setdiff1d(equal, without[i])[: wanted[i] - len(found[i])].tolist())
                    missing -= len(found[i]) == wanted[i]
            if not missing:
                break
        return found

    def count_at_least(self, queries: NDArray[np.int64], bounds: NDArray[np.float32]) -> NDArray[np.int64]:
        """Return how many documents score at least `bounds[i]` for query `queries[i]`; int64 array."""
        counts: NDArray[np.int64] = np.count_nonzero(self._best[queries] >= bounds[:, None], axis=1)
        unknown = np.flatnonzero(counts == self._best.shape[1])
        counts[unknown] = self.count_all(queries[unknown], bounds[unknown])
        return counts

    def count_all(self, queries: NDArray[np.int64], bounds: NDArray[np.float32]) -> NDArray[np.int64]:
        """Count as `count_at_least` does, without what a search has found."""
        counts = np.zeros(len(queries), dtype=np.int64)
        for rows, _, products in self._products(queries):
            counts[rows] += np.count_nonzero(products >= bounds[rows, None], axis=1)
        return counts

    def score(self, queries: NDArray[np.int64], documents: NDArray[np.int64]) -> NDArray[np.float32]:
        """Return the inner product of each pair; float32 array."""
        scores = np.empty(len(queries), dtype=np.float32)
        blocks = self._blocks(0)
        for start in range(0, len(queries), blocks.pairs):
            block = slice(start, start + blocks.pairs)
            pairs = self._queries[queries[block]], self._documents[documents[block]]
            scores[block] = np.einsum("ij,ij->i", *pairs)
            if blocks.documents < len(self._documents):
                mapped.release(self._documents, slice(None))
        return scores

    def _products(self, queries: NDArray[np.int64]) -> Iterator[tuple[slice, int, NDArray[np.float32]]]:
        """Yield rows of `queries`, the first document of a tile, and the inner products of the two, until the next."""
        if not len(queries):
            return
        blocks = self._blocks(0)
        room = np.empty(min(blocks.queries, len(queries)) * min(blocks.tile, len(self._documents)), dtype=np.float32)
        for block in self._documents_by(blocks.documents):
            for start in range(0, len(queries), blocks.queries):
                rows = slice(start, start + blocks.queries)
                chosen = self._queries[queries[rows]]
                for first in range(block.start, block.stop, blocks.tile):
                    part = self._documents[first : min(first + blocks.tile, block.stop)]
                    products = room[: len(chosen) * len(part)].reshape(len(chosen), len(part))
                    yield rows, first, np.matmul(chosen, part.T, out=products)

    def _documents_by(self, size: int) -> Iterator[slice]:
        """Yield blocks of the corpus in its order; where there are several, each is given back after its turn."""
        for start in range(0, len(self._documents), size):
            block = slice(start, min(start + size, len(self._documents)))
            yield block
            if size < len(self._documents):
                mapped.release(self._documents, block)

    def _blocks(self, k: int) -> _Blocks:
        m, d = self._documents.shape
        return _Blocks(max(m, 1)) if self._memory is None else _Blocks.within(self._memory, m, d, k)


@dataclass(frozen=True)
class _Blocks:
    """How many documents are in use, and how many queries are multiplied by how many of these documents at once."""

    documents: int
    queries: int = _QUERIES
    tile: int = _TILE
    pairs: int = _TILE

    @classmethod
    def within(cls, memory: int, m: int, d: int, k: int) -> _Blocks:
        """Choose blocks that fit: one half for the documents in use, the other for what is made of them.

        A row of that other half holds a query, its products and the flags of a comparison, and k documents at 72
        bytes: FAISS keeps twice as many as are sought, and a merge sorts two lists.
        """
        half, tile = memory // 2, _TILE
        while tile > _SMALL_TILE and half // _row(d, k, tile) < _FEW:
            tile //= 2
        documents = max(half // (4 * d), _SMALL_TILE)
        if tile < documents < m:
            documents -= documents % tile
        return cls(
            documents=documents,
            queries=min(max(half // _row(d, k, tile), _FEWEST), _QUERIES),
            tile=tile,
            pairs=min(max(half // (_PAGE if documents < m else 8 * d), _FEWEST), _TILE),
        )


def _row(d: int, k: int, tile: int) -> int:
    return 4 * d + 5 * tile + 72 * k


def merge(
    scores: NDArray[np.float32],
    documents: NDArray[np.int64],
    more_scores: NDArray[np.float32],
    more_documents: NDArray[np.int64],
) -> None:
    """Take into the lists what is better in later documents, in place; equal scores stay in the order they came in."""
    both = np.concatenate([scores, more_scores], axis=1)
    order = np.argsort(-both, axis=1, kind="stable")[:, : scores.shape[1]]
    scores[:] = np.take_along_axis(both, order, axis=1)
    documents[:] = np.take_along_axis(np.concatenate([documents, more_documents], axis=1), order, axis=1)
