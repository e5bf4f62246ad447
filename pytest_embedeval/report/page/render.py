"""Facts become one HTML file; foreign text is escaped by the template, and data by the script's own encoding."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from functools import cache
from importlib.resources import files
from typing import Any

from pytest_embedeval.report.charts import Picture
from pytest_embedeval.report.load import Kept
from pytest_embedeval.report.page.queries import query_tables
from pytest_embedeval.report.page.upgrade import upgrades
from pytest_embedeval.report.page.verdicts import sentences
from pytest_embedeval.report.schema import Report, VectorsRow

_TITLES = {
    "retrieval": "Search",
    "speed": "Speed against quality",
    "radar": "Each model as a whole",
    "hybrid": "Words and vectors together",
    "typed": "Queries as people type them",
    "morphology": "Word forms",
    "confusions": "What is taken for the answer",
    "slices": "By slice",
}
# In a script, these would end it or begin a comment.
_UNSAFE = {ord("<"): "\\u003c", ord(">"): "\\u003e", ord("&"): "\\u0026", 0x2028: "\\u2028", 0x2029: "\\u2029"}


def page_of(report: Report, kept: Kept, pictures: Mapping[str, Picture], vega: str = "") -> str:
    """Return the page.

    Parameters
    ----------
    kept
        The scores of each query, and the texts they are shown with.
    pictures
        Name -> picture, as `charts` names them; none to show tables alone.
    vega
        The script that makes the pictures interactive; without it they stand still.
    """
    aliases = [model.alias for model in report.models if not model.error]
    return rendered(
        "page.html",
        report=report,
        sentences=sentences(report),
        upgrades=list(upgrades(report)),
        pictures=list(_titled(pictures)),
        scores=_scores(report, aliases),
        truncated=_truncated(report),
        tables=script_data(query_tables(kept, aliases)),
        vega=vega if pictures else "",
    )


def rendered(name: str, **values: Any) -> str:
    """Return a template of this folder with its values, and with the style and the scripts that it includes."""
    template: str = _environment().get_template(name).render(**values)
    return template


@cache
def _environment() -> Any:
    """Return the templates of this folder; `source` in them is a file beside them."""
    import jinja2

    folder = files(__package__)
    sources = {
        each.name: each.read_text(encoding="utf-8")
        for each in folder.iterdir()
        if each.name.endswith((".html", ".css", ".js"))
    }
    environment = jinja2.Environment(
        autoescape=True,
        trim_blocks=True,
        lstrip_blocks=True,
        undefined=jinja2.StrictUndefined,
        loader=jinja2.FunctionLoader(sources.get),
    )
    environment.globals["source"] = sources.__getitem__
    return environment


def script_data(value: Any) -> str:
    r"""Return JSON that may stand in a `<script>`, whatever its texts say.

    >>> script_data({"q": "</script>"})
    '{"q":"\\u003c/script\\u003e"}'
    """
    return json.dumps(value, ensure_ascii=False, separators=(",", ":"), allow_nan=False).translate(_UNSAFE)


def _titled(pictures: Mapping[str, Picture]) -> Iterator[dict[str, str]]:
    """Yield title, SVG and definition of each picture, by kind."""
    for kind, title in _TITLES.items():
        for name, picture in pictures.items():
            if name.partition("-")[0] == kind:
                yield {"title": title, "name": name, "svg": picture.svg, "spec": script_data(json.loads(picture.spec))}


def _truncated(report: Report) -> list[VectorsRow]:
    """Return where a model read only the beginning of some texts."""
    return [row for row in report.vectors if row.truncated]


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
