"""Facts become one HTML file; foreign text is escaped by the template, and data by the script's own encoding."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from importlib.resources import files
from typing import Any

from pytest_embedeval.report.load import Kept
from pytest_embedeval.report.page.queries import query_tables
from pytest_embedeval.report.page.verdicts import sentences, upgrades
from pytest_embedeval.report.schema import Report

_TITLES = {
    "retrieval": "Search",
    "speed": "Speed against quality",
    "hybrid": "Words and vectors together",
    "typed": "Queries as people type them",
    "morphology": "Word forms",
    "confusions": "What is taken for the answer",
}
# In a script, these would end it or begin a comment.
_UNSAFE = {ord("<"): "\\u003c", ord(">"): "\\u003e", ord("&"): "\\u0026", 0x2028: "\\u2028", 0x2029: "\\u2029"}


def page_of(report: Report, kept: Kept, pictures: Mapping[str, str]) -> str:
    """Return the page.

    Parameters
    ----------
    kept
        The scores of each query, and the texts they are shown with.
    pictures
        Name -> SVG, as `charts` names them; none to show tables alone.
    """
    aliases = [model.alias for model in report.models if not model.error]
    return rendered(
        "page.html",
        report=report,
        sentences=sentences(report),
        upgrades=list(upgrades(report)),
        pictures=list(_titled(pictures)),
        scores=_scores(report, aliases),
        tables=script_data(query_tables(kept, aliases)),
        script=(files(__package__) / "page.js").read_text(encoding="utf-8"),
    )


def rendered(template: str, **values: Any) -> str:
    """Return a page from a template of this folder; `style` is that of all pages."""
    import jinja2

    folder = files(__package__)
    environment = jinja2.Environment(
        autoescape=True, trim_blocks=True, lstrip_blocks=True, undefined=jinja2.StrictUndefined
    )
    source = environment.from_string((folder / template).read_text(encoding="utf-8"))
    return source.render(style=(folder / "page.css").read_text(encoding="utf-8"), **values)


def script_data(value: Any) -> str:
    r"""Return JSON that may stand in a `<script>`, whatever its texts say.

    >>> script_data({"q": "</script>"})
    '{"q":"\\u003c/script\\u003e"}'
    """
    return json.dumps(value, ensure_ascii=False, separators=(",", ":"), allow_nan=False).translate(_UNSAFE)


def _titled(pictures: Mapping[str, str]) -> Iterator[dict[str, str]]:
    """Yield title and SVG of each picture, by kind."""
    for kind, title in _TITLES.items():
        for name, svg in pictures.items():
            if name.startswith(f"{kind}-"):
                yield {"title": title, "svg": svg}


def _scores(report: Report, aliases: list[str]) -> list[dict[str, Any]]:
    """Return a table per suite and data set: metrics in rows, models in columns."""
    tables: dict[tuple[str, str], dict[str, dict[str, Any]]] = {}
    for row in report.measurements:
        tables.setdefault((row.suite, row.dataset), {}).setdefault(row.metric, {})[row.model] = row
    return [
        {
            "name": f"{suite}/{dataset}",
            "models": [alias for alias in aliases if any(alias in cells for cells in metrics.values())],
            "metrics": metrics,
        }
        for (suite, dataset), metrics in tables.items()
    ]
