"""Pairs of sentences: graded ones, whose cosines should rise with the grade, and minimal ones, easily confused."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np

from pytest_embedeval.datasets import MinimalPairs, SentenceData
from pytest_embedeval.evaluate import Judged, as_encoded
from pytest_embedeval.metrics import Measured, Scores
from pytest_embedeval.metrics.correlation import Method, correlation, correlation_interval
from pytest_embedeval.metrics.morphology import nearer, similarity

if TYPE_CHECKING:
    from numpy.typing import NDArray

_METHODS: tuple[Method, ...] = ("spearman", "pearson")


def evaluate_similarity(model: Judged, data: SentenceData) -> Scores:
    """Score graded pairs: `similarity.spearman`, `similarity.pearson`, and contrary sentences beside paraphrases.

    `similarity.contrast` is the share of negations and antonyms that lie farther from their anchor than its paraphrases
    do (0.5 is chance), also by kind: `….paraphrase` beside those in other words, which is hard for every model,
    `….close` beside those in nearly the same words. Both sentences of a pair are encoded as queries.
    """
    encoded = as_encoded(model)
    items = data.items
    texts = [*(pair.anchor for pair in items), *(pair.other for pair in items)]
    vectors = encoded.vectors(texts, "query")
    cosines = similarity(vectors[: len(items)], vectors[len(items) :])
    grades = np.array([pair.grade for pair in items])
    anchors = [pair.anchor for pair in items]
    measured = {
        f"similarity.{method}": Measured(
            correlation(cosines, grades, method),
            len(items),
            interval=correlation_interval(cosines, grades, anchors, method),
        )
        for method in _METHODS
    }
    measured |= _contrasts(data, cosines)
    scores = Scores("similarity", data.name, encoded.model.alias, measured, data.fingerprint)
    return replace(scores, encoded=(encoded.about(texts, "query", geometry=True),))


def _contrasts(data: SentenceData, cosines: NDArray[np.float64]) -> dict[str, Measured]:
    """Return how often contrary sentences lie farther from their anchor than its paraphrases, and by kind of each."""
    pairs = np.array(data.contrasts(), dtype=np.int64).reshape(-1, 2)
    if not len(pairs):
        return {}
    hits = nearer(cosines[pairs[:, 1]] - cosines[pairs[:, 0]])
    kinds = [pair.kind for pair in data.items]

    measured = {"similarity.contrast": Measured.mean_by(hits, pairs[:, 0], data.ids)}
    for column in pairs.T:
        named = np.array([kinds[place] for place in column.tolist()])
        for kind in dict.fromkeys(named.tolist()):
            rows = named == kind
            measured[f"similarity.contrast.{kind}"] = Measured.mean_by(hits[rows], pairs[rows, 0], data.ids)
    return measured


def evaluate_confusions(model: Judged, data: MinimalPairs) -> Scores:
    """Score minimal pairs: a query, the text that answers it, and one that only looks so.

    `confusions.accuracy` is the share that is (a tie counts half, 0.5 is chance), `confusions.margin` by how much the
    cosines differ, `confusions.false_positives.KIND` the share of one kind that is not.
    """
    encoded = as_encoded(model)
    items = data.items
    queries = encoded.vectors([pair.query for pair in items], "query")
    documents = [*(pair.positive for pair in items), *(pair.negative for pair in items)]
    texts = encoded.vectors(documents, "document")
    margins = similarity(queries, texts[: len(items)]) - similarity(queries, texts[len(items) :])
    hits, ids, kinds = nearer(margins), data.ids, [pair.kind for pair in items]
    accuracy = Measured.mean_of(hits, ids)
    wrong = Measured.mean_of(1.0 - hits, ids, is_compared=False)
    measured = {
        "confusions.accuracy": accuracy,
        "confusions.false_positives": wrong,
        "confusions.margin": Measured.mean_of(margins, ids, (-2.0, 2.0), is_compared=False),
        **accuracy.by("confusions.accuracy", kinds),
        **wrong.by("confusions.false_positives", kinds),
    }
    scores = Scores("confusions", data.name, encoded.model.alias, measured, data.fingerprint)
    return replace(scores, encoded=(encoded.about(documents, "document", geometry=True),))
