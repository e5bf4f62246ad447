"""Pictures of a run: one Altair definition each, drawn as SVG and PNG without a browser or a network."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from pytest_embedeval.errors import MissingExtraError
from pytest_embedeval.gate import Measurement
from pytest_embedeval.report.schema import Report

PLOTS = "plots"  # the folder of pictures, beside report.json

# Wong, Nature Methods 8 (2011): told apart also by readers who see no red or no green.
_COLOURS = ("#0072b2", "#d55e00", "#009e73", "#cc79a7", "#e69f00", "#56b4e9", "#000000", "#f0e442")
_MODEL, _GAP = 9, 10  # points of a row: for each of its models, and between rows
_WIDTH = 420
_CATEGORY = "morphology.accuracy."
_FALSE = "confusions.false_positives."
_FRONT = ("beaten by none in both", "slower and worse than another")
_RETRIEVAL = ("mrr@10", "ndcg@10", "recall@1", "recall@10")


@dataclass(frozen=True)
class Picture:
    """One picture in both forms."""

    svg: str
    png: bytes


def pictures(report: Report, *, scale: float = 2.0) -> dict[str, Picture]:
    """Return name -> picture, for what the report holds.

    Parameters
    ----------
    scale
        Pixels of the PNG per point.

    Raises
    ------
    MissingExtraError
        Altair or vl-convert is not installed.
    """
    convert = _converter()
    texts = {name: chart.to_json() for name, chart in charts(report).items()}
    return {
        name: Picture(convert.vegalite_to_svg(text), convert.vegalite_to_png(text, scale=scale))
        for name, text in texts.items()
    }


def charts(report: Report) -> dict[str, Any]:
    """Return name -> Altair chart, for what the report holds.

    `retrieval-DATASET`: metrics with bounds. `speed-DATASET`: quality against texts per second, with the models that
    no other one beats in both. `hybrid-DATASET`: the curve over alpha. `typed-DATASET`: what each perturbation costs.
    `morphology-DATASET`: accuracy by category. `confusions-DATASET`: false positives by kind.

    Raises
    ------
    MissingExtraError
        Altair is not installed.
    """
    found = {}
    for dataset in dict.fromkeys(row.dataset for row in report.measurements):
        for kind, title, rows, chance in _pictures(report, dataset):
            if rows:
                aliases = [model.alias for model in report.models if any(row["model"] == model.alias for row in rows)]
                found[picture_name(kind, dataset)] = _intervals(rows, aliases, title, chance)
        for kind, chart in (("speed", _speed(report, dataset)), ("hybrid", _hybrid(report, dataset))):
            if chart is not None:
                found[picture_name(kind, dataset)] = chart
    return found


def picture_name(kind: str, dataset: str) -> str:
    """Return the name of a picture, which is that of its file without the ending."""
    plain = re.sub(r"[^\w.+-]", "_", dataset)
    return f"{kind}-{plain}"


_Row = Mapping[str, str | float]
_Picture = tuple[str, str, list[_Row], float | None]


def _pictures(report: Report, dataset: str) -> Iterator[_Picture]:
    """Yield kind, title, rows and the value of chance of each picture of a data set."""
    measured = [row for row in report.measurements if row.dataset == dataset]
    by_metric = [row for metric in _RETRIEVAL for row in measured if (row.suite, row.metric) == ("retrieval", metric)]
    yield "retrieval", f"{dataset}: scores of the search", list(_rows(by_metric)), None
    typed = [row for row in report.robustness if row.dataset == dataset]
    changes: list[_Row] = [
        {"label": row.perturbation, "model": row.model, "value": row.delta, "low": row.low, "high": row.high}
        for row in typed
    ]
    metric = typed[0].metric if typed else ""
    yield "typed", f"{dataset}: change of {metric} where queries are typed otherwise", changes, 0.0
    categories = _rows(measured, _CATEGORY)
    yield "morphology", f"{dataset}: accuracy by category of word form", list(categories), None
    yield "confusions", f"{dataset}: wrong text nearer than the right one", list(_rows(measured, _FALSE)), 0.5


def _rows(measured: Iterable[Measurement], prefix: str = "") -> Iterator[_Row]:
    for row in measured:
        if row.metric.startswith(prefix) and None not in (row.value, row.low, row.high):
            label = row.metric.removeprefix(prefix)
            bounds = {"value": row.value or 0.0, "low": row.low or 0.0, "high": row.high or 0.0}
            yield {"label": label, "model": row.model, **bounds}


def _intervals(rows: Sequence[_Row], aliases: Sequence[str], title: str, chance: float | None) -> Any:
    """Return a chart with a row per label and, in it, a dot with its one-sided 95 % bounds per model."""
    alt = _altair()
    labels = list(dict.fromkeys(str(row["label"]) for row in rows))
    base = alt.Chart(alt.Data(values=[dict(row) for row in rows])).encode(
        y=alt.Y("label:N", sort=labels, title=None, axis=alt.Axis(labelLimit=200, ticks=False, domain=False)),
        yOffset=alt.YOffset("model:N", sort=list(aliases)),
        color=_colours(aliases),
        tooltip=["label:N", "model:N", *(alt.Tooltip(f"{name}:Q", format=".3f") for name in ("value", "low", "high"))],
    )
    across = alt.X("low:Q", title="with one-sided 95 % bounds", scale=alt.Scale(zero=chance is None))
    layers = [base.mark_rule(strokeWidth=2).encode(x=across, x2="high:Q")]
    layers.append(base.mark_point(filled=True, opacity=1, size=45).encode(x=alt.X("value:Q")))
    if chance is not None:
        line = alt.Chart(alt.Data(values=[{"chance": chance}]))
        layers.insert(0, line.mark_rule(strokeDash=[4, 3], color="#888").encode(x="chance:Q"))
    height = alt.Step(_MODEL * len(aliases) + _GAP, **{"for": "position"})
    return _finished(alt.layer(*layers), title, height)


def _speed(report: Report, dataset: str) -> Any | None:
    """Return quality against speed; None for fewer than two models that were timed and have a score with bounds."""
    rate = {row.model: row.texts_per_s for row in report.speed if row.task == "encode" and row.texts_per_s}
    scores = {
        row.model: row
        for row in report.measurements
        if (row.suite, row.dataset, row.metric) == ("retrieval", dataset, _RETRIEVAL[0])
    }
    timed = [alias for alias in scores if alias in rate]
    if len(timed) < 2:
        return None
    front = pareto([(rate[alias], scores[alias].value or 0.0) for alias in timed])
    rows = [
        {"model": alias, "rate": rate[alias], "front": _FRONT[not stands], **_bounds(scores[alias])}
        for alias, stands in zip(timed, front, strict=True)
    ]
    alt = _altair()
    base = alt.Chart(alt.Data(values=rows)).encode(
        x=alt.X("rate:Q", title="texts per second (log)", scale=alt.Scale(type="log", nice=False, padding=40)),
        color=_colours([model.alias for model in report.models if model.alias in rate]),
    )
    across = alt.Y("low:Q", title=f"{_RETRIEVAL[0]}, with one-sided 95 % bounds", scale=alt.Scale(zero=False))
    shape = alt.Shape(
        "front:N", title=None, scale=alt.Scale(range=["circle", "cross"]), legend=alt.Legend(orient="bottom")
    )
    layers = [
        base.mark_rule(strokeWidth=2).encode(y=across, y2="high:Q"),
        base.mark_point(filled=True, opacity=1, size=90).encode(y="value:Q", shape=shape),
        base.mark_text(dx=10, align="left", fontSize=11).encode(y="value:Q", text="model:N"),
    ]
    return _finished(alt.layer(*layers), f"{dataset}: speed against quality; up and to the right is better", height=260)


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
    alt = _altair()
    base = alt.Chart(alt.Data(values=rows)).encode(
        x=alt.X("alpha:Q", title="alpha: 0 is words alone, 1 vectors alone"),
        color=_colours(list(dict.fromkeys(str(row["model"]) for row in rows))),
    )
    across = alt.Y("low:Q", title=f"{metric}, with one-sided 95 % bounds", scale=alt.Scale(zero=False))
    layers = [base.mark_area(opacity=0.15).encode(y=across, y2="high:Q"), base.mark_line().encode(y="value:Q")]
    return _finished(alt.layer(*layers), f"{dataset}: words and vectors together", height=220)


def _bounds(row: Measurement) -> dict[str, float]:
    value = row.value or 0.0
    return {
        "value": value,
        "low": value if row.low is None else row.low,
        "high": value if row.high is None else row.high,
    }


def _colours(aliases: Sequence[str]) -> Any:
    """Return the colour of each model, the same in all pictures with these models."""
    alt = _altair()
    chosen = [_COLOURS[place % len(_COLOURS)] for place in range(len(aliases))]
    return alt.Color("model:N", scale=alt.Scale(domain=list(aliases), range=chosen), title=None)


def _finished(chart: Any, title: str, height: Any) -> Any:
    chart = chart.properties(title=_altair().Title(title, anchor="start"), width=_WIDTH, height=height)
    return chart.configure_legend(orient="top").configure_view(stroke=None).configure_axis(gridOpacity=0.4)


def _altair() -> Any:
    try:
        import altair
    except ImportError:
        raise MissingExtraError("Altair", "report") from None
    return altair


def _converter() -> Any:
    try:
        import vl_convert
    except ImportError:
        raise MissingExtraError("vl-convert", "report") from None
    return vl_convert
