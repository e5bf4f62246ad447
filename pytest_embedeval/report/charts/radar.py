"""All aspects of each model in one picture, normalised alike for every run."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from typing import Any

from pytest_embedeval.report.aspects import ASPECTS, NORMALISATION, aspect_scores
from pytest_embedeval.report.charts.drawing import GREY, altair, colours, finished, picked, tooltip
from pytest_embedeval.report.schema import Report
from pytest_embedeval.report.speed import rates

_SIZE = 340
_RINGS = (0.25, 0.5, 0.75, 1.0)
_LABEL = 1.12  # how far out the name of an axis stands
_REACH = 1.45  # half the width of the picture, with room for names
_RATE = "encoding speed"
_FEWEST = 3  # axes below which there is no area


def radar(report: Report) -> Any | None:
    """Return an axis per aspect and a line per model that was measured on all; None for fewer than three axes.

    An axis that fewer than two models have says nothing, and a model without one of the others is left out, in words.
    """
    aliases = [model.alias for model in report.models if not model.error]
    found = {aspect.title: aspect_scores(report, suite) for suite, aspect in ASPECTS.items()}
    axes = {title: scores for title, scores in found.items() if len(scores) > 1}
    axes |= _speed(report)
    shown = [alias for alias in aliases if axes and all(alias in scores for scores in axes.values())]
    if len(axes) < _FEWEST or not shown:
        return None
    rows = [
        {"model": alias, "axis": title, "value": value, "place": place, **_at(place, len(axes), value)}
        for alias in shown
        for place, title in enumerate([*axes, next(iter(axes))])  # and back to the first
        for value in [max(0.0, axes[title][alias])]
    ]
    alt = altair()
    pick, opacity = picked()
    base = alt.Chart(alt.Data(values=rows)).encode(
        x=_hidden("x"),
        y=_hidden("y"),
        color=colours(shown, aliases),
        opacity=opacity,
        tooltip=tooltip("model", "axis", "value"),
    )
    layers = [
        *_grid(list(axes)),
        base.mark_line(strokeWidth=2).encode(order="place:Q").add_params(pick),
        base.mark_point(filled=True, size=40),
    ]
    told = [f"{NORMALISATION}; below chance it is drawn at 0"]
    if _RATE in axes:
        told.append(f"{_RATE}: share of the fastest")
    left_out = [alias for alias in aliases if alias not in shown]
    if left_out:
        told.append(f"not measured on all of them: {', '.join(left_out)}")
    return finished(alt.layer(*layers), "Each model as a whole", *told, width=_SIZE * 1.3, height=_SIZE)


def _speed(report: Report) -> dict[str, dict[str, float]]:
    rate = rates(report)
    fastest = max(rate.values(), default=0.0)
    return {_RATE: {alias: each / fastest for alias, each in rate.items()}} if len(rate) > 1 else {}


def _at(place: int, axes: int, radius: float) -> dict[str, float]:
    """Return where a value stands on an axis, the first of which points up, the others follow clockwise."""
    angle = 2 * math.pi * (place % axes) / axes
    return {"x": round(radius * math.sin(angle), 5), "y": round(radius * math.cos(angle), 5)}


def _hidden(name: str) -> Any:
    alt = altair()
    reach = _REACH if name == "x" else _REACH / 1.3
    return getattr(alt, name.upper())(f"{name}:Q", axis=None, scale=alt.Scale(domain=[-reach, reach]))


def _grid(titles: Sequence[str]) -> Iterator[Any]:
    """Yield rings, spokes and names of the axes."""
    alt = altair()
    count = len(titles)
    rings = [{"ring": ring, "place": n, **_at(n, count, ring)} for ring in _RINGS for n in range(count + 1)]
    spokes = [{"ring": -n, "place": end, **_at(n, count, end)} for n in range(count) for end in (0.0, 1.0)]
    lines = alt.Chart(alt.Data(values=[*rings, *spokes])).mark_line(color=GREY, opacity=0.4, strokeWidth=1)
    yield lines.encode(x=_hidden("x"), y=_hidden("y"), detail="ring:N", order="place:Q")
    for side in ("left", "center", "right"):
        named = [
            {"title": title, **at}
            for title, at in ((title, _at(n, count, _LABEL)) for n, title in enumerate(titles))
            if side == ("center" if abs(at["x"]) < 0.1 else "left" if at["x"] > 0 else "right")
        ]
        text = alt.Chart(alt.Data(values=named)).mark_text(align=side, fontSize=11)
        yield text.encode(x=_hidden("x"), y=_hidden("y"), text="title:N")
