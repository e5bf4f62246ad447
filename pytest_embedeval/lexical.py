"""Vectors beside words: which queries each wins, and what both together are worth."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import numpy as np

from pytest_embedeval.datasets import RetrievalData
from pytest_embedeval.datasets.fields import clusters_of
from pytest_embedeval.errors import UsageError, did_you_mean
from pytest_embedeval.evaluate import Judged, as_encoded
from pytest_embedeval.gate import Beside, FusionRow, QueryChange
from pytest_embedeval.gate.differences import Differences, lost_and_won
from pytest_embedeval.gate.fusion import ALPHAS, RRF, VECTORS, WORDS, fusion_rows
from pytest_embedeval.metrics import score_each
from pytest_embedeval.models.searching import Fusion
from pytest_embedeval.search import pool

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Each = NDArray[np.float64]

LARGEST = 5


@dataclass(frozen=True)
class WithWords:
    """A model beside BM25, and their hybrids.

    Attributes
    ----------
    model, dataset, metric
        What was measured.
    beside
        Name of a search -> the model, or its hybrid, beside it: `bm25` (the model), `hybrid:bm25` and `hybrid:vectors`
        (the hybrid with the chosen alpha on the queries that did not choose it).
    fusion
        The curve over alpha, rank fusion, and the held-out rows.
    to_beat
        Keys of `beside` that the configuration requires to be beaten (`beats` of the data set).
    """

    model: str
    dataset: str
    metric: str
    beside: Mapping[str, Beside]
    fusion: Sequence[FusionRow] = field(default_factory=list)
    to_beat: Sequence[str] = ()

    @property
    def alpha(self) -> float | None:
        """The alpha that half of the queries chose; None where there are too few queries to choose."""
        return next((row.alpha for row in self.fusion if row.chosen), None)

    def assert_beats(self, reference: str = "bm25") -> None:
        """Fail unless the model is shown to be better: the lower bound of its mean difference lies above zero.

        Parameters
        ----------
        reference
            A key of `beside`.

        Raises
        ------
        AssertionError
            It is not; the message holds the numbers and the queries that were lost and won most clearly.
        UsageError
            No such comparison.
        """
        if reference not in self.beside:
            raise UsageError(f"nothing stands beside {reference!r}; {did_you_mean(reference, self.beside)}")
        found = self.beside[reference]
        if not found.beats:
            shown = "is worse than" if found.high < 0 else "is not shown to be better than"
            head = f"{found.model} {shown} {found.reference}: the mean difference must be above 0"
            raise AssertionError("\n".join([head, *found.lines()]))

    def lines(self) -> Iterator[str]:
        """Yield one line per comparison."""
        for found in self.beside.values():
            yield found.line


def evaluate_lexical(
    model: Judged, data: RetrievalData, *, metric: str = "mrr@10", clusters: str | None = None
) -> WithWords:
    """Search with vectors, with words and with both.

    The hybrid's alpha is chosen on one half of the queries and judged on the other. Queries that share their first
    relevant document stand on one side.

    Parameters
    ----------
    metric
        A ranking metric with a cutoff, such as `ndcg@10`.
    clusters
        Field whose values make queries one, for the bounds.

    Raises
    ------
    UsageError
        A metric that does not exist, or a model that does not search by vectors alone.
    """
    encoded = as_encoded(model)
    if not encoded.model.has_vectors or encoded.model.is_hybrid or encoded.second is not None:
        kind = encoded.model.info.kind
        raise UsageError(f"model {encoded.model.alias!r} ({kind}) does not search by vectors alone")
    alias, pooled = encoded.model.alias, pool(encoded, data)
    alone = {VECTORS: pooled.vectors, WORDS: pooled.words}
    ways = (*(Fusion("weighted", alpha) for alpha in ALPHAS), RRF)
    each = {way: score_each(alone[way] if way in alone else pooled.fused(way), data, metric) for way in ways}
    together = None if clusters is None else list(clusters_of(data, clusters).values())
    chooses = choosing(data)
    rows = fusion_rows(alias, data.name, metric, each, chooses, together)
    sides = _Sides(data, metric, together)
    beside = {"bm25": sides.beside(alias, "bm25", each[VECTORS], each[WORDS])}
    alpha = next((row.alpha for row in rows if row.chosen), None)
    if alpha is not None:
        held, hybrid = ~chooses, f"{alias}+bm25:alpha={alpha:g}"
        scores = each[Fusion("weighted", alpha)]
        beside["hybrid:bm25"] = sides.beside(hybrid, "bm25", scores, each[WORDS], held)
        beside["hybrid:vectors"] = sides.beside(hybrid, alias, scores, each[VECTORS], held)
    return WithWords(alias, data.name, metric, beside, rows)


def choosing(data: RetrievalData) -> NDArray[np.bool_]:
    """Return which queries choose, bool array [n]: about half, by a hash of their first relevant document by id."""
    relevant: dict[str, str] = {}
    for query, document, grade in zip(*(column.tolist() for column in data.judgements.columns), strict=True):
        if grade > 0:
            query_id, document_id = data.query_ids[query], data.document_ids[document]
            relevant[query_id] = min(relevant.get(query_id, document_id), document_id)
    keys = [relevant.get(identity, identity) for identity in data.query_ids]
    return np.array([hashlib.sha256(key.encode()).digest()[0] % 2 == 0 for key in keys], dtype=np.bool_)


@dataclass(frozen=True)
class _Sides:
    data: RetrievalData
    metric: str
    clusters: Sequence[str] | None

    def beside(
        self, model: str, reference: str, now: Each, then: Each, rows: NDArray[np.bool_] | None = None
    ) -> Beside:
        """Compare two columns of scores, on some of the queries."""
        chosen = np.flatnonzero(rows) if rows is not None else np.arange(len(now))
        change = (now - then)[chosen]
        together = None if self.clusters is None else [self.clusters[i] for i in chosen.tolist()]
        differences = Differences.of(change, together)
        low, high = differences.interval
        lost, won = lost_and_won(change)
        largest = [*lost[:LARGEST], *won[:LARGEST]]
        return Beside(
            model,
            reference,
            self.data.name,
            self.metric,
            value=float(now[chosen].mean()),
            reference_value=float(then[chosen].mean()),
            delta=differences.mean,
            low=low,
            high=high,
            n=len(differences),
            won=len(won),
            lost=len(lost),
            tied=len(change) - len(won) - len(lost),
            largest=tuple(self._change(int(chosen[place]), now, then) for place in largest),
        )

    def _change(self, query: int, now: Each, then: Each) -> QueryChange:
        return QueryChange(self.data.query_ids[query], self.data.queries[query], float(then[query]), float(now[query]))
