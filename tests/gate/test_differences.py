"""Paired differences: reference values, the policies, clusters and slices."""

from __future__ import annotations

import math
from typing import get_args

import numpy as np
import pytest
from numpy.typing import NDArray
from scipy import stats

from pytest_embedeval.gate.differences import Differences, Slice, Terms, change_of, outcome, slices
from pytest_embedeval.gate.verdicts import POLICIES, Change, Policy, State

EIGHT = [-0.5, 0, -1 / 6, -0.5, -0.5, 0, -1, 0]


def differences(each: list[float], clusters: list[str] | None = None, span: float = 1.0) -> Differences:
    return Differences.of(np.array(each, dtype=np.float64), clusters, span)


def by_hand(each: NDArray[np.float64], tolerance: float) -> tuple[float, float, float]:
    """Return L, U and the p-value of "the mean is at least -tolerance", as the specification writes them."""
    n = len(each)
    quantile = stats.t.ppf(0.95, n)
    lower, upper = np.append(each, -1.0), np.append(each, 1.0)
    low = lower.mean() - quantile * lower.std(ddof=1) / math.sqrt(n + 1)
    high = upper.mean() + quantile * upper.std(ddof=1) / math.sqrt(n + 1)
    p = stats.t.cdf((upper.mean() + tolerance) / (upper.std(ddof=1) / math.sqrt(n + 1)), n)
    return float(low), float(high), float(p)


def dropped(n: int, *drops: float) -> list[float]:
    """Return n differences, of which the first have dropped."""
    return [-drop for drop in drops] + [0.0] * (n - len(drops))


@pytest.mark.parametrize(
    ("each", "differ", "mean", "low", "high", "change"),
    [
        (EIGHT, 5, -0.333333, -0.655729, 0.159176, "inconclusive"),
        ([0.0] * 150, 0, 0.0, -0.019773, 0.019773, "non-inferior"),
        ([0.0] * 130, 0, 0.0, -0.022781, 0.022781, "inconclusive"),
    ],
    ids=["8 queries", "150 equal", "130 equal"],
)
def test_reference_values(each: list[float], differ: int, mean: float, low: float, high: float, change: Change) -> None:
    found = differences(each)
    assert (len(found), found.differ) == (len(each), differ)
    assert found.mean == pytest.approx(mean, abs=1e-6)
    assert found.interval == pytest.approx((low, high), abs=1e-6)
    assert change_of(found, Terms(least=2)) == change


@pytest.mark.parametrize(
    ("change", "mean", "observed", "strict", "proven"),
    [
        ("non-inferior", -0.01, "pass", "pass", "pass"),
        ("improved", 0.1, "pass", "pass", "pass"),
        ("regressed", -0.1, "fail", "fail", "fail"),
        ("inconclusive", -0.03, "fail", "fail", "inconclusive"),
        ("inconclusive", -0.01, "inconclusive", "fail", "inconclusive"),
        ("inconclusive", 0.03, "inconclusive", "fail", "inconclusive"),
    ],
    ids=["non-inferior", "improved", "regressed", "observed drop", "small drop", "rise"],
)
def test_policies(change: Change, mean: float, observed: State, strict: State, proven: State) -> None:
    found = [outcome(change, mean, Terms(policy=policy)) for policy in ("observed", "strict", "proven")]
    assert found == [observed, strict, proven]


def test_every_policy_and_every_change_is_in_the_table() -> None:
    assert set(POLICIES) == {"observed", "strict", "proven"}
    assert set(get_args(Change)) == {"non-inferior", "improved", "regressed", "inconclusive"}


@pytest.mark.parametrize(
    ("each", "change"),
    [
        ([0.5] * 10 + [0.0] * 90, "improved"),
        ([0.01] * 5 + [-0.01] * 5 + [0.0] * 190, "non-inferior"),
        ([-1.0] * 20 + [0.0] * 80, "regressed"),
        ([-1.0] * 3 + [0.0] * 97, "inconclusive"),
    ],
    ids=["improved", "non-inferior", "regressed", "inconclusive"],
)
def test_the_interval_decides(each: list[float], change: Change) -> None:
    low, high, _ = by_hand(np.array(each), 0.02)
    found = differences(each)
    assert found.interval == pytest.approx((low, high))
    assert change_of(found, Terms()) == change


