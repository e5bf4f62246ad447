"""Messages for people: why a comparison or a gate failed."""

from __future__ import annotations

import shlex
import sys
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

from pytest_embedeval.plugin.options import UPDATE

if TYPE_CHECKING:
    from pytest_embedeval.gate import Measurement, Verdict
    from pytest_embedeval.report import Part
    from pytest_embedeval.settings import Settings


_UPDATES = tuple(f"--{name.replace('_', '-')}" for name in UPDATE)


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


def gate_message(settings: Settings, part: Part, arguments: Sequence[str]) -> str:
    """Return the message of a failed gate: what failed and why, all metrics, and what would accept it.

    Parameters
    ----------
    part
        What the gate found: measurements, verdicts, comparisons.
    arguments
        The command line of this run.
    """
    from pytest_embedeval.gate import why_lines

    failed = [verdict for verdict in part.verdicts if verdict.blocks]
    first = failed[0]
    blocks = [f"{first.model} does not pass {first.suite}/{first.dataset}:"]
    blocks += [f"  {verdict.state}: {verdict.reason}" for verdict in failed]
    ways = {(verdict.rule, verdict.metric) for verdict in failed}
    for comparison in part.comparisons:
        if (comparison.rule, comparison.metric) in ways:
            blocks += ["", f"{comparison.metric} against {comparison.against}:", f"  before: {comparison.before}"]
            blocks += [f"  after:  {comparison.after}", *(f"  {line}" for line in why_lines(comparison))]
    blocks += ["", _metrics_table(part)]
    if any(verdict.advisory for verdict in part.verdicts):
        blocks.append("(state) informs and decides nothing.")
    ways_out = list(_ways_out(settings, failed, arguments))
    if ways_out:
        blocks += ["", *ways_out]
    return "\n".join(blocks)


def _metrics_table(part: Part) -> str:
    from tabulate import tabulate

    rows = []
    for row in part.measurements:
        rules: list[Verdict | None] = [v for v in part.verdicts if v.metric == row.metric and v.slice is None]
        for verdict in rules or [None]:
            compared = verdict is not None and verdict.reference is not None
            bound = f"{verdict.rule} {verdict.bound:.4g}" if verdict and verdict.bound is not None else ""
            delta = f"{verdict.delta:+.4f}" if verdict and verdict.delta is not None else ""
            interval = _interval(verdict if compared else row)
            state = "" if verdict is None else f"({verdict.state})" if verdict.advisory else verdict.state
            n = verdict.n if verdict is not None and compared and verdict.n is not None else row.n
            rows.append([row.metric, _number(row.value), bound, delta, interval, n, state])
    return tabulate(
        rows,
        headers=["metric", "value", "bound", "delta", "one-sided 95 %", "n", ""],
        tablefmt="simple",
        disable_numparse=True,
    )


def _ways_out(settings: Settings, failed: Sequence[Verdict], arguments: Sequence[str]) -> Iterator[str]:
    """Yield the lines that say where the bounds stand, and the command that would accept what failed."""
    from pytest_embedeval.gate.judge import FELL, MISSING

    first = failed[0]
    gate = f"{first.suite}/{first.dataset}"
    if any(verdict.rule in ("min", "max") for verdict in failed):
        yield (
            f"The bounds stand in {settings.heading('gates', gate)} of {settings.file}; "
            f"for this model alone: {settings.heading('gates', gate, first.model)}"
        )
        return  # what breaks a bound stays red, whatever is stored
    stored = [verdict for verdict in failed if verdict.rule == "baseline"]
    missing = any(verdict.reason.startswith(MISSING) for verdict in stored)
    if missing or any(verdict.bound is not None for verdict in stored):  # else it is damaged; its reason says the mend
        fell = any(verdict.state == "fail" or verdict.reason.endswith(FELL) for verdict in stored)
        flags = ["--embedeval-update", *(["--embedeval-accept-worse"] if fell else [])]
        flags = ["--embedeval-update-new"] if missing else flags
        given = [argument for argument in arguments if not argument.startswith(_UPDATES)]
        yield f"To accept these scores as the baseline of {first.model}: {shlex.join(['pytest', *given, *flags])}"
    if any(verdict.rule == "against" and verdict.state == "fail" for verdict in failed):
        yield "A larger drop is accepted with --embedeval-tolerance=DROP."


def _number(value: float | None) -> str:
    return "-" if value is None else f"{value:.4f}"


def _interval(row: Measurement | Verdict | None) -> str:
    if row is None:
        return ""
    return "" if row.low is None or row.high is None else f"[{row.low:.3f}, {row.high:.3f}]"
