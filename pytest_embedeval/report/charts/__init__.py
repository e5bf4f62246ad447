"""Pictures of a run: one Altair definition each, as SVG, as PNG, and interactive in the page."""

from __future__ import annotations

import re
from typing import Any

from pytest_embedeval.report.charts.drawing import Picture, drawn, vega_script
from pytest_embedeval.report.charts.intervals import interval_charts
from pytest_embedeval.report.charts.radar import radar
from pytest_embedeval.report.charts.search import search_charts
from pytest_embedeval.report.schema import Report

__all__ = ["PLOTS", "Picture", "charts", "picture_name", "pictures", "vega_script"]

PLOTS = "plots"  # the folder of pictures, beside report.json


def pictures(report: Report, *, scale: float = 2.0) -> dict[str, Picture]:
    """Return name -> picture, for what the report holds.

    Parameters
    ----------
    scale
        Pixels of a PNG per point.

    Raises
    ------
    MissingExtraError
        Altair or vl-convert is not installed.
    """
    return drawn(charts(report), scale=scale)


def charts(report: Report) -> dict[str, Any]:
    """Return name -> Altair chart, for what the report holds.

    `retrieval-DATASET`: four metrics with bounds. `speed-DATASET`: quality against texts per second, with the models
    that no other one beats in both. `radar`: all aspects, normalised. `hybrid-DATASET`: the curve over alpha.
    `typed-DATASET`: what each perturbation costs. `morphology-DATASET`: accuracy by category. `confusions-DATASET`:
    false positives by kind. `slices-SUITE-METRIC-RULE-DATASET`: the change of each slice.

    Raises
    ------
    MissingExtraError
        Altair is not installed.
    """
    found = {}
    for dataset in dict.fromkeys(row.dataset for row in report.measurements):
        for kind, chart in (*search_charts(report, dataset), *interval_charts(report, dataset)):
            found[picture_name(kind, dataset)] = chart
    whole = radar(report)
    return found if whole is None else {**found, "radar": whole}


def picture_name(kind: str, dataset: str) -> str:
    """Return the name of a picture, which is that of its file without the ending."""
    return re.sub(r"[^\w.+-]", "_", f"{kind}-{dataset}")
