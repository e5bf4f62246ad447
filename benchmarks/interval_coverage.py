"""How often `bounded_mean_interval` misses the true mean, beside the percentile bootstrap and plain t.

Paired differences of mrr@10 are drawn independently from finite distributions, so the true mean is known exactly. Of n
queries each changes with a given chance; a changed one draws its difference from one of the shapes below. Besides fixed
shares there are two strata in which no query at all changes in 50 % or 10 % of the runs. The bounds L and U are
one-sided, α = 0.05, and counted separately: L is missed when it lies above the true mean, U when it lies below.
Mirrored shapes (only gains, say) are left out, since negating the values swaps L and U.

The claim: no bound of ours is missed in more than 6.5 % of the runs of any cell. All methods see the same runs, the
bootstrap the first of them. Ours is computed from the counts of each value and compared, on some runs of every cell and
on runs without a change, with the project's function itself.

The shares are round numbers. A bound of few distinct values is missed most just beyond one of its own values, so the
last table takes losses of 1 at the share least favourable to L, exactly from the binomial distribution. These are not
cells of the claim; the last lines name them.

    pip install "pytest-embedeval[dev]"
    python benchmarks/interval_coverage.py            # some minutes on two cores
    python benchmarks/interval_coverage.py --quick    # some seconds, few bootstrap runs

The exit code is 1 if the claim does not hold.
"""

from __future__ import annotations

import argparse
import math
import platform
import sys
import time
from collections import defaultdict
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from fractions import Fraction
from functools import partial
from importlib.metadata import version
from itertools import permutations

import numpy as np
from numpy.typing import NDArray
from scipy.special import stdtrit
from scipy.stats import binom
from tabulate import tabulate

from pytest_embedeval.gate import bounded_mean_interval

SEED = 20_240
ALPHA = 0.05
CLAIM = 6.5
QUERIES = (30, 50, 100, 300, 1000)
SHARES = (0.01, 0.02, 0.05, 0.10, 0.30)
UNCHANGED_RUNS = (0.50, 0.10)
COMPARED = 40
WORKERS = 2
METHODS = ("ours", "bootstrap", "t")

Array = NDArray[np.float64]
Counts = NDArray[np.int64]
Bounds = tuple[Array, Array]
Shape = dict[Fraction, Fraction]


@dataclass(frozen=True)
class Effort:
    """Runs of a cell for ours and t, runs of it for the bootstrap, and resamples of each of those."""

    runs: int
    bootstrap_runs: int
    resamples: int

    def of(self, method: str) -> int:
        """Return the runs of a method."""
        return self.bootstrap_runs if method == "bootstrap" else self.runs


@dataclass(frozen=True)
class Cell:
    """n queries, each changed with chance `share` and then by a difference of the named shape."""

    shape: str
    n: int
    share: float
    seed: np.random.SeedSequence

    def __str__(self) -> str:
        return f"{self.shape}, n = {self.n}, {self.share:.2%} changed"

    def distribution(self) -> tuple[Array, Array, float]:
        """Return the values, 0 first, their probabilities, and the true mean."""
        share, shape = Fraction(self.share), SHAPES[self.shape]
        values = [0.0, *map(float, shape)]
        chances = [float(1 - share), *(float(share * weight) for weight in shape.values())]
        return np.array(values), np.array(chances), float(share * sum(d * weight for d, weight in shape.items()))


@dataclass(frozen=True)
class Outcome:
    """What a cell showed: percentages missed (low, high) by method, of runs without a change, and our deviation."""

    cell: Cell
    truth: float
    unchanged: float
    missed: dict[str, tuple[float, float]]
    compared: int
    deviation: float


def rank_moves(fall: int) -> Shape:
    """Return differences of 1/rank when a first relevant document moves between ranks 1 to 10 and out of the list.

    A move from rank i to rank j is weighted 1/(min(i, j)·|i − j|), being 11 for out: mostly short, mostly near the
    top. A fall counts `fall` times as much as the rise over the same ranks.
    """
    weights: dict[Fraction, Fraction] = defaultdict(Fraction)
    for old, new in permutations(range(1, 12), 2):
        before, after = (Fraction(1, rank) if rank <= 10 else Fraction(0) for rank in (old, new))
        weights[after - before] += Fraction(fall if new > old else 1, min(old, new) * abs(old - new))
    whole = sum(weights.values())
    return {difference: weight / whole for difference, weight in weights.items()}


