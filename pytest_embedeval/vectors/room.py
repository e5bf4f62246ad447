"""Room for vectors: in the RAM, or in a file where they would take too much of it."""

from __future__ import annotations

import os
import tempfile
import weakref
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from pytest_embedeval.vectors.segments import SUFFIX

if TYPE_CHECKING:
    from numpy.typing import NDArray

_ROWS = 8192


@dataclass(frozen=True)
class Room:
    """Where arrays of vectors are made.

    Attributes
    ----------
    memory
        Bytes from which an array lies in a file instead of the RAM; None for no such bound.
    folder
        Of files that other machines may read, each for as long as its array is there; None for files without a name.
    """

    memory: int | None = None
    folder: Path | None = None

    def empty(self, shape: tuple[int, int]) -> NDArray[np.float32]:
        """Return a float32 array of any content.

        Raises
        ------
        OSError
            The disk has no room for the file.
        """
        size = 4 * shape[0] * shape[1]
        if self.memory is None or size <= self.memory:
            return np.empty(shape, dtype=np.float32)
        if self.folder is None:
            with tempfile.TemporaryFile(prefix="embedeval-") as file:
                return _mapped(file, shape, size)
        self.folder.mkdir(parents=True, exist_ok=True)
        with tempfile.NamedTemporaryFile(prefix="list-", suffix=SUFFIX, dir=self.folder, delete=False) as file:
            forget = Path(file.name).unlink
            try:
                array = _mapped(file, shape, size)
            except BaseException:
                forget()
                raise
        weakref.finalize(array, forget, missing_ok=True)
        return array

    def filled(self, shape: tuple[int, int], rows_of: Callable[[slice], NDArray[np.float32]]) -> NDArray[np.float32]:
        """Return a float32 array that is computed block by block, so that no second one has to fit into the RAM.

        Parameters
        ----------
        rows_of
            Rows -> what they hold, float32 array [rows, d].
        """
        array = self.empty(shape)
        for start in range(0, shape[0], _ROWS):
            rows = slice(start, min(start + _ROWS, shape[0]))
            array[rows] = rows_of(rows)
        return array


IN_MEMORY = Room()


def _mapped(file: Any, shape: tuple[int, int], size: int) -> NDArray[np.float32]:
    if hasattr(os, "posix_fallocate"):  # a disk that is full says so here, and not in the middle of writing
        os.posix_fallocate(file.fileno(), 0, size)
    return np.memmap(file, dtype=np.float32, mode="w+", shape=shape)
