"""What a search loses where queries are typed otherwise: one row per perturbation."""

from __future__ import annotations

from dataclasses import dataclass

from pytest_embedeval.gate.changes import QueryChange
from pytest_embedeval.gate.numbers import signed


@dataclass(frozen=True)
class Perturbed:
    """One metric on queries as they were typed, beside the same queries as they are written.

    Attributes
    ----------
    perturbation
        Its name: `ascii`, `typo`, or the kind of a variant that was written by hand.
    clean, value
        The two means, over the queries whose text it changes.
    delta, low, high
        Mean of the paired differences with one-sided 95 % bounds; negative is a loss.
    n
        Queries, or clusters of queries, that the bounds rest on.
    changed, queries
        Queries whose text it changes, and all.
    lost, won
        Queries that score lower, and higher.
    largest
        The five largest losses, with the text as it was typed.
    """

    model: str
    dataset: str
    metric: str
    perturbation: str
    clean: float
    value: float
    delta: float
    low: float
    high: float
    n: int
    changed: int
    queries: int
    lost: int
    won: int
    largest: tuple[QueryChange, ...] = ()

    @property
    def short(self) -> str:
        """Name and loss; with a star where the bounds exclude no loss at all."""
        return f"{self.perturbation} {signed(self.delta)}{'*' if self.high < 0 else ''}"
