"""Parts from tests, in whatever order and from whichever process, become one report in a settled order."""

from __future__ import annotations

import csv
import io
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import Any, TypeVar

from pydantic import TypeAdapter

from pytest_embedeval.gate import Baseline, Excerpts, Result
from pytest_embedeval.report.charts import PLOTS
from pytest_embedeval.report.files import locked, write_together
from pytest_embedeval.report.languages import language_pages
from pytest_embedeval.report.schema import Part, Report, Run, UsageRow
from pytest_embedeval.report.summary import comment_text

SCORE_COLUMNS = ("model", "suite", "dataset", "metric", "query_id", "score")

_RULES = {"min": 0, "max": 0, "baseline": 1, "against": 2}  # the order in which they are judged in one process

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
            lambda row: (row.model, row.suite, row.dataset, row.metric, row.rule, row.slice),
            lambda row: (by_model(row.model), row.suite, row.dataset, _RULES[row.rule]),
        ),
        comparisons=_unique(
            (row for part in parts for row in part.comparisons),
            lambda row: (row.model, row.suite, row.dataset, row.metric, row.rule),
            lambda row: (by_model(row.model), row.suite, row.dataset, _RULES[row.rule]),
        ),
        vectors=_unique(
            (row for part in parts for row in part.vectors),
            lambda row: (row.model, row.suite, row.dataset, row.role),
            lambda row: (by_model(row.model), row.suite, row.dataset, row.role),
        ),
        costs=_unique(
            (row for part in parts for row in part.costs),
            lambda row: (row.model, row.suite, row.dataset, row.metric, row.variant),
            lambda row: (by_model(row.model), row.suite, row.dataset),
        ),
        indexes=_unique(
            (row for part in parts for row in part.indexes),
            lambda row: (row.model, row.suite, row.dataset, row.index),
            lambda row: (by_model(row.model), row.suite, row.dataset),
        ),
        beside=_unique(
            (row for part in parts for row in part.beside),
            lambda row: (row.model, row.reference, row.dataset, row.metric),
            lambda row: (row.dataset, by_model(row.model.partition("+bm25:")[0]), row.metric),  # a hybrid by its model
        ),
        fusion=_unique(
            (row for part in parts for row in part.fusion),
            lambda row: (row.model, row.dataset, row.metric, row.fusion, row.alpha, row.queries),
            lambda row: (by_model(row.model), row.dataset, row.metric),
        ),
        stages=_unique(
            (row for part in parts for row in part.stages),
            lambda row: (row.model, row.dataset, row.metric, row.depth),
            lambda row: (by_model(row.model), row.dataset, row.metric, row.depth),
        ),
        robustness=_unique(
            (row for part in parts for row in part.robustness),
            lambda row: (row.model, row.dataset, row.metric, row.perturbation),
            lambda row: (by_model(row.model), row.dataset, row.metric),
        ),
        usage=sorted(_summed(row for part in parts for row in part.usage), key=lambda row: by_model(row.model)),
        warnings=sorted({warning for part in parts for warning in part.warnings}),
    )


def _summed(rows: Iterable[UsageRow]) -> list[UsageRow]:
    """Return one row per model, with what all processes and all loads of it used; unknown where one of them is."""
    found: dict[str, UsageRow] = {}
    for row in rows:
        known = found.get(row.model)
        found[row.model] = (
            row
            if known is None
            else UsageRow(
                model=row.model,
                requests=known.requests + row.requests,
                retries=known.retries + row.retries,
                texts=known.texts + row.texts,
                tokens=None if known.tokens is None or row.tokens is None else known.tokens + row.tokens,
                cost_usd=None if known.cost_usd is None or row.cost_usd is None else known.cost_usd + row.cost_usd,
            )
        )
    return list(found.values())


def gather_results(parts: Iterable[Part]) -> dict[tuple[str, str], Result]:
    """Return (alias, "suite/dataset") -> gated scores; metrics of a data set that is gated twice stand together."""
    found: dict[tuple[str, str], Result] = {}
    for row in (row for part in parts for row in part.results):
        key = row.model, row.place
        found[key] = found[key].joined(row.result) if key in found else row.result
    return dict(sorted(found.items()))


def gather_excerpts(parts: Iterable[Part]) -> dict[str, Excerpts]:
    """Return name of a data set -> its texts."""
    found: dict[str, Excerpts] = {}
    for row in (row for part in parts for row in part.excerpts):
        found[row.name] = found[row.name].joined(row) if row.name in found else row
    return found


def write_run(
    report: Report, parts: Sequence[Part], baselines: Iterable[Baseline], folder: Path, faults: Sequence[str] = ()
) -> Path:
    """Write everything that a run leaves, as one: `report.json` last. Returns its path.

    Besides: `scores.csv`; `baselines/ALIAS.json`, the baselines as an update would store them; `texts.json`, what
    explanations quote; `summary.md`, fit as a comment on a pull request; `language-CODE.md`, what each model loses to
    a language.

    Parameters
    ----------
    faults
        What failed the run as a whole, for the summary.
    """
    path = folder / "report.json"
    files = {folder / "baselines" / f"{baseline.alias}.json": baseline.text() for baseline in baselines}
    files[folder / "texts.json"] = TypeAdapter(dict[str, Excerpts]).dump_json(gather_excerpts(parts)).decode() + "\n"
    files[folder / "scores.csv"] = scores_text(parts)
    files[folder / "summary.md"] = comment_text(report, faults)
    files |= {folder / name: text for name, text in language_pages(report).items()}
    files[path] = report.model_dump_json(indent=2) + "\n"
    with locked(folder):
        write_together(files)
        for stale in {*(folder / "baselines").glob("*.json"), *folder.glob("language-*.md")} - files.keys():
            stale.unlink(missing_ok=True)  # of a model, or a language, that this run did not judge
        for drawn in (*(folder / PLOTS).glob("*.*"), folder / "report.html"):
            drawn.unlink(missing_ok=True)  # of another run
    return path


def scores_text(parts: Iterable[Part]) -> str:
    """Return `scores.csv`: one row per (model, suite, dataset, metric, query id)."""
    lines = io.StringIO(newline="")
    writer = csv.writer(lines, lineterminator="\n")
    writer.writerow(SCORE_COLUMNS)
    rows = _unique((row for part in parts for row in part.scores), lambda row: row[:-1], lambda row: row[:3])
    for *names, score in rows:
        writer.writerow([*names, repr(score)])
    return lines.getvalue()


def _unique(rows: Iterable[_Row], key: Callable[[_Row], object], order: Callable[[_Row], Any]) -> list[_Row]:
    """Return one row per key, the last that came, sorted; rows that the order does not tell apart stay as they came."""
    return sorted({key(row): row for row in rows}.values(), key=order)
