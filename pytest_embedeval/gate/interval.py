"""The interval of a mean over few queries of which most may be equal.

One pseudo-query with the worst possible score is added before the t bound is taken. On few and mostly equal values
this holds its level where percentile bootstrap, BCa and plain t do not.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import numpy as np
from scipy.special import stdtrit

if TYPE_CHECKING:
    from numpy.typing import NDArray


def bounded_mean_interval(
    values: NDArray[np.float64], low: float, high: float, alpha: float = 0.05
) -> tuple[float, float]:
    """Return one-sided lower and upper bounds of the mean of values that lie in [low, high].

    Parameters
    ----------
    values
        float64 array [n], n ≥ 1.
    low, high
        The least and the greatest value that one observation can take.
    alpha
        One-sided error: each bound alone is missed with at most about this chance.

    Returns
    -------
    (lower, upper)
        Within [low, high].
    """
    n = len(values)
    quantile = float(stdtrit(n, 1 - alpha))
    lower, upper = (_bound(np.append(values, worst), sign * quantile) for worst, sign in ((low, -1), (high, 1)))
    if n and np.ptp(values) <= 1e-12:
        # Equal values say nothing about their spread: the share of other ones is below 1 - alpha^(1/n).
        unseen = 1 - alpha ** (1 / n)
        centre = float(values[0])
        lower = min(lower, centre - unseen * (centre - low))
        upper = max(upper, centre + unseen * (high - centre))
    return max(lower, low), min(upper, high)


def _bound(values: NDArray[np.float64], quantile: float) -> float:
    return float(values.mean() + quantile * values.std(ddof=1) / math.sqrt(len(values)))
