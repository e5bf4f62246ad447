"""Morphology items: a lemma, one of its forms, and distractors that look alike and mean something else."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar

from pytest_embedeval.datasets.items import ItemData, Row, read_rows
from pytest_embedeval.errors import DatasetError

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
        Each less related to the lemma than `form`.
    source
        Where the item comes from; `article` marks the article's seven pairs.
    kinds
        What each distractor is: the same form of another `lemma`, the `affirmative` of a negative form, a form that
        breaks vowel `harmony` … Empty where the file does not tell.
    """

    id: str
    category: str
    features: str
    lemma: str
    form: str
    distractors: tuple[str, ...]
    source: str = ""
    kinds: tuple[str, ...] = ()

    @property
    def cells(self) -> tuple[str, ...]:
        """What decides the scores, and where it comes from."""
        shared = (self.id, self.category, self.features, self.lemma, self.form, "|".join(self.distractors), self.source)
        return (*shared, "|".join(self.kinds)) if self.kinds else shared

    @property
    def label(self) -> str:
        """The pair as a reader sees it."""
        return f"{self.lemma} → {self.form}"


@dataclass(frozen=True)
class WordData(ItemData[WordItem]):
    """A file of morphology items."""

    FIELDS: ClassVar[tuple[str, ...]] = ("category", "features", "lemma", "source")

    @property
    def candidates(self) -> int:
        """Forms and distractors."""
        return sum(1 + len(item.distractors) for item in self.items)


def load_words(path: str | Path, *, name: str | None = None, language: str | None = None) -> WordData:
    """Read a tab-separated file with the columns id, category, features, lemma, form, distractors, source.

    A further column `kinds` says what each distractor is.

    Parameters
    ----------
    path
        UTF-8 file with a header line; distractors and kinds are separated by `|`.
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
    items = [_item(row) for row in read_rows(path, COLUMNS, optional=("kinds",))]
    return WordData(name or path.stem, items, language)


def _item(row: Row) -> WordItem:
    row.filled("category", "lemma", "form", "distractors")
    cells = dict(row.cells)
    distractors, kinds = (_parts(cells.pop(column)) for column in ("distractors", "kinds"))
    if "" in distractors or len(set(distractors)) < len(distractors):
        raise DatasetError(f"{row.place}: column 'distractors' has an empty or a repeated word")
    for word in (cells["lemma"], cells["form"]):
        if word in distractors:
            raise DatasetError(f"{row.place}: distractor {word!r} is the lemma or the form itself")
    if kinds and ("" in kinds or len(kinds) != len(distractors)):
        raise DatasetError(
            f"{row.place}: column 'kinds' has {len(kinds)} entries for {len(distractors)} distractors; one for each"
        )
    return WordItem(**cells, distractors=distractors, kinds=kinds)


def _parts(cell: str) -> tuple[str, ...]:
    return tuple(part.strip() for part in cell.split("|")) if cell else ()
