"""Parts from tests, in whatever order and from whichever process, become one report in a settled order."""

from __future__ import annotations

import csv
import io
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import TypeVar

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
        models=_unique((row for part in parts for row in part.models), lambda row: row.alias, by_model),
        datasets=_unique((row for part in parts for row in part.datasets), lambda row: row.name, lambda _: 0),
        measurements=sorted((row for part in parts for row in part.measurements), key=lambda row: by_model(row.model)),
        speed=sorted((row for part in parts for row in part.speed), key=lambda row: by_model(row.model)),
        verdicts=sorted((row for part in parts for row in part.verdicts), key=lambda row: by_model(row.model)),
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
    for part in parts:
        for *names, score in part.scores:
            writer.writerow([*names, repr(score)])
    write_atomically(path, lines.getvalue())
    return path


def _unique(rows: Iterable[_Row], key: Callable[[_Row], str], place: Callable[[str], int]) -> list[_Row]:
    found: dict[str, _Row] = {}
    for row in rows:
        found.setdefault(key(row), row)
    return sorted(found.values(), key=lambda row: place(key(row)))
