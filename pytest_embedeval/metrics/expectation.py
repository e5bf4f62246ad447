"""Expected values over the orders of tie groups (McSherry & Najork, ECIR 2008).

All arrays are [g], one value per group: `start` documents stand before it, `size` are in it, `relevant` of which are
relevant, and the first `inside` of its places count. A document that ties with nothing is a group of size 1.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from scipy.special import gammaln

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Scores = NDArray[np.float64]
    Numbers = NDArray[np.number]


def any_relevant(size: Numbers, relevant: Numbers, inside: Numbers) -> Scores:
    """Return the chance of at least one relevant document in the places that count.

    For t of m places and r relevant documents: 1 - C(m-r, t) / C(m, t).
    """
    chance = np.asarray((relevant > 0) & (inside >= size), dtype=np.float64)
    cut = np.flatnonzero((relevant > 0) & (inside > 0) & (inside < size))
    if len(cut):
        m, r, t = size[cut], relevant[cut], inside[cut]
        chance[cut] = 1.0 - np.exp(_log_choose(m - r, t) - _log_choose(m, t))
    return chance


def first_relevant(start: Numbers, size: Numbers, relevant: Numbers, cutoff: int | None = None) -> Scores:
    """Return the expected 1/rank of the first relevant document, 0 beyond the cutoff.

    The first of r relevant among m documents stands at place 1 with the chance r / m, and at place x + 1 with
    (m - x - r + 1) / (m - x) times the chance of place x.

    Parameters
    ----------
    size, relevant
        m ≥ r ≥ 1.
    cutoff
        Last rank that counts; None for all.
    """
    reach = size - relevant + 1
    if cutoff is not None:
        reach = np.minimum(reach, cutoff - start)
    sums = np.zeros(len(start))
    rows = np.flatnonzero(reach > 0)
    chance: Scores = np.asarray(relevant[rows] / size[rows], dtype=np.float64)
    x = 1
    while len(rows):
        sums[rows] += np.asarray(chance / (start[rows] + x), dtype=np.float64)
        further = reach[rows] > x
        rows, chance = rows[further], chance[further]
        left = size[rows] - x
        chance = np.asarray(chance * (left - relevant[rows] + 1) / left, dtype=np.float64)
        x += 1
    return sums


def precisions(before: Numbers, start: Numbers, size: Numbers, relevant: Numbers, inside: Numbers) -> Scores:
    """Return the expected sum of the precisions at each relevant document in the places that count.

    Place i = 0, 1 … of a group holds a relevant document with the chance r / m, and if it does, the expected hits up
    to it are H + 1 + i (r - 1) / (m - 1), with H = `before` hits before the group.
    """
    end = start + inside
    harmonic = np.append(0.0, np.cumsum(1.0 / np.arange(1, np.max(end, initial=0) + 1)))
    reciprocals = harmonic[end] - harmonic[start]  # the sum of 1 / (start + i + 1)
    others = (relevant - 1) / np.maximum(size - 1, 1)
    # i / (start + i + 1) = 1 - (start + 1) / (start + i + 1)
    sums = (before + 1) * reciprocals + others * (inside - (start + 1) * reciprocals)
    return np.asarray(relevant / size * sums, dtype=np.float64)


def kept_preferences(above: Numbers, wrong: Numbers, bound: Numbers) -> Scores:
    """Return the expected 1 - min(wrong above, bound) / bound of one relevant document of each group.

    It is equally likely to have 0, 1 … w of the `wrong` documents of its own group above it, besides those `above`
    the group.
    """
    # Sum over x = 0 … w of min(above + x, bound): an arithmetic series, then a plateau.
    rising = np.clip(bound - above, 0, wrong + 1)
    series = rising * above + rising * (rising - 1) / 2 + (wrong + 1 - rising) * bound
    lost = series / (wrong + 1)
    shares: Scores = np.divide(lost, bound, out=np.zeros(len(lost)), where=bound > 0)
    return 1.0 - shares


def _log_choose(n: Numbers, k: Numbers) -> Scores:
    """Return log C(n, k), -inf where k > n or k < 0."""
    n, k = np.asarray(n, dtype=np.float64), np.asarray(k, dtype=np.float64)
    possible = (k >= 0) & (k <= n)
    safe_n, safe_k = np.where(possible, n, 0.0), np.where(possible, k, 0.0)
    logs = gammaln(safe_n + 1) - gammaln(safe_k + 1) - gammaln(safe_n - safe_k + 1)
    return np.where(possible, logs, -np.inf)
