"""One page per language: what each model loses to it, as Markdown tables with n and intervals."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property

from pytest_embedeval.gate import Measurement, Perturbed, signed
from pytest_embedeval.languages import language_of, primary
from pytest_embedeval.report.charts import PLOTS, picture_name
from pytest_embedeval.report.markdown import escaped, quoted, table_of
from pytest_embedeval.report.schema import DatasetRow, Report

SUITES = ("robustness", "morphology", "triplets", "confusions", "crosslingual", "similarity")
_WORST = 2  # lost queries that are quoted per model and perturbation
_BAR = 24  # characters of a full bar
_CATEGORY = "morphology.accuracy."


def language_pages(report: Report, pictures: Collection[str] = ()) -> dict[str, str]:
    """Return name of a file -> its text, for each language that a suite of words or wordings judged.

    Parameters
    ----------
    pictures
        Names of those that were drawn (`charts`): they are shown where a page has something to say of them.
    """
    asked = {row.dataset for row in report.measurements if row.suite in SUITES}
    codes = dict.fromkeys(primary(row.language) for row in report.datasets if row.name in asked)
    pages = {}
    for code in filter(None, codes):
        data = [row for row in report.datasets if row.name in asked and primary(row.language) == code]
        lines = "\n".join(_Page(report, data, pictures).lines(language_of(code).name))
        pages[f"language-{code}.md"] = f"{lines}\n"
    return pages


@dataclass(frozen=True)
class _Page:
    report: Report
    data: Sequence[DatasetRow]
    pictures: Collection[str]

    @cached_property
    def found(self) -> Mapping[tuple[str, str, str], Measurement]:
        """(data set, metric, alias) -> what was measured."""
        return {(row.dataset, row.metric, row.model): row for row in self.report.measurements}

    @property
    def aliases(self) -> list[str]:
        return [model.alias for model in self.report.models if not model.error]

    def lines(self, name: str) -> Iterator[str]:
        yield f"# {escaped(name)}"
        yield from (
            "",
            "Brackets hold one-sided 95 % bounds; n is what they rest on. A star marks a loss that they show.",
        )
        yield from self._robustness()
        yield from self._words()
        for title, suite, note in _OTHERS:
            yield from self._suite(title, suite, note)

    def _robustness(self) -> Iterator[str]:
        for data in self.data:
            rows = [row for row in self.report.robustness if row.dataset == data.name]
            if not rows:
                continue
            metric = rows[0].metric
            yield from ("", f"## {escaped(data.name)}: queries as people type them", "")
            yield (
                f"Change of `{metric}` on the queries whose text a perturbation changes, beside the same queries as "
                "they are written."
            )
            aliases = [alias for alias in self.aliases if any(row.model == alias for row in rows)]
            named = {(row.perturbation, row.model): row for row in rows}
            body = [["as written", f"{data.queries:,}", *(self._clean(data.name, alias) for alias in aliases)]]
            for name in dict.fromkeys(row.perturbation for row in rows):
                cells = [named.get((name, alias)) for alias in aliases]
                n = next(f"{cell.n:,}" for cell in cells if cell)
                body.append([escaped(name), n, *(_change(cell) for cell in cells)])
            yield from ("", *table_of(["", "n", *map(escaped, aliases)], body, right=range(1, len(aliases) + 2)))
            yield from self._picture("typed", data.name)
            yield from self._worst(rows, aliases)

    def _clean(self, dataset: str, alias: str) -> str:
        return _score(self.found.get((dataset, "robustness.clean", alias)))

    def _worst(self, rows: Sequence[Perturbed], aliases: Sequence[str]) -> Iterator[str]:
        for alias in aliases:
            lost = [
                f"- {escaped(row.perturbation)}: {quoted(change.text)} {change.before:.2f} → {change.after:.2f}"
                for row in rows
                if row.model == alias
                for change in row.largest[:_WORST]
            ]
            if lost:
                yield from ("", f"<details><summary>{escaped(alias)}: queries that it loses</summary>", "")
                yield from (*lost, "", "</details>")

    def _words(self) -> Iterator[str]:
        for data in self.data:
            metrics = self._metrics(data.name, "morphology")
            if not metrics:
                continue
            yield from ("", f"## {escaped(data.name)}: word forms", "")
            yield (
                "`auc` and `accuracy` can be compared across models: chance is 0.5, and the share of one in the form "
                "and its distractors. `similarity`, the plain mean cosine, cannot: a model that gives all words one "
                "vector has 1. `versus` tells how often the form is nearer than distractors of one kind; chance is 0.5."
            )
            whole = [metric for metric in metrics if not metric.startswith(_CATEGORY)]
            yield from ("", *self._table(data.name, whole, lambda metric: metric.removeprefix("morphology.")))
            categories = [metric for metric in metrics if metric.startswith(_CATEGORY)]
            if categories:
                yield from ("", "Accuracy by category:", "")
                yield from self._table(data.name, categories, lambda metric: metric.removeprefix(_CATEGORY))
                yield from self._picture("morphology", data.name) or (
                    *("", "```text"),
                    *self._bars(data.name, categories),
                    "```",
                )

    def _bars(self, dataset: str, metrics: Sequence[str]) -> Iterator[str]:
        """Yield bars by category, the models of a category below each other."""
        width = max(len(metric) - len(_CATEGORY) for metric in metrics)
        reach = max(map(len, self.aliases), default=0)
        for metric in metrics:
            label = metric.removeprefix(_CATEGORY).replace("`", "'")  # a line of backticks would end the block
            for alias in self.aliases:
                cell = self.found.get((dataset, metric, alias))
                if cell is not None and cell.value is not None:
                    bar = "█" * round(cell.value * _BAR)
                    yield f"{label:<{width}}  {alias:<{reach}}  {bar:·<{_BAR}} {cell.value:.2f}"
                    label = ""

    def _suite(self, title: str, suite: str, note: str) -> Iterator[str]:
        for data in self.data:
            metrics = self._metrics(data.name, suite)
            if metrics:
                yield from ("", f"## {escaped(data.name)}: {title}", "", note, "")
                yield from self._table(data.name, metrics, lambda metric: metric.removeprefix(f"{suite}."))
                yield from self._picture(suite, data.name)

    def _picture(self, kind: str, dataset: str) -> tuple[str, ...]:
        """Return the lines that show a picture; none where it was not drawn."""
        name = picture_name(kind, dataset)
        return ("", f"![{escaped(dataset)}]({PLOTS}/{name}.svg)") if name in self.pictures else ()

    def _metrics(self, dataset: str, suite: str) -> list[str]:
        rows = (row for row in self.report.measurements if (row.dataset, row.suite) == (dataset, suite))
        return list(dict.fromkeys(row.metric for row in rows))

    def _table(self, dataset: str, metrics: Iterable[str], name: Callable[[str], str]) -> Iterator[str]:
        body, aliases = [], self.aliases
        cells = {metric: [self.found.get((dataset, metric, alias)) for alias in aliases] for metric in metrics}
        kept = [place for place in range(len(aliases)) if any(row[place] for row in cells.values())]
        for metric, row in cells.items():
            n = next((f"{cell.n:,}" for cell in row if cell), "")
            body.append([escaped(name(metric)), n, *(_score(row[place]) for place in kept)])
        yield from table_of(["", "n", *(escaped(aliases[i]) for i in kept)], body, right=range(1, len(kept) + 2))


_OTHERS = (
    (
        "random and hard negatives",
        "triplets",
        "Share of queries nearer to their document than to another one, 0.5 is chance; the margin is a difference of "
        "cosines and cannot be compared across models. Hard negatives were judged not relevant, or share the topic.",
    ),
    (
        "what is taken for the answer",
        "confusions",
        "`false_positives`: share of minimal pairs in which a text that differs where it matters is nearer to the "
        "query than the one that answers it; 0.5 is chance.",
    ),
    (
        "two languages",
        "crosslingual",
        "`en-tr`: questions in English, passages in Turkish. `gap`: beside questions in the language of the passages. "
        "`bitext`: share of questions whose nearest question of the other language is their translation.",
    ),
    (
        "graded sentence pairs",
        "similarity",
        "Correlation of cosines with grades. `contrast`: share of negations and antonyms that lie farther from their "
        "anchor than its paraphrases; 0.5 is chance.",
    ),
)


def _change(row: Perturbed | None) -> str:
    if row is None:
        return "–"
    star = "\\*" if row.high < 0 else ""
    return f"{signed(row.delta)}{star} [{signed(row.low)}, {signed(row.high)}]"


def _score(row: Measurement | None) -> str:
    if row is None or row.value is None:
        return "–"
    value = f"{row.value:.3f}".replace("-", "−")
    return (
        value if row.low is None or row.high is None else f"{value} [{row.low:.2f}, {row.high:.2f}]".replace("-", "−")
    )
