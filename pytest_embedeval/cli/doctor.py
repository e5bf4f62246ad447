"""`pytest-embedeval doctor`: what a data set is, what is wrong with it, and what it can show, without a model."""

from __future__ import annotations

import argparse
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

from pytest_embedeval.cli.parsers import Commands, command, wrapped
from pytest_embedeval.errors import UsageError, did_you_mean
from pytest_embedeval.settings import FORMATS, DatasetTable, Settings, load_settings, project_root

if TYPE_CHECKING:
    from pytest_embedeval.datasets import AnyData, RetrievalData
    from pytest_embedeval.findings import Finding

_UNANSWERED = {"unanswered-questions", "queries-without-relevant"}
_TOLERANCES = (0.01, 0.02, 0.03, 0.05)
_DEVIATIONS = (0.08, 0.17, 0.30)
_NO_WORSE_HEAD = 'queries for "no worse" at sd'
_EXAMPLES = """\
  pytest-embedeval doctor medical
      a data set that pyproject.toml or embedeval.toml names
  pytest-embedeval doctor questions.json --language tr
      a file in SQuAD format (or .tsv: word forms, graded pairs, minimal pairs)
  pytest-embedeval doctor test.json --against train.json --language tr
      what of the test data stands in the training data too
"""


def add_parser(commands: Commands) -> None:
    """Add the command."""
    parser = command(
        commands, "doctor", run, summary="Examine a data set before any model is run on it.", examples=_EXAMPLES
    )
    parser.add_argument("dataset", metavar="DATASET", help="a configured name, a file or a folder")
    parser.add_argument("--against", metavar="OTHER", help="tell what DATASET shares with this one")
    parser.add_argument(
        "--format", choices=FORMATS, metavar="FORMAT", help=f"{', '.join(FORMATS)}; by default told by the name"
    )
    parser.add_argument("--language", metavar="CODE", help="language of the texts, such as tr")
    parser.add_argument("--target", choices=("context", "answer"), help="what is to be found; by default context")


def run(arguments: argparse.Namespace) -> int:
    """Print what the data set is, the findings, the truncation risk and the smallest drop that it can show.

    Raises
    ------
    UsageError
        No such file or name, or `--against` with morphology items.
    DatasetError
        The file is malformed.
    """
    from pytest_embedeval.datasets import RetrievalData

    settings = load_settings(project_root(Path.cwd()))
    given = _load(arguments.dataset, arguments, settings)
    other = _load(arguments.against, arguments, settings).data if arguments.against else None
    if other is not None and not (isinstance(given.data, RetrievalData) and isinstance(other, RetrievalData)):
        raise UsageError("--against compares queries and documents; items have none")
    _print(None, _identity(given))
    _print("Findings", _findings(given))
    if isinstance(given.data, RetrievalData):
        if isinstance(other, RetrievalData):
            _print(f"Shared with {other.name}", _shared(given.data, other))
        _print("Documents cut off, estimated from their characters; no model was loaded", _truncation(given.data))
    _print("What a comparison of two models can show on this set", _power(given, settings))
    return 0


@dataclass(frozen=True)
class _Given:
    """A data set as it was named on the command line.

    Attributes
    ----------
    is_refused
        Whether a run would refuse it for its questions without an answer.
    """

    data: AnyData
    table: DatasetTable
    is_refused: bool = False


def _load(given: str, arguments: argparse.Namespace, settings: Settings) -> _Given:
    from pytest_embedeval.datasets import load_entry

    table = settings.datasets.get(given)
    name = given
    if table is None:
        path = Path(given)
        if not path.exists():
            hint = did_you_mean(given, settings.datasets)
            raise UsageError(f"{given!r} is neither a file nor a data set named in {settings.file}; {hint}")
        name = path.stem
        table = DatasetTable(given, arguments.format or _told_format(path))
    options = {key: getattr(arguments, key) for key in ("format", "language", "target")}
    table = replace(table, **{key: value for key, value in options.items() if value is not None})
    if table.no_relevant == "error":
        data = load_entry(name, replace(table, no_relevant="zero"))
        if any(finding.kind in _UNANSWERED for finding in data.findings):
            return _Given(data, table, is_refused=True)
    return _Given(load_entry(name, table), table)


def _told_format(path: Path) -> str:
    if path.is_dir():
        from pytest_embedeval.datasets.wands import PRODUCTS

        return "wands" if (path / PRODUCTS).exists() else "beir"
    if path.suffix == ".tsv":
        from pytest_embedeval.datasets.load import told_items

        return told_items(path)
    return {".jsonl": "jsonl", ".csv": "csv"}.get(path.suffix, "squad")


def _print(title: str | None, lines: Iterable[str]) -> None:
    if title:
        print(f"\n{title}")
    for line in lines:
        print(line)


