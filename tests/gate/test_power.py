"""How much n queries can show, against the reference table of its specification and against the interval itself."""

from __future__ import annotations

import math

import numpy as np
import pytest

from pytest_embedeval.gate import bounded_mean_interval
from pytest_embedeval.gate.power import can_show_non_inferior, least_queries, queries_needed, smallest_drop

TOLERANCES = (0.01, 0.02, 0.03, 0.05)


@pytest.mark.parametrize(
    ("sd", "expected"),
    [(0.08, [672, 250, 149, 81]), (0.17, [2012, 569, 285, 127]), (0.30, [5773, 1499, 693, 270])],
)
def test_reference_values(sd: float, expected: list[int]) -> None:
    assert [queries_needed(sd, tolerance) for tolerance in TOLERANCES] == expected


def test_a_true_improvement_takes_fewer_queries_and_a_drop_more() -> None:
    assert queries_needed(0.3, 0.02, drop=-0.03) == queries_needed(0.3, 0.05)  # the margin is what counts
    assert queries_needed(0.3, 0.02, drop=0.01) > 4 * queries_needed(0.3, 0.02) * 0.9
    assert queries_needed(0.3, 0.02, drop=-1) == least_queries(0.02)


@pytest.mark.parametrize("drop", [0.02, 0.05])
def test_no_number_of_queries_hides_a_drop_as_large_as_the_tolerance(drop: float) -> None:
    with pytest.raises(ValueError, match="no number of queries"):
        queries_needed(0.1, 0.02, drop=drop)


@pytest.mark.parametrize("sd", [-0.1, math.nan, math.inf])
def test_a_deviation_is_a_number_from_zero_on(sd: float) -> None:
    with pytest.raises(ValueError, match="no number of queries"):
        queries_needed(sd, 0.02)


@pytest.mark.parametrize("tolerance", [0.0, 1.0, -0.02, math.nan])
def test_a_tolerance_lies_between_zero_and_one(tolerance: float) -> None:
    for call in (lambda: queries_needed(0.1, tolerance), lambda: smallest_drop(100, tolerance, 0.1)):
        with pytest.raises(ValueError, match="tolerance must lie between 0 and 1"):
            call()


@pytest.mark.parametrize("tolerance", [0.01, 0.02, 0.05])
def test_equal_queries_show_as_much_as_the_interval_says(tolerance: float) -> None:
    least = least_queries(tolerance)
    for n in (least - 1, least):
        low, _ = bounded_mean_interval(np.zeros(n), -1.0, 1.0)
        assert (low >= -tolerance) == can_show_non_inferior(n, tolerance) == (n == least)


def test_fewer_than_thirty_queries_show_nothing() -> None:
    assert least_queries(0.5) == 30
    assert not can_show_non_inferior(29, 0.5)


def test_the_smallest_drop_shrinks_to_the_tolerance() -> None:
    drops = [smallest_drop(n, 0.02, 0.17) for n in (30, 100, 1000, 100_000)]
    assert drops == sorted(drops, reverse=True)
    assert drops[-1] == pytest.approx(0.02, abs=0.002)


@pytest.mark.parametrize("n", [0, 1])
def test_next_to_no_queries_show_no_drop_at_all(n: int) -> None:
    assert smallest_drop(n, 0.02, 0.3) == math.inf


@pytest.mark.parametrize(("n", "sd"), [(50, 0.08), (100, 0.30), (288, 0.17)])
@pytest.mark.parametrize("tolerance", [0.01, 0.05])
def test_the_interval_shows_the_smallest_drop_in_four_of_five_runs(n: int, sd: float, tolerance: float) -> None:
    drop = smallest_drop(n, tolerance, sd)
    assert 0.74 <= shown_as_regressed(n, sd, tolerance, drop) <= 0.94  # more where queries are few and differ little
    assert shown_as_regressed(n, sd, tolerance, (drop + tolerance) / 2) < 0.5
    assert shown_as_regressed(n, sd, tolerance, tolerance) <= 0.08


def shown_as_regressed(n: int, sd: float, tolerance: float, drop: float) -> float:
    """Return the share of 300 seeded runs whose upper bound lies below the tolerance."""
    rng = np.random.default_rng(11)
    differences = np.clip(rng.normal(-drop, sd, (300, n)), -1, 1)
    return float(np.mean([bounded_mean_interval(row, -1.0, 1.0)[1] < -tolerance for row in differences]))


@pytest.mark.parametrize(("sd", "tolerance"), [(0.17, 0.05), (0.30, 0.05)])
def test_the_interval_shows_no_worse_in_four_of_five_runs_of_as_many_queries_as_needed(
    sd: float, tolerance: float
) -> None:
    rng = np.random.default_rng(12)
    n = queries_needed(sd, tolerance)
    differences = np.clip(rng.normal(0, sd, (300, n)), -1, 1)
    shown = np.mean([bounded_mean_interval(row, -1.0, 1.0)[0] >= -tolerance for row in differences])
    assert 0.74 <= shown <= 0.87
