"""One search beside another on the same queries: won, lost, tied, and the largest of each."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from pytest_embedeval.gate.changes import QueryChange
from pytest_embedeval.gate.numbers import signed


@dataclass(frozen=True)
class Beside:
    """One metric of a model beside another search.

    Attributes
    ----------
    reference
        What it stands beside: `bm25`, say.
    value, reference_value
        The two means.
    delta, low, high
        Mean of the paired differences with one-sided 95 % bounds.
    n
        Queries, or clusters of queries, that the bounds rest on.
    won, lost, tied
        Queries on which the model scores higher, lower, and the same.
    largest
        The five largest losses, then the five largest gains.
    """

    model: str
    reference: str
    dataset: str
    metric: str
    value: float
    reference_value: float
    delta: float
    low: float
    high: float
    n: int
    won: int
    lost: int
    tied: int
    largest: tuple[QueryChange, ...] = ()

    @property
    def beats(self) -> bool:
        """Whether the model is shown to be better: the lower bound of the mean difference is above zero."""
        return self.low > 0

    @property
    def is_model(self) -> bool:
        """Whether it is the model itself that stands beside words, and not a hybrid of both."""
        return ":alpha=" not in self.model

    @property
    def line(self) -> str:
        """The comparison in one line."""
        change = f"{self.metric} {self.reference_value:.3f} → {self.value:.3f} ({signed(self.delta)}"
        bounds = f"one-sided 95 % [{signed(self.low)}, {signed(self.high)}])"
        counts = f"{self.won:,} won, {self.lost:,} lost, {self.tied:,} tied"
        return f"{self.model} beside {self.reference} on {self.dataset}: {change}, {bounds}; {counts}"

    def lines(self) -> Iterator[str]:
        """Yield the comparison with the queries that were lost and won most clearly."""
        yield self.line
        for change in self.largest:
            done = "lost" if change.lost else "won "
            text = " ".join((change.text or change.id).split())
            yield f"  {done} {change.before:.2f} → {change.after:.2f}  {text[:80]}"