def _identity(given: _Given) -> Iterator[str]:
    from pytest_embedeval.datasets import RetrievalData

    data = given.data
    if isinstance(data, RetrievalData):
        sizes = f"{len(data.queries):,} queries, {len(data.documents):,} documents, {len(data.judgements):,} judgements"
    else:
        sizes = f"{len(data.items):,} {data.UNIT}, {data.candidates:,} texts to choose from"
    yield f"{data.name}: {given.table.path}"
    yield f"{sizes}, language {data.language or 'not set'}"
    yield data.fingerprint


def _findings(given: _Given) -> Iterator[str]:
    from pytest_embedeval.datasets.doctor import examine

    if given.is_refused:
        yield from _item(
            'a run refuses this file because of its questions without an answer: set no_relevant = "zero" or "skip"'
        )
    yield from _items((*given.data.findings, *examine(given.data)), otherwise="none")


def _shared(data: RetrievalData, other: RetrievalData) -> Iterator[str]:
    from pytest_embedeval.datasets.overlap import overlap

    yield from _items(overlap(data, other), otherwise="no query, no document and no larger part of one")


def _truncation(data: RetrievalData) -> Iterator[str]:
    from tabulate import tabulate

    from pytest_embedeval.datasets.doctor import truncation
    from pytest_embedeval.models.catalogue import catalogue

    models = catalogue()
    cut = {alias: count for alias, count in truncation(data).items() if count}
    if cut:
        rows = [
            (alias, models[alias].languages, f"{models[alias].max_tokens:,}", f"{count:,} of {len(data.documents):,}")
            for alias, count in cut.items()
        ]
        headers = ("model", "languages", "tokens read", "would cut")
        alignment = ("left", "left", "right", "right")
        yield from tabulate(rows, headers, tablefmt="simple", disable_numparse=True, colalign=alignment).splitlines()
        yield f"The {len(models) - len(cut)} other models of the catalogue would cut none."
    else:
        yield f"None of the {len(models)} models of the catalogue would cut one."


def _power(given: _Given, settings: Settings) -> Iterator[str]:
    from pytest_embedeval.datasets.fields import judged_apart
    from pytest_embedeval.gate.power import can_show_non_inferior, least_queries, queries_needed, smallest_drop

    n, things = judged_apart(given.data, given.table.clusters)
    if n < settings.min_queries:
        yield f"{n} {things} are fewer than {settings.min_queries}: no interval is taken, only thresholds judge."
        return
    tolerances = sorted({*_TOLERANCES, settings.tolerance})
    yield f"{'':9}{'smallest drop at sd':>28}{_NO_WORSE_HEAD:>34}"
    yield f"{'tolerance':9}    {_cells(_DEVIATIONS, 8, '.2f')}    {_cells(_DEVIATIONS, 10, '.2f')}"
    for tolerance in tolerances:
        drops = [smallest_drop(n, tolerance, sd) for sd in _DEVIATIONS]
        needed = [queries_needed(sd, tolerance) for sd in _DEVIATIONS]
        yield f"{tolerance:<9g}    {_cells(drops, 8, '.3f')}    {_cells(needed, 10, ',')}"
    yield from wrapped(
        f"Smallest drop: of the mean of scores from 0 to 1, which {n:,} {things} show as larger than the tolerance. "
        '"No worse": shown not to have dropped by more than the tolerance. Both with 80 % power. sd: of the '
        "differences between two models; .08 if few queries change, .30 if many do."
    )
    never = [tolerance for tolerance in tolerances if not can_show_non_inferior(n, tolerance)]
    if never:
        yield from wrapped(
            f'{n:,} {things} cannot show "no worse" at {", ".join(f"{tolerance:g}" for tolerance in never)}: that '
            f"takes {least_queries(never[-1]):,} or more, even if no score changes."
        )
    yield from wrapped(_sharing(given))


def _sharing(given: _Given) -> str:
    """Return a hint where queries share their documents, and are counted as if they did not."""
    from pytest_embedeval.datasets import RetrievalData

    data = given.data
    if not isinstance(data, RetrievalData) or given.table.clusters is not None:
        return ""
    asked = len(set(data.judgements.document[data.judgements.grade > 0].tolist()))
    if asked >= len(data.queries):
        return ""
    return (
        f"The {len(data.queries):,} queries ask for {asked:,} documents. Queries on one document often rise and fall "
        f'together: clusters = "document" in the configuration counts them as one.'
    )


def _cells(values: Iterable[float], width: int, form: str) -> str:
    return "".join(
        f"{format(value, form).removeprefix('0') if value < 1 else format(value, form):>{width}}" for value in values
    )


def _items(findings: Iterable[Finding], otherwise: str) -> Iterator[str]:
    lines = [line for finding in findings for line in _item(f"{finding.kind}: {finding.message}")]
    yield from lines or [f"- {otherwise}"]


def _item(text: str) -> list[str]:
    return wrapped(f"- {text}", 2)
