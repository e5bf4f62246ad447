"""From an entry of `[tool.embedeval.datasets]`, or a path, to typed data."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from pytest_embedeval.datasets import minimal_pairs, sentences
from pytest_embedeval.datasets.beir import load_beir
from pytest_embedeval.datasets.hub import load_hub
from pytest_embedeval.datasets.items import Item, ItemData
from pytest_embedeval.datasets.pairs import load_csv, load_jsonl
from pytest_embedeval.datasets.retrieval import RetrievalData
from pytest_embedeval.datasets.squad import load_squad
from pytest_embedeval.datasets.text_files import read_text
from pytest_embedeval.datasets.trec import load_trec
from pytest_embedeval.datasets.turkmorfbench import load_turkmorfbench
from pytest_embedeval.datasets.variants import load_variants
from pytest_embedeval.datasets.wands import load_wands
from pytest_embedeval.datasets.words import load_words
from pytest_embedeval.errors import UsageError, did_you_mean
from pytest_embedeval.perturbations import perturbations
from pytest_embedeval.settings import FORMATS, DatasetTable

_LOADERS: Mapping[str, Callable[..., RetrievalData]] = {
    "squad": load_squad,
    "beir": load_beir,
    "trec": load_trec,
    "wands": load_wands,
    "jsonl": load_jsonl,
    "csv": load_csv,
    "hub": load_hub,
}
_ITEM_LOADERS: Mapping[str, Callable[..., ItemData[Item]]] = {
    "morphology": load_words,
    "turkmorfbench": load_turkmorfbench,
    "similarity": sentences.load_sentences,
    "minimal_pairs": minimal_pairs.load_minimal_pairs,
}
AnyData = RetrievalData | ItemData[Item]


def load_dataset(path: str | Path, *, format: str = "squad", name: str | None = None, **options: Any) -> RetrievalData:
    """Read retrieval data.

    Parameters
    ----------
    path
        A file (`squad`, `jsonl`, `csv`), a folder (`beir`, `trec`, `wands`), or the id of a data set (`hub`).
    format
        One of these.
    name
        Name in reports; that of the file or folder by default.
    options
        Passed to the loader: `language`, `duplicates`, `no_relevant`, and the keys of the format (see `load_squad`,
        `load_beir`, `load_trec`, `load_wands`, `load_jsonl`, `load_csv`, `load_hub`).

    Raises
    ------
    DatasetError
        The file is missing or malformed.
    UsageError
        An unknown format, or an option that it does not know.
    """
    if format not in _LOADERS:
        raise UsageError(f"format={format!r} is not a format of retrieval data; {did_you_mean(format, _LOADERS)}")
    known = ("language", *FORMATS[format])
    for option in options:
        if option not in known:
            raise UsageError(f"format={format!r} has no option {option!r}; {did_you_mean(option, known)}")
    return _LOADERS[format](path, name=name, **options)


def load_entry(name: str, table: DatasetTable) -> AnyData:
    """Read the data set that a configuration calls `name`, with the other wordings of its queries where it has such."""
    if table.format in _ITEM_LOADERS:
        return _ITEM_LOADERS[table.format](table.path, name=name, language=table.language)
    data = _load_table(table.path, name, table.language, table)
    if table.variants is None:
        return data
    return load_variants(table.variants, data, taken=[made.name for made in perturbations(table.language)])


def load_parallel(name: str, table: DatasetTable) -> RetrievalData:
    """Read the translation of the data set that a configuration calls `name`.

    Raises
    ------
    UsageError
        The table names none.
    """
    if table.parallel is None:
        raise UsageError(f"data set {name!r} has no translation; give it parallel and parallel_language")
    return _load_table(table.parallel, f"{name}.{table.parallel_language}", table.parallel_language, table)


def _load_table(path: str, name: str, language: str | None, table: DatasetTable) -> RetrievalData:
    given = {key: getattr(table, key) for key in FORMATS[table.format]}
    options = {key: value for key, value in given.items() if value not in (None, ())}
    return load_dataset(path, format=table.format, name=name, language=language, **options)


def told_items(path: Path) -> str:
    """Return the format of a file of items by the columns of its first line; that of word forms where none fits.

    Raises
    ------
    DatasetError
        The file cannot be read.
    """
    header = set(read_text(path).partition("\n")[0].rstrip("\r").split("\t"))
    columns = {"similarity": sentences.COLUMNS, "minimal_pairs": minimal_pairs.COLUMNS}
    return next((form for form, named in columns.items() if header.issuperset(named)), "morphology")
