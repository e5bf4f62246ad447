"""Triplets of a query, its document and another one: drawn at random, as in the article, or hard to tell apart."""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from typing import TYPE_CHECKING

import numpy as np

from pytest_embedeval.datasets.duplicates import folded
from pytest_embedeval.datasets.retrieval import RetrievalData
from pytest_embedeval.errors import DatasetError
from pytest_embedeval.keys import first_equal

if TYPE_CHECKING:
    from numpy.typing import NDArray

_MOST = 20  # hard negatives of a query


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
    relevant = _relevant(data)
    text = first_equal(map(folded, data.documents))
    different = len(np.unique(text))
    rows = []
    for query, positives in relevant.items():
        gold = set(text[positives].tolist())
        if len(gold) == different:
            raise DatasetError(
                f"{data.name}: query {data.query_ids[query]!r}: every document is relevant; no negative to draw"
            )
        negative = int(generator.integers(len(text)))
        while int(text[negative]) in gold:
            negative = int(generator.integers(len(text)))
        rows.append((query, positives[0], negative))
    return np.array(rows, dtype=np.int64).reshape(-1, 3)


def hard_triplets(data: RetrievalData) -> NDArray[np.int64]:
    """Return each query with its first relevant document and each of its hard negatives.

    Hard are the documents that were judged and found not relevant; for a query without such, those that share their
    title with the relevant one. None has the text of a relevant document, and no query has more than 20: of more, as
    many are taken, evenly spread.

    Returns
    -------
    int64 array [m, 3]
        Query, its first relevant document, and a hard negative; no row for a query without any.
    """
    relevant, judged = _relevant(data), _documents(data, lambda grade: grade <= 0)
    titles = data.document_fields.get("title", ())
    on_topic: dict[str, list[int]] = {}
    for document, title in enumerate(titles):
        if title:
            on_topic.setdefault(title, []).append(document)
    text = cache(lambda document: folded(data.documents[document]))  # most documents are near no query
    rows = []
    for query, positives in relevant.items():
        gold = set(map(text, positives))
        near = judged.get(query) or (on_topic.get(titles[positives[0]], []) if titles else [])
        hard = [document for document in near if text(document) not in gold]
        step = max(1, -(-len(hard) // _MOST))
        rows += [(query, positives[0], document) for document in hard[::step]]
    return np.array(rows, dtype=np.int64).reshape(-1, 3)


def _relevant(data: RetrievalData) -> dict[int, list[int]]:
    return _documents(data, lambda grade: grade > 0)


def _documents(data: RetrievalData, is_wanted: Callable[[int], bool]) -> dict[int, list[int]]:
    """Return query -> its documents of the wanted grades, in the order of the judgements."""
    found: dict[int, list[int]] = {}
    for query, document, grade in zip(*(column.tolist() for column in data.judgements.columns), strict=True):
        if is_wanted(grade):
            found.setdefault(query, []).append(document)
    return found
