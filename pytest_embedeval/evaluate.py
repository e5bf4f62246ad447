"""The one way through the rooms: a model and data in, scores out. Pure: no global is seeded, nothing is kept."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING

import numpy as np

from pytest_embedeval.datasets import Item, ItemData, RetrievalData, WordData, hard_triplets, random_triplets
from pytest_embedeval.gate import Measurement, bounded_mean_interval
from pytest_embedeval.metrics import Measured, Scores, parse_metric, score_search
from pytest_embedeval.metrics import clusters as cluster_metrics
from pytest_embedeval.metrics import morphology as word_metrics
from pytest_embedeval.metrics import ties as tie_rule
from pytest_embedeval.metrics.indexed import score_index
from pytest_embedeval.models import Model, load_model
from pytest_embedeval.models.encoder import EncodeFunction, Encoder
from pytest_embedeval.retrieval.retriever import Retriever, RetrieverModel, is_retriever
from pytest_embedeval.search import built_index, exact_ranker, ranker
from pytest_embedeval.vectors import Encoded, normalised

if TYPE_CHECKING:
    from numpy.typing import NDArray

RETRIEVAL_METRICS = (
    "mrr@10",
    "recall@1",
    "recall@3",
    "recall@5",
    "recall@10",
    "hit_rate@10",
    "precision@10",
    "map@100",
    "ndcg@10",
    "judged@10",
    "mrr",
)

Judged = Model | Encoded | Encoder | EncodeFunction | Retriever | str


def evaluate_retrieval(
    model: Judged,
    data: RetrievalData,
    *,
    metrics: Sequence[str] = RETRIEVAL_METRICS,
    level: int = 1,
    ties: tie_rule.Ties = "expected",
    index: str = "flat",
) -> Scores:
    """Search every query of a data set and score the ranked lists.

    Parameters
    ----------
    model
        A model, an entry of the matrix (`"minilm-en"`), an encoder object, one callable `list[str] -> float array
        [n, d]` that serves both roles, or a search engine (`Retriever`).
    data
        Corpus, queries, judgements.
    metrics
        Names such as `mrr@10`; `mrr` without a cutoff looks for the first relevant document in the whole corpus.
    level
        Lowest grade that counts as relevant.
    ties
        `expected`: the mean over the orders of tied documents, which depends on no id. `trec`: trec_eval's order.
    index
        `flat` for exact search; else an approximate index through which vectors are searched: a factory string of
        FAISS such as `HNSW32`, or `lancedb`. Words, binary vectors and engines keep their own search.

    Returns
    -------
    Scores
        One score per query and metric; `encode_s` is the time it took to encode all texts, once and cold, be it now
        or when their vectors were kept.

    Raises
    ------
    UsageError
        A metric or an index that does not exist, or an index that cannot be built on so few documents.
    SearchError
        A search engine returned lists that no score may be computed from; the message names the query.
    VectorError
        The model returned NaN, infinity, zeros or a wrong dimension; the message names the text.
    """
    wanted = [parse_metric(name) for name in metrics]
    encoded = as_encoded(model)
    if ties == "trec":
        data = _in_trec_order(data)
    score = partial(score_search, data=data, metrics=wanted, level=level, as_listed=ties == "trec")
    search = ranker(encoded, data)
    found = score(search)
    scores = _scores("retrieval", encoded, data, found.measured, level=level, ties=ties)
    approximate = built_index(index, encoded, data)
    if approximate is not None:
        exact, found = found, score_index(approximate, data, wanted, level=level, as_listed=ties == "trec")
        parameters = {**scores.parameters, "index": approximate.name}
        facts = approximate.facts(search, exact.neighbours)
        scores = replace(scores, parameters=parameters, exact=exact.measured, index=facts)
    scores = replace(scores, measured=found.measured, top=found.top, top_scores=found.top_scores)
    scores = replace(scores, findings=getattr(search, "findings", ()))
    if not encoded.model.has_vectors:
        return scores
    lists = (
        encoded.about(data.queries, "query"),
        encoded.about(data.documents, "document", geometry=True, neighbours=found.neighbours),
    )
    time = Measured(sum(each.seconds for each in lists), sum(each.texts for each in lists))
    shortened = encoded.model.is_shortened and encoded.model.info.kind == "dense"  # of a hybrid it is one part
    whole = score(exact_ranker(encoded, data)).measured if shortened else {}
    return replace(scores, measured={**found.measured, "encode_s": time}, encoded=lists, whole=whole)


def evaluate_morphology(model: Judged, data: WordData) -> Scores:
    """Score lemma, form and distractors: `morphology.similarity`, `.auc`, `.accuracy`, and the article's mean cosine.

    Words are encoded as queries, since they are what people type. `morphology.similarity.article` is the mean over
    the items marked `article` alone; accuracy is also given by category. `morphology.versus.KIND` is the share of
    distractors of one kind that lie farther from the lemma than the form does: 0.5 is chance.
    """
    encoded = as_encoded(model)
    items = data.items
    owner = np.repeat(np.arange(len(items)), [len(item.distractors) for item in items])
    texts = [
        *(item.lemma for item in items),
        *(item.form for item in items),
        *(word for item in items for word in item.distractors),
    ]
    vectors = encoded.vectors(texts, "query")
    lemmas, forms, others = np.split(vectors, [len(items), 2 * len(items)])
    ids = data.ids
    similarity = Measured.mean_of(word_metrics.similarity(lemmas, forms), ids, (-1.0, 1.0))
    accuracy = Measured.mean_of(word_metrics.accuracy(lemmas, forms, others, owner), ids)
    measured = {
        "morphology.similarity": similarity,
        "morphology.auc": Measured.mean_of(word_metrics.auc(lemmas, forms, [item.lemma for item in items]), ids),
        "morphology.accuracy": accuracy,
    }
    article = np.array([item.source == "article" for item in items])
    if article.any():
        measured["morphology.similarity.article"] = similarity.part(article)
    measured |= accuracy.by("morphology.accuracy", [item.category for item in items])
    measured |= _versus(data, word_metrics.versus(lemmas, forms, others, owner), owner)
    return replace(
        _scores("morphology", encoded, data, measured), encoded=(encoded.about(texts, "query", geometry=True),)
    )


def _versus(data: WordData, won: NDArray[np.float64], owner: NDArray[np.int64]) -> dict[str, Measured]:
    """Return how often the form is nearer than the distractors of each kind, one score per item that has the kind."""
    kinds = np.array([kind for item in data.items for kind in item.kinds or [""] * len(item.distractors)])
    return {
        f"morphology.versus.{kind}": Measured.mean_by(won[kinds == kind], owner[kinds == kind], data.ids)
        for kind in filter(None, dict.fromkeys(kinds.tolist()))
    }


def evaluate_clustering(model: Judged, data: RetrievalData, *, seed: int = 42) -> Scores:
    """Score how the documents of a data set cluster.

    `silhouette.kmeans` is the article's idea: k-means with k = 2 on the unit vectors, judged by its own labels, here
    under cosine distance. For data read by the article's protocol, `silhouette.kmeans.article` is its number, digit
    by digit (Euclidean). Where the documents have titles, `silhouette.label` and `v_measure` (k-means with one
    cluster per title) judge them by these gold labels.
    """
    encoded = as_encoded(model)
    vectors = normalised(encoded.vectors(data.documents, "document"))
    own = cluster_metrics.kmeans_labels(vectors, 2, seed)
    n = len(vectors)
    silhouettes = cluster_metrics.cosine_silhouettes(vectors, own)
    measured = {"silhouette.kmeans": Measured.mean_of(silhouettes, data.document_ids, (-1.0, 1.0))}
    if data.is_article:
        measured["silhouette.kmeans.article"] = Measured(cluster_metrics.euclidean_silhouette(vectors, own), n)
    titles = data.document_fields.get("title", ())
    if 1 < len(set(titles)) < n:
        silhouettes = cluster_metrics.cosine_silhouettes(vectors, titles)
        measured["silhouette.label"] = Measured.mean_of(silhouettes, data.document_ids, (-1.0, 1.0))
        found = cluster_metrics.kmeans_labels(vectors, len(set(titles)), seed)
        measured["v_measure"] = Measured(cluster_metrics.v_measure(titles, found), n)
    return _scores("clustering", encoded, data, measured, seed=seed)


def evaluate_triplets(model: Judged, data: RetrievalData, *, seed: int = 42) -> Scores:
    """Score each query against a random negative, as the article draws it, and against hard ones.

    `triplet.accuracy` is the share of queries nearer to their document than to the negative (0.5 is chance),
    `triplet.margin` by how much their cosines differ, which cannot be compared across models. `….hard` is the same
    for documents judged not relevant or, without such, on the same topic (`title`); the mean over those of a query.
    """
    encoded = as_encoded(model)
    queries = encoded.vectors(data.queries, "query")
    documents = encoded.vectors(data.documents, "document")
    measured = {}
    for suffix, triplets in (("", random_triplets(data, seed)), (".hard", hard_triplets(data))):
        if len(triplets):
            asked, positive, negative = triplets.T
            margins = word_metrics.similarity(queries[asked], documents[positive]) - word_metrics.similarity(
                queries[asked], documents[negative]
            )
            ids = data.query_ids
            measured[f"triplet.accuracy{suffix}"] = Measured.mean_by(word_metrics.nearer(margins), asked, ids)
            measured[f"triplet.margin{suffix}"] = Measured.mean_by(margins, asked, ids, (-2.0, 2.0), is_compared=False)
    return _scores("triplets", encoded, data, measured, seed=seed)


def measurements(scores: Scores) -> list[Measurement]:
    """Return one row of a report per metric; numbers that are not finite become None."""
    rows = []
    for metric, found in scores.measured.items():
        value = found.value if np.isfinite(found.value) else None
        low, high = _interval(found) if value is not None else (None, None)
        place = scores.model, scores.suite, scores.dataset, metric
        rows.append(Measurement(*place, value, found.n, low, high, found.worst, found.best))
    return rows


def _interval(found: Measured) -> tuple[float | None, float | None]:
    if found.each is None:
        return found.interval or (None, None)
    return bounded_mean_interval(found.each, *found.bounds)


def as_encoded(model: Judged) -> Encoded:
    """Return the vectors of a model, an entry of the matrix or an encoder; a search engine has none."""
    if isinstance(model, Encoded):
        return model
    if is_retriever(model):
        return Encoded(RetrieverModel(model))
    return Encoded(model if isinstance(model, Model) else load_model(model))


def _scores(
    suite: str,
    encoded: Encoded,
    data: RetrievalData | ItemData[Item],
    measured: dict[str, Measured],
    **parameters: str | int,
) -> Scores:
    return Scores(suite, data.name, encoded.model.alias, measured, data.fingerprint, parameters)


def _in_trec_order(data: RetrievalData) -> RetrievalData:
    """Return the data with its documents in the order in which trec_eval breaks ties."""
    preference = tie_rule.trec_preference(data.document_ids)
    order = np.argsort(preference)
    judged = data.judgements
    return replace(
        data,
        document_ids=[data.document_ids[i] for i in order],
        documents=[data.documents[i] for i in order],
        document_fields={key: [column[i] for i in order] for key, column in data.document_fields.items()},
        judgements=replace(judged, document=preference[judged.document]),
    )
