"""Thresholds: a measured value may not leave the bounds that the configuration sets."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from dataclasses import replace
from typing import Literal

from pytest_embedeval.errors import did_you_mean
from pytest_embedeval.gate.numbers import told_apart
from pytest_embedeval.gate.verdicts import Measurement, Policy, State, Verdict
from pytest_embedeval.settings import Rule


def judge_thresholds(
    measurements: Iterable[Measurement],
    rules: Mapping[str, Rule],
    *,
    model: str,
    suite: str,
    dataset: str,
    policy: Policy = "observed",
) -> list[Verdict]:
    """Apply each rule to the measurement of its metric.

    Fails closed: a rule whose metric was not measured, or is not a finite number, is an error, never a pass. Where
    a bound lies between the worst and the best order of tied documents, the verdict is inconclusive; `observed` then
    fails on a value beyond the bound, `strict` always, `proven` never.
    """
    by_metric = {measurement.metric: measurement for measurement in measurements}
    verdicts = []
    for metric, rule in rules.items():
        found = by_metric.get(metric)
        bounds: tuple[tuple[Literal["min", "max"], float | None], ...] = (("min", rule.min), ("max", rule.max))
        for kind, bound in bounds:
            if bound is None:
                continue
            value = found.value if found else None
            if found is None:
                state, reason = _unmeasured(metric, by_metric)
            else:
                state, reason = _judge(kind, found, bound, policy)
            verdict = Verdict(model, suite, dataset, metric, kind, value, bound, state, reason)
            if found is not None and value is not None:
                verdict = replace(verdict, delta=value - bound, n=found.n, low=found.low, high=found.high)
            verdicts.append(verdict)
    return verdicts


def _unmeasured(metric: str, known: Iterable[str]) -> tuple[State, str]:
    return "error", f"{metric} was not measured; {did_you_mean(metric, known)}"


def _judge(kind: Literal["min", "max"], found: Measurement, bound: float, policy: Policy) -> tuple[State, str]:
    metric, value = found.metric, found.value
    if value is None or not math.isfinite(value):
        return "error", f"{metric} is not a finite number"
    if not math.isfinite(bound):
        return "error", f"the {kind}imum of {metric} is {bound}, not a finite number"
    shown = told_apart(value, bound)
    broken = value < bound if kind == "min" else value > bound
    worst, best = (value if end is None else end for end in (found.worst, found.best))
    if (worst < bound <= best) if kind == "min" else (worst <= bound < best):
        state: State = "fail" if policy == "strict" or (policy == "observed" and broken) else "inconclusive"
        return state, (
            f"{metric} {shown} is between {worst:.4f} and {best:.4f}, by the order of tied documents; "
            f"the {kind}imum {bound:g} lies there too: inconclusive (ties)"
        )
    if broken:
        side = "below" if kind == "min" else "above"
        return "fail", f"{metric} {shown} is {side} the {kind}imum {bound:g}"
    return "pass", f"{metric} {shown} keeps the {kind}imum {bound:g}"
