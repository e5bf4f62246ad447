"""Runs over time: the lines of `pytest-embedeval compare` for more than two, and their page."""

from __future__ import annotations

import argparse
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from pytest_embedeval.cli.display import GAP, table, visible
from pytest_embedeval.cli.parsers import wrapped
from pytest_embedeval.errors import MissingExtraError, UsageError, did_you_mean

if TYPE_CHECKING:
    from pytest_embedeval.report import Kept
    from pytest_embedeval.report.series import Series

_HEIGHTS = "▁▂▃▄▅▆▇█"
_CHANGES = 8  # of models that are told


@dataclass(frozen=True)
class Timeline:
    """Runs in their order.

    Attributes
    ----------
    paths, labels
        Where each lies, and what it is called.
    is_dated
        Whether the order is that of their start.
    """

    arguments: argparse.Namespace
    paths: Sequence[str]
    labels: Sequence[str]
    runs: Sequence[Kept]
    is_dated: bool

    @classmethod
    def of(cls, arguments: argparse.Namespace, paths: Sequence[str], runs: Sequence[Kept]) -> Timeline:
        """Put runs in order.

        Raises
        ------
        UsageError
            A model or a metric is named that none of them has.
        """
        from pytest_embedeval.report.timeline import in_order, labels_of, measured_in, moments, started

        order = in_order(runs)
        paths, runs = [paths[place] for place in order], [runs[place] for place in order]
        timeline = moments(runs)
        models, metrics = measured_in(timeline)
        models += [alias for moment in timeline for alias in moment.aliases.values()]
        for option, given, known in (("models", arguments.models, models), ("metrics", arguments.metrics, metrics)):
            for name in given:
                if name not in known:
                    raise UsageError(f"--{option}: no run has {name!r}; {did_you_mean(name, {*known})}")
        return cls(arguments, paths, labels_of(runs, paths), runs, all(started(run) for run in runs))

    def series(self) -> list[Series]:
        """Return the lines that are wanted.

        Raises
        ------
        UsageError
            No model was scored twice on one data set.
        """
        from pytest_embedeval.gate import Terms
        from pytest_embedeval.report.history import Chosen, history

        given = self.arguments
        chosen = Chosen(given.models, given.metrics, given.all)
        found = history(self.runs, self.labels, terms=Terms(tolerance=given.tolerance), chosen=chosen)
        if not any(sum(map(len, series.parts)) > 1 for series in found):
            hint = "" if given.all or given.metrics else "; --all takes every metric, not only the primary ones"
            raise UsageError(f"{', '.join(self.paths)}: no model has two scores on one data set{hint}")
        return found

    def show(self) -> None:
        """Print the runs and what stood behind the names; then the scores of each model on each data set."""
        from pytest_embedeval.report.series import gaps, model_changes
        from pytest_embedeval.report.timeline import moments, never_measured

        series = self.series()
        rows = [
            (str(run), visible(label), "" if label == path else visible(path)) for run, label, path in self._named()
        ]
        _say(f"{len(rows)} runs {self._order()}", 2)
        print("\n".join(table(rows, (True, False, False))))
        changes = [f"{model} is another model in {run + 1}: {text}" for model, run, text in model_changes(series)]
        if len(changes) > _CHANGES:
            changes = [f"… {len(changes) - _CHANGES} earlier changes of models; --html shows all", *changes[-_CHANGES:]]
        for text in changes:
            _say(text, 2)
        for model, error in never_measured(moments(self.runs)).items():
            _say(f"{model} has no score: {error}", 2)
        for (place, model), group in _grouped(series).items():
            print()
            _say(f"{place}: {model}", 2)
            for line in group:
                print("\n".join(_lines(line, self.arguments.tolerance)))
            for text, found in gaps(group).items():
                _say(f"  {', '.join(str(run + 1) for run in found)}: {text}", 6)

    def write(self, name: str) -> None:
        """Write the page, and print its path.

        Without the extra `report` it has tables alone, and a line says what to install.
        """
        from pytest_embedeval.report.charts.history import history_pictures
        from pytest_embedeval.report.files import write_atomically
        from pytest_embedeval.report.page import history_page

        series, missing = self.series(), None
        try:
            pictures = history_pictures(series, self.labels)
        except MissingExtraError as error:
            pictures, missing = {}, error
        page = history_page(series, self.runs, self.labels, self.paths, pictures)
        write_atomically(Path(name), page)
        print(name)
        if missing is not None:
            _say(f"without charts: {missing}", 2)

    def _order(self) -> str:
        if self.is_dated:
            return "in the order of their start (UTC):"
        return "in the order in which they are named, since not all have a date:"

    def _named(self) -> Iterator[tuple[int, str, str]]:
        return zip(range(1, len(self.runs) + 1), self.labels, self.paths, strict=True)


def _say(text: str, hang: int) -> None:
    """Print a paragraph, which may hold texts of others."""
    indent = len(text) - len(text.lstrip(" "))
    print("\n".join(wrapped(" " * indent + visible(text), hang)))


def _grouped(series: Sequence[Series]) -> dict[tuple[str, str], list[Series]]:
    """Return (suite and data set, model) -> lines."""
    groups: dict[tuple[str, str], list[Series]] = {}
    for line in series:
        groups.setdefault((line.place, line.model), []).append(line)
    return groups


def _lines(series: Series, tolerance: float) -> Iterator[str]:
    """Yield the values, | where they are not joined, – where there is none, with their trend; then the changes."""
    values: list[str] = []
    for point in series.points:
        before = "" if not values else " | " if point.broken else " → "
        values.append(f"{before}{'–' if point.value is None else f'{point.value:.3f}'}")
    yield from wrapped(f"  {visible(series.metric)}{GAP}{''.join(values)}{GAP}{trend(series, tolerance)}", 6)
    for step in series.steps:
        yield from wrapped(f"    {step.name}, {step.first + 1} → {step.last + 1}: {visible(step.reason)}", 6)


def trend(series: Series, tolerance: float) -> str:
    """Return a picture of a line in one sign per run: of its eight heights, each is at least one tolerance.

    A run without a value is `·`; `|` stands before one that is not joined to the value before it.
    """
    values = [point.value for point in series.points if point.value is not None]
    middle, span = (min(values) + max(values)) / 2, max(max(values) - min(values), (len(_HEIGHTS) - 1) * tolerance)
    signs = []
    for point in series.points:
        if point.value is None:
            signs.append("·")
            continue
        height = round((0.5 + (point.value - middle) / span) * (len(_HEIGHTS) - 1))
        signs.append(f"{'|' if point.broken else ''}{_HEIGHTS[height]}")
    return "".join(signs)