def test_the_least_number_of_queries_is_enough() -> None:
    for n, change in ((29, "inconclusive"), (30, "regressed")):
        assert change_of(differences([-1.0] * n), Terms()) == change


def test_a_drop_of_39_percent_on_8_queries_fails() -> None:
    """Two gates on PyPI pass it, since it is "not significant"."""
    found = differences(EIGHT)
    terms = Terms(policy="observed")
    assert outcome(change_of(found, terms), found.mean, terms) == "fail"


@pytest.mark.parametrize("policy", POLICIES)
@pytest.mark.parametrize("tolerance", [0.001, 0.02, 0.25, 0.3, 0.999])
def test_ten_identical_queries_prove_nothing(tolerance: float, policy: Policy) -> None:
    """An interval of [0, 0] would pass at any tolerance."""
    found, terms = differences([0.0] * 10), Terms(tolerance, policy)
    assert change_of(found, terms) == "inconclusive"
    assert outcome("inconclusive", found.mean, terms) != "pass"


@pytest.mark.parametrize("n", [2, 10, 30, 130, 1000])
def test_identical_queries_have_an_interval_that_is_open(n: int) -> None:
    low, high = differences([0.0] * n).interval
    assert low < 0 < high
    assert low <= -(1 - 0.05 ** (1 / n))


def test_a_drop_of_the_tolerance_itself_is_no_drop() -> None:
    """The mean of twenty 0.3 - 0.4 and eighty zeros is -0.02 but for the last bit."""
    found = differences([0.3 - 0.4] * 20 + [0.0] * 80)
    assert found.mean == pytest.approx(-0.02, abs=1e-15)
    assert outcome("inconclusive", found.mean, Terms()) == "inconclusive"
    assert outcome("inconclusive", found.mean - 1e-6, Terms()) == "fail"


def test_queries_of_a_cluster_are_averaged_first() -> None:
    """(-1 + 0) / 2, -0.3, (0.2 + 0.4 + 0) / 3."""
    found = differences([-1.0, 0.2, 0.0, -0.3, 0.4, 0.0], ["ağ", "b", "ağ", "İ", "b", "b"])
    assert sorted(found.each.tolist()) == pytest.approx([-0.5, -0.3, 0.2])
    assert (len(found), found.differ) == (3, 3)
    assert found.mean == pytest.approx(-0.2)
    assert found.deviation == pytest.approx(math.sqrt((0.3**2 + 0.1**2 + 0.4**2) / 2))


def test_the_interval_of_clusters_rests_on_their_number() -> None:
    """Forty queries in pairs that moved alike are twenty observations."""
    once = [-0.5, 0.5, 0.0, -1.0] * 5
    names = [str(number) for number in range(20)]
    pairs = differences(once * 2, names * 2)
    assert pairs.interval == pytest.approx(by_hand(np.array(once), 0.02)[:2])
    assert pairs.interval[0] < differences(once * 2).interval[0]
    assert change_of(pairs, Terms(least=30)) == "inconclusive"


def test_changes_within_a_cluster_may_cancel() -> None:
    assert differences([0.5, -0.5, 0.0], ["a", "a", "b"]).differ == 0


@pytest.mark.parametrize("span", [1.0, 2.0])
@pytest.mark.parametrize("seed", range(25))
def test_the_chance_is_below_5_percent_where_the_upper_bound_is_below_the_tolerance(seed: int, span: float) -> None:
    rng = np.random.default_rng(seed)
    regressed = 0
    for _ in range(20):
        n = int(rng.integers(2, 90))
        steps = rng.choice([-1, -0.5, -1 / 6, 0.25, 1], n) * span
        found = Differences(np.where(rng.random(n) < rng.random(), steps, -rng.random() * rng.integers(2)), span)
        for tolerance in (0.001, 0.02, 0.3):
            expected = found.interval[1] < -tolerance
            assert (found.chance_of_drop(tolerance) < 0.05) == expected
            regressed += expected
    assert 0 < regressed < 60


@pytest.mark.parametrize("drop", [0.1, 0.115, 0.12, 0.125, 0.13, 0.5, 1.0])
def test_equal_drops_are_shown_by_chance_and_interval_alike(drop: float) -> None:
    """Equal values say little about their spread, and the interval is wider than t's: so must the chance be."""
    found = differences([-drop] * 30)
    assert (found.chance_of_drop(0.02) < 0.05) == (found.interval[1] < -0.02)


