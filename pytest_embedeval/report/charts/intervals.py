"""A row per label and, in it, a dot with its bounds per model: typed queries, word forms, false positives, slices."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

from pytest_embedeval.gate import Measurement
from pytest_embedeval.report.charts.drawing import BOUNDS, GREY, WIDTH, altair, colours, finished, picked, tooltip
from pytest_embedeval.report.schema import Report

Row = Mapping[str, str | float]

_MODEL, _GAP = 9, 10  # points of a row: for each of its models, and between rows
_CATEGORY = "morphology.accuracy."
_FALSE = "confusions.false_positives."


def interval_charts(report: Report, dataset: str) -> Iterator[tuple[str, Any]]:
    """Yield kind and chart for what a data set was measured on."""
    for kind, title, rows, chance in _pictures(report, dataset):
        if rows:
            yield kind, _intervals(rows, [model.alias for model in report.models], title, chance)


def rows_of(measured: Iterable[Measurement], prefix: str = "") -> Iterator[Row]:
    """Yield label, model, value, low and high of each metric that has bounds and whose name begins so."""
    for row in measured:
        if row.metric.startswith(prefix) and None not in (row.value, row.low, row.high):
            label = row.metric.removeprefix(prefix)
            bounds = {"value": row.value or 0.0, "low": row.low or 0.0, "high": row.high or 0.0}
            yield {"label": label, "model": row.model, **bounds}


def _pictures(report: Report, dataset: str) -> Iterator[tuple[str, str, list[Row], float | None]]:
    """Yield kind, title, rows and the value of chance, or of no change."""
    measured = [row for row in report.measurements if row.dataset == dataset]
    typed = [row for row in report.robustness if row.dataset == dataset]
    changes: list[Row] = [
        {"label": row.perturbation, "model": row.model, "value": row.delta, "low": row.low, "high": row.high}
        for row in typed
    ]
    metric = typed[0].metric if typed else ""
    yield "typed", f"{dataset}: change of {metric} where queries are typed otherwise", changes, 0.0
    categories = rows_of(measured, _CATEGORY)
    yield "morphology", f"{dataset}: accuracy by category of word form", list(categories), None
    yield "confusions", f"{dataset}: wrong text nearer than the right one", list(rows_of(measured, _FALSE)), 0.5
    yield from _slices(report, dataset)


def _slices(report: Report, dataset: str) -> Iterator[tuple[str, str, list[Row], float]]:
    """Yield a picture per metric and reference that was compared by slice."""
    compared = [row for row in report.comparisons if row.dataset == dataset and row.slices]
    for suite, metric, rule in dict.fromkeys((row.suite, row.metric, row.rule) for row in compared):
        rows: list[Row] = [
            {"label": f"{part.field}={part.value}", "model": row.model, "value": part.delta, "low": low, "high": high}
            for row in compared
            if (row.suite, row.metric, row.rule) == (suite, metric, rule)
            for part in row.slices
            for low, high in [(part.low, part.high)]
            if low is not None and high is not None
        ]
        beside = "its baseline" if rule == "baseline" else next(row.reference for row in compared if row.rule == rule)
        yield f"slices-{suite}-{metric}-{rule}", f"{dataset}: change of {metric} by slice, beside {beside}", rows, 0.0


def _intervals(rows: Sequence[Row], models: Sequence[str], title: str, chance: float | None) -> Any:
    alt = altair()
    aliases = [alias for alias in models if any(row["model"] == alias for row in rows)]
    labels = list(dict.fromkeys(str(row["label"]) for row in rows))
    pick, opacity = picked()
    base = alt.Chart(alt.Data(values=[dict(row) for row in rows])).encode(
        y=alt.Y("label:N", sort=labels, title=None, axis=alt.Axis(labelLimit=200, ticks=False, domain=False)),
        yOffset=alt.YOffset("model:N", sort=aliases),
        color=colours(aliases, models),
        opacity=opacity,
        tooltip=tooltip("label", "model", "value", "low", "high"),
    )
    across = alt.X("low:Q", title=BOUNDS, scale=alt.Scale(zero=chance is None))
    layers = [
        base.mark_rule(strokeWidth=2).encode(x=across, x2="high:Q").add_params(pick),
        base.mark_point(filled=True, size=45).encode(x=alt.X("value:Q")),
    ]
    if chance is not None:
        line = alt.Chart(alt.Data(values=[{"chance": chance}]))
        layers.insert(0, line.mark_rule(strokeDash=[4, 3], color=GREY).encode(x="chance:Q"))
    height = alt.Step(_MODEL * len(aliases) + _GAP, **{"for": "position"})
    return finished(alt.layer(*layers), title, width=WIDTH, height=height)
