"""From an entry of `[tool.embedeval.datasets]`, or a path, to typed data."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from pytest_embedeval.datasets.retrieval import RetrievalData
from pytest_embedeval.datasets.squad import load_squad
from pytest_embedeval.datasets.words import WordData, load_words
from pytest_embedeval.errors import UsageError
from pytest_embedeval.settings import DatasetTable


def load_dataset(path: str | Path, *, format: str = "squad", name: str | None = None, **options: Any) -> RetrievalData:
    """Read retrieval data from a file.

    Parameters
    ----------
    path
        The file.
    format
        `squad`.
    name
        Name in reports; the file's stem by default.
    options
        Passed to the loader: `language`, `target`, `duplicates`, `no_relevant` (see `load_squad`).

    Raises
    ------
    DatasetError
        The file is missing or malformed.
    UsageError
        An unknown format.
    """
    if format != "squad":
        raise UsageError(f"format={format!r} is not a format of retrieval data; Known: squad")
    return load_squad(path, name=name, **options)


def load_entry(name: str, table: DatasetTable) -> RetrievalData | WordData:
    """Read the data set that a configuration calls `name`."""
    if table.format == "morphology":
        return load_words(table.path, name=name, language=table.language)
    return load_dataset(
        table.path,
        format=table.format,
        name=name,
        language=table.language,
        target=table.target,
        duplicates=table.duplicates,
        no_relevant=table.no_relevant,
    )
