"""Do cosines and grades of sentence pairs rise together? Spearman and Pearson, with bounds that know shared anchors."""

from __future__ import annotations

import math
from collections.abc import Sequence
from functools import partial
from typing import TYPE_CHECKING, Literal

import numpy as np
from scipy.special import stdtrit

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Values = NDArray[np.float64]

Method = Literal["spearman", "pearson"]

_BLOCKS = 200  # of pairs that are left out together, at most
_NEARLY_ONE = 1 - 1e-12
_SAME = 1e-6  # cosines nearer than this are equal: a model that tells no two pairs apart correlates with nothing


def correlation(scores: Values, grades: Values, method: Method) -> float:
    """Return the correlation of scores and grades; 0 where either of them does not vary.

    Parameters
    ----------
    scores, grades
        float64 arrays [n].
    method
        `spearman`: of the ranks, equal values sharing their mean rank. `pearson`: of the values.
    """
    scores, grades = _distinct(scores), np.asarray(grades, dtype=np.float64)
    if method == "spearman":
        scores, grades = _ranks(scores), _ranks(grades)
    deviations = scores - scores.mean(), grades - grades.mean()
    size = math.sqrt(float(deviations[0] @ deviations[0]) * float(deviations[1] @ deviations[1]))
    return float(deviations[0] @ deviations[1]) / size if size > 0 else 0.0


def correlation_interval(
    scores: Values, grades: Values, anchors: Sequence[str], method: Method, alpha: float = 0.05
) -> tuple[float, float]:
    """Return one-sided lower and upper bounds of a correlation.

    Delete-one-anchor jackknife on Fisher's scale (Efron & Tibshirani 1993, chapter 11; Fisher 1921): pairs that share
    an anchor are left out together, so that they do not count as independent. Beyond 200 anchors, blocks of them are
    left out.

    Parameters
    ----------
    scores, grades
        float64 arrays [n].
    anchors
        What each pair shares with others.
    alpha
        One-sided error of each bound.

    Returns
    -------
    (lower, upper)
        Within [-1, 1]; all of it where nothing tells how the correlation varies: fewer than three anchors, equal
        scores, or the same correlation whichever anchor is left out.
    """
    _, block = np.unique(np.asarray(anchors), return_inverse=True)
    block = block % _BLOCKS
    count = int(block.max()) + 1 if len(block) else 0
    if count < 3:
        return -1.0, 1.0
    of = partial(correlation, method=method)
    without = np.array([_fisher(of(scores[block != each], grades[block != each])) for each in range(count)])
    spread = math.sqrt((count - 1) / count * float(((without - without.mean()) ** 2).sum()))
    if spread == 0:
        return -1.0, 1.0
    centre, reach = _fisher(of(scores, grades)), float(stdtrit(count - 1, 1 - alpha)) * spread
    return math.tanh(centre - reach), math.tanh(centre + reach)


def _distinct(scores: Values) -> Values:
    """Return the scores, or zeros where they are all equal but for rounding."""
    scores = np.asarray(scores, dtype=np.float64)
    return scores if len(scores) and np.ptp(scores) > _SAME else np.zeros(len(scores))


def _fisher(value: float) -> float:
    return math.atanh(min(max(value, -_NEARLY_ONE), _NEARLY_ONE))


def _ranks(values: Values) -> Values:
    """Return the rank of each value, equal ones sharing the mean of theirs, float64 array [n]."""
    ordered = np.sort(values)
    first, last = (np.searchsorted(ordered, values, side=side) for side in ("left", "right"))
    return (first + last - 1) / 2.0
