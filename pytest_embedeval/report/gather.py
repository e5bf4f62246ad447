"""Parts from tests, in whatever order and from whichever process, become one report in a settled order."""

from __future__ import annotations

import csv
import io
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import Any, TypeVar

from pytest_embedeval.report.files import write_atomically
from pytest_embedeval.report.schema import Part, Report, Run

SCORE_COLUMNS = ("model", "suite", "dataset", "metric", "query_id", "score")

_Row = TypeVar("_Row")


def assemble(run: Run, parts: Sequence[Part], aliases: Sequence[str]) -> Report:
    """Put parts together.

    Parameters
    ----------
    run
        The head of the report.
    parts
        One per test that had something to say.
    aliases
        The matrix, in its order: models stand in the report as they stand there.
    """
    place = {alias: position for position, alias in enumerate(aliases)}

    def by_model(alias: str) -> int:
        return place.get(alias, len(place))

    return Report(
        run=run,
        models=_unique(
            (row for part in parts for row in part.models),
            lambda row: row.alias,
            lambda row: by_model(row.alias),
        ),
        datasets=_unique((row for part in parts for row in part.datasets), lambda row: row.name, lambda row: row.name),
        measurements=_unique(
            (row for part in parts for row in part.measurements),
            lambda row: (row.model, row.suite, row.dataset, row.metric),
            lambda row: (by_model(row.model), row.suite, row.dataset),
        ),
        speed=sorted((row for part in parts for row in part.speed), key=lambda row: (by_model(row.model), row.task)),
        verdicts=_unique(
            (row for part in parts for row in part.verdicts),
            lambda row: (row.model, row.suite, row.dataset, row.metric, row.rule),
            lambda row: (by_model(row.model), row.suite, row.dataset),
        ),
    )


def write_report(report: Report, folder: Path) -> Path:
    """Write `report.json` and return its path."""
    path = folder / "report.json"
    write_atomically(path, report.model_dump_json(indent=2) + "\n")
    return path


def write_scores(parts: Iterable[Part], folder: Path) -> Path:
    """Write `scores.csv`, one row per (model, suite, dataset, metric, query id), and return its path."""
    path = folder / "scores.csv"
    lines = io.StringIO(newline="")
    writer = csv.writer(lines, lineterminator="\n")
    writer.writerow(SCORE_COLUMNS)
    rows = _unique((row for part in parts for row in part.scores), lambda row: row[:-1], lambda row: row[:3])
    for *names, score in rows:
        writer.writerow([*names, repr(score)])
    write_atomically(path, lines.getvalue())
    return path


def _unique(rows: Iterable[_Row], key: Callable[[_Row], object], order: Callable[[_Row], Any]) -> list[_Row]:
    """Return one row per key, the last that came, sorted; rows that the order does not tell apart stay as they came."""
    return sorted({key(row): row for row in rows}.values(), key=order)
