"""Memory-mapped vectors: pages that have been read are given back."""

from __future__ import annotations

import mmap
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray


def release(vectors: NDArray[np.float32], rows: slice) -> None:
    """Drop the pages of some rows of a mapped file from this process; they are read again when they are needed.

    Does nothing for arrays in memory, for maps whose changes the file does not see (`mode="c"`), and on systems
    without `madvise`.
    """
    mapped = _file_of(vectors)
    if mapped is None or not hasattr(mapped, "madvise"):
        return
    part = vectors[rows]
    begin = part.ctypes.data - np.frombuffer(mapped, dtype=np.uint8).ctypes.data
    start = begin - begin % mmap.PAGESIZE
    mapped.madvise(mmap.MADV_DONTNEED, start, begin + part.nbytes - start)


def _file_of(vectors: NDArray[np.float32]) -> mmap.mmap | None:
    """Return the map of a file that an array looks at, however many views lie between; None where there is none."""
    base: object = vectors
    while isinstance(base, np.ndarray):
        if isinstance(base, np.memmap) and base.mode == "c":
            return None
        base = base.base
    return base if isinstance(base, mmap.mmap) else None
