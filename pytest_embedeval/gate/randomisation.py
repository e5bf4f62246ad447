"""A second opinion on a difference: sign-flip randomisation (Fisher), reported on request."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

_EXACT = 16  # differences up to which all 2^k sign patterns are counted
_FLIPS = 10_000
_BLOCK = 256


def sign_flip_p(differences: NDArray[np.float64], seed: int = 42) -> float:
    """Return the two-sided p-value of "the sign of each difference is a matter of chance".

    Exact for up to 16 differences that are not zero; otherwise 10,000 seeded flips, (r + 1) / (B + 1). Sums are
    compared with a tolerance of 1e-12 times the sum of the absolute differences.
    """
    changed = differences[np.abs(differences) > 1e-12]
    each = np.abs(changed)
    seen = abs(float(changed.sum())) - 1e-12 * float(each.sum())
    if len(each) <= _EXACT:
        sums = np.zeros(1)
        for value in each:
            sums = np.concatenate([sums + value, sums - value])
        return float(np.mean(np.abs(sums) >= seen))
    generator = np.random.default_rng(seed)
    extreme = 0
    for start in range(0, _FLIPS, _BLOCK):
        signs = generator.integers(0, 2, size=(min(_BLOCK, _FLIPS - start), len(each)), dtype=np.int8) * 2 - 1
        extreme += int(np.count_nonzero(np.abs(signs @ each) >= seen))
    return (extreme + 1) / (_FLIPS + 1)
