"""Queries as people also write them, by hand: in other inflections, in slang, out of a log of mistyped searches."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from pytest_embedeval.datasets.items import read_rows
from pytest_embedeval.datasets.retrieval import RetrievalData
from pytest_embedeval.errors import DatasetError

COLUMNS = ("query_id", "kind", "text")


def load_variants(path: str | Path, data: RetrievalData, *, taken: Sequence[str] = ()) -> RetrievalData:
    """Return a data set with other wordings of its queries, read from a tab-separated file.

    Parameters
    ----------
    path
        UTF-8 file with the columns query_id, kind, text; one line per variant.
    data
        The data set whose queries they are.
    taken
        Kinds that have a meaning already.

    Raises
    ------
    DatasetError
        The file is missing or malformed, names a query that is not there, or repeats its text.
    """
    path = Path(path)
    queries = dict(zip(data.query_ids, data.queries, strict=True))
    found: dict[str, dict[str, str]] = {}
    for row in read_rows(path, COLUMNS, key=None):
        row.filled(*COLUMNS)
        identity, kind, text = (row.cells[column] for column in COLUMNS)
        if identity not in queries:
            raise DatasetError(f"{row.place}: {data.name} has no query {identity!r}")
        if kind in taken:
            raise DatasetError(f"{row.place}: column 'kind': {kind!r} is the name of a perturbation; choose another")
        if identity in found.setdefault(kind, {}):
            raise DatasetError(f"{row.place}: query {identity!r} has a variant of kind {kind!r} already")
        if text == queries[identity]:
            raise DatasetError(f"{row.place}: the variant is the query itself")
        found[kind][identity] = text
    return replace(data, variants=found)
