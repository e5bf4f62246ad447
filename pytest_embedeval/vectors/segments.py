"""Flat files of float32 rows: each is appended to by one process alone, and read by memory map."""

from __future__ import annotations

import hashlib
import secrets
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from pytest_embedeval.keys import Keys

SUFFIX = ".f32"
_DAMAGED = ".damaged"


class SegmentWriter:
    """A new file, to which rows are appended.

    Parameters
    ----------
    folder
        Where the file is made.
    prefix
        Beginning of its name.

    Raises
    ------
    OSError
        The file cannot be made.
    """

    def __init__(self, folder: Path, prefix: str) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self.name = f"{prefix}-{secrets.token_hex(6)}{SUFFIX}"
        self.rows = 0
        self._file = (folder / self.name).open("xb", buffering=0)

    def append(self, vectors: NDArray[np.float32]) -> int:
        """Write rows at the end and return the number of the first.

        Raises
        ------
        OSError
            They could not be written, for want of space for example; the file is then as it was before.
        """
        first, rows = self.rows, np.ascontiguousarray(vectors, dtype="<f4")
        begin = self._file.seek(first * rows.itemsize * rows.shape[1])  # an interrupted call may have left some behind
        left = rows.data.cast("B")
        try:
            while left:
                left = left[self._file.write(left) :]
        except OSError:
            self._file.truncate(begin)
            raise
        self.rows += len(rows)
        return first

    def close(self) -> None:
        """Close the file."""
        self._file.close()


def map_segment(path: Path, dimension: int) -> NDArray[np.float32]:
    """Return the rows of a file, float32 array [n, dimension], read-only; a last row that is cut short is left out.

    Raises
    ------
    OSError
        The file is missing or cannot be read.
    """
    rows = path.stat().st_size // (4 * dimension)
    if rows == 0:
        return np.empty((0, dimension), dtype=np.float32)
    return np.memmap(path, dtype="<f4", mode="r", shape=(rows, dimension))


def row_checks(vectors: NDArray[np.float32], keys: Keys, recipe: str) -> NDArray[np.uint64]:
    """Return a check number of each row, uint64 array [n], by which anything else is told from what was kept.

    The sum of the row's 32-bit words, each times a 64-bit odd number of its own, modulo 2^64 (multilinear hashing,
    Carter & Wegman 1979), combined with text and recipe. One changed word is always found; any other row, and the row
    of another text or recipe, passes with a probability of at most about 2^-32.

    Parameters
    ----------
    vectors, keys
        float32 [n, d], and the texts that they belong to, uint64 [n, 2].
    recipe
        The digest of what decides these vectors, `sha256:…`.
    """
    words = np.ascontiguousarray(vectors, dtype="<f4").view(np.uint32)
    sums = np.einsum("ij,j->i", words, _factors(words.shape[1]), dtype=np.uint64, casting="unsafe")
    checks: NDArray[np.uint64] = sums ^ keys[:, 0] ^ np.uint64(int(recipe.partition(":")[2][:16], 16))
    return checks


@cache
def _factors(count: int) -> NDArray[np.uint64]:
    """Return odd numbers without a pattern, the same on every machine."""
    return np.frombuffer(hashlib.shake_128(b"rows").digest(8 * count), dtype="<u8").astype(np.uint64) | np.uint64(1)


def set_aside(path: Path) -> Path:
    """Rename a damaged file, so that it is used no more but can be looked at; return its new path."""
    aside = path.with_name(f"{path.name}{_DAMAGED}")
    number = 1
    while aside.exists():
        number += 1
        aside = path.with_name(f"{path.name}{_DAMAGED}-{number}")
    path.rename(aside)
    return aside


def is_damaged(path: Path) -> bool:
    """Whether a file was set aside."""
    return path.suffix.startswith(_DAMAGED)
