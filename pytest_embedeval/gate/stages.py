"""Two stages by depth: what it gains, and what a query waits for it."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class StageRow:
    """A search whose first documents a second model puts in order.

    Attributes
    ----------
    second
        What puts them in order.
    depth
        How many documents of each query it sees; 0 is the first stage alone.
    value, low, high
        Mean of the metric over n queries with one-sided 95 % bounds.
    delta, delta_low, delta_high
        The same minus that of the first stage alone.
    p50_ms
        Median time of the second stage for one query, encoding it included; None for the first stage alone.
    timed
        Queries that were timed.
    """

    model: str
    second: str
    dataset: str
    metric: str
    depth: int
    n: int
    value: float
    low: float
    high: float
    delta: float = 0.0
    delta_low: float = 0.0
    delta_high: float = 0.0
    p50_ms: float | None = None
    timed: int = 0
