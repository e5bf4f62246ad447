"""BEIR's folders: corpus.jsonl, queries.jsonl and one file of judgements per split.

Thakur et al., BEIR: a heterogeneous benchmark for zero-shot evaluation of information retrieval models, NeurIPS 2021.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from pytest_embedeval.datasets.collection import Collection, Judged, NoRelevant, Texts, check_policies
from pytest_embedeval.datasets.duplicates import Policy
from pytest_embedeval.datasets.json_values import grade_of, json_id, json_object, json_text, scalar_fields
from pytest_embedeval.datasets.retrieval import RetrievalData
from pytest_embedeval.datasets.rows import Rows, delimited_rows, json_rows
from pytest_embedeval.errors import DatasetError

CORPUS, QUERIES, QRELS = "corpus.jsonl", "queries.jsonl", "qrels"
HEADER = ("query-id", "corpus-id", "score")


def load_beir(
    path: str | Path,
    *,
    name: str | None = None,
    language: str | None = None,
    split: str = "test",
    duplicates: Policy = "merge",
    no_relevant: NoRelevant = "error",
) -> RetrievalData:
    """Read a folder in BEIR's form.

    A document's text is its title, a space, and its text. Queries that the split does not judge are left out.

    Parameters
    ----------
    path
        Folder with `corpus.jsonl`, `queries.jsonl` and `qrels/SPLIT.tsv`.
    name
        Name of the data set; the folder's by default.
    language
        BCP 47 code, such as `tr`.
    split
        Which file of judgements.
    duplicates
        Documents of equal text: `merge`, `keep` or `error`.
    no_relevant
        Judged queries without a relevant document: `error`, `zero` or `skip`.

    Raises
    ------
    DatasetError
        A file is missing or malformed; the message names file and line.
    """
    check_policies(duplicates, no_relevant)
    folder = Path(path)
    qrels = folder / QRELS / f"{split}.tsv"
    _check_files(folder, qrels, split)
    collection = Collection(
        documents_of(json_rows(folder / CORPUS), Texts(str(folder / CORPUS))),
        queries_of(json_rows(folder / QUERIES), Texts(str(folder / QUERIES))),
        judged_of(delimited_rows(qrels, HEADER), str(qrels)),
        only_judged=True,
    )
    return collection.data(
        name or folder.resolve().name,
        language=language,
        duplicates=duplicates,
        no_relevant=no_relevant,
        protocol={"format": "beir", "split": split},
    )


def documents_of(rows: Rows, texts: Texts, ids: Sequence[str] = ("_id",), keys: Sequence[str] = ("text",)) -> Texts:
    """Append to `texts` one document per row of `_id`, `title`, `text` and `metadata`, and return it.

    Parameters
    ----------
    ids, keys
        Names that the id and the text may go by; the first that a row has.
    """
    for number, row in rows:
        place = texts.at(number)
        identity = json_id(row, _first_of(row, ids), place)
        title = json_text(row, "title", place, may_be_empty=True) if row.get("title") is not None else ""
        key = _first_of(row, keys)
        text = json_text(row, key, place, may_be_empty=True) if not title or row.get(key) is not None else ""
        fields = _metadata(row, place)
        fields["title"] = title or fields.get("title", "")
        texts.add(identity, titled(title, text), number, fields)
    return texts


def queries_of(rows: Rows, texts: Texts, ids: Sequence[str] = ("_id",), keys: Sequence[str] = ("text",)) -> Texts:
    """Append to `texts` one query per row of `_id`, `text` and `metadata`, and return it."""
    for number, row in rows:
        place = texts.at(number)
        identity = json_id(row, _first_of(row, ids), place)
        texts.add(identity, json_text(row, _first_of(row, keys), place), number, _metadata(row, place))
    return texts


def judged_of(rows: Rows, source: str, unit: str = "line") -> Judged:
    """Return the judgements of rows of `query-id`, `corpus-id` and `score`."""
    judged = Judged(source)
    query, document, score = HEADER
    for number, row in rows:
        place = f"{source}, {unit} {number}"
        judged.add(json_id(row, query, place), json_id(row, document, place), grade_of(row.get(score), score, place))
    return judged


def titled(title: str, text: str) -> str:
    """Return the text of a document with its title before it, as BEIR has it."""
    return " ".join(part for part in (title, text) if part.strip())


def _first_of(row: Mapping[str, Any], names: Sequence[str]) -> str:
    return next((name for name in names if row.get(name) is not None), names[0])


def _metadata(row: Mapping[str, Any], place: str) -> dict[str, str]:
    found = row.get("metadata")
    return scalar_fields(json_object(found, f"{place}: key 'metadata'")) if found else {}


def _check_files(folder: Path, qrels: Path, split: str) -> None:
    """Raise one error that says what a folder in BEIR's form holds, and which splits this one has."""
    if not folder.is_dir():
        raise DatasetError(
            f"{folder}: no such folder; BEIR's form is {CORPUS}, {QUERIES} and {QRELS}/{split}.tsv in one"
        )
    for name in (CORPUS, QUERIES):
        if not (folder / name).is_file():
            raise DatasetError(f"{folder / name}: no such file; BEIR's form is {CORPUS}, {QUERIES} and {QRELS}/")
    if not qrels.is_file():
        splits = ", ".join(sorted(path.stem for path in (folder / QRELS).glob("*.tsv"))) or "none"
        raise DatasetError(f"{qrels}: no such file; splits that are there: {splits}")