HALF = Fraction(1, 2)
SHAPES: dict[str, Shape] = {
    "±1/2": {-HALF: HALF, HALF: HALF},
    "±1": {Fraction(-1): HALF, Fraction(1): HALF},
    "losses of 1/2": {-HALF: Fraction(1)},
    "losses of 1": {Fraction(-1): Fraction(1)},
    "1 in 10 loses 1, 9 gain 1/20": {Fraction(-1): Fraction(1, 10), Fraction(1, 20): Fraction(9, 10)},
    "rank moves, even": rank_moves(1),
    "rank moves, 3 falls a rise": rank_moves(3),
}


def main() -> None:
    """Simulate, print, judge."""
    parser = argparse.ArgumentParser(description="Coverage of bounded_mean_interval beside bootstrap and t.")
    parser.add_argument("--quick", action="store_true", help="fewer runs, for a first look")
    quick = parser.parse_args().quick
    effort = Effort(20_000, 200, 200) if quick else Effort(100_000, 2_000, 1_000)
    print(
        f"Python {platform.python_version()}, numpy {version('numpy')}, scipy {version('scipy')}, seed {SEED}\n"
        f"{effort.runs:,} runs a cell for ours and t, {effort.bootstrap_runs:,} runs of {effort.resamples:,} resamples "
        f"for the bootstrap\nMonte-Carlo standard error of 5 %: ours and t {error(5, effort.runs):.2f}, "
        f"bootstrap {error(5, effort.bootstrap_runs):.2f} percentage points\n"
    )
    started = time.perf_counter()
    with ProcessPoolExecutor(WORKERS) as pool:
        outcomes = list(pool.map(partial(simulate, effort=effort), cells()))
    print_outcomes(outcomes)
    print(
        f"\n{len(outcomes)} cells in {time.perf_counter() - started:.0f} s; largest difference to "
        f"bounded_mean_interval in {sum(o.compared for o in outcomes):,} compared runs: "
        f"{max(o.deviation for o in outcomes):.1e}\n"
    )
    worst = {method: print_worst(outcomes, method, effort.of(method)) for method in METHODS}
    print("\nLosses of 1 at the share least favourable to L, exact:")
    extreme = [least_favourable(n) for n in QUERIES]
    print(tabulate(extreme, headers=["n", "changed, %", "L missed by ours, %"], floatfmt=("", ".3f", ".2f")))
    held = worst["ours"] <= CLAIM
    print(
        f"\nAt shares made to be least favourable the bound is missed in up to {max(row[2] for row in extreme):.2f} %."
        f"\nClaim, each bound missed in at most {CLAIM} % of the runs of every simulated cell: "
        f"{'PASS' if held else 'MISS'} ({worst['ours']:.2f} % at worst)"
    )
    sys.exit(0 if held else 1)


def cells() -> Iterator[Cell]:
    """Yield every cell with a seed of its own, so that the results do not depend on the workers."""
    kinds = [
        (shape, n, share)
        for shape in SHAPES
        for n in QUERIES
        for share in sorted((*(1 - unchanged ** (1 / n) for unchanged in UNCHANGED_RUNS), *SHARES))
    ]
    seeds = np.random.SeedSequence(SEED).spawn(len(kinds))
    return (Cell(*kind, seed) for kind, seed in zip(kinds, seeds, strict=True))


def simulate(cell: Cell, effort: Effort) -> Outcome:
    """Draw the runs of a cell and count the misses of each method."""
    rng = np.random.default_rng(cell.seed)
    values, chances, truth = cell.distribution()
    counts = rng.multinomial(cell.n, chances, size=effort.runs)
    bounds = bounded(counts, values)
    unchanged = np.flatnonzero(counts[:, 0] == cell.n)
    chosen = np.r_[rng.choice(effort.runs, COMPARED, replace=False), unchanged[:2]]
    deviation = max(deviate(counts[i], values, (bounds[0][i], bounds[1][i]), rng) for i in chosen)
    if deviation > 1e-12:
        raise RuntimeError(f"{cell}: {deviation:.1e} away from bounded_mean_interval; correct `bounded` in this script")
    found = {
        "ours": bounds,
        "bootstrap": bootstrap(counts[: effort.bootstrap_runs], values, effort.resamples, rng),
        "t": student(counts, values),
    }
    missed = {
        method: (100 * float(np.mean(lower > truth + 1e-12)), 100 * float(np.mean(upper < truth - 1e-12)))
        for method, (lower, upper) in found.items()
    }
    return Outcome(cell, truth, 100 * len(unchanged) / effort.runs, missed, len(chosen), deviation)


