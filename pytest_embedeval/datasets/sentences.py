"""Graded sentence pairs: how much the meaning of two sentences has in common, from 0 (nothing) to 5 (all of it)."""

from __future__ import annotations

import math
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar

from pytest_embedeval.datasets.items import ItemData, Row, read_rows
from pytest_embedeval.errors import DatasetError

COLUMNS = ("id", "kind", "grade", "anchor", "other")
HIGHEST = 5.0
PARAPHRASES = ("paraphrase", "close")  # in other words, and in nearly the same ones
CONTRARY = ("negation", "antonym")  # must not be nearer to an anchor than its paraphrases
_SAME_MEANING = 4.0


@dataclass(frozen=True)
class SentencePair:
    """One pair.

    Attributes
    ----------
    kind
        How `other` was made from `anchor`: `paraphrase`, `close`, `negation`, `antonym`, or any other word.
    grade
        Shared meaning, 0 to 5.
    """

    id: str
    kind: str
    grade: float
    anchor: str
    other: str

    @property
    def cells(self) -> tuple[str, ...]:
        """What decides the scores."""
        return self.id, self.kind, f"{self.grade:g}", self.anchor, self.other

    @property
    def label(self) -> str:
        """The pair as a reader sees it."""
        return f"{self.anchor} | {self.other}"


@dataclass(frozen=True)
class SentenceData(ItemData[SentencePair]):
    """A file of graded pairs."""

    FIELDS: ClassVar[tuple[str, ...]] = ("kind", "anchor")
    UNIT: ClassVar[str] = "pairs"

    def contrasts(self) -> list[tuple[int, int]]:
        """Return, by position, each contrary pair with each paraphrase of the same anchor (grade 4 or more)."""
        paraphrases: dict[str, list[int]] = {}
        for place, pair in enumerate(self.items):
            if pair.kind in PARAPHRASES and pair.grade >= _SAME_MEANING:
                paraphrases.setdefault(pair.anchor, []).append(place)
        contrary = [(place, pair.anchor) for place, pair in enumerate(self.items) if pair.kind in CONTRARY]
        return [(place, other) for place, anchor in contrary for other in paraphrases.get(anchor, ())]


def load_sentences(path: str | Path, *, name: str | None = None, language: str | None = None) -> SentenceData:
    """Read a tab-separated file with the columns id, kind, grade, anchor, other.

    Parameters
    ----------
    path
        UTF-8 file with a header line; grades lie between 0 and 5.
    name
        Name of the data set; the file's stem by default.
    language
        BCP 47 code, such as `tr`.

    Raises
    ------
    DatasetError
        The file is missing or malformed, or all grades are equal; the message names file, line and column.
    """
    path = Path(path)
    pairs = [_pair(row) for row in read_rows(path, COLUMNS)]
    if len({pair.grade for pair in pairs}) < 2:
        raise DatasetError(f"{path}: column 'grade': all {len(pairs)} pairs have the same grade; nothing correlates")
    return SentenceData(name or path.stem, pairs, language)


def _pair(row: Row) -> SentencePair:
    row.filled(*COLUMNS)
    cells = dict(row.cells)
    given = cells.pop("grade")
    try:
        grade = float(given)
    except ValueError:
        grade = math.nan
    if not 0 <= grade <= HIGHEST:
        raise DatasetError(f"{row.place}: column 'grade' must be a number from 0 to {HIGHEST:g}, not {given!r}")
    if cells["anchor"] == cells["other"]:
        raise DatasetError(f"{row.place}: both sentences are the same")
    return SentencePair(**cells, grade=grade)
