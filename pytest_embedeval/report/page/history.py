"""Scores over time as a page without scripts: pictures, what changed, and tables with the same numbers."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence

from pytest_embedeval.report.load import Kept
from pytest_embedeval.report.page.render import rendered
from pytest_embedeval.report.series import Point, Series
from pytest_embedeval.report.timeline import moments, never_measured

_OPEN = 12  # runs up to which the tables stand open


def history_page(
    series: Sequence[Series],
    runs: Sequence[Kept],
    labels: Sequence[str],
    paths: Sequence[str],
    pictures: Mapping[tuple[str, str], str],
) -> str:
    """Return the page.

    Parameters
    ----------
    runs, labels, paths
        In their order: what was read, what it is called, and where it lies.
    pictures
        ("suite/dataset", metric) -> SVG; none to show tables alone.
    """
    places: dict[str, dict[str, list[Series]]] = {}
    for line in series:
        places.setdefault(line.place, {}).setdefault(line.metric, []).append(line)
    commits = [run.report.run.git.commit if run.report else None for run in runs]
    return rendered(
        "history.html",
        places=places,
        pictures=pictures,
        runs=list(zip(labels, commits, paths, strict=True)),
        models=list(_since(series, _model)),
        data=list(_since(series, _data)),
        unknown=never_measured(moments(runs)),
        is_open=len(runs) <= _OPEN,
    )


def _since(
    series: Sequence[Series], fact: Callable[[Series, Point], tuple[str, object]]
) -> Iterator[tuple[str, Point, list[str]]]:
    """Yield each new state of a fact, by name and run: the name, the point where it is first seen, and all places.

    Parameters
    ----------
    fact
        Line and point -> the name of what may change, and its state there.
    """
    found: dict[tuple[str, int, object], tuple[str, Point, list[str]]] = {}
    for line in series:
        before: object = None
        for point in line.points:
            name, state = fact(line, point)
            if point.value is not None and (state != before or before is None):
                places = found.setdefault((name, point.run, state), (name, point, []))[2]
                if line.place not in places:
                    places.append(line.place)
                before = state
    yield from sorted(found.values(), key=lambda row: (row[0], row[1].run))


def _model(line: Series, point: Point) -> tuple[str, object]:
    return line.model, (point.alias, point.model)


def _data(line: Series, point: Point) -> tuple[str, object]:
    return line.dataset, point.data or "unknown"
