"""Two-stage search by depth: quality beside the time that a query waits for the second stage."""

from __future__ import annotations

import time
from collections.abc import Sequence
from statistics import median
from typing import TYPE_CHECKING

import numpy as np

from pytest_embedeval.datasets import RetrievalData
from pytest_embedeval.errors import UsageError
from pytest_embedeval.evaluate import Judged, as_encoded
from pytest_embedeval.gate import StageRow, bounded_mean_interval
from pytest_embedeval.gate.differences import Differences
from pytest_embedeval.metrics import score_each
from pytest_embedeval.retrieval import Ranker
from pytest_embedeval.retrieval.two_stage import Score, TwoStageRanker
from pytest_embedeval.search import PairScores, first_ranker
from pytest_embedeval.vectors import Encoded

if TYPE_CHECKING:
    from numpy.typing import NDArray

DEPTHS = (10, 20, 50, 100)
_TIMED = 20


def evaluate_stages(
    model: Judged, data: RetrievalData, *, depths: Sequence[int] = DEPTHS, metric: str = "mrr@10"
) -> list[StageRow]:
    """Search in two stages, at several depths.

    A deeper list is scored once, and shallower ones are read off it. The time is that of the second stage for one query
    at a time: it encodes the query and compares it with vectors of documents that are kept, or, as a cross-encoder,
    reads the query with each document.

    Parameters
    ----------
    model
        An entry with `rerank`.
    depths
        How many documents the second model sees, each at least 1; a depth beyond the corpus is all of it.
    metric
        A ranking metric with a cutoff.

    Raises
    ------
    UsageError
        A model of one stage, a depth below 1, or a metric that does not exist.
    """
    encoded = as_encoded(model)
    second = encoded.second
    if second is None:
        raise UsageError(f"model {encoded.model.alias!r} has one stage; name a second one with rerank=MODEL")
    if any(depth < 1 for depth in depths):
        raise UsageError(f"depths must be at least 1, not {min(depths)}")
    first, size = first_ranker(encoded, data), len(data.documents)
    known = _Known(PairScores(second, data).score)
    alone = score_each(first, data, metric)
    place = encoded.model.alias, second.model.info.source, data.name, metric
    rows = [StageRow(*place, 0, len(alone), float(alone.mean()), *bounded_mean_interval(alone, 0.0, 1.0))]
    for depth in sorted({min(depth, size) for depth in depths}, reverse=True):
        each = score_each(TwoStageRanker(first, known.score, size, depth), data, metric)
        change = Differences(each - alone)
        waited = _waited(second, data, first, depth)
        rows.append(
            StageRow(
                *place,
                depth,
                len(each),
                float(each.mean()),
                *bounded_mean_interval(each, 0.0, 1.0),
                change.mean,
                *change.interval,
                p50_ms=median(waited) * 1000,
                timed=len(waited),
            )
        )
    return [rows[0], *reversed(rows[1:])]


class _Known:
    """Remembers scores of pairs, so that a pair is scored once for all depths."""

    def __init__(self, score: Score) -> None:
        self._score = score
        self._kept: dict[tuple[int, int], np.float32] = {}

    def score(self, queries: NDArray[np.int64], documents: NDArray[np.int64]) -> NDArray[np.float32]:
        """Return the score of each pair; float32 array."""
        pairs = list(zip(queries.tolist(), documents.tolist(), strict=True))
        new = np.array([pair not in self._kept for pair in pairs], dtype=np.bool_)
        if new.any():
            found = self._score(queries[new], documents[new])
            fresh = (pair for pair, is_new in zip(pairs, new.tolist(), strict=True) if is_new)
            self._kept.update(zip(fresh, found, strict=True))
        return np.array([self._kept[pair] for pair in pairs], dtype=np.float32)


def _waited(second: Encoded, data: RetrievalData, first: Ranker, depth: int) -> list[float]:
    """Return the seconds that some queries, evenly spread, wait for the second stage."""
    model, lists = second.model, first.search(depth).documents
    vectors = second.vectors(data.documents, "document") if model.pairs is None else None
    waited = []
    for query in np.unique(np.linspace(0, len(data.queries) - 1, _TIMED).round().astype(np.int64)).tolist():
        found = lists[query][lists[query] >= 0]
        texts = [data.documents[document] for document in found.tolist()]
        started = time.perf_counter()
        if model.pairs is not None:
            model.pairs.score([data.queries[query]] * len(texts), texts)
        elif vectors is not None:
            np.argsort(-(vectors[found] @ model.encode_queries([data.queries[query]])[0]))
        waited.append(time.perf_counter() - started)
    return waited
