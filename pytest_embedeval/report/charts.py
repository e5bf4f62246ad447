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

    `retrieval-DATASET`: metrics with bounds. `typed-DATASET`: what each perturbation costs. `morphology-DATASET`:
    accuracy by category. `confusions-DATASET`: false positives by kind.

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
    colours = [_COLOURS[place % len(_COLOURS)] for place in range(len(aliases))]
    base = alt.Chart(alt.Data(values=[dict(row) for row in rows])).encode(
        y=alt.Y("label:N", sort=labels, title=None, axis=alt.Axis(labelLimit=200, ticks=False, domain=False)),
        yOffset=alt.YOffset("model:N", sort=list(aliases)),
        color=alt.Color("model:N", scale=alt.Scale(domain=list(aliases), range=colours), title=None),
        tooltip=["label:N", "model:N", *(alt.Tooltip(f"{name}:Q", format=".3f") for name in ("value", "low", "high"))],
    )
    across = alt.X("low:Q", title="with one-sided 95 % bounds", scale=alt.Scale(zero=chance is None))
    layers = [base.mark_rule(strokeWidth=2).encode(x=across, x2="high:Q")]
    layers.append(base.mark_point(filled=True, opacity=1, size=45).encode(x=alt.X("value:Q")))
    if chance is not None:
        line = alt.Chart(alt.Data(values=[{"chance": chance}]))
        layers.insert(0, line.mark_rule(strokeDash=[4, 3], color="#888").encode(x="chance:Q"))
    height = alt.Step(_MODEL * len(aliases) + _GAP, **{"for": "position"})
    chart = alt.layer(*layers).properties(title=alt.Title(title, anchor="start"), width=_WIDTH, height=height)
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
