"""What must hold of vectors before they are kept, or a score is computed from them."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

from pytest_embedeval.errors import VectorError

if TYPE_CHECKING:
    from numpy.typing import NDArray

SAME = 1e-6  # unit vectors whose cosine is as near to 1 as this count as equal

_SHOWN = 80
_FEWEST = 8  # distinct texts that must share one vector before the model is to blame and not the texts
_BLOCK = 1024
_WORD = re.compile(r"\w+")


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
    who = _named(model)
    if dimension is not None and vectors.shape[1] != dimension:
        raise VectorError(f"{who} declares {dimension} dimensions and returned {vectors.shape[1]}")
    if vectors.shape[1] == 0:
        raise VectorError(f"{who} returned vectors without numbers")
    finite = np.isfinite(vectors).all(axis=1)
    _blame(~finite, texts, f"{who} returned NaN or infinity")
    _blame(~vectors.any(axis=1), texts, f"{who} returned a vector of zeros")


def check_collapse(vectors: NDArray[np.float32], texts: Sequence[str], *, model: str = "") -> None:
    """Raise where one and the same vector serves a whole list of texts: every search would return chance.

    The texts must differ in more than a sane model may overlook: those alike in their first 80 characters but for
    case, accents, punctuation and the order of words count once, since uncased models, models that know no order and
    models that cut long texts off rightly give them one vector. A list in which one vector differs is never refused.

    Parameters
    ----------
    vectors
        Unit vectors, float array [n, d]. Rows are read only up to the first that differs.
    texts
        The n texts: all of a list, not one batch of it.
    model
        Alias, for the message.

    Raises
    ------
    VectorError
        At least 8 such texts, and no vector whose cosine with the first is below 1 − 1e-6.
    """
    if len(texts) < _FEWEST or not all_equal(vectors):
        return
    different: dict[tuple[str, ...], str] = {}
    for text in texts:
        different.setdefault(_essence(text), text)
    if len(different) < _FEWEST:
        return
    first, second, *_ = different.values()
    raise VectorError(
        f"{_named(model)} gives one and the same vector to all {len(texts)} texts, {shown(first)} and {shown(second)} "
        "among them: look at its weights, tokenizer and pooling, or at the language it was made for"
    )


def all_equal(vectors: NDArray[np.float32], first: NDArray[np.float32] | None = None) -> bool:
    """Whether all unit vectors are equal, by cosine and up to 1e-6; True for none.

    Parameters
    ----------
    vectors
        float array [n, d].
    first
        What they are compared with, float array [d]; None for the first of them.
    """
    if not len(vectors):
        return True
    first = vectors[0] if first is None else first
    blocks = (vectors[start : start + _BLOCK] for start in range(0, len(vectors), _BLOCK))
    return all(bool(equal_rows(block, first).all()) for block in blocks)


def equal_rows(vectors: NDArray[np.float32], others: NDArray[np.float32]) -> NDArray[np.bool_]:
    """Return which unit vectors equal their counterparts; bool array [n].

    By their distance, ‖a − b‖² = 2 − 2 cos(a, b): next to 1, a cosine in float32 is rounded by as much as is asked.
    """
    apart = vectors - others
    equal: NDArray[np.bool_] = np.einsum("ij,ij->i", apart, apart) <= 2 * SAME
    return equal


def _essence(text: str) -> tuple[str, ...]:
    """Return what is left of a text without the differences that a sane model may overlook."""
    letters = unicodedata.normalize("NFKD", text[:_SHOWN])
    plain = "".join(letter for letter in letters if not unicodedata.combining(letter))
    return tuple(sorted(_WORD.findall(plain.casefold())))


def _named(model: str) -> str:
    return f"model {model!r}" if model else "the encoder"


def _blame(wrong: NDArray[np.bool_] | np.bool_, texts: Sequence[str], problem: str) -> None:
    if not wrong.any():
        return
    rows: NDArray[np.int64] = np.flatnonzero(wrong)
    others = f" (and {len(rows) - 1} more)" if len(rows) > 1 else ""
    raise VectorError(f"{problem} for the text {shown(texts[rows[0]])}{others}")


def shown(text: str) -> str:
    """Return a text quoted and shortened, for a message of one line."""
    return repr(text if len(text) <= _SHOWN else text[: _SHOWN - 1] + "…")
