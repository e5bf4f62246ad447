"""Minimal pairs: a query, a text that answers it, and one that differs where it matters."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar

from pytest_embedeval.datasets.items import ItemData, Row, read_rows
from pytest_embedeval.errors import DatasetError

COLUMNS = ("id", "kind", "query", "positive", "negative")


@dataclass(frozen=True)
class MinimalPair:
    """One item.

    Attributes
    ----------
    kind
        What is confused: the statement is negated, a number or unit is another one, an organ, the topic alone agrees.
    query
        What is looked for; it says itself what `negative` gets wrong.
    """

    id: str
    kind: str
    query: str
    positive: str
    negative: str

    @property
    def cells(self) -> tuple[str, ...]:
        """What decides the scores."""
        return self.id, self.kind, self.query, self.positive, self.negative

    @property
    def label(self) -> str:
        """The query and what may be taken for its answer."""
        return f"{self.query} | {self.negative}"


@dataclass(frozen=True)
class MinimalPairs(ItemData[MinimalPair]):
    """A file of minimal pairs."""

    FIELDS: ClassVar[tuple[str, ...]] = ("kind",)
    UNIT: ClassVar[str] = "pairs"

    @property
    def candidates(self) -> int:
        """Right and wrong texts."""
        return 2 * len(self.items)


def load_minimal_pairs(path: str | Path, *, name: str | None = None, language: str | None = None) -> MinimalPairs:
    """Read a tab-separated file with the columns id, kind, query, positive, negative.

    Parameters
    ----------
    path
        UTF-8 file with a header line.
    name
        Name of the data set; the file's stem by default.
    language
        BCP 47 code, such as `tr`.

    Raises
    ------
    DatasetError
        The file is missing or malformed; the message names file, line and column.
    """
    path = Path(path)
    return MinimalPairs(name or path.stem, [_pair(row) for row in read_rows(path, COLUMNS)], language)


def _pair(row: Row) -> MinimalPair:
    row.filled(*COLUMNS)
    cells = row.cells
    if len({cells["query"], cells["positive"], cells["negative"]}) < 3:
        raise DatasetError(f"{row.place}: query, positive and negative must be three different texts")
    return MinimalPair(**cells)
