"""What must hold of vectors before a score may be computed from them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

from pytest_embedeval.errors import VectorError

if TYPE_CHECKING:
    from numpy.typing import NDArray

_SHOWN = 80


def check_vectors(
    vectors: NDArray[np.float32], texts: Sequence[str], *, dimension: int | None = None, model: str = ""
) -> None:
    """Raise where vectors are unusable, naming the first text that is to blame.

    Parameters
    ----------
    vectors
        float array [n, d], one row per text.
    texts
        The n texts.
    dimension
        The d that the model declares; None to accept any.
    model
        Alias, for the message.

    Raises
    ------
    VectorError
        Wrong dimension, NaN, infinity, or a vector of zeros.
    """
    who = f"model {model!r}" if model else "the encoder"
    if dimension is not None and vectors.shape[1] != dimension:
        raise VectorError(f"{who} declares {dimension} dimensions and returned {vectors.shape[1]}")
    if vectors.shape[1] == 0:
        raise VectorError(f"{who} returned vectors without numbers")
    finite = np.isfinite(vectors).all(axis=1)
    _blame(~finite, texts, f"{who} returned NaN or infinity")
    _blame(~vectors.any(axis=1), texts, f"{who} returned a vector of zeros")


def _blame(wrong: NDArray[np.bool_] | np.bool_, texts: Sequence[str], problem: str) -> None:
    if not wrong.any():
        return
    rows: NDArray[np.int64] = np.flatnonzero(wrong)
    others = f" (and {len(rows) - 1} more)" if len(rows) > 1 else ""
    raise VectorError(f"{problem} for the text {shown(texts[rows[0]])}{others}")


def shown(text: str) -> str:
    """Return a text quoted and shortened, for a message of one line."""
    return repr(text if len(text) <= _SHOWN else text[: _SHOWN - 1] + "…")
