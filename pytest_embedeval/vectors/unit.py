"""Vectors at unit length."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray


def normalised(vectors: NDArray[np.float32]) -> NDArray[np.float32]:
    """Return the vectors at unit length (L2), so that inner products are cosines; float32 array [n, d].

    A vector of zeros, which cutting may leave, stays one.
    """
    squares = np.einsum("ij,ij->i", vectors, vectors, dtype=np.float64)  # in float32 they may overflow, or vanish
    lengths = np.maximum(np.sqrt(squares).astype(np.float32), np.finfo(np.float32).tiny)
    unit: NDArray[np.float32] = vectors / lengths[:, None]
    return unit
