"""The article's random negatives: for each query a document drawn at random, never one with the answer's text."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from pytest_embedeval.datasets.duplicates import folded
from pytest_embedeval.datasets.retrieval import RetrievalData
from pytest_embedeval.errors import DatasetError

if TYPE_CHECKING:
    from numpy.typing import NDArray


def random_triplets(data: RetrievalData, seed: int = 42) -> NDArray[np.int64]:
    """Draw one negative for every query that has a relevant document.

    Parameters
    ----------
    data
        Corpus, queries and judgements.
    seed
        Of this draw alone; no global generator is touched.

    Returns
    -------
    int64 array [n, 3]
        Query, its first relevant document, and a document of another text that is not relevant to it.

    Raises
    ------
    DatasetError
        A query for which every document is relevant.
    """
    generator = np.random.default_rng(seed)
    relevant: dict[int, list[int]] = {}
    for query, document, grade in zip(
        data.judgements.query.tolist(),
        data.judgements.document.tolist(),
        data.judgements.grade.tolist(),
        strict=True,
    ):
        if grade > 0:
            relevant.setdefault(query, []).append(document)
    texts = [folded(text) for text in data.documents]
    rows = []
    for query, positives in relevant.items():
        gold = {texts[document] for document in positives}
        if len(gold) == len(set(texts)):
            raise DatasetError(
                f"{data.name}: query {data.query_ids[query]!r}: every document is relevant; no negative to draw"
            )
        negative = int(generator.integers(len(texts)))
        while texts[negative] in gold:
            negative = int(generator.integers(len(texts)))
        rows.append((query, positives[0], negative))
    return np.array(rows, dtype=np.int64).reshape(-1, 3)
