"""Vectors as an index keeps them in fewer bits, decoded again: what its scores are computed from.

An index of 8-bit codes scores a query, which stays float32, by its inner product with the decoded document. Decoding
and searching exactly is therefore the right search, to the last digits.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from pytest_embedeval.vectors.room import IN_MEMORY, Room

if TYPE_CHECKING:
    from numpy.typing import NDArray


@dataclass(frozen=True)
class Ranges:
    """Where the numbers of each dimension lie.

    Attributes
    ----------
    low
        The least, float32 array [d].
    width
        The greatest minus the least, float32 array [d]; 0 where all are equal.
    """

    low: NDArray[np.float32]
    width: NDArray[np.float32]

    @classmethod
    def of(cls, documents: NDArray[np.float32]) -> Ranges:
        """Calibrate on documents, which is all that an index sees before its first query; float32 array [n, d]."""
        if not len(documents):
            return cls(*np.zeros((2, documents.shape[1]), dtype=np.float32))
        low = documents.min(axis=0)
        return cls(low, documents.max(axis=0) - low)


def encode(vectors: NDArray[np.float32], ranges: Ranges) -> NDArray[np.uint8]:
    """Return one byte per number, uint8 array [n, d]: the rule of FAISS's 8-bit scalar quantizer, code by code.

    A range is cut into 255 equal steps, and a number outside of it takes the nearest end.
    """
    share = np.zeros(vectors.shape, dtype=np.float32)
    np.divide(vectors - ranges.low, ranges.width, out=share, where=ranges.width > 0)
    np.clip(share, 0, 1, out=share)
    share *= 255
    return share.astype(np.uint8)


def decode(codes: NDArray[np.uint8], ranges: Ranges) -> NDArray[np.float32]:
    """Return the middle of the step that each code stands for, float32 array [n, d]."""
    vectors = codes.astype(np.float32)
    vectors += np.float32(0.5)
    vectors *= ranges.width / np.float32(255)
    vectors += ranges.low
    return vectors


def int8(vectors: NDArray[np.float32], room: Room = IN_MEMORY) -> NDArray[np.float32]:
    """Return documents as 8-bit codes keep them, d bytes each (`IndexScalarQuantizer` of FAISS with `QT_8bit`).

    The ranges are those of these vectors. Lengths are not restored, as FAISS restores none.

    Parameters
    ----------
    vectors
        float32 array [n, d].
    room
        Where the result is made.

    Returns
    -------
    float32 array [n, d]
    """
    ranges = Ranges.of(vectors)
    return room.filled(_shape(vectors), lambda rows: decode(encode(vectors[rows], ranges), ranges))


def signs(vectors: NDArray[np.float32], room: Room = IN_MEMORY) -> NDArray[np.float32]:
    """Return the vectors as one bit per number keeps them, d / 8 bytes each: ±1/√d, which makes unit vectors.

    A bit is set where the number is above 0. The inner product of two such vectors is 1 − 2 h / d, where h is their
    Hamming distance. Takes the same arguments as `int8`; float32 array [n, d].
    """
    unit = np.float32(1 / np.sqrt(vectors.shape[1]))
    return room.filled(_shape(vectors), lambda rows: np.where(vectors[rows] > 0, unit, -unit))


def _shape(vectors: NDArray[np.float32]) -> tuple[int, int]:
    return len(vectors), vectors.shape[1]


def as_indexed(vectors: NDArray[np.float32], precision: str, room: Room = IN_MEMORY) -> NDArray[np.float32]:
    """Return documents as an index of this precision keeps them; unit vectors, float32 array [n, d].

    `float32` and `float16` vectors come back as they are: they were rounded before. `int8` gives vectors of nearly
    unit length (`int8`).
    """
    if precision == "int8":
        return int8(vectors, room)
    return signs(vectors, room) if precision == "binary" else vectors
