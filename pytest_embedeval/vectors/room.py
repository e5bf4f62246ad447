"""Space for vectors: in the RAM, or in a file where they would take too much of it."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Callable
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

_ROWS = 8192


def room(shape: tuple[int, int], memory: int | None) -> NDArray[np.float32]:
    """Return space for a float32 array: in the RAM, or in a file without a name where it takes more than `memory`."""
    if memory is None or 4 * shape[0] * shape[1] <= memory:
        return np.empty(shape, dtype=np.float32)
    with tempfile.TemporaryFile(prefix="embedeval-") as file:
        if hasattr(os, "posix_fallocate"):  # a disk that is full says so here, and not in the middle of writing
            os.posix_fallocate(file.fileno(), 0, 4 * shape[0] * shape[1])
        return np.memmap(file, dtype=np.float32, mode="w+", shape=shape)


def filled(
    shape: tuple[int, int], memory: int | None, rows_of: Callable[[slice], NDArray[np.float32]]
) -> NDArray[np.float32]:
    """Return a float32 array that is computed block by block, so that no second one has to fit into the RAM.

    Parameters
    ----------
    shape, memory
        As for `room`.
    rows_of
        Rows -> what they hold, float32 array [rows, d].
    """
    array = room(shape, memory)
    for start in range(0, shape[0], _ROWS):
        rows = slice(start, min(start + _ROWS, shape[0]))
        array[rows] = rows_of(rows)
    return array
