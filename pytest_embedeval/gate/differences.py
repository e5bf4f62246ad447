"""Paired differences of one metric: their interval, what it shows, and what a policy makes of it."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING

import numpy as np
from scipy.special import stdtr

from pytest_embedeval.gate.interval import bounded_mean_interval
from pytest_embedeval.gate.verdicts import Change, Policy, State

if TYPE_CHECKING:
    from numpy.typing import NDArray

SAME = 1e-12  # differences up to this are none


def lost_and_won(change: NDArray[np.float64]) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Return the positions of the differences below zero and above it, the largest first, equal ones as they stand."""
    lost, won = np.flatnonzero(change < -SAME), np.flatnonzero(change > SAME)
    return lost[np.argsort(change[lost], kind="stable")], won[np.argsort(-change[won], kind="stable")]


@dataclass(frozen=True)
class Terms:
    """How a comparison is judged.

    Attributes
    ----------
    tolerance
        Greatest drop of the mean that counts as no drop, absolute; above 0.
    policy
        What an inconclusive comparison means (`outcome`).
    least
        Queries below which no interval is given.
    """

    tolerance: float = 0.02
    policy: Policy = "observed"
    least: int = 30


@dataclass(frozen=True)
class Differences:
    """Score after minus score before, one per query or per cluster of queries.

    Attributes
    ----------
    each
        float64 array [n].
    span
        The greatest that one difference can be: 1 for scores in [0, 1].
    """

    each: NDArray[np.float64]
    span: float = 1.0

    @classmethod
    def of(cls, each: NDArray[np.float64], clusters: Sequence[str] | None = None, span: float = 1.0) -> Differences:
        """Make differences; queries of one cluster, which share a passage or a stem, are averaged first."""
        if clusters is None:
            return cls(each, span)
        _, member = np.unique(np.asarray(clusters), return_inverse=True)
        return cls(np.bincount(member, weights=each) / np.bincount(member), span)

    def __len__(self) -> int:
        return len(self.each)

    @cached_property
    def mean(self) -> float:
        """The mean difference: negative is a drop."""
        return float(self.each.mean())

    @cached_property
    def differ(self) -> int:
        """How many are not zero."""
        return int(np.count_nonzero(np.abs(self.each) > SAME))

    @cached_property
    def deviation(self) -> float:
        """Standard deviation (ddof = 1); 0 for fewer than two."""
        return float(self.each.std(ddof=1)) if len(self) > 1 else 0.0

    @cached_property
    def interval(self) -> tuple[float, float]:
        """One-sided 95 % bounds of the mean difference, with one worst-case pseudo-query on either side."""
        return bounded_mean_interval(self.each, -self.span, self.span)

    def chance_of_drop(self, tolerance: float) -> float:
        """Return the p-value of "the mean is at least -tolerance": the level at which the upper bound would pass it.

        Holm's procedure over slices needs it; at 0.05 it agrees with `interval`.
        """
        all_equal = bool(np.ptp(self.each) <= SAME)
        if all_equal and self.mean >= -tolerance:
            return 1.0
        seen = np.append(self.each, self.span)
        chance = float(stdtr(len(self), (seen.mean() + tolerance) / (seen.std(ddof=1) / math.sqrt(len(seen)))))
        # The bound of `interval` for equal values, solved for its level.
        equal = ((self.span + tolerance) / (self.span - self.mean)) ** len(self) if all_equal else 0.0
        return max(chance, equal)


def change_of(differences: Differences, terms: Terms) -> Change:
    """Return what the interval shows; fewer queries than `terms.least` show nothing."""
    if len(differences) < terms.least:
        return "inconclusive"
    low, high = differences.interval
    if high < -terms.tolerance:
        return "regressed"
    if low > 0:
        return "improved"
    return "non-inferior" if low >= -terms.tolerance else "inconclusive"


def dropped(mean: float, tolerance: float) -> bool:
    """Whether a mean difference is a drop of more than the tolerance, whatever the last bits of a float say."""
    return mean < -tolerance - SAME


def outcome(change: Change, mean: float, terms: Terms) -> State:
    """Return what the policy makes of a change.

    `observed` fails on a shown regression, and on an inconclusive result whose mean dropped by more than the
    tolerance; `strict` on anything that is not shown to be no worse; `proven` on a shown regression alone.
    """
    if change in ("non-inferior", "improved"):
        return "pass"
    if change == "regressed" or terms.policy == "strict":
        return "fail"
    return "fail" if terms.policy == "observed" and dropped(mean, terms.tolerance) else "inconclusive"


@dataclass(frozen=True)
class Slice:
    """The same comparison on the queries that share one value of a field.

    Attributes
    ----------
    regressed
        The drop is larger than the tolerance, shown by Holm's procedure over all slices of the comparison.
    overlap
        Mean share of the first ten documents that both searches have in common; None where there are no lists.
    """

    field: str
    value: str
    n: int
    delta: float
    low: float | None
    high: float | None
    regressed: bool
    overlap: float | None = None


def slices(
    each: NDArray[np.float64],
    fields: Mapping[str, Sequence[str]],
    terms: Terms,
    *,
    clusters: Sequence[str] | None = None,
    span: float = 1.0,
    overlaps: NDArray[np.float64] | None = None,
) -> list[Slice]:
    """Return one slice per value of each field.

    Parameters
    ----------
    each
        Differences of the queries, float64 array [n].
    fields
        Name -> the value of each query.
    overlaps
        Overlap of the lists of each query, float64 array [n].
    """
    rows: list[tuple[str, str, NDArray[np.int64], Differences]] = []
    for field, values in fields.items():
        column = np.asarray(values)
        for value in sorted(set(values)):
            members: NDArray[np.int64] = np.flatnonzero(column == value)
            inside = None if clusters is None else [clusters[i] for i in members.tolist()]
            rows.append((field, value, members, Differences.of(each[members], inside, span)))
    large = [part for *_, part in rows if len(part) >= terms.least]
    regressed = _holm([part.chance_of_drop(terms.tolerance) for part in large])
    named = {id(part) for part, rejected in zip(large, regressed, strict=True) if rejected}
    found = []
    for field, value, members, part in rows:
        low, high = part.interval if len(part) >= terms.least else (None, None)
        overlap = None if overlaps is None else float(overlaps[members].mean())
        found.append(Slice(field, value, len(part), part.mean, low, high, id(part) in named, overlap))
    return found


def _holm(chances: Sequence[float], alpha: float = 0.05) -> list[bool]:
    """Return which hypotheses Holm's procedure rejects (Holm 1979)."""
    rejected = [False] * len(chances)
    for place, i in enumerate(sorted(range(len(chances)), key=chances.__getitem__)):
        if chances[i] > alpha / (len(chances) - place):
            break
        rejected[i] = True
    return rejected
