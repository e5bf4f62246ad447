"""Texts become checked unit vectors, by role: equal texts once, what is kept not at all, the longest first."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

import numpy as np

from pytest_embedeval.datasets.spool import chosen as some_of
from pytest_embedeval.errors import VectorError
from pytest_embedeval.keys import distinct, text_keys
from pytest_embedeval.models import Model
from pytest_embedeval.models.remote import finished_by
from pytest_embedeval.vectors.checks import all_equal, check_collapse, check_vectors
from pytest_embedeval.vectors.room import IN_MEMORY, Room
from pytest_embedeval.vectors.unit import normalised

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from pytest_embedeval.models.clustered import Copies
    from pytest_embedeval.models.encoder import Block
    from pytest_embedeval.models.info import Role
    from pytest_embedeval.vectors.shelf import Shelf

_CHUNKS = range(16, 8193)  # texts between two visits to the store
_CHUNK_S = 1.0  # what a killed run may lose
_COUNTED = 2048  # texts whose tokens are counted at once


class Progress(Protocol):
    """What a progress bar must offer; tqdm does."""

    def update(self, n: int, /) -> object:
        """Count n more texts as done."""
        ...

    def close(self) -> object:
        """End the bar."""
        ...


ProgressFactory = Callable[[str, int], Progress]


@dataclass(frozen=True)
class Encoding:
    """The vectors of a list of texts, and what it took to get them.

    Attributes
    ----------
    vectors
        At unit length and with all the numbers that the model gives; float32 array [n, native], in the order of the
        texts; may be a read-only map of a file.
    tokens
        Tokens of each text with its prompt, int32 array [n]; -1 where nobody counted.
    seconds
        What it took to compute the vectors, be it now or when they were kept.
    spent
        Seconds that it took now to have them all.
    encoded, reused
        Distinct texts that were computed now, and those that were kept.
    """

    vectors: NDArray[np.float32]
    tokens: NDArray[np.int32]
    seconds: float
    spent: float
    encoded: int
    reused: int


def encode(
    model: Model, texts: Sequence[str], role: Role, progress: ProgressFactory | None = None
) -> NDArray[np.float32]:
    """Encode texts, without any store, and normalise to unit length.

    Returns
    -------
    float32 array [n, d]
        In the order of `texts`, cut and rounded as the model's entry of the matrix says.

    Raises
    ------
    VectorError
        NaN, infinity, zeros or a wrong dimension; the message names the text.
    """
    whole = encode_texts(model, texts, role, progress=progress, allow_collapse=True).vectors
    return model.shortened(whole)


def encode_texts(
    model: Model,
    texts: Sequence[str],
    role: Role,
    *,
    shelf: Shelf | None = None,
    progress: ProgressFactory | None = None,
    room: Room = IN_MEMORY,
    allow_collapse: bool = False,
) -> Encoding:
    """Return the vectors of texts: those that are kept from the shelf, the others from the model.

    Parameters
    ----------
    shelf
        What is kept of this model and role; what is computed is added, batch by batch.
    progress
        (label, number of texts) -> a bar; None for silence.
    room
        Where the result is made.
    allow_collapse
        Accept a model that gives many texts one and the same vector.

    Raises
    ------
    VectorError
        NaN, infinity, zeros, a wrong dimension, or one vector for many texts; the message names a text. What was
        computed before is kept.
    RequestError
        The provider of a model behind an API did not answer. What others of its requests brought is kept.
    """
    started = time.perf_counter()
    keys = text_keys(texts)
    first, inverse = distinct(keys)
    work = _Work(model, some_of(texts, first), keys[first], role, shelf, room, allow_collapse)
    whole = work.found_as_they_are() if inverse is None else None
    if whole is None:
        bar = progress(f"{model.alias}: {role}", len(first)) if progress else None
        try:
            work.run(bar)
        finally:
            if bar:
                bar.close()
        whole = work.vectors
    if not allow_collapse:
        check_collapse(whole, work.texts, model=model.alias)
    tokens, seconds = work.tokens, float(work.seconds.sum())
    if inverse is not None:
        distinct_vectors, places = whole, inverse
        whole = room.filled((len(texts), whole.shape[1]), lambda rows: distinct_vectors[places[rows]])
        tokens = tokens[inverse]
    spent = time.perf_counter() - started
    return Encoding(whole, tokens, seconds, spent, work.encoded, len(first) - work.encoded)


class _Work:
    """The distinct texts of one list on their way to vectors; arrays in the order of these texts."""

    def __init__(
        self,
        model: Model,
        texts: Sequence[str],
        keys: NDArray[np.uint64],
        role: Role,
        shelf: Shelf | None,
        room: Room,
        allow_collapse: bool,
    ) -> None:
        self.model = model
        self.texts = texts
        self.keys = keys
        self.role = role
        self.shelf = shelf
        self.room = room
        self.allow_collapse = allow_collapse
        self.tokens = np.full(len(texts), -1, dtype=np.int32)
        self.seconds = np.zeros(len(texts))
        self.encoded = 0
        self._size = 0  # of the next block for a node
        self._held: list[tuple[NDArray[np.int64], float]] = []
        self.vectors = np.empty((0, model.native_dimension or 0), dtype=np.float32)

    def found_as_they_are(self) -> NDArray[np.float32] | None:
        """Return the kept vectors without copying them, where that is possible; else None."""
        if self.shelf is None or not self.texts:
            return None
        places = self.shelf.find(self.keys)
        if (places < 0).any():
            return None
        stored = self.shelf.as_stored(places)
        if stored is not None:
            self.tokens, self.seconds = self.shelf.about(places)
        return stored

    def run(self, bar: Progress | None) -> None:
        """Fill `vectors`."""
        missing = self._take_kept(np.arange(len(self.texts)))
        if bar:
            bar.update(len(self.texts) - len(missing))
        missing = missing[self._longest_first(missing)]
        if self.model.nodes is None:
            self._run_here(missing, bar)
        else:
            self._run_on(self.model.nodes, missing, bar)
        if self._held:
            check_collapse(self.vectors, self.texts, model=self.model.alias)
            self._keep_held()

    def _run_here(self, missing: NDArray[np.int64], bar: Progress | None) -> None:
        """Encode texts in chunks of about a second each."""
        least = max(_CHUNKS.start, self.model.remote.at_once if self.model.remote else 0)
        size = max(_CHUNKS.start * 2, least)
        while len(missing):
            chosen = self.shelf.claim(self.keys[missing], size) if self.shelf else np.arange(min(size, len(missing)))
            taken = self._compute(missing[chosen]) if len(chosen) else 0.0  # others may have kept all that was left
            before = len(missing)
            missing = np.delete(missing, chosen)
            if self.shelf is not None and len(missing) and self.shelf.others_added():
                missing = self._take_kept(missing)
            if bar:
                bar.update(before - len(missing))
            if taken:
                size = min(max(int(len(chosen) * _CHUNK_S / taken), least), max(_CHUNKS.stop - 1, least))

    def _run_on(self, nodes: Copies, missing: NDArray[np.int64], bar: Progress | None) -> None:
        """Have texts encoded by the nodes of a cluster, in blocks of about a second, and take each as it comes in."""
        self._size = 2 * _CHUNKS.start
        for rows, vectors, taken in nodes.stream(self._blocks(missing, 2 * len(nodes), bar), self.role):
            self._take(rows, self._texts(rows), vectors, taken)
            self._size = min(max(int(len(rows) * _CHUNK_S / taken), _CHUNKS.start), _CHUNKS.stop - 1)
            if bar:
                bar.update(len(rows))

    def _blocks(self, missing: NDArray[np.int64], under_way: int, bar: Progress | None) -> Iterator[Block]:
        """Yield the texts to encode next; smaller blocks towards the end, so that all nodes finish together."""
        while len(missing):
            size = min(self._size, max(len(missing) // under_way, _CHUNKS.start))
            chosen = self.shelf.claim(self.keys[missing], size) if self.shelf else np.arange(min(size, len(missing)))
            rows, missing = missing[chosen], np.delete(missing, chosen)
            if len(rows):
                yield rows, self._texts(rows)
            if self.shelf is not None and len(missing) and self.shelf.others_added():
                before = len(missing)
                missing = self._take_kept(missing)
                if bar:
                    bar.update(before - len(missing))

    def _take_kept(self, rows: NDArray[np.int64]) -> NDArray[np.int64]:
        """Copy what is kept of these texts, and return the others."""
        if self.shelf is None or not len(rows):
            return rows
        places = self.shelf.find(self.keys[rows])
        known = np.flatnonzero(places >= 0)
        if not len(known):
            return rows
        self._room_for(self.model.native_dimension)
        self.tokens[rows[known]], self.seconds[rows[known]] = self.shelf.about(places[known])
        whole = self.shelf.read(places[known], self.vectors, rows[known])
        return np.delete(rows, known[whole])

    def _longest_first(self, rows: NDArray[np.int64]) -> NDArray[np.int64]:
        """Count tokens where the model has a limit, and return the order from the longest text to the shortest.

        A batch then holds texts of one length, and a text too large for the memory fails at once.
        """
        lengths = np.empty(len(rows), dtype=np.int64)
        for start in range(0, len(rows), _COUNTED):
            block = slice(start, start + _COUNTED)
            texts = self._texts(rows[block])
            counted = self.model.count_tokens(texts, self.role) if self.model.info.max_tokens is not None else None
            if counted is not None:
                self.tokens[rows[block]] = counted
            lengths[block] = counted or list(map(len, texts))
        return np.argsort(-lengths, kind="stable")

    def _compute(self, rows: NDArray[np.int64]) -> float:
        """Encode, check and keep some texts; return the seconds it took."""
        texts = self._texts(rows)
        started = time.perf_counter()
        try:
            vectors = self.model.encode(texts, self.role)
        except BaseException as error:
            self._keep_finished(rows, error, time.perf_counter() - started)
            raise
        taken = time.perf_counter() - started
        self._take(rows, texts, vectors, taken)
        return taken

    def _keep_finished(self, rows: NDArray[np.int64], error: BaseException, taken: float) -> None:
        """Keep what was paid for before an error, unless it is one and the same vector for many texts."""
        finished = finished_by(error)
        if finished is None:
            return
        rows = rows[finished.rows]
        self._take(rows, self._texts(rows), finished.vectors, taken)
        held = np.concatenate([rows for rows, _ in self._held] or [rows[:0]])
        with suppress(VectorError):
            check_collapse(self.vectors[held], self._texts(held))
            self._keep_held()

    def _take(self, rows: NDArray[np.int64], texts: list[str], vectors: NDArray[np.float32], taken: float) -> None:
        """Check and keep some vectors."""
        check_vectors(vectors, texts, dimension=self.model.native_dimension, model=self.model.alias)
        self._room_for(vectors.shape[1])
        self.vectors[rows] = normalised(vectors)
        self.seconds[rows] = taken / len(rows)
        self.encoded += len(rows)
        self._held.append((rows, taken))
        if self.allow_collapse or not all_equal(self.vectors[rows], self.vectors[self._held[0][0][0]]):
            self._keep_held()

    def _keep_held(self) -> None:
        """Keep what was computed; it is held back for as long as all of it is one and the same vector."""
        if self.shelf is not None:
            for rows, taken in self._held:
                self.shelf.add(self.keys[rows], self.vectors[rows], self.tokens[rows], taken)
        self._held.clear()

    def _room_for(self, dimension: int | None) -> None:
        if len(self.vectors) < len(self.texts):
            self.vectors = self.room.empty((len(self.texts), dimension or 0))

    def _texts(self, rows: NDArray[np.int64]) -> list[str]:
        return list(some_of(self.texts, rows))
