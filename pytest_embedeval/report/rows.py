"""Typed data and scores as rows of the report."""

from __future__ import annotations

from pytest_embedeval.datasets import RetrievalData, WordData
from pytest_embedeval.metrics import Scores
from pytest_embedeval.report.schema import DatasetRow


def dataset_row(data: RetrievalData | WordData) -> DatasetRow:
    """Return the row of a data set; a morphology item counts as a query with its form and distractors as documents."""
    if isinstance(data, RetrievalData):
        queries, documents, judgements = len(data.queries), len(data.documents), len(data.judgements)
    else:
        queries = len(data.items)
        judgements = documents = sum(1 + len(item.distractors) for item in data.items)
    return DatasetRow(
        name=data.name,
        fingerprint=data.fingerprint,
        language=data.language,
        queries=queries,
        documents=documents,
        judgements=judgements,
        findings=list(data.findings),
    )


def score_rows(scores: Scores) -> list[tuple[str, str, str, str, str, float]]:
    """Return one row per metric and query id, for `scores.csv`."""
    return [
        (scores.model, scores.suite, scores.dataset, metric, identity, score)
        for metric, found in scores.measured.items()
        if found.each is not None
        for identity, score in zip(found.ids, found.each.tolist(), strict=True)
    ]
