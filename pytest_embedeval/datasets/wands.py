"""Wayfair's WANDS form of product search: products, queries, and labels between them, in tab-separated files.

Chen et al., WANDS: dataset for product search relevance assessment, ECIR 2022.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from pytest_embedeval.datasets.beir import titled
from pytest_embedeval.datasets.collection import Collection, Judged, NoRelevant, Texts, check_policies
from pytest_embedeval.datasets.duplicates import Policy
from pytest_embedeval.datasets.json_values import short_fields
from pytest_embedeval.datasets.retrieval import RetrievalData
from pytest_embedeval.datasets.rows import delimited_rows
from pytest_embedeval.errors import DatasetError, UsageError, did_you_mean
from pytest_embedeval.findings import Finding

PRODUCTS, QUERIES, LABELS = "product.csv", "query.csv", "label.csv"
GRADES = {"Exact": 2, "Partial": 1, "Irrelevant": 0}
_NAME = "product_name"
_TEXT = (_NAME, "product_class")


def load_wands(
    path: str | Path,
    *,
    name: str | None = None,
    language: str | None = None,
    fields: Sequence[str] = _TEXT,
    queries: str = QUERIES,
    sample: int | None = None,
    seed: int = 42,
    duplicates: Policy = "merge",
    no_relevant: NoRelevant = "skip",
) -> RetrievalData:
    """Read a folder in WANDS form; `Exact` is grade 2, `Partial` 1, `Irrelevant` 0.

    Parameters
    ----------
    path
        Folder with `product.csv` (product_id, product_name, product_class …), `query.csv` (query_id, query …) and
        `label.csv` (query_id, product_id, label), each tab-separated below a header.
    name
        Name of the data set; the folder's by default.
    language
        BCP 47 code, such as `tr`.
    fields
        Columns of the products that make up their text, in this order, with a space between them.
    queries
        Another file of queries in the folder, such as `query_tr.csv`.
    sample
        Take only so many products, those of pandas' `DataFrame.sample(sample, random_state=seed)`, and the labels
        between them and the queries. None takes all.
    seed
        Of the sample.
    duplicates
        Products of equal text: `merge`, `keep` or `error`.
    no_relevant
        Queries without a relevant product, by their labels or in the sample: `error`, `zero` or `skip`.

    Raises
    ------
    DatasetError
        A file or column is missing, a label is unknown, a product has no name; the message names file and line.
    UsageError
        The sample is empty, or larger than the file.
    """
    check_policies(duplicates, no_relevant)
    folder = Path(path)
    if not folder.is_dir():
        raise DatasetError(f"{folder}: no such folder; WANDS form is {PRODUCTS}, {QUERIES} and {LABELS} in one")
    documents = _products(folder / PRODUCTS, fields)
    judged = _labels(folder / LABELS)
    protocol = {"format": "wands", "fields": " ".join(fields), "queries": queries}
    findings: tuple[Finding, ...] = ()
    if sample is not None:
        documents, judged, findings = _sampled(documents, judged, sample, seed)
        protocol |= {"sample": str(sample), "seed": str(seed)}
    return Collection(documents, _queries(folder / queries), judged).data(
        name or folder.resolve().name,
        language=language,
        duplicates=duplicates,
        no_relevant=no_relevant,
        protocol=protocol,
        findings=findings,
    )


def _products(path: Path, fields: Sequence[str]) -> Texts:
    texts = Texts(str(path))
    for number, row in delimited_rows(path, ("product_id", *fields)):
        identity = _filled(row, "product_id", texts.at(number))
        if _NAME in fields:
            _filled(row, _NAME, texts.at(number))
        text = ""
        for column in fields:
            text = titled(text, row[column])
        texts.add(identity, text, number, short_fields(row, {"product_id", _NAME}))
    return texts


def _queries(path: Path) -> Texts:
    texts = Texts(str(path))
    for number, row in delimited_rows(path, ("query_id", "query")):
        identity, text = (_filled(row, column, texts.at(number)) for column in ("query_id", "query"))
        texts.add(identity, text, number, short_fields(row, {"query_id", "query"}))
    return texts


def _labels(path: Path) -> Judged:
    judged = Judged(str(path))
    for number, row in delimited_rows(path, ("query_id", "product_id", "label")):
        label = row["label"]
        if label not in GRADES:
            problem = f"unknown label {label!r} in column 'label'; {did_you_mean(label, GRADES)}"
            raise DatasetError(f"{path}, line {number}: {problem}")
        judged.add(row["query_id"], row["product_id"], GRADES[label])
    return judged


def _filled(row: dict[str, str], column: str, place: str) -> str:
    if not row[column]:
        raise DatasetError(f"{place}: column {column!r} is empty")
    return row[column]


def _sampled(documents: Texts, judged: Judged, size: int, seed: int) -> tuple[Texts, Judged, tuple[Finding, ...]]:
    """Draw products and keep the labels that name one of them, or one that is not in the file at all."""
    n = len(documents.ids)
    if not 0 < size <= n:
        raise UsageError(f"sample = {size}: {documents.source} has {n} products to take them from")
    # What pandas does for an integer `random_state`; numpy keeps this generator's stream as it is for good.
    drawn = np.random.RandomState(seed).choice(n, size=size, replace=False)
    chosen = documents.only(sorted(drawn.tolist()))
    outside = set(documents.ids) - set(chosen.ids)
    rest = Judged(judged.source)
    for query, document, grade in zip(judged.query_ids, judged.document_ids, judged.grades, strict=True):
        if document not in outside:
            rest.add(query, document, grade)
    left_out = len(judged.grades) - len(rest.grades)
    if not left_out:
        return chosen, rest, ()
    message = f"{left_out:,} of {len(judged.grades):,} labels name a product outside the sample of {size:,}"
    return chosen, rest, (Finding("labels-outside-the-sample", left_out, message),)
