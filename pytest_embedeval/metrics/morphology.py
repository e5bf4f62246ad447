"""Does a model see that two forms are the same word? Scores over lemma, form and distractors."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Matrix = NDArray[np.float32]

# Cosines nearer than this are a tie: half a point, as a coin would give.
_TIE = 1e-6


def similarity(lemmas: Matrix, forms: Matrix) -> NDArray[np.float64]:
    """Return the cosine of each lemma with its form, float64 array [n].

    The article's score. Its mean is not comparable across models: unrelated words average 0.35 in one model and
    0.88 in another.

    Parameters
    ----------
    lemmas, forms
        Unit vectors, float32 arrays [n, d].
    """
    cosines: NDArray[np.float64] = np.einsum("ij,ij->i", lemmas, forms).astype(np.float64)
    return cosines


def auc(lemmas: Matrix, forms: Matrix, words: Sequence[str]) -> NDArray[np.float64]:
    """Return, for each related pair, the share of unrelated pairs of the same words that are less close.

    Their mean is the area under the ROC curve: the probability that a related pair is closer than an unrelated one
    (0.5 is chance, ties count half).

    Parameters
    ----------
    lemmas, forms
        Unit vectors, float32 arrays [n, d].
    words
        The n lemmas; a lemma with a form of the same lemma is no unrelated pair.

    Returns
    -------
    float64 array [n]
    """
    cosines = (lemmas @ forms.T).astype(np.float64)
    names = np.asarray(words)
    unrelated = np.sort(cosines[names[:, None] != names[None, :]])
    if not len(unrelated):
        return np.full(len(names), 0.5)
    related = np.diagonal(cosines)
    below = np.searchsorted(unrelated, related - _TIE, side="left")
    at_most = np.searchsorted(unrelated, related + _TIE, side="right")
    return (below + at_most) / 2 / len(unrelated)


def accuracy(lemmas: Matrix, forms: Matrix, distractors: Matrix, owner: NDArray[np.int64]) -> NDArray[np.float64]:
    """Return 1 where the form is nearer to its lemma than every distractor of the item, else 0.

    A form tied with t distractors for the first place scores 1 / (t + 1), which is what guessing would give.

    Parameters
    ----------
    lemmas, forms
        Unit vectors, float32 arrays [n, d].
    distractors
        Unit vectors of all distractors, float32 array [m, d].
    owner
        The item of each distractor, int64 array [m].

    Returns
    -------
    float64 array [n]
    """
    own = similarity(lemmas, forms)
    other = np.einsum("ij,ij->i", lemmas[owner], distractors).astype(np.float64)
    nearer = np.bincount(owner, weights=other > own[owner] + _TIE, minlength=len(own))
    tied = np.bincount(owner, weights=np.abs(other - own[owner]) <= _TIE, minlength=len(own))
    return np.where(nearer > 0, 0.0, 1.0 / (tied + 1))


def versus(lemmas: Matrix, forms: Matrix, distractors: Matrix, owner: NDArray[np.int64]) -> NDArray[np.float64]:
    """Return, for each distractor, 1 where the form of its item is nearer to the lemma, 0.5 for a tie, else 0.

    Parameters
    ----------
    lemmas, forms
        Unit vectors of the items, float32 arrays [n, d].
    distractors
        Unit vectors, float32 array [m, d].
    owner
        The item of each distractor, int64 array [m].

    Returns
    -------
    float64 array [m]
    """
    return nearer(similarity(lemmas, forms)[owner] - similarity(lemmas[owner], distractors))


def nearer(margins: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return 1 where a margin of cosines is positive, 0.5 for a tie, else 0; float64 array [n]."""
    return np.where(np.abs(margins) <= _TIE, 0.5, (margins > 0).astype(np.float64))
