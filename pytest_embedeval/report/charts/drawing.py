"""Altair and vl-convert, and what all pictures have in common."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from typing import Any

from pytest_embedeval.errors import MissingExtraError

WIDTH = 420
GREY = "#808080"  # seen on a light ground and on a dark one
BOUNDS = "with one-sided 95 % bounds"

# Wong, Nature Methods 8 (2011), told apart also by readers who see no red or no green; its black is a grey here, and
# its yellow is left out, for they vanish on one of the two grounds.
_COLOURS = ("#0072b2", "#d55e00", "#009e73", "#cc79a7", "#e69f00", "#56b4e9", GREY)
_DIMMED = 0.12


@dataclass(frozen=True)
class Picture:
    """One picture in its three forms.

    Attributes
    ----------
    spec
        Its definition in Vega-Lite, as JSON: what a page makes an interactive chart of.
    """

    svg: str
    png: bytes
    spec: str


def drawn(charts: Mapping[str, Any], *, scale: float = 2.0) -> dict[str, Picture]:
    """Return name -> picture.

    Parameters
    ----------
    scale
        Pixels of the PNG per point.

    Raises
    ------
    MissingExtraError
        vl-convert is not installed.
    """
    convert = converter()
    specs = {name: chart.to_json(indent=None, validate=False) for name, chart in charts.items()}
    svgs = {name: convert.vegalite_to_svg(spec) for name, spec in specs.items()}
    return {name: Picture(svg, convert.svg_to_png(svg, scale=scale), specs[name]) for name, svg in svgs.items()}


@cache
def vega_script() -> str:
    """Return the JavaScript that makes charts of definitions, `vegaEmbed`: about 900 kB.

    Raises
    ------
    MissingExtraError
        vl-convert is not installed.
    """
    return str(converter().javascript_bundle("window.vegaEmbed = vegaEmbed;"))


def altair() -> Any:
    """Return the module.

    Raises
    ------
    MissingExtraError
        Altair is not installed.
    """
    try:
        import altair
    except ImportError:
        raise MissingExtraError("Altair", "report") from None
    return altair


def converter() -> Any:
    """Return vl-convert, which draws a definition as SVG or PNG.

    Raises
    ------
    MissingExtraError
        It is not installed.
    """
    try:
        import vl_convert
    except ImportError:
        raise MissingExtraError("vl-convert", "report") from None
    return vl_convert


def colours(shown: Sequence[str], models: Iterable[str], *, legend: bool = True) -> Any:
    """Return the colours of the models that a picture shows, which depend on their places among all models alone."""
    alt = altair()
    order = dict.fromkeys([*models, *shown])
    every = {alias: _COLOURS[place % len(_COLOURS)] for place, alias in enumerate(order)}
    key = alt.Legend(title=None, symbolOpacity=1) if legend else None
    chosen = [every[alias] for alias in shown]
    return alt.Color("model:N", scale=alt.Scale(domain=list(shown), range=chosen), legend=key)


def picked(full: float = 1.0) -> tuple[Any, Any]:
    """Return a selection by a click in the legend, and the opacity that dims the models it leaves out."""
    alt = altair()
    pick = alt.selection_point(name="pick", fields=["model"], bind="legend")
    return pick, alt.when(pick).then(alt.value(full)).otherwise(alt.value(_DIMMED))


def tooltip(*names: str) -> list[Any]:
    """Return what is told of a mark under the pointer: names as they are, numbers with three decimals."""
    alt = altair()
    numbers = ("value", "low", "high")
    return [alt.Tooltip(f"{name}:Q", format=".3f") if name in numbers else f"{name}:N" for name in names]


def finished(chart: Any, title: str, *subtitle: str, **properties: Any) -> Any:
    """Return a chart with its title, and the looks that all share."""
    named = altair().Title(title, anchor="start", subtitle=list(subtitle))
    chart = chart.properties(title=named, **properties)
    return chart.configure_legend(orient="top").configure_view(stroke=None).configure_axis(gridOpacity=0.4)
