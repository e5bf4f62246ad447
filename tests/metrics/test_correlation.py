"""Correlations equal SciPy's; their bounds hold their level, and know that pairs of one anchor are not independent."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.typing import NDArray
from scipy import stats

from pytest_embedeval.metrics.correlation import Method, correlation, correlation_interval

RNG = np.random.default_rng(5)


@pytest.mark.parametrize("method", ["spearman", "pearson"])
@pytest.mark.parametrize("n", [3, 10, 200])
def test_they_equal_scipy(method: Method, n: int) -> None:
    for _ in range(20):
        grades = RNG.integers(0, 6, n) / 1.0
        if np.ptp(grades) == 0:
            continue
        cosines = np.round(grades / 10 + RNG.normal(size=n), 1)
        expected = getattr(stats, f"{method}r")(cosines, grades).statistic
        assert correlation(cosines, grades, method) == pytest.approx(expected, abs=1e-12)


@pytest.mark.parametrize("method", ["spearman", "pearson"])
def test_a_model_that_tells_no_pairs_apart_correlates_with_nothing(method: Method) -> None:
    cosines = 0.5 + 1e-8 * RNG.normal(size=50)
    assert correlation(cosines, RNG.normal(size=50), method) == 0.0
    assert correlation_interval(cosines, RNG.normal(size=50), [str(i) for i in range(50)], method) == (-1.0, 1.0)


def test_two_anchors_bound_nothing() -> None:
    assert correlation_interval(np.arange(6.0), np.arange(6.0), ["a"] * 3 + ["b"] * 3, "pearson") == (-1.0, 1.0)


def test_the_order_of_the_pairs_changes_nothing() -> None:
    grades, anchors = RNG.normal(size=40), [str(i // 4) for i in range(40)]
    cosines = grades + RNG.normal(size=40)
    order = RNG.permutation(40)
    for method in ("spearman", "pearson"):
        whole = correlation_interval(cosines, grades, anchors, method)
        shuffled = correlation_interval(cosines[order], grades[order], [anchors[i] for i in order], method)
        assert shuffled == pytest.approx(whole)


def test_repeating_each_pair_narrows_no_bound() -> None:
    """Four copies of each pair are no more evidence than one, as long as they share their anchor."""
    grades = RNG.normal(size=40)
    cosines, anchors = grades + RNG.normal(size=40), [str(i) for i in range(40)]
    once = correlation_interval(cosines, grades, anchors, "pearson")
    often = correlation_interval(np.repeat(cosines, 4), np.repeat(grades, 4), np.repeat(anchors, 4).tolist(), "pearson")
    assert often == pytest.approx(once)


@pytest.mark.parametrize("method", ["spearman", "pearson"])
def test_each_bound_is_missed_in_about_one_run_of_twenty(method: Method) -> None:
    """Pairs of one anchor share half of their error; 40 anchors, four pairs each, grades from 0 to 5."""
    rng = np.random.default_rng(11)

    def draw(anchors: int) -> tuple[NDArray[np.float64], NDArray[np.float64], list[str]]:
        grades = np.repeat(rng.integers(0, 6, anchors), 4) % 6 + rng.integers(0, 2, 4 * anchors)
        shared = np.repeat(rng.normal(size=anchors), 4)
        return (
            grades / 1.0,
            grades / 3 + shared + rng.normal(size=4 * anchors),
            [str(i // 4) for i in range(4 * anchors)],
        )

    grades, cosines, _ = draw(50_000)
    truth = correlation(cosines, grades, method)
    missed = np.zeros(2)
    runs = 400
    for _ in range(runs):
        grades, cosines, anchors = draw(40)
        low, high = correlation_interval(cosines, grades, anchors, method)
        missed += (truth < low, truth > high)
    assert (missed / runs < 0.09).all(), missed / runs
