"""Expected values over the orders of tie groups (McSherry & Najork, ECIR 2008).

All arrays are [n, k], one row per query, one column per place of its list. `relevant` counts the relevant documents
in the group of each place.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from scipy.special import gammaln

from pytest_embedeval.metrics.ties import Groups

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Scores = NDArray[np.float64]
    Numbers = NDArray[np.number]


def group_means(values: Scores, groups: Groups, beyond: Scores | None) -> Scores:
    """Return the mean of each place's group.

    Parameters
    ----------
    values
        One value per place.
    beyond
        Sum of the values that the last group of each row has beyond the list, float64 array [n].
    """
    n, k = values.shape
    flat = groups.start + np.arange(n)[:, None] * k
    sums = np.bincount(flat.ravel(), weights=values.ravel(), minlength=n * k)
    if beyond is not None:
        sums[flat[:, -1]] += beyond
    means: Scores = sums[flat] / groups.size
    return means


def any_relevant(relevant: Scores, groups: Groups, k: int) -> Scores:
    """Return the chance of at least one relevant document in the first k places.

    A group wholly inside counts if it holds one; for the group that place k cuts, t of whose m places are inside and
    r of whose documents are relevant, the chance is 1 - C(m-r, t) / C(m, t).
    """
    start, size = groups.start[:, k - 1], groups.size[:, k - 1]
    before = (relevant[:, :k] * (groups.start[:, :k] < start[:, None])).sum(axis=1) > 0
    r, inside = relevant[:, k - 1], k - start
    missed = np.exp(_log_choose(size - r, inside) - _log_choose(size, inside))
    return np.where(before, 1.0, np.where(r > 0, 1.0 - missed, 0.0))


def reciprocal_rank(relevant: Scores, groups: Groups, k: int, *, whole: bool) -> Scores:
    """Return the expected 1/rank of the first relevant document, 0 beyond place k.

    With `whole`, a group that reaches beyond the list counts with all its places.
    """
    found = (relevant > 0).argmax(axis=1)
    rows = np.flatnonzero(relevant[np.arange(len(relevant)), found] > 0)
    place = found[rows]
    result = np.zeros(len(relevant))
    result[rows] = first_relevant(
        groups.start[rows, place], groups.size[rows, place], relevant[rows, place], None if whole else k
    )
    return result


def first_relevant(
    start: Numbers,
    size: Numbers,
    relevant: Numbers,
    cutoff: int | None = None,
) -> Scores:
    """Return the expected 1/rank of the first relevant document of one tie group, 0 beyond the cutoff.

    The first of r relevant among m documents stands at place x with the chance C(m-x, r-1) / C(m, r).

    Parameters
    ----------
    start
        Documents before the group.
    size, relevant
        m ≥ r ≥ 1.
    cutoff
        Last rank that counts; None for all.

    Returns
    -------
    float64 array [n]
    """
    reach = size - relevant + 1
    if cutoff is not None:
        reach = np.minimum(reach, np.maximum(cutoff - start, 0))
    sums = np.zeros(len(start))
    whole = _log_choose(size, relevant)
    for x in range(1, int(np.max(reach, initial=0)) + 1):
        chance = np.exp(_log_choose(size - x, relevant - 1) - whole)
        sums += np.where(x <= reach, chance / (start + x), 0.0)
    return sums


def hits_if_relevant(expected: Scores, relevant: Scores, groups: Groups) -> Scores:
    """Return the expected hits up to and with each place, given that the place itself holds a relevant document.

    With H hits before the group and i places of the group before this one: H + 1 + i (r - 1) / (m - 1).
    """
    n, k = expected.shape
    before = np.cumsum(expected, axis=1) - expected
    hits_before_group = np.take_along_axis(before, groups.start.astype(np.int64), axis=1)
    inside = np.arange(k) - groups.start
    others = np.divide(relevant - 1, groups.size - 1, out=np.zeros((n, k)), where=groups.size > 1)
    return hits_before_group + 1 + inside * others


def bpref_sums(
    relevant: NDArray[np.bool_], wrong: NDArray[np.bool_], groups: Groups, bound: NDArray[np.int64]
) -> Scores:
    """Return, summed over the listed relevant documents, the expected 1 - min(wrong above, bound) / bound.

    A relevant document is equally likely to have 0, 1 … w of the w wrong documents of its own group above it.
    """
    n, k = relevant.shape
    rows = np.arange(n)[:, None]
    before: NDArray[np.int64] = np.cumsum(wrong, axis=1) - wrong
    above: NDArray[np.int64] = before[rows, groups.start]
    flat = groups.start + rows * k
    own = np.bincount(flat.ravel(), weights=wrong.ravel(), minlength=n * k)[flat]
    limit = np.broadcast_to(bound[:, None], (n, k))
    # Sum over x = 0 … own of min(above + x, limit): an arithmetic series, then a plateau.
    rising = np.clip(limit - above, 0, own + 1)
    series = rising * above + rising * (rising - 1) / 2 + (own + 1 - rising) * limit
    lost = np.divide(series / (own + 1), limit, out=np.zeros((n, k)), where=limit > 0)
    sums: Scores = (relevant * (1.0 - lost)).sum(axis=1)
    return sums


def _log_choose(n: Numbers, k: Numbers) -> Scores:
    """Return log C(n, k), -inf where k > n or k < 0."""
    n, k = np.asarray(n, dtype=np.float64), np.asarray(k, dtype=np.float64)
    possible = (k >= 0) & (k <= n)
    safe_n, safe_k = np.where(possible, n, 0.0), np.where(possible, k, 0.0)
    logs = gammaln(safe_n + 1) - gammaln(safe_k + 1) - gammaln(safe_n - safe_k + 1)
    return np.where(possible, logs, -np.inf)
