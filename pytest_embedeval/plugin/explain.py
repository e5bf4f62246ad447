"""Messages for people: why a comparison or a gate failed."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pytest_embedeval.gate import Measurement, Verdict
    from pytest_embedeval.settings import Settings


def explain_comparison(op: str, left: object, right: object) -> list[str] | None:
    """Return the lines for a failed comparison with a score, None for any other comparison."""
    if "pytest_embedeval.metrics.scores" not in sys.modules:  # then nothing compared here can be a score
        return None
    from pytest_embedeval.gate import told_apart
    from pytest_embedeval.metrics import Score

    score, other = (left, right) if isinstance(left, Score) else (right, left)
    if not isinstance(score, Score) or not isinstance(other, int | float):
        return None
    shown = told_apart(score, other)
    return [
        f"{shown} {op} {float(other):g}" if score is left else f"{float(other):g} {op} {shown}",
        f"{score.label} is {shown}, {float(score) - float(other):+.4g} from {float(other):g}",
    ]


def gate_message(settings: Settings, verdicts: Sequence[Verdict], measurements: Sequence[Measurement]) -> str:
    """Return the message of a failed gate: what failed, then all metrics with value, bound, delta and interval."""
    from tabulate import tabulate

    failed = [verdict for verdict in verdicts if verdict.state != "pass"]
    first = failed[0]
    judged = {(verdict.metric, verdict.rule): verdict for verdict in verdicts}
    rows = []
    for row in measurements:
        rules: Sequence[Verdict | None] = [v for (metric, _), v in judged.items() if metric == row.metric]
        for verdict in rules or (None,):
            bound = f"{verdict.rule} {verdict.bound:g}" if verdict and verdict.bound is not None else ""
            delta = f"{verdict.delta:+.4f}" if verdict and verdict.delta is not None else ""
            state = verdict.state if verdict else ""
            rows.append([row.metric, _number(row.value), bound, delta, _interval(row), row.n, state])
    table = tabulate(
        rows,
        headers=["metric", "value", "bound", "delta", "one-sided 95 %", "n", ""],
        tablefmt="simple",
        disable_numparse=True,
    )
    reasons = "\n".join(f"  {verdict.state}: {verdict.reason}" for verdict in failed)
    gate = f"{first.suite}/{first.dataset}"
    return (
        f"{first.model} does not pass {first.suite}/{first.dataset}:\n{reasons}\n\n{table}\n\n"
        f"The bounds stand in {settings.heading('gates', gate)} of {settings.file}; "
        f"for this model alone: {settings.heading('gates', gate, first.model)}"
    )


def _number(value: float | None) -> str:
    return "-" if value is None else f"{value:.4f}"


def _interval(row: Measurement) -> str:
    return "" if row.low is None or row.high is None else f"[{row.low:.3f}, {row.high:.3f}]"
