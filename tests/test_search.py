"""Which search an entry of the matrix gets: vectors, words, both, or one after the other."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from pytest_embedeval import evaluate_retrieval
from pytest_embedeval.datasets import RetrievalData, load_dataset
from pytest_embedeval.errors import UsageError
from pytest_embedeval.metrics import Scores
from pytest_embedeval.models import Model, ModelInfo, load_model
from pytest_embedeval.models.searching import Fusion, Search
from pytest_embedeval.retrieval.binary import BinaryRanker
from pytest_embedeval.retrieval.bm25 import BM25Ranker
from pytest_embedeval.retrieval.exact import ExactRanker
from pytest_embedeval.retrieval.hybrid import FusedRanker, Pool
from pytest_embedeval.retrieval.two_stage import TwoStageRanker
from pytest_embedeval.retrieval.words import Analyser
from pytest_embedeval.search import PairScores, first_ranker, pool, ranker, vector_ranker, word_ranker
from pytest_embedeval.vectors import Encoded
from tests.conftest import blind, constant, letters

ENCODERS = {"letters": letters, "blind": blind}
METRICS = ("mrr@10", "recall@3", "ndcg@10", "mrr")


def encoded(entry: str) -> Encoded:
    return Encoded(load_model(entry, encoders=ENCODERS), allow_collapse=True)


@pytest.fixture(scope="module")
def data() -> RetrievalData:
    """The Turkish questions of a part of the products, with which words and letters both find something."""
    whole = load_dataset(Path(__file__).parent.parent / "fixtures" / "products", format="wands", language="en")
    assert isinstance(whole, RetrievalData)
    return whole


def values(entry: str, data: RetrievalData) -> dict[str, float]:
    found: Scores = evaluate_retrieval(encoded(entry), data, metrics=METRICS)
    return {name: found[name] for name in METRICS}


@pytest.mark.parametrize(
    ("entry", "kind"),
    [
        ("bm25", BM25Ranker),
        ("letters", ExactRanker),
        ("letters:precision=binary", BinaryRanker),
        ("letters+bm25", FusedRanker),
        ("letters:rerank=blind", TwoStageRanker),
        ("letters+bm25:rerank=blind", TwoStageRanker),
        ("bm25:rerank=letters", TwoStageRanker),
    ],
)
def test_each_entry_gets_its_search(entry: str, kind: type, data: RetrievalData) -> None:
    assert type(ranker(encoded(entry), data)) is kind


@pytest.mark.parametrize(
    ("entry", "kind"),
    [
        ("letters+bm25:rerank=blind", FusedRanker),
        ("bm25:rerank=letters", BM25Ranker),
        ("blind:rerank=letters", ExactRanker),
    ],
)
def test_the_first_stage_is_the_entry_without_its_second(entry: str, kind: type, data: RetrievalData) -> None:
    assert type(first_ranker(encoded(entry), data)) is kind


def test_a_model_that_finds_nothing_is_refused(data: RetrievalData) -> None:
    with pytest.raises(UsageError, match="model 'pairs' cannot search"):
        ranker(Encoded(Model(ModelInfo("pairs", "pairs", kind="cross-encoder"))), data)


@pytest.mark.parametrize(
    ("keys", "analyser", "parameters"),
    [
        ("", Analyser("en"), {}),
        (":k1=0.9:b=0.4", Analyser("en"), {"k1": 0.9, "b": 0.4}),
        (":stemmer=none", Analyser("en", stemmer="none"), {}),
        (":stop_words=drop", Analyser("en", stop_words="drop"), {}),
    ],
)
@pytest.mark.parametrize("source", ["bm25", "letters+bm25"])
def test_the_keys_of_bm25_reach_the_words(
    source: str, keys: str, analyser: Analyser, parameters: dict[str, float], data: RetrievalData
) -> None:
    expected = BM25Ranker(data.queries, data.documents, analyser, **parameters).search(10)
    found = word_ranker(data, encoded(f"m={source}{keys}").model.search).search(10)
    np.testing.assert_array_equal(found.scores, expected.scores)
    usual = word_ranker(data).search(10)
    assert (keys == "") == np.array_equal(found.scores, usual.scores)


def test_words_are_read_in_the_language_of_the_data(data: RetrievalData) -> None:
    turkish = replace(data, language="tr", documents=["KIŞ IŞIĞI", "kis"], document_ids=["0", "1"])
    found = word_ranker(replace(turkish, queries=["kış"], query_ids=["0"])).search(2)
    assert found.documents.tolist() == [[0, -1]]


def test_dropping_stop_words_needs_a_language_that_has_some(data: RetrievalData) -> None:
    with pytest.raises(UsageError, match="no stop words are known for language 'fi', but for"):
        evaluate_retrieval("bm25:stop_words=drop", replace(data, language="fi"))


def test_a_hybrid_takes_its_fusion_from_the_entry(data: RetrievalData) -> None:
    model = encoded("letters")
    both = Pool(vector_ranker(model, data), word_ranker(data), len(data.documents))
    for keys, fusion in (
        ("", Fusion("weighted", 0.5)),
        (":alpha=0.2", Fusion("weighted", 0.2)),
        (":fusion=weighted:alpha=1", Fusion("weighted", 1.0)),
        (":fusion=rrf", Fusion("rrf")),
    ):
        expected = both.fused(fusion).search(20)
        found = ranker(encoded(f"m=letters+bm25{keys}"), data).search(20)
        np.testing.assert_array_equal(found.documents, expected.documents)
        np.testing.assert_array_equal(found.scores, expected.scores)


def test_a_hybrid_at_its_ends_scores_as_its_parts_do(data: RetrievalData) -> None:
    """With all the weight on the words, documents without any of them come last, by chance."""
    assert values("m=letters+bm25:alpha=1", data) == pytest.approx(values("letters", data), abs=1e-4)
    by_words, alone = values("m=letters+bm25:alpha=0", data), values("bm25", data)
    assert by_words == pytest.approx(alone, abs=0.01)
    assert by_words["mrr@10"] >= alone["mrr@10"]
    assert by_words != pytest.approx(values("letters", data), abs=0.01)


def test_a_constant_encoder_in_a_hybrid_scores_as_the_words_do(data: RetrievalData) -> None:
    """It names every document alike: the words decide, and chance where they find nothing."""
    hybrid = Encoded(load_model("m=flat+bm25", encoders={"flat": constant}), allow_collapse=True)
    found, alone = evaluate_retrieval(hybrid, data, metrics=METRICS), values("bm25", data)
    for name in METRICS:
        assert alone[name] <= found[name] < alone[name] + 0.01, name


def test_two_stages_gain_what_the_second_model_knows(data: RetrievalData) -> None:
    """An encoder that knows nothing finds by chance; at the depth of the corpus, all is up to the second."""
    first, both, second = (values(entry, data) for entry in ("blind", "m=blind:rerank=letters:depth=190", "letters"))
    assert both == pytest.approx(second, abs=1e-6)
    assert first["mrr@10"] < second["mrr@10"]
    shallow = values("m=blind:rerank=letters:depth=10", data)
    assert first["mrr@10"] < shallow["mrr@10"] < both["mrr@10"]


def test_without_a_depth_fifty_documents_are_put_in_order(data: RetrievalData) -> None:
    assert values("m=bm25:rerank=letters", data) == values("m=bm25:rerank=letters:depth=50", data)
    assert values("m=bm25:rerank=letters", data) != values("m=bm25:rerank=letters:depth=5", data)


def test_pairs_are_scored_by_the_vectors_of_the_second_model(data: RetrievalData) -> None:
    pairs = np.array([0, 3, 3]), np.array([5, 7, 8])
    queries, documents = letters(list(data.queries)), letters(list(data.documents))
    unit = [each / np.linalg.norm(each, axis=1, keepdims=True) for each in (queries, documents)]
    expected = (unit[0][pairs[0]] * unit[1][pairs[1]]).sum(axis=1)
    np.testing.assert_allclose(PairScores(encoded("letters"), data).score(*pairs), expected, atol=1e-6)


def test_pairs_are_scored_by_their_texts_where_the_second_model_reads_both(data: RetrievalData) -> None:
    class Reader:
        def score(self, queries: list[str], documents: list[str]) -> NDArray[np.float32]:
            return np.array([len(q) + 100 * len(d) for q, d in zip(queries, documents, strict=True)], np.float32)

    model = Model(ModelInfo("reader", "reader", kind="cross-encoder"), pairs=Reader())
    found = PairScores(Encoded(model), data).score(np.array([1, 0]), np.array([2, 4]))
    expected = [len(data.queries[q]) + 100 * len(data.documents[d]) for q, d in ((1, 2), (0, 4))]
    assert found.tolist() == expected


def test_a_pool_holds_both_searches_of_an_entry(data: RetrievalData) -> None:
    """The curve over alpha is made of one pool, with the words as the entry counts them."""
    both = pool(encoded("m=letters+bm25:stemmer=none"), data)
    expected = Pool(
        vector_ranker(encoded("letters"), data), word_ranker(data, Search(stemmer="none")), len(data.documents)
    )
    np.testing.assert_array_equal(both.documents, expected.documents)
    np.testing.assert_array_equal(both.fused(Fusion()).search(5).scores, expected.fused(Fusion()).search(5).scores)
