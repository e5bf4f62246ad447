"""Entries of a large corpus in a file instead of the RAM, read when they are asked for."""

from __future__ import annotations

import json
import tempfile
import weakref
from abc import abstractmethod
from array import array
from collections.abc import Iterable, Iterator, Sequence
from itertools import pairwise
from typing import TYPE_CHECKING, TypeVar, overload

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import ArrayLike, NDArray

Entry = TypeVar("Entry")  # what JSON can say

_AT_ONCE = 256  # entries read in one go
_WRITTEN = 2**20  # bytes


class _InFile(Sequence[Entry]):
    """Entries that are read a part at a time."""

    def __iter__(self) -> Iterator[Entry]:
        for start in range(0, len(self), _AT_ONCE):
            yield from self[start : start + _AT_ONCE]

    @overload
    def __getitem__(self, place: int) -> Entry: ...

    @overload
    def __getitem__(self, place: slice) -> list[Entry]: ...

    def __getitem__(self, place: int | slice) -> Entry | list[Entry]:
        chosen = range(len(self))[place]
        return self.read([chosen])[0] if isinstance(chosen, int) else self.read(chosen)

    @abstractmethod
    def read(self, places: Sequence[int]) -> list[Entry]:
        """Return the entries at some places, counted from the first."""


class Spool(_InFile[Entry]):
    """Entries in a file without a name, which goes when this object does; eight bytes of each are in the RAM.

    Parameters
    ----------
    entries
        The first ones: texts, or whatever else JSON can say.
    """

    def __init__(self, entries: Iterable[Entry] = ()) -> None:
        self._file = tempfile.TemporaryFile(prefix="embedeval-", buffering=0)  # noqa: SIM115 - closed with this object
        weakref.finalize(self, self._file.close)
        self._ends = array("q", [0])
        self._written = 0
        self._unwritten = bytearray()
        for entry in entries:
            self.append(entry)

    def __len__(self) -> int:
        return len(self._ends) - 1

    def append(self, entry: Entry) -> None:
        """Add one at the end."""
        self._unwritten += json.dumps(entry, ensure_ascii=False).encode("utf-8", "surrogatepass")
        self._ends.append(self._written + len(self._unwritten))
        if len(self._unwritten) > _WRITTEN:
            self._write()

    def read(self, places: Sequence[int]) -> list[Entry]:
        """Return the entries at some places, counted from the first; consecutive ones in one go."""
        if not _are_consecutive(places):
            return [self[place] for place in places]
        self._write()
        ends = self._ends[places[0] : places[-1] + 2]
        self._file.seek(ends[0])
        content = self._file.read(ends[-1] - ends[0])
        parts = (content[begin - ends[0] : end - ends[0]] for begin, end in pairwise(ends))
        return [json.loads(part.decode("utf-8", "surrogatepass")) for part in parts]

    def _write(self) -> None:
        if self._unwritten:
            self._file.seek(self._written)
            while self._unwritten:  # a disk that is nearly full takes a part, and then refuses
                del self._unwritten[: (taken := self._file.write(self._unwritten) or 0)]
                self._written += taken


class Selection(_InFile[Entry]):
    """Some entries of a spool, without copying them.

    Parameters
    ----------
    whole
        The entries.
    places
        Which, in their new order, int64 array [n].
    """

    def __init__(self, whole: Spool[Entry], places: NDArray[np.int64]) -> None:
        self.whole = whole
        self.places = places

    def __len__(self) -> int:
        return len(self.places)

    def read(self, places: Sequence[int]) -> list[Entry]:
        """Return the entries at some places, counted from the first."""
        return self.whole.read(self.places[places].tolist())


def chosen(entries: Sequence[Entry], places: ArrayLike) -> Sequence[Entry]:
    """Return the entries at some places, in that order: a list of a list, and a selection of what lies in a file."""
    at = np.asarray(places, dtype=np.int64)
    if len(at) == len(entries) and np.array_equal(at, np.arange(len(at))):
        return entries
    match entries:
        case Spool():
            return Selection(entries, at)
        case Selection():
            return Selection(entries.whole, entries.places[at])
    return [entries[place] for place in at.tolist()]


def kept_like(entries: Sequence[object], others: Iterable[Entry]) -> Sequence[Entry]:
    """Return `others` in the RAM or in a file, as `entries` are."""
    return list(others) if isinstance(entries, list) else Spool(others)


def _are_consecutive(places: Sequence[int]) -> bool:
    return len(places) > 0 and all(after - before == 1 for before, after in pairwise(places))
