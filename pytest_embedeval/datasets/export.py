"""Retrieval data written as a folder in BEIR's form, which this project and others read."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path

from pytest_embedeval.datasets.beir import CORPUS, HEADER, QRELS, QUERIES, titled
from pytest_embedeval.datasets.retrieval import RetrievalData
from pytest_embedeval.errors import UsageError

_TITLE = "title"


def export_beir(data: RetrievalData, folder: str | Path, split: str = "test") -> None:
    """Write a folder in BEIR's form; `load_beir` returns the same texts, grades and fields.

    Where a document begins with its title, this goes into BEIR's `title`; all other fields go into `metadata`. A query
    without any judgement has no place in BEIR's form: it is written, and not read back.

    Parameters
    ----------
    data
        What to write.
    folder
        Made where it is missing; files of BEIR's form must not be in it yet.
    split
        Name of the judgements.

    Raises
    ------
    UsageError
        The folder already holds data.
    """
    folder = Path(folder)
    check_free(folder)
    (folder / QRELS).mkdir(parents=True, exist_ok=True)
    _write(folder / CORPUS, _documents(data))
    _write(folder / QUERIES, _queries(data))
    columns = (column.tolist() for column in data.judgements.columns)
    judged = ((data.query_ids[q], data.document_ids[d], str(grade)) for q, d, grade in zip(*columns, strict=True))
    _write(folder / QRELS / f"{split}.tsv", ("\t".join(map(_cell, row)) for row in (HEADER, *judged)))


def check_free(folder: Path) -> None:
    """Raise a UsageError where a folder already holds data in BEIR's form: another set may lie there."""
    for path in (folder / CORPUS, folder / QUERIES, folder / QRELS):
        if path.exists():
            raise UsageError(f"{path} exists, and is not overwritten; name another folder, or remove it")


def _documents(data: RetrievalData) -> Iterator[str]:
    rows = zip(data.document_ids, data.documents, _rows(data.document_fields, len(data.documents)), strict=True)
    for identity, text, fields in rows:
        title, rest = _split(fields.get(_TITLE, ""), text)
        if title:
            del fields[_TITLE]
        yield _json({"_id": identity, _TITLE: title, "text": rest, "metadata": fields})


def _queries(data: RetrievalData) -> Iterator[str]:
    rows = zip(data.query_ids, data.queries, _rows(data.query_fields, len(data.queries)), strict=True)
    for identity, text, fields in rows:
        yield _json({"_id": identity, "text": text, "metadata": fields})


def _split(title: str, text: str) -> tuple[str, str]:
    """Part a text into its title and the rest; without a title where it does not begin with it."""
    rest = text.removeprefix(title).removeprefix(" ")
    return (title, rest) if title and titled(title, rest) == text else ("", text)


def _rows(fields: Mapping[str, Sequence[str]], n: int) -> Iterator[dict[str, str]]:
    """Yield the fields of each of n entries."""
    for position in range(n):
        yield {key: column[position] for key, column in fields.items()}


def _json(value: Mapping[str, object]) -> str:
    return json.dumps(value, ensure_ascii=False)


def _cell(text: str) -> str:
    """Quote what would not be read back as one cell."""
    plain = text == text.strip() and not any(sign in text for sign in '\t\r\n"')
    return text if plain else '"{}"'.format(text.replace('"', '""'))


def _write(path: Path, lines: Iterable[str]) -> None:
    with path.open("w", encoding="utf-8", newline="\n") as stream:
        stream.writelines(f"{line}\n" for line in lines)
