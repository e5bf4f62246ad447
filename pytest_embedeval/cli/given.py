"""A data set as a command line names it: by its name in the configuration, or by its path."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from pytest_embedeval.errors import UsageError, did_you_mean
from pytest_embedeval.settings import FORMATS, DatasetTable, Settings, argument_of

if TYPE_CHECKING:
    from pytest_embedeval.datasets import RetrievalData


def given_data(given: str, settings: Settings, language: str | None = None) -> RetrievalData:
    """Read documents and queries.

    Parameters
    ----------
    given
        A name of the configuration; else a file in SQuAD's form, or a folder in BEIR's or WANDS'. Of a path, queries
        without a relevant document are kept.
    language
        Language of the texts, in place of the configured one.

    Raises
    ------
    UsageError
        No such name or path, a path whose format is not plain, or a data set without documents.
    DatasetError
        A file is malformed.
    """
    from pytest_embedeval.datasets import RetrievalData, load_entry

    table = settings.datasets.get(given)
    name = given
    if table is None:
        path = Path(given)
        table = _guessed(path, settings)
        name = path.stem if path.is_file() else path.resolve().name
    data = load_entry(name, table if language is None else replace(table, language=language))
    if not isinstance(data, RetrievalData):
        raise UsageError(f"{given!r} holds no documents that could be searched")
    return data


def _guessed(path: Path, settings: Settings) -> DatasetTable:
    """Return what a configuration would say of a path, where its form shows it."""
    from pytest_embedeval.datasets import beir, wands

    if not path.exists():
        hint = did_you_mean(str(path), settings.datasets)
        raise UsageError(f"{str(path)!r} is neither a data set named in {settings.file} nor a file or folder; {hint}")
    if path.is_dir():
        forms = {"beir": (beir.CORPUS, beir.QUERIES), "wands": (wands.PRODUCTS, wands.QUERIES, wands.LABELS)}
        found = [form for form, names in forms.items() if all((path / name).is_file() for name in names)]
    else:
        found = ["squad"] if path.suffix == ".json" else []
    if len(found) != 1:
        formats = ", ".join(name for name in FORMATS if argument_of(name) == "dataset")
        raise UsageError(
            f"{path}: its format is not plain; add {settings.heading('datasets', 'NAME')} with path and format "
            f"({formats}) to {settings.file}, and search NAME"
        )
    return DatasetTable(str(path), found[0], no_relevant="zero", split=_only_split(path / beir.QRELS))


def _only_split(folder: Path) -> str | None:
    """Return the split of BEIR's form that is there, if it is the only one."""
    splits = [path.stem for path in folder.glob("*.tsv")] if folder.is_dir() else []
    return splits[0] if len(splits) == 1 else None