def test_a_larger_tolerance_is_a_smaller_drop() -> None:
    found = differences(dropped(40, *[0.5] * 12))
    chances = [found.chance_of_drop(tolerance) for tolerance in (0.01, 0.02, 0.05, 0.2)]
    assert chances == sorted(chances)
    assert found.chance_of_drop(0.02) == pytest.approx(by_hand(found.each, 0.02)[2])


@pytest.mark.parametrize("each", [[0.0] * 40, [1.0] * 40], ids=["equal", "all better"])
def test_no_drop_has_no_chance_to_be_one(each: list[float]) -> None:
    assert differences(each).chance_of_drop(0.02) == 1.0


HOLM = {
    "a": dropped(60, *[1.0] * 10),
    "b": dropped(60, *[1.0] * 9),
    "c": dropped(60, *[0.5] * 12),
    "d": dropped(60, *[1.0] * 7),
}


def sliced(parts: dict[str, list[float]], terms: Terms | None = None) -> dict[str, Slice]:
    each = np.array([value for part in parts.values() for value in part])
    names = [name for name, part in parts.items() for _ in part]
    return {part.value: part for part in slices(each, {"field": names}, terms or Terms())}


def test_regressed_slices_are_named_by_holm() -> None:
    """Each alone has a chance below 5 %; b passes Holm's second step but not Bonferroni, c stops it before d."""
    chances = [by_hand(np.array(part), 0.02)[2] for part in HOLM.values()]
    assert chances[0] < 0.05 / 4 < chances[1] < 0.05 / 3
    assert 0.05 / 2 < chances[2] < chances[3] < 0.05
    assert {name: part.regressed for name, part in sliced(HOLM).items()} == {
        "a": True,
        "b": True,
        "c": False,
        "d": False,
    }


def test_slices_of_all_fields_are_one_family() -> None:
    each = np.array([value for part in HOLM.values() for value in part])
    fields = {"field": [name for name, part in HOLM.items() for _ in part], "half": ["one", "two"] * 120}
    members = {(field, value): np.array(column) == value for field, column in fields.items() for value in set(column)}
    chances = {part: by_hand(each[rows], 0.02)[2] for part, rows in members.items()}
    expected = set()
    for place, part in enumerate(sorted(chances, key=chances.__getitem__)):
        if chances[part] > 0.05 / (6 - place):
            break
        expected.add(part)
    found = slices(each, fields, Terms())
    assert [(part.field, part.value) for part in found] == sorted(members)
    assert {(part.field, part.value) for part in found if part.regressed} == expected
    assert {("half", "one"), ("half", "two")} < expected < set(members)


def test_a_slice_says_what_is_in_it() -> None:
    found = sliced(HOLM)["c"]
    low, high, _ = by_hand(np.array(HOLM["c"]), 0.02)
    assert (found.field, found.n, found.overlap) == ("field", 60, None)
    assert (found.delta, found.low, found.high) == pytest.approx((-0.1, low, high))


def test_a_slice_below_the_least_number_is_never_named() -> None:
    found = sliced({"few": [-1.0] * 29, "many": [-1.0] * 30, "rest": [0.0] * 60})
    assert {name: part.regressed for name, part in found.items()} == {"few": False, "many": True, "rest": False}
    assert (found["few"].low, found["few"].high) == (None, None)
    assert found["few"].delta == -1.0


def test_a_small_slice_takes_no_part_in_the_correction() -> None:
    few = {f"few {number}": [-1.0] * 5 for number in range(20)}
    assert sliced({**few, "d": HOLM["d"]})["d"].regressed


def test_a_slice_counts_clusters() -> None:
    """Sixty queries on twenty passages are too few for an interval of thirty."""
    clusters = [str(number) for number in range(20)] * 3
    (found,) = slices(np.full(60, -1.0), {"field": ["a"] * 60}, Terms(), clusters=clusters)
    assert (found.n, found.delta, found.low, found.regressed) == (20, -1.0, None, False)


def test_a_slice_has_the_mean_overlap_of_its_queries() -> None:
    found = slices(np.zeros(4), {"field": ["a", "b", "a", "b"]}, Terms(), overlaps=np.array([1.0, 0.5, 0.5, 0.0]))
    assert [part.overlap for part in found] == [0.75, 0.25]
