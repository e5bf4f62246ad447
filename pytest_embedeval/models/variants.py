"""Smaller vectors from whole ones: fewer numbers, or fewer bits for each. None needs the model again."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    Vectors = NDArray[np.float32]

_BITS = {"float32": 32, "float16": 16, "int8": 8, "binary": 1}
PRECISIONS = tuple(_BITS)


def truncated(vectors: Vectors, dimension: int) -> Vectors:
    """Return the first `dimension` numbers of each vector at unit length; float32 array [n, dimension].

    What Matryoshka models are trained for (Kusupati et al. 2022). Cutting a vector of any length gives the same as
    cutting it at unit length.
    """
    import numpy as np

    kept = vectors[:, :dimension]
    norms = np.linalg.norm(kept, axis=1, keepdims=True)
    shortened: Vectors = kept / np.maximum(norms, np.finfo(np.float32).tiny)
    return shortened


def rounded(vectors: Vectors) -> Vectors:
    """Return the vectors as float16 would keep them; float32 array of the same shape."""
    import numpy as np

    return vectors.astype(np.float16).astype(np.float32)


def bytes_per_vector(dimension: int, precision: str) -> int:
    """Return what one vector takes in an index without overhead; eight binary numbers share a byte."""
    return (dimension * _BITS[precision] + 7) // 8
