"""Thresholds: a measured value may not leave the bounds that the configuration sets."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from typing import Literal

from pytest_embedeval.errors import did_you_mean
from pytest_embedeval.settings import Rule

State = Literal["pass", "fail", "inconclusive", "error"]


@dataclass(frozen=True)
class Measurement:
    """One number of a report: a metric of a model on a data set, with its interval.

    Attributes
    ----------
    value
        None where it is not a finite number.
    n
        Queries, items or documents it rests on.
    low, high
        One-sided 95 % bounds of the mean; None where the metric has no score per query.
    """

    model: str
    suite: str
    dataset: str
    metric: str
    value: float | None
    n: int
    low: float | None = None
    high: float | None = None


@dataclass(frozen=True)
class Verdict:
    """One judgement of a report: a rule applied to a measurement."""

    model: str
    suite: str
    dataset: str
    metric: str
    rule: Literal["min", "max", "baseline", "against"]
    value: float | None
    bound: float | None
    state: State
    reason: str
    delta: float | None = None
    low: float | None = None
    high: float | None = None
    n: int | None = None
    differ: int | None = None


def judge_thresholds(
    measurements: Iterable[Measurement], rules: Mapping[str, Rule], *, model: str, suite: str, dataset: str
) -> list[Verdict]:
    """Apply each rule to the measurement of its metric.

    Fails closed: a rule whose metric was not measured, or is not a finite number, is an error, never a pass.
    """
    by_metric = {measurement.metric: measurement for measurement in measurements}
    verdicts = []
    for metric, rule in rules.items():
        found = by_metric.get(metric)
        value = found.value if found else None
        bounds: tuple[tuple[Literal["min", "max"], float | None], ...] = (("min", rule.min), ("max", rule.max))
        for kind, bound in bounds:
            if bound is None:
                continue
            state, reason = _judge(kind, value, bound, metric, by_metric)
            verdict = Verdict(model, suite, dataset, metric, kind, value, bound, state, reason)
            if found is not None and value is not None:
                verdict = replace(verdict, delta=value - bound, n=found.n, low=found.low, high=found.high)
            verdicts.append(verdict)
    return verdicts


def _judge(kind: str, value: float | None, bound: float, metric: str, known: Mapping[str, object]) -> tuple[State, str]:
    if metric not in known:
        return "error", f"{metric} was not measured; {did_you_mean(metric, known)}"
    if value is None or not math.isfinite(value):
        return "error", f"{metric} is not a finite number"
    if not math.isfinite(bound):
        return "error", f"the {kind}imum of {metric} is {bound}, not a finite number"
    shown = told_apart(value, bound)
    if kind == "min" and value < bound:
        return "fail", f"{metric} {shown} is below the minimum {bound:g}"
    if kind == "max" and value > bound:
        return "fail", f"{metric} {shown} is above the maximum {bound:g}"
    return "pass", f"{metric} {shown} keeps the {kind}imum {bound:g}"


def told_apart(value: float, other: float) -> str:
    """Return a number in four decimals, or in as many as it takes to differ from `other` as `value` does."""
    for digits in range(4, 17):
        shown = f"{value:.{digits}f}"
        if value == other or float(shown) != float(f"{other:g}"):
            return shown
    return repr(value)
