"""Small typed items, one a line of a tab-separated file: what word forms, graded pairs and minimal pairs share."""

from __future__ import annotations

import csv
import hashlib
import io
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import ClassVar, Generic, Protocol, TypeVar

from pytest_embedeval.datasets.retrieval import check_ids
from pytest_embedeval.datasets.text_files import read_text
from pytest_embedeval.errors import DatasetError
from pytest_embedeval.findings import Finding


class Item(Protocol):
    """One item: an id, the cells that make it, and how an explanation quotes it."""

    @property
    def id(self) -> str: ...  # noqa: D102

    @property
    def cells(self) -> tuple[str, ...]: ...  # noqa: D102

    @property
    def label(self) -> str: ...  # noqa: D102


_Item = TypeVar("_Item", bound=Item, covariant=True)


@dataclass(frozen=True)
class ItemData(Generic[_Item]):
    """Items of one kind.

    Attributes
    ----------
    FIELDS
        Attributes of an item by which scores can be sliced.
    UNIT
        What items are called in counts.
    """

    FIELDS: ClassVar[tuple[str, ...]] = ()
    UNIT: ClassVar[str] = "items"

    name: str
    items: Sequence[_Item]
    language: str | None = None
    findings: tuple[Finding, ...] = ()

    @cached_property
    def fingerprint(self) -> str:
        """`sha256:…` over the items; their order does not change it."""
        lines = sorted("\t".join(item.cells) for item in self.items)
        return f"sha256:{hashlib.sha256(chr(10).join(lines).encode()).hexdigest()}"

    @property
    def ids(self) -> list[str]:
        """The id of each item."""
        return [item.id for item in self.items]

    @property
    def candidates(self) -> int:
        """How many texts the items offer to choose from."""
        return len(self.items)


@dataclass(frozen=True)
class Row:
    """One line of a file: the cells by column, and how an error calls it."""

    cells: Mapping[str, str]
    place: str

    def filled(self, *columns: str) -> None:
        """Raise where one of these cells is empty."""
        for column in columns:
            if not self.cells[column]:
                raise DatasetError(f"{self.place}: column {column!r} is empty")


def read_rows(path: Path, columns: Sequence[str], optional: Sequence[str] = (), *, key: str | None = "id") -> list[Row]:
    """Return the lines of a tab-separated file with a header, at least one.

    Parameters
    ----------
    columns
        Those that must be there; further ones are passed over unless they are `optional`.
    key
        The column that may hold no value twice.

    Raises
    ------
    DatasetError
        The file is missing or malformed; the message names file, line and column.
    """
    rows = list(_rows(path, columns, optional))
    if not rows:
        raise DatasetError(f"{path}: no items")
    if key is not None:
        for row in rows:
            row.filled(key)
        check_ids([row.cells[key] for row in rows], lambda position: rows[position].place)
    return rows


def _rows(path: Path, columns: Sequence[str], optional: Sequence[str]) -> Iterator[Row]:
    rows = csv.DictReader(io.StringIO(read_text(path), newline=""), delimiter="\t", quoting=csv.QUOTE_NONE)
    missing = [column for column in columns if column not in (rows.fieldnames or ())]
    if missing:
        raise DatasetError(f"{path}, line 1: column {missing[0]!r} is missing; expected {', '.join(columns)}")
    try:
        for row in rows:
            place = f"{path}, line {rows.line_num}"
            if None in row:
                raise DatasetError(f"{place}: more cells than the header has columns; a stray tab?")
            yield Row({column: (row.get(column) or "").strip() for column in (*columns, *optional)}, place)
    except csv.Error as error:
        raise DatasetError(f"{path}, line {rows.line_num + 1}: {error}") from None
