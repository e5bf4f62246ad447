"""The interval of a mean, against the reference table of its specification."""

from __future__ import annotations

import numpy as np
import pytest

from pytest_embedeval.gate import bounded_mean_interval


@pytest.mark.parametrize(
    ("differences", "low", "high"),
    [
        ([-0.5, 0, -1 / 6, -0.5, -0.5, 0, -1, 0], -0.655729, 0.159176),
        ([0.0] * 150, -0.019773, 0.019773),
        ([0.0] * 130, -0.022781, 0.022781),
    ],
    ids=["8 queries", "150 equal", "130 equal"],
)
def test_reference_values(differences: list[float], low: float, high: float) -> None:
    found = bounded_mean_interval(np.array(differences), -1.0, 1.0)
    assert found == pytest.approx((low, high), abs=1e-6)


def test_scores_between_zero_and_one_stay_there() -> None:
    low, high = bounded_mean_interval(np.ones(5), 0.0, 1.0)
    assert 0.4 < low <= 0.05 ** (1 / 5)  # five successes do not exclude a rate of α^(1/n)
    assert high == 1.0


def test_the_bound_is_missed_as_rarely_as_it_says() -> None:
    """A tenth of the queries differ; the lower bound may exceed the true mean in about 5 % of the draws."""
    rng = np.random.default_rng(3)
    draws = (rng.random((2000, 60)) < 0.1).astype(np.float64)
    missed = np.mean([bounded_mean_interval(draw, 0.0, 1.0)[0] > 0.1 for draw in draws])
    assert missed <= 0.065
