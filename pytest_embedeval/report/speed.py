"""Timings by model: on the texts of one data set, or on those of all that every timed model read."""

from __future__ import annotations

from statistics import geometric_mean
from typing import TYPE_CHECKING, Literal

if TYPE_CHECKING:
    from pytest_embedeval.report.schema import Report


def rates(report: Report, dataset: str | None = None) -> dict[str, float]:
    """Return alias -> documents encoded per second.

    Parameters
    ----------
    dataset
        Whose documents; None for the geometric mean over the data sets on which all models were timed.
    """
    return _by_model(report, "encode", "texts_per_s", dataset)


def latencies(report: Report) -> dict[str, float]:
    """Return alias -> median milliseconds for one query, the geometric mean over data sets as in `rates`."""
    return _by_model(report, "query", "p50_ms", None)


def _by_model(report: Report, task: Literal["encode", "query"], number: str, dataset: str | None) -> dict[str, float]:
    found: dict[str | None, dict[str, float]] = {}
    for row in report.speed:
        value = getattr(row, number)
        if row.task == task and value and (dataset is None or row.dataset in (None, dataset)):
            found.setdefault(row.dataset, {})[row.model] = value
    aliases = dict.fromkeys(alias for each in found.values() for alias in each)
    common = [each for each in found.values() if each.keys() == aliases.keys()]
    if len(common) > 1:
        return {alias: geometric_mean(each[alias] for each in common) for alias in aliases}
    return next(iter(common or found.values()), {})
