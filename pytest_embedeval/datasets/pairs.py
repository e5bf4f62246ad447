"""Pairs of a query and a document that answers it, one a line, in JSONL or CSV."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from pytest_embedeval.datasets.collection import Collection, Judged, NoRelevant, Texts, check_policies
from pytest_embedeval.datasets.duplicates import Policy, folded
from pytest_embedeval.datasets.json_values import grade_of, json_id, json_text, short_fields
from pytest_embedeval.datasets.retrieval import RetrievalData
from pytest_embedeval.datasets.rows import Rows, delimited_rows, json_rows
from pytest_embedeval.datasets.spool import kept_like
from pytest_embedeval.errors import DatasetError

DELIMITERS = "\t;,"
_NAMES = {
    "query": ("query",),
    "document": ("document", "positive", "passage", "text"),
    "grade": ("grade", "score", "label"),
    "negatives": ("negatives", "negative"),
}
_IDS = ("query_id", "document_id")


@dataclass(frozen=True)
class Columns:
    """The names of the columns, where they are not those that `load_jsonl` tells."""

    query: str | None = None
    document: str | None = None
    grade: str | None = None

    def names(self, role: str) -> tuple[str, ...]:
        """Return the names that a role may go by."""
        chosen: str | None = getattr(self, role, None)
        return (chosen,) if chosen is not None else _NAMES[role]

    def protocol(self) -> dict[str, str]:
        """Return the names that were chosen."""
        roles = ("query", "document", "grade")
        return {role: getattr(self, role) for role in roles if getattr(self, role) is not None}


def load_jsonl(
    path: str | Path,
    *,
    name: str | None = None,
    language: str | None = None,
    query: str | None = None,
    document: str | None = None,
    grade: str | None = None,
    duplicates: Policy = "merge",
    no_relevant: NoRelevant = "error",
) -> RetrievalData:
    """Read pairs from JSONL, one object per line.

    Keys: `query`; `document` (or `positive`, `passage`, `text`); and where they are there `query_id`, `document_id`,
    `grade` (or `score`, `label`; a whole number, 1 without it), `negatives` (texts of grade 0). Further keys with short
    values become fields of the query. Without ids, equal texts are one query or one document, called by the line in
    which they first stand (`q3`, `d3`).

    Parameters
    ----------
    path
        UTF-8 file.
    name
        Name of the data set; the file's stem by default.
    language
        BCP 47 code, such as `tr`.
    query, document, grade
        Other names of these keys.
    duplicates
        Documents of different ids and equal text: `merge`, `keep` or `error`.
    no_relevant
        Queries without a relevant document: `error`, `zero` or `skip`.

    Raises
    ------
    DatasetError
        The file is missing or malformed; the message names line and key.
    """
    check_policies(duplicates, no_relevant)
    path, names = Path(path), Columns(query, document, grade)
    return collection_of(json_rows(path), names, str(path)).data(
        name or path.stem,
        language=language,
        duplicates=duplicates,
        no_relevant=no_relevant,
        protocol={"format": "jsonl", **names.protocol()},
    )


def load_csv(
    path: str | Path,
    *,
    name: str | None = None,
    language: str | None = None,
    query: str | None = None,
    document: str | None = None,
    grade: str | None = None,
    duplicates: Policy = "merge",
    no_relevant: NoRelevant = "error",
) -> RetrievalData:
    """Read pairs from a file of cells below a header line, with commas, semicolons or tabs between them.

    Columns and parameters are those of `load_jsonl`; there are no negatives: they are rows of grade 0.

    Raises
    ------
    DatasetError
        The file is missing or malformed; the message names line and column.
    """
    check_policies(duplicates, no_relevant)
    path, names = Path(path), Columns(query, document, grade)
    return collection_of(delimited_rows(path, delimiters=DELIMITERS), names, str(path)).data(
        name or path.stem,
        language=language,
        duplicates=duplicates,
        no_relevant=no_relevant,
        protocol={"format": "csv", **names.protocol()},
    )


def collection_of(rows: Rows, names: Columns, source: str, unit: str = "line") -> Collection:
    """Return the queries, documents and grades of rows that hold a pair each."""
    queries, documents = _Side(Texts(source, unit), "q"), _Side(Texts(source, unit), "d")
    judged = Judged(source)
    roles = {*_IDS, *(name for role in _NAMES for name in names.names(role))}
    for number, row in rows:
        place = queries.texts.at(number)
        text = _text(row, "query", names, place)
        asked = queries.add(text, _given_id(row, "query_id", place), number, short_fields(row, roles))
        found = _text(row, "document", names, place)
        grade = _present(row, names.names("grade"))
        judged.add(
            asked,
            documents.add(found, _given_id(row, "document_id", place), number),
            1 if row.get(grade) in (None, "") else grade_of(row[grade], f"key {grade!r}", place),
        )
        for position, negative in enumerate(_negatives(row, place), start=1):
            judged.add(asked, documents.add(negative, None, number, suffix=f".{position}"), 0)
    queries.settle_fields()
    return Collection(documents.texts, queries.texts, judged)


@dataclass
class _Side:
    """The queries, or the documents, of pairs: each is added once, under its id or, without one, by its text."""

    texts: Texts
    letter: str
    positions: dict[tuple[str, str], int] = field(default_factory=dict)
    varying: set[str] = field(default_factory=set)

    def add(
        self, text: str, given: str | None, number: int, fields: Mapping[str, str] | None = None, suffix: str = ""
    ) -> str:
        """Return the id of a text, which is kept where it is new."""
        key = ("text", folded(text)) if given is None else ("id", given)
        texts, position = self.texts, self.positions.get(key)
        if position is None:
            self.positions[key] = len(texts.ids)
            identity = f"{self.letter}{number}{suffix}" if given is None else given
            texts.add(identity, text, number, fields)
            return identity
        if given is not None and folded(texts.texts[position]) != folded(text):
            raise DatasetError(f"{texts.at(number)}: another text than {texts.place(position)} has")
        known = texts.fields[position]
        self.varying.update(name for name in {*known, *(fields or {})} if known.get(name) != (fields or {}).get(name))
        return texts.ids[position]

    def settle_fields(self) -> None:
        """Drop the fields that differ between the rows of one text: they say nothing of the text."""
        if self.varying:
            fields = self.texts.fields
            same = ({k: v for k, v in each.items() if k not in self.varying} for each in fields)
            self.texts.fields = kept_like(fields, same)


def _text(row: Mapping[str, Any], role: str, names: Columns, place: str) -> str:
    known = names.names(role)
    if not any(name in row for name in known):
        raise DatasetError(f"{place}: no key {' or '.join(map(repr, known))}; found {', '.join(row) or 'none'}")
    return json_text(row, _present(row, known), place)


def _present(row: Mapping[str, Any], names: tuple[str, ...]) -> str:
    return next((name for name in names if row.get(name) is not None), names[0])


def _given_id(row: Mapping[str, Any], key: str, place: str) -> str | None:
    return None if row.get(key) in (None, "") else json_id(row, key, place)


def _negatives(row: Mapping[str, Any], place: str) -> Iterator[str]:
    key = _present(row, _NAMES["negatives"])
    given = row.get(key)
    if given in (None, ""):
        return
    if not isinstance(given, str | list):
        raise DatasetError(f"{place}: key {key!r} must be a list of texts, not {type(given).__name__}")
    for text in [given] if isinstance(given, str) else given:
        yield json_text({key: text}, key, place)
