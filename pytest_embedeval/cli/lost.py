"""The queries that one model answers worse than another, by the rank of the first relevant document."""

from __future__ import annotations

import argparse
from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING

from pytest_embedeval.cli import matrix
from pytest_embedeval.cli.display import GAP, columns_of, ends, padded, shortened, table, terminal_width, visible
from pytest_embedeval.cli.given import given_data
from pytest_embedeval.cli.parsers import wrapped
from pytest_embedeval.errors import UsageError

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from pytest_embedeval.datasets import RetrievalData
    from pytest_embedeval.models import ModelSpec
    from pytest_embedeval.settings import Settings
    from pytest_embedeval.vectors import Encoded

_LEAST_TEXT = 20


def show_lost(arguments: argparse.Namespace, settings: Settings, limit: int) -> None:
    """Print the queries that the second model answers worse, the largest loss first.

    Raises
    ------
    UsageError
        `--lost` does not name two models.
    DatasetError
        The data set is malformed.
    ModelLoadError
        One of the two could not be loaded or did not search.
    """
    specs = _two(arguments, settings)
    data = given_data(arguments.dataset, settings, arguments.language)
    found, problems = matrix.each_of(specs, settings, lambda encoded: _reciprocal_ranks(encoded, data))
    matrix.raise_together(problems)
    for line in _Beside(data, specs[0].alias, specs[1].alias, *found.values()).lines(limit):
        print(line)


def _two(arguments: argparse.Namespace, settings: Settings) -> tuple[ModelSpec, ModelSpec]:
    """Return the two models: aliases of the matrix, or entries of their own."""
    from pytest_embedeval.models import parse_entry

    known = {spec.alias: spec for spec in matrix.specs_of(arguments, settings)}
    names = [name.strip() for name in arguments.lost.split(",")]
    specs = [known[name] if name in known else parse_entry(name, settings.model_tables) for name in names if name]
    if len(names) != 2 or len({spec.alias for spec in specs}) != 2:
        raise UsageError(f"--lost={arguments.lost}: name two models with a comma between, for example minilm-en,bm25")
    return specs[0], specs[1]


def _reciprocal_ranks(encoded: Encoded, data: RetrievalData) -> NDArray[np.float64]:
    """Return 1 / rank of the first relevant document in the whole corpus for each query, 0 where it is not found."""
    from pytest_embedeval.metrics import score_each
    from pytest_embedeval.search import ranker

    return score_each(ranker(encoded, data), data, "mrr")


@dataclass(frozen=True)
class _Beside:
    """Reciprocal ranks of two models, one of each per query."""

    data: RetrievalData
    first: str
    second: str
    before: NDArray[np.float64]
    after: NDArray[np.float64]

    def lines(self, limit: int) -> Iterator[str]:
        """Yield how many queries are lost and won, and the first of those lost."""
        import numpy as np

        from pytest_embedeval.gate.differences import SAME

        change = self.after - self.before
        lost = np.flatnonzero(change < -SAME)
        lost = lost[np.argsort(change[lost], kind="stable")]
        won = np.count_nonzero(change > SAME)
        yield from wrapped(
            f"{self.second} answers {len(lost):,} of the {len(change):,} queries of {visible(self.data.name)} worse "
            f"than {self.first}, and {won:,} better, by the rank of the first relevant document",
            2,
        )
        if not len(lost):
            return
        yield ""
        yield from self._table(lost[:limit].tolist())
        if limit < len(lost):
            yield f"… and {len(lost) - limit:,} more; --limit={len(lost)} lists all"
        ranks = [_rank(side[query]) for query in lost[:limit] for side in (self.before, self.after)]
        if any(rank.startswith("~") for rank in ranks):
            yield "~: tied with others; the rank whose reciprocal is the mean over their orders"

    def _table(self, queries: list[int]) -> Iterator[str]:
        ids, width = self.data.query_ids, terminal_width()
        rows = [(self.first, self.second, "id")]
        rows += [
            (_rank(self.before[query]), _rank(self.after[query]), ends(ids[query], width // 5)) for query in queries
        ]
        cells = list(table(rows, (True, True, False)))
        taken = max(map(columns_of, cells)) + len(GAP)
        texts = ["query", *(self.data.queries[query] for query in queries)]
        for row, text in zip(cells, texts, strict=True):
            yield padded(row, taken) + shortened(text, max(width - taken, _LEAST_TEXT))


def _rank(reciprocal: float) -> str:
    """Return the rank of a reciprocal, after ~ where it is a mean over the orders of ties; – for none."""
    if not reciprocal:
        return "–"
    rank = round(1 / reciprocal)
    return f"{rank:,}" if abs(1 / rank - reciprocal) < 1e-9 else f"~{rank:,}"
