"""Morphology items: a lemma, one of its forms, and distractors that look alike and mean something else."""

from __future__ import annotations

import csv
import hashlib
import io
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

from pytest_embedeval.datasets.retrieval import check_ids
from pytest_embedeval.datasets.text_files import read_text
from pytest_embedeval.errors import DatasetError
from pytest_embedeval.findings import Finding

COLUMNS = ("id", "category", "features", "lemma", "form", "distractors", "source")


@dataclass(frozen=True)
class WordItem:
    """One item.

    Attributes
    ----------
    category
        What the form shows: tense, case, plural …
    features
        UniMorph tags of the form, such as `V;IND;PST;3;SG`.
    distractors
        Forms of other words, each less related to the lemma than `form`.
    source
        Where the item comes from; `article` marks the article's seven pairs.
    """

    id: str
    category: str
    features: str
    lemma: str
    form: str
    distractors: tuple[str, ...]
    source: str


@dataclass(frozen=True)
class WordData:
    """A file of morphology items."""

    name: str
    items: Sequence[WordItem]
    language: str | None = None
    findings: tuple[Finding, ...] = ()

    @cached_property
    def fingerprint(self) -> str:
        """`sha256:…` over the items; their order does not change it."""
        lines = sorted("\t".join((*map(str, _cells(item)),)) for item in self.items)
        return f"sha256:{hashlib.sha256(chr(10).join(lines).encode()).hexdigest()}"


def load_words(path: str | Path, *, name: str | None = None, language: str | None = None) -> WordData:
    """Read a tab-separated file with the columns id, category, features, lemma, form, distractors, source.

    Parameters
    ----------
    path
        UTF-8 file with a header line; distractors are separated by `|`.
    name
        Name of the data set; the file's stem by default.

    Raises
    ------
    DatasetError
        The file is missing or malformed; the message names file, line and column.
    """
    path = Path(path)
    lines, items = [], []
    for line, item in _items(path):
        lines.append(line)
        items.append(item)
    if not items:
        raise DatasetError(f"{path}: no items")
    check_ids([item.id for item in items], lambda position: f"{path}, line {lines[position]}")
    return WordData(name or path.stem, items, language)


def _items(path: Path) -> Iterator[tuple[int, WordItem]]:
    rows = csv.DictReader(io.StringIO(read_text(path), newline=""), delimiter="\t", quoting=csv.QUOTE_NONE)
    missing = [column for column in COLUMNS if column not in (rows.fieldnames or ())]
    if missing:
        raise DatasetError(f"{path}, line 1: column {missing[0]!r} is missing; expected {', '.join(COLUMNS)}")
    try:
        for row in rows:
            place = f"{path}, line {rows.line_num}"
            if None in row:
                raise DatasetError(f"{place}: more cells than the header has columns; a stray tab?")
            yield rows.line_num, _item(row, place)
    except csv.Error as error:
        raise DatasetError(f"{path}, line {rows.line_num + 1}: {error}") from None


def _item(row: dict[str, str | None], place: str) -> WordItem:
    cells = {column: (row.get(column) or "").strip() for column in COLUMNS}
    for column in ("id", "category", "lemma", "form", "distractors"):
        if not cells[column]:
            raise DatasetError(f"{place}: column {column!r} is empty")
    distractors = tuple(word.strip() for word in cells.pop("distractors").split("|"))
    if "" in distractors or len(set(distractors)) < len(distractors):
        raise DatasetError(f"{place}: column 'distractors' has an empty or a repeated word")
    for word in (cells["lemma"], cells["form"]):
        if word in distractors:
            raise DatasetError(f"{place}: distractor {word!r} is the lemma or the form itself")
    return WordItem(**cells, distractors=distractors)


def _cells(item: WordItem) -> tuple[str, ...]:
    return (
        item.id,
        item.category,
        item.features,
        item.lemma,
        item.form,
        "|".join(item.distractors),
        item.source,
    )
