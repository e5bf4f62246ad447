"""Scores over time as pictures: a line per model with its bounds, drawn without a browser or a network."""

from __future__ import annotations

import json
import math
import re
from collections.abc import Iterator, Sequence
from typing import Any

from pytest_embedeval.report.charts.drawing import BOUNDS, GREY, WIDTH, altair, colours, converter, finished
from pytest_embedeval.report.series import Point, Series

Key = tuple[str, str]  # "suite/dataset" and metric

_HEIGHT = 220
_TICKS = 6  # labels that fit below the axis
_TEXT = 12  # points; on a telephone it is drawn at two thirds
_LABEL = 16  # signs of a label's line
_DESCRIBED = re.compile(r'<path aria-label="([^"]*)"([^>]*aria-roledescription="point"[^>]*)/>')


def history_pictures(series: Sequence[Series], labels: Sequence[str]) -> dict[Key, str]:
    """Return ("suite/dataset", metric) -> SVG; each point tells its numbers where the pointer rests.

    Raises
    ------
    MissingExtraError
        Altair or vl-convert is not installed.
    """
    convert = converter()
    charts = history_charts(series, labels)
    drawn = {key: convert.vegalite_to_svg(chart.to_json(validate=False)) for key, chart in charts.items()}
    return {key: _DESCRIBED.sub(r'<path aria-label="\1"\2><title>\1</title></path>', svg) for key, svg in drawn.items()}


def history_charts(series: Sequence[Series], labels: Sequence[str]) -> dict[Key, Any]:
    """Return ("suite/dataset", metric) -> Altair chart with a line per model.

    Parameters
    ----------
    labels
        What each run is called.

    Raises
    ------
    MissingExtraError
        Altair is not installed.
    """
    models = list(dict.fromkeys(line.model for line in series))
    groups: dict[Key, list[Series]] = {}
    for line in series:
        groups.setdefault((line.place, line.metric), []).append(line)
    return {key: _chart(lines, models, labels, " ".join(key)) for key, lines in groups.items()}


def told(point: Point) -> str:
    """Return all that is known of a point, in lines."""
    bounds = "" if point.low is None else f" [{point.low:.3f}, {point.high:.3f}]"
    model = point.model.label if point.model else "unknown"
    found = [
        f"{point.alias}, {point.label}",
        f"{point.value:.3f}{bounds}, n = {point.n:,}",
        f"model: {model}",
        f"data: {point.data or 'unknown'}",
        f"another model: {point.changed}" if point.changed else "",
        point.broken,
    ]
    return "\n".join(filter(None, found))


def _rows(lines: Sequence[Series]) -> Iterator[dict[str, Any]]:
    for line in lines:
        for number, part in enumerate(line.parts):
            for point in part:
                yield {
                    "run": point.run,
                    "model": line.model,
                    "part": f"{line.model}/{number}",
                    "value": point.value,
                    "low": point.value if point.low is None else point.low,
                    "high": point.value if point.high is None else point.high,
                    "alone": len(part) == 1,
                    "changed": bool(point.changed),
                    "told": told(point),
                }


def _chart(lines: Sequence[Series], models: Sequence[str], labels: Sequence[str], title: str) -> Any:
    """Return one chart: bands, lines and points; a rhombus for another model, a gap where the data are other ones."""
    alt = altair()
    shown = [line.model for line in lines]
    colour = colours(models, models).legend(
        title=None,
        orient="top",
        values=shown,
        labelFontSize=_TEXT,
        symbolType="circle",
        symbolOpacity=1,
        labelLimit=300,
    )
    base = alt.Chart().encode(x=_runs(labels), color=colour, detail="part:N")
    across = alt.Y(
        "low:Q",
        title=BOUNDS,
        scale=alt.Scale(zero=False),
        axis=alt.Axis(labelFontSize=_TEXT, titleFontSize=_TEXT, titleFontWeight="normal"),
    )
    layers = [
        base.mark_area(opacity=0.13, aria=False).encode(y=across, y2="high:Q"),
        base.mark_rule(strokeWidth=2, aria=False).encode(y=across, y2="high:Q").transform_filter("datum.alone"),
        base.mark_line(strokeWidth=2, aria=False).encode(y="value:Q"),
        base.mark_point(filled=True, opacity=1).encode(
            y="value:Q",
            shape=alt.condition("datum.changed", alt.value("diamond"), alt.value("circle")),
            size=alt.condition("datum.changed", alt.value(150), alt.value(45)),
            description="told:N",
        ),
    ]
    breaks = sorted({point.run - 0.5 for line in lines for point in line.points if point.broken})
    if breaks:
        broken = alt.Chart(alt.Data(values=[{"run": place} for place in breaks]))
        layers.insert(0, broken.mark_rule(strokeDash=[4, 3], color=GREY, aria=False).encode(x=_runs(labels)))
    chart = finished(alt.layer(*layers), title, width=WIDTH, height=_HEIGHT)
    chart.data = alt.Data(values=list(_rows(lines)))  # last, since each step before copies all that a chart holds
    return chart


def _runs(labels: Sequence[str]) -> Any:
    """Return the axis of runs, evenly spaced; of many, some are named."""
    alt = altair()
    every = math.ceil(len(labels) / _TICKS)
    texts = [[part[-_LABEL:] for part in re.split(r", | (?=\d\d:)", label)] for label in labels]
    axis = alt.Axis(
        values=list(range(len(labels) - 1, -1, -every)),  # the last one has a name
        labelExpr=f"{json.dumps(texts)}[datum.value]",
        labelFontSize=_TEXT,
        grid=False,
    )
    return alt.X("run:Q", title=None, scale=alt.Scale(domain=[-0.4, len(labels) - 0.6], nice=False), axis=axis)
