"""The kept vectors of one model in one role: found by text, read by memory map, added batch by batch."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from pytest_embedeval.models.info import Recipe
from pytest_embedeval.vectors.index import Batch, Index, holds_together
from pytest_embedeval.vectors.segments import SegmentWriter, map_segment, row_checks, set_aside

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from pytest_embedeval.keys import Keys
    from pytest_embedeval.vectors.store import Store

_ROWS_AT_ONCE = 8192  # enough that threads seldom wait for each other
_THREADS = 4
_SHARES, _FEWEST = 8, 16  # of what is left, what one of several processes takes at a time, and the least

_TAKEN = "SELECT text FROM claims WHERE recipe = ?"


class Kept(NamedTuple):
    """What is known of kept vectors, each array [n].

    Attributes
    ----------
    tokens
        Tokens of each text with its prompt, int32; -1 where nobody counted.
    seconds
        Each text's share of the time that its batch took to compute, float64.
    """

    tokens: NDArray[np.int32]
    seconds: NDArray[np.float64]


class Shelf:
    """The vectors of one recipe in a store; made by `Store.shelf`."""

    def __init__(self, store: Store, number: int, recipe: Recipe) -> None:
        self._store = store
        self._number = number
        self._dimension = recipe.dimension
        self._digest = recipe.digest
        self._last = 0  # number of the last batch that was read
        self._segments: list[str] = []
        self._index = Index.empty()
        self._writer: SegmentWriter | None = None
        self._refresh()

    def find(self, keys: Keys) -> NDArray[np.int64]:
        """Return a place for each text, int64 array [n]; -1 where it has none yet."""
        self._refresh()
        return self._index.find(keys)

    def about(self, places: NDArray[np.int64]) -> Kept:
        """Return what is known of the texts at these places."""
        return Kept(self._index.tokens[places], self._index.seconds[places])

    def as_stored(self, places: NDArray[np.int64]) -> NDArray[np.float32] | None:
        """Return the vectors without copying them, where they lie one after another in one file; else None."""
        segment, row = self._index.segment[places], self._index.row[places]
        if not len(places) or (segment != segment[0]).any() or (row != row[0] + np.arange(len(row))).any():
            return None
        try:
            rows = map_segment(self._path(self._segments[segment[0]]), self._dimension)
        except OSError:
            return None
        found = rows[row[0] : row[-1] + 1]
        if len(found) < len(places):
            return None
        whole = np.empty(len(places), dtype=bool)

        def look(block: slice) -> None:
            whole[block] = self._are_whole(found[block], places[block])

        _in_blocks(look, len(found))
        return found if whole.all() else None

    def read(self, places: NDArray[np.int64], into: NDArray[np.float32], rows: NDArray[np.int64]) -> NDArray[np.bool_]:
        """Copy vectors into `into[rows]`.

        Returns
        -------
        Which of them were whole, bool array [n]. The file of the others is set aside, with a warning, and whatever
        else it holds is forgotten.
        """
        whole = np.zeros(len(places), dtype=bool)
        lost = []
        owners = self._index.segment[places]
        for number in np.unique(owners).tolist():
            segment, chosen = self._segments[number], np.flatnonzero(owners == number)
            try:
                whole[chosen] = self._copy(segment, places[chosen], into, rows[chosen])
            except FileNotFoundError:
                self._drop(segment, len(chosen))
            except OSError as error:  # too many open files, for one, say nothing against what this one holds
                self._store.tell(f"{segment} cannot be read ({error.strerror}); its vectors are computed anew")
            else:
                if whole[chosen].all():
                    continue
                self._drop(segment, int(np.count_nonzero(~whole[chosen])))
            lost.append(number)
        if lost:  # only now, since places are places in the index
            self._index = self._index.without(lost)
        return whole

    def claim(self, keys: Keys, size: int) -> NDArray[np.int64]:
        """Choose the texts to compute next, so that several processes do not all take the same.

        Returns
        -------
        Places in `keys` of the first `size` texts that no other process has taken, or, where all are taken (by
        processes that may be dead), of the first `size`; int64 array. Fewer where others are at work, so that all end
        together and nobody takes on much of what another is about to keep; none where others have just kept all.
        """
        if self._store.can_write:
            with self._store.using(), self._store.transaction() as database:
                kept = {texts[at : at + 16] for (texts,) in self._others("texts") for at in range(0, len(texts), 16)}
                taken = {text for (text,) in database.execute(_TAKEN, [self._number])}
                if taken or kept:
                    size = min(size, max(len(keys) // _SHARES, _FEWEST))
                chosen = keys[found := _first(keys, size, taken | kept) or _first(keys, size, kept)]
                database.executemany(
                    "INSERT OR IGNORE INTO claims (recipe, text) VALUES (?, ?)",
                    [(self._number, key.tobytes()) for key in chosen],
                )
                return np.array(found, dtype=np.int64)
        return np.arange(min(size, len(keys)), dtype=np.int64)

    def add(self, keys: Keys, vectors: NDArray[np.float32], tokens: NDArray[np.int32], seconds: float) -> None:
        """Keep a batch: its rows first, then the word that they are there.

        Parameters
        ----------
        keys, vectors, tokens
            uint64 [n, 2], float32 [n, dimension] at unit length, int32 [n].
        seconds
            What it took to compute them.
        """
        if not self._store.can_write:
            return
        with self._store.using():
            database = self._store.database  # raises where there is none, before a file is made
            if self._writer is None:
                self._writer = SegmentWriter(self._store.segments, self._digest.partition(":")[2][:12])
            first = self._writer.append(vectors)
            checks = row_checks(vectors, keys, self._digest)
            blobs = keys.tobytes(), checks.tobytes(), tokens.astype(np.int32).tobytes()
            with self._store.transaction():
                database.execute(
                    "INSERT INTO batches (recipe, segment, first, texts, checks, tokens, seconds) "
                    "VALUES (?, ?, ?, ?, ?, ?, ?)",
                    [self._number, self._writer.name, first, *blobs, seconds],
                )
                database.executemany(
                    "DELETE FROM claims WHERE recipe = ? AND text = ?",
                    [(self._number, key.tobytes()) for key in keys],
                )

    def others_added(self) -> bool:
        """Whether other processes have kept vectors since the index was read."""
        with self._store.using():
            return bool(self._others("id"))
        return False

    def close(self) -> None:
        """Close the file that this process writes."""
        if self._writer is not None:
            self._writer.close()
            self._writer = None

    def _others(self, column: str) -> list[tuple[Any]]:
        """Return one column of the batches that other processes have kept since the index was read."""
        own = self._writer.name if self._writer else ""
        query = f"SELECT {column} FROM batches WHERE recipe = ? AND id > ? AND segment <> ?"  # noqa: S608 - our own
        return self._store.database.execute(query, [self._number, self._last, own]).fetchall()

    def _refresh(self) -> None:
        with self._store.using():
            rows = self._store.database.execute(
                "SELECT id, segment, first, texts, checks, tokens, seconds FROM batches "
                "WHERE recipe = ? AND id > ? ORDER BY id",
                [self._number, self._last],
            ).fetchall()
            if rows:
                self._last = rows[-1][0]
                torn = [(row[0],) for row in rows if not holds_together(row)]
                self._index = self._index.with_batches(list(map(self._batch, filter(holds_together, rows))))
                if torn:
                    self._store.tell(f"damaged batches: {len(torn)}; their vectors are computed anew")
                    self._forget("id", torn)

    def _batch(self, batch: Batch) -> Index:
        segment = batch[1]
        if segment not in self._segments:
            self._segments.append(segment)
        return Index.of_batch(batch, self._segments.index(segment))

    def _copy(
        self, segment: str, places: NDArray[np.int64], into: NDArray[np.float32], rows: NDArray[np.int64]
    ) -> NDArray[np.bool_]:
        """Copy vectors of one file; return which were whole."""
        found = map_segment(self._path(segment), self._dimension)
        wanted = self._index.row[places]
        whole = wanted < len(found)

        def copy(block: slice) -> None:
            some = np.flatnonzero(whole[block]) + block.start
            if len(some):
                vectors = _taken(found, wanted[some], into, rows[some])
                whole[some] = self._are_whole(vectors, places[some])

        _in_blocks(copy, len(places))
        return whole

    def _are_whole(self, vectors: NDArray[np.float32], places: NDArray[np.int64]) -> NDArray[np.bool_]:
        whole: NDArray[np.bool_] = (
            row_checks(vectors, self._index.keys[places], self._digest) == self._index.check[places]
        )
        return whole

    def _path(self, segment: str) -> Path:
        return self._store.segments / segment

    def _drop(self, segment: str, damaged: int) -> None:
        """Set a file with damaged rows aside, and take back the word that they are there."""
        if self._writer is not None and self._writer.name == segment:
            self.close()
        problem = f"{segment} is damaged or missing (vectors to compute anew: {damaged})"
        if not self._store.can_write:
            self._store.tell(problem)
            return
        if self._forget("segment", [(segment,)]) == 0:
            return  # another process was faster, and has said so
        try:
            problem += f"; the file is kept as {set_aside(self._path(segment)).name}"
        except FileNotFoundError:
            pass
        except OSError as error:
            problem += f"; the file cannot be set aside ({error.strerror})"
        self._store.tell(problem)

    def _forget(self, column: str, values: list[tuple[int]] | list[tuple[str]]) -> int:
        """Take back the word that vectors are there; return of how many batches, -1 where that cannot be."""
        if self._store.can_write:
            with self._store.using(), self._store.transaction() as database:
                query = f"DELETE FROM batches WHERE {column} = ?"  # noqa: S608 - our own names
                return database.executemany(query, values).rowcount
        return -1


def _taken(
    found: NDArray[np.float32], wanted: NDArray[np.int64], into: NDArray[np.float32], rows: NDArray[np.int64]
) -> NDArray[np.float32]:
    """Copy rows and return them; without a copy between, where they go to consecutive places."""
    if rows[-1] - rows[0] + 1 == len(rows) and (np.diff(rows) == 1).all():
        return np.take(found, wanted, axis=0, out=into[rows[0] : rows[-1] + 1], mode="clip")
    into[rows] = vectors = np.take(found, wanted, axis=0)
    return vectors


def _in_blocks(work: Callable[[slice], None], rows: int) -> None:
    """Do something to blocks of rows, several at a time: what waits for memory need not wait in one thread."""
    with ThreadPoolExecutor(_THREADS) as pool:
        for _ in pool.map(work, [slice(start, start + _ROWS_AT_ONCE) for start in range(0, rows, _ROWS_AT_ONCE)]):
            pass


def _first(keys: Keys, size: int, without: set[bytes]) -> list[int]:
    """Return the places of the first `size` keys that are not in a set."""
    return list(islice((place for place, key in enumerate(keys) if key.tobytes() not in without), size))
