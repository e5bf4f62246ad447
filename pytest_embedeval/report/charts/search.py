"""Search: four metrics beside each other, quality against speed, and words with vectors."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from typing import Any

from pytest_embedeval.gate import Measurement
from pytest_embedeval.report.charts.drawing import BOUNDS, GREY, WIDTH, altair, colours, finished, picked, tooltip
from pytest_embedeval.report.charts.intervals import rows_of
from pytest_embedeval.report.schema import Report
from pytest_embedeval.report.speed import rates

_METRICS = ("mrr@10", "ndcg@10", "recall@1", "recall@10")
_PANEL, _BAR = 165, 22
_HEIGHT = 280
_FRONT = "beaten by none in both"
_CORNERS = (("slow, but better", 0, 0), ("fast and better", 1, 0), ("slow and worse", 0, 1), ("fast, but worse", 1, 1))


def search_charts(report: Report, dataset: str) -> Iterator[tuple[str, Any]]:
    """Yield kind and chart for what a data set was measured on."""
    for kind, chart in (
        ("retrieval", _bars(report, dataset)),
        ("speed", _speed(report, dataset)),
        ("hybrid", _hybrid(report, dataset)),
    ):
        if chart is not None:
            yield kind, chart


def _bars(report: Report, dataset: str) -> Any | None:
    """Return two by two metrics, a bar with its bounds per model; None where there is no search."""
    measured = [row for row in report.measurements if (row.suite, row.dataset) == ("retrieval", dataset)]
    rows = [row for metric in _METRICS for row in rows_of(each for each in measured if each.metric == metric)]
    if not rows:
        return None
    alt = altair()
    everyone = [model.alias for model in report.models]
    aliases = [alias for alias in everyone if any(row["model"] == alias for row in rows)]
    base = alt.Chart().encode(
        y=alt.Y("model:N", sort=aliases, title=None, axis=alt.Axis(ticks=False, domain=False)),
        tooltip=tooltip("label", "model", "value", "low", "high"),
    )
    layers = alt.layer(
        base.mark_bar(opacity=0.8).encode(
            x=alt.X("value:Q", title=None), color=colours(aliases, everyone, legend=False)
        ),
        base.mark_rule(strokeWidth=2).encode(x="low:Q", x2="high:Q"),
        data=alt.Data(values=[dict(row) for row in rows]),
    ).properties(width=_PANEL, height=_BAR * len(aliases))
    header = alt.Header(title=None, labelFontWeight="bold")
    panels = layers.facet(alt.Facet("label:N", sort=list(_METRICS), header=header), columns=2)
    return finished(panels, f"{dataset}: scores of the search", BOUNDS)


def _speed(report: Report, dataset: str) -> Any | None:
    """Return quality against speed; None for fewer than two models that were timed and have a score with bounds."""
    rate = rates(report, dataset)
    scores = {
        row.model: row
        for row in report.measurements
        if (row.suite, row.dataset, row.metric) == ("retrieval", dataset, _METRICS[0])
    }
    timed = [model.alias for model in report.models if model.alias in scores and model.alias in rate]
    if len(timed) < 2:
        return None
    rows: list[dict[str, Any]] = [{"model": alias, "rate": rate[alias], **_bounds(scores[alias])} for alias in timed]
    front = pareto([(row["rate"], row["value"]) for row in rows])
    alt = altair()
    pick, opacity = picked()
    base = alt.Chart(alt.Data(values=rows)).encode(
        x=alt.X("rate:Q", title="texts per second (log)", scale=alt.Scale(type="log", nice=False, padding=50)),
        color=colours(timed, (model.alias for model in report.models)),
        opacity=opacity,
        tooltip=[
            *tooltip("model"),
            alt.Tooltip("rate:Q", format=",.1f", title="texts/s"),
            *tooltip("value", "low", "high"),
        ],
    )
    across = alt.Y("low:Q", title=f"{_METRICS[0]}, {BOUNDS}", scale=alt.Scale(zero=False))
    layers = [
        *_quadrants(rows),
        _front(sorted((row for row, stands in zip(rows, front, strict=True) if stands), key=lambda row: row["rate"])),
        base.mark_rule(strokeWidth=2).encode(y=across, y2="high:Q").add_params(pick),
        base.mark_point(filled=True, size=90).encode(y="value:Q"),
        alt.Chart(alt.Data(values=rows))
        .mark_text(dx=10, align="left", fontSize=11)
        .encode(x="rate:Q", y="value:Q", text="model:N"),
    ]
    told = f"dotted: {_FRONT}; the other lines halve the ranges of these models"
    return finished(alt.layer(*layers), f"{dataset}: speed against quality", told, width=WIDTH, height=_HEIGHT)


def _front(rows: Sequence[dict[str, Any]]) -> Any:
    """Return the line through the models of the Pareto front."""
    line = altair().Chart(altair().Data(values=list(rows))).mark_line(strokeDash=[2, 4], color=GREY, strokeWidth=2)
    return line.encode(x="rate:Q", y="value:Q")


def _quadrants(rows: Sequence[dict[str, Any]]) -> Iterator[Any]:
    """Yield the two lines that halve the ranges of speed (on its logarithm) and quality, and the four names."""
    alt = altair()
    rates, values = [row["rate"] for row in rows], [row["value"] for row in rows]
    middle = {"rate": math.sqrt(min(rates) * max(rates)), "value": (min(values) + max(values)) / 2}
    for name in ("rate", "value"):
        line = alt.Chart(alt.Data(values=[{name: middle[name]}])).mark_rule(color=GREY, opacity=0.5)
        yield line.encode(**{"x" if name == "rate" else "y": f"{name}:Q"})
    for text, right, low in _CORNERS:
        mark = alt.Chart(alt.Data(values=[{}])).mark_text(
            text=text, opacity=0.75, fontStyle="italic", align="right" if right else "left"
        )
        yield mark.encode(x=alt.value(WIDTH - 6 if right else 6), y=alt.value(_HEIGHT - 8 if low else 8))


def pareto(points: Sequence[tuple[float, float]]) -> list[bool]:
    """Return for each point whether no other one is at least as high in both numbers and higher in one."""
    return [
        not any(other != point and all(a >= b for a, b in zip(other, point, strict=True)) for other in points)
        for point in points
    ]


def _hybrid(report: Report, dataset: str) -> Any | None:
    """Return the metric of each hybrid by alpha, with its bounds; None where no curve was measured."""
    rows = [
        {"model": row.model, "alpha": row.alpha, "value": row.value, "low": row.low, "high": row.high}
        for row in report.fusion
        if row.dataset == dataset and row.fusion == "weighted" and row.queries == "all" and row.alpha is not None
    ]
    if not rows:
        return None
    metric = next(row.metric for row in report.fusion if row.dataset == dataset)
    alt = altair()
    aliases = list(dict.fromkeys(str(row["model"]) for row in rows))
    base = alt.Chart(alt.Data(values=rows)).encode(
        x=alt.X("alpha:Q", title="alpha: 0 is words alone, 1 vectors alone"),
        color=colours(aliases, (model.alias for model in report.models)),
        tooltip=tooltip("model", "alpha", "value", "low", "high"),
    )
    across = alt.Y("low:Q", title=f"{metric}, {BOUNDS}", scale=alt.Scale(zero=False))
    pick, area = picked(0.15)
    layers = [
        base.mark_area().encode(y=across, y2="high:Q", opacity=area).add_params(pick),
        base.mark_line(point=True).encode(y="value:Q", opacity=picked()[1]),
    ]
    return finished(alt.layer(*layers), f"{dataset}: words and vectors together", width=WIDTH, height=220)


def _bounds(row: Measurement) -> dict[str, float]:
    value = row.value or 0.0
    return {
        "value": value,
        "low": value if row.low is None else row.low,
        "high": value if row.high is None else row.high,
    }