def bounded(counts: Counts, values: Array) -> Bounds:
    """Return what `bounded_mean_interval(…, -1, 1)` returns, for each row of counts of the values."""
    n = int(counts[0].sum())
    total, squares = counts @ values, counts @ values**2
    quantile = stdtrit(n, 1 - ALPHA)

    def bound(worst: int) -> Array:
        mean = (total + worst) / (n + 1)
        variance = (squares + 1 - (n + 1) * mean**2) / n
        result: Array = mean + worst * quantile * np.sqrt(variance / (n + 1))
        return result

    equal, centre = counts.max(axis=1) == n, values[counts.argmax(axis=1)]
    unseen = 1 - ALPHA ** (1 / n)
    lower, upper = bound(-1), bound(1)
    lower = np.where(equal, np.minimum(lower, centre - unseen * (centre + 1)), lower)
    upper = np.where(equal, np.maximum(upper, centre + unseen * (1 - centre)), upper)
    return np.maximum(lower, -1), np.minimum(upper, 1)


def deviate(counts: Counts, values: Array, bounds: tuple[float, float], rng: np.random.Generator) -> float:
    """Return how far bounds lie from those of the project's function on the same run, in a random order."""
    run = rng.permutation(np.repeat(values, counts))
    return float(np.abs(np.subtract(bounds, bounded_mean_interval(run, -1.0, 1.0, ALPHA))).max())


def student(counts: Counts, values: Array) -> Bounds:
    """Return the plain t bounds of each row; no spread, no width."""
    n = int(counts[0].sum())
    mean = counts @ values / n
    variance = np.maximum((counts @ values**2 - n * mean**2) / (n - 1), 0)
    width = stdtrit(n - 1, 1 - ALPHA) * np.sqrt(variance / n)
    return mean - width, mean + width


def bootstrap(counts: Counts, values: Array, resamples: int, rng: np.random.Generator) -> Bounds:
    """Return the percentile bootstrap of each row: quantiles of the means of resampled queries."""
    n = int(counts[0].sum())
    means = np.empty((len(counts), resamples))
    for row, observed in zip(means, counts, strict=True):
        seen = np.flatnonzero(observed)  # a resample is a multinomial draw over the values of the run
        row[:] = rng.multinomial(n, observed[seen] / n, size=resamples) @ values[seen] / n
    lower, upper = np.quantile(means, (ALPHA, 1 - ALPHA), axis=1)
    return lower, upper


def least_favourable(n: int) -> tuple[int, float, float]:
    """Return n, the share of losses of 1, in %, at which our L is missed most, and how often it is then, in %.

    L takes one value for each number k of losses. With the share just above −L(k) it is missed by k or fewer.
    """
    losses = np.arange(n)
    lower, _ = bounded(np.stack([n - losses, losses], axis=1), np.array([0.0, -1.0]))
    missed = np.where(lower > -1, binom.cdf(losses, n, -lower), 0.0)
    worst = int(missed.argmax())
    return n, 100 * float(-lower[worst]), 100 * float(missed[worst])


def error(percentage: float, runs: int) -> float:
    """Return the standard error of a percentage counted in runs, in percentage points."""
    return math.sqrt(percentage * (100 - percentage) / runs)


def print_outcomes(outcomes: list[Outcome]) -> None:
    """Print a row for each cell."""
    rows = [
        (o.cell.shape, o.cell.n, 100 * o.cell.share, o.unchanged, o.truth, *(x for m in METHODS for x in o.missed[m]))
        for o in outcomes
    ]
    sides = [f"{method}: {side}" for method in METHODS for side in ("low", "high")]
    headers = ["shape", "n", "changed, %", "k = 0, %", "true mean", *sides]
    print("Missed by L (low) and by U (high), % of the runs")
    print(tabulate(rows, headers=headers, floatfmt=("", "", ".2f", ".1f", ".5f", *[".2f"] * len(sides))))


def print_worst(outcomes: list[Outcome], method: str, runs: int) -> float:
    """Print where a method misses most, and return the percentage."""
    cases = [(o.missed[method][i], bound, o.cell) for o in outcomes for i, bound in enumerate("LU")]
    percentage, bound, cell = max(cases, key=lambda case: case[0])
    above = sum(max(o.missed[method]) > CLAIM for o in outcomes)
    print(
        f"{method}: worst {percentage:.2f} % (standard error {error(percentage, runs):.2f}), {bound} of {cell}; "
        f"above {CLAIM} % in {above} of {len(outcomes)} cells"
    )
    return percentage


if __name__ == "__main__":
    main()
