"""A hybrid by its alpha: the curve, and what the best alpha is worth on queries that did not choose it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from pytest_embedeval.gate.differences import Differences
from pytest_embedeval.gate.interval import bounded_mean_interval
from pytest_embedeval.gate.numbers import signed
from pytest_embedeval.models.searching import Fusion

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Each = NDArray[np.float64]

RRF = Fusion("rrf")
ALPHAS = tuple(round(step * 0.05, 2) for step in range(21))
WORDS, VECTORS = Fusion("weighted", 0.0), Fusion("weighted", 1.0)


@dataclass(frozen=True)
class FusionRow:
    """One way of fusing vectors and words, on some queries.

    Attributes
    ----------
    fusion
        `weighted` or `rrf`.
    alpha
        Weight of the vectors; None for `rrf`. 0 is words alone, 1 vectors alone.
    queries
        `all`, or `held out`: the half that did not choose the alpha.
    value, low, high
        Mean with one-sided 95 % bounds.
    chosen
        Whether the other half chose this alpha.
    beside
        The better part of the hybrid on the half that chose, `bm25` or `vectors`; None for all queries.
    delta, delta_low, delta_high
        The hybrid minus that part, with one-sided 95 % bounds.
    """

    model: str
    dataset: str
    metric: str
    fusion: str
    alpha: float | None
    queries: str
    n: int
    value: float
    low: float
    high: float
    chosen: bool = False
    beside: str | None = None
    delta: float | None = None
    delta_low: float | None = None
    delta_high: float | None = None

    @property
    def line(self) -> str:
        """The row in words."""
        how = "rank fusion" if self.alpha is None else f"alpha={self.alpha:g}"
        chosen = " chosen by half of the queries" if self.chosen else ""
        value = f"{self.metric} {self.value:.3f} on {self.n:,} {self.queries}"
        said = f"{self.model}+bm25 on {self.dataset}: {how}{chosen}; {value}"
        if self.delta is None or self.delta_low is None or self.delta_high is None:
            return said
        bounds = f"one-sided 95 % [{signed(self.delta_low)}, {signed(self.delta_high)}]"
        return f"{said}, {signed(self.delta)} beside {self.beside} alone, {bounds}"


def fusion_rows(
    model: str,
    dataset: str,
    metric: str,
    each: Mapping[Fusion, Each],
    choosing: NDArray[np.bool_],
    clusters: Sequence[str] | None = None,
) -> list[FusionRow]:
    """Return the curve on all queries, then the chosen alpha and rank fusion on the queries that did not choose.

    Parameters
    ----------
    each
        Way of fusing -> score of each query, float64 array [n] in [0, 1]; words alone and vectors alone among them.
    choosing
        Which queries choose the alpha and the better part, bool array [n].
    clusters
        What makes queries one; None where each stands for itself.
    """
    place = model, dataset, metric
    rows = [_row(place, fusion, "all", scores) for fusion, scores in each.items()]
    held = ~choosing
    if not choosing.any() or not held.any():
        return rows
    weighted = [fusion for fusion in each if fusion.method == "weighted"]

    def value(fusion: Fusion) -> tuple[float, float]:
        """Return what decides; of equal values, the alpha nearest to the middle is the least bold."""
        return round(float(each[fusion][choosing].mean()), 9), -abs(fusion.alpha - 0.5)

    best = max(weighted, key=value)
    part = max((WORDS, VECTORS), key=lambda fusion: float(each[fusion][choosing].mean()))
    together = None if clusters is None else [clusters[i] for i in np.flatnonzero(held).tolist()]
    for fusion in (best, *(fusion for fusion in each if fusion == RRF)):
        differences = Differences.of(each[fusion][held] - each[part][held], together)
        beside = ("bm25" if part == WORDS else "vectors", differences.mean, *differences.interval)
        rows.append(_row(place, fusion, "held out", each[fusion][held], fusion == best, *beside))
    return rows


def _row(
    place: tuple[str, str, str], fusion: Fusion, queries: str, scores: Each, chosen: bool = False, *beside: object
) -> FusionRow:
    low, high = bounded_mean_interval(scores, 0.0, 1.0)
    alpha = fusion.alpha if fusion.method == "weighted" else None
    facts = len(scores), float(scores.mean()), low, high, chosen
    return FusionRow(*place, fusion.method, alpha, queries, *facts, *beside)  # type: ignore[arg-type]
