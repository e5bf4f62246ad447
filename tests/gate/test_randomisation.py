"""The sign-flip p-value, against full enumeration and against SciPy."""

from __future__ import annotations

import itertools
from fractions import Fraction

import numpy as np
import pytest
from numpy.typing import NDArray
from scipy import stats

from pytest_embedeval.gate import sign_flip_p


def enumerated(differences: list[Fraction]) -> Fraction:
    """Return the share of all sign patterns whose sum is as far from zero, in exact arithmetic."""
    seen = abs(sum(differences, Fraction()))
    flips = itertools.product(*((value, -value) for value in differences))
    sums = [abs(sum(flipped, Fraction())) for flipped in flips]
    return Fraction(sum(total >= seen for total in sums), len(sums))


@pytest.mark.parametrize("seed", range(15))
def test_few_differences_are_counted_in_full(seed: int) -> None:
    """Tenths make many sums equal, and equal in floats but for the last bit."""
    rng = np.random.default_rng(seed)
    tenths = rng.integers(-10, 11, int(rng.integers(1, 10))).tolist()
    found = sign_flip_p(np.array([tenth / 10 for tenth in tenths]))
    assert found == pytest.approx(float(enumerated([Fraction(tenth, 10) for tenth in tenths])), abs=1e-12)


def test_sixteen_differences_are_still_counted_in_full() -> None:
    each = np.random.default_rng(7).normal(0.2, 0.5, 16)
    signs = 1 - 2 * (np.arange(2**16)[:, None] >> np.arange(16) & 1)
    assert sign_flip_p(each) == np.mean(np.abs(signs @ each) >= abs(each.sum()) - 1e-9)


def test_queries_without_a_difference_change_nothing() -> None:
    each = np.array([0.5, 0.25, 1.0, -0.5, 1.0])
    padded = np.concatenate([np.zeros(1000), each, np.full(50, 1e-13)])
    assert sign_flip_p(padded) == sign_flip_p(each)


@pytest.mark.parametrize("n", [1, 10, 100])
def test_identical_scores_have_the_only_p_that_is_possible(n: int) -> None:
    """retrieval-observatory gives 0.001 where only 1.0 is possible."""
    assert sign_flip_p(np.zeros(n)) == 1.0


def test_sums_that_differ_in_the_last_bit_are_equal() -> None:
    assert 0.3 - 0.1 - 0.2 != 0
    assert sign_flip_p(np.array([0.3, -0.1, -0.2])) == 1.0


@pytest.mark.parametrize("k", [1, 5, 16])
def test_differences_of_one_sign_are_as_rare_as_can_be(k: int) -> None:
    assert sign_flip_p(np.full(k, -0.25)) == 2 / 2**k


def test_many_differences_are_drawn_with_a_seed() -> None:
    each = np.random.default_rng(0).normal(0.1, 0.3, 40)
    assert sign_flip_p(each) == sign_flip_p(each)
    assert sign_flip_p(each, seed=1) == pytest.approx(sign_flip_p(each, seed=2), abs=0.02)
    assert sign_flip_p(each, seed=1) != sign_flip_p(each, seed=2)


def test_beyond_sixteen_ten_thousand_flips_are_drawn() -> None:
    flips = sign_flip_p(np.random.default_rng(3).normal(0.1, 0.3, 17)) * 10_001
    assert flips == pytest.approx(round(flips), abs=1e-6)


def test_a_drawn_p_is_never_zero() -> None:
    """(r + 1) / (B + 1) with r = 0: all of 10,000 flips are less extreme."""
    assert sign_flip_p(np.full(60, 1.0)) == 1 / 10_001


@pytest.mark.parametrize(("seed", "shift"), [(1, 0.0), (2, 0.1), (3, -0.2)])
def test_a_drawn_p_is_near_that_of_scipy(seed: int, shift: float) -> None:
    each = np.random.default_rng(seed).normal(shift, 0.4, 24)

    def total(values: NDArray[np.float64], axis: int) -> NDArray[np.float64]:
        return np.asarray(values.sum(axis=axis))

    expected = stats.permutation_test(
        (each,), total, permutation_type="samples", n_resamples=20_000, vectorized=True, rng=np.random.default_rng(9)
    )
    assert sign_flip_p(each) == pytest.approx(expected.pvalue, abs=0.015)
    assert sign_flip_p(-each) == pytest.approx(expected.pvalue, abs=0.015)
