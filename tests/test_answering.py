"""One query at a time: the same lists as those of a run, and no document is encoded for it."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.typing import NDArray

from pytest_embedeval import load_dataset, load_model
from pytest_embedeval.answering import answering
from pytest_embedeval.retrieval import Rankings
from pytest_embedeval.retrieval.binary import BinaryRanker
from pytest_embedeval.retrieval.retriever import RetrieverModel
from pytest_embedeval.search import ranker
from pytest_embedeval.vectors import Encoded
from tests.conftest import ROOT, blind, letters

MEDICAL = load_dataset(ROOT / "fixtures" / "turkish_medical_qa.json", language="tr")


class Noting:
    """An encoder that notes what it is asked for."""

    def __init__(self) -> None:
        self.asked: list[tuple[str, list[str]]] = []

    def encode_queries(self, texts: list[str]) -> NDArray[np.float32]:
        self.asked.append(("query", texts))
        return letters(texts)

    def encode_documents(self, texts: list[str]) -> NDArray[np.float32]:
        self.asked.append(("document", texts))
        return letters(texts)


@pytest.mark.parametrize("entry", ["bm25", "bm25:k1=0.9:stemmer=none"])
def test_words_find_what_they_find_in_a_run(entry: str) -> None:
    model = load_model(entry)
    answer, expected = answering(model, MEDICAL), ranker(Encoded(model), MEDICAL).search(10).documents
    for query, documents in zip(MEDICAL.queries[:40], expected, strict=False):
        found = answer(query)
        assert isinstance(found, Rankings)
        np.testing.assert_array_equal(found.documents[0], documents)


@pytest.mark.parametrize(
    ("entry", "encoded"),
    [("own", 1), ("own:precision=binary", 1), ("own+bm25:alpha=0.5", 1), ("bm25:rerank=own", 1), ("own:rerank=own", 2)],
)
def test_a_query_is_encoded_once_by_each_model_and_no_document_is(entry: str, encoded: int) -> None:
    own = Noting()
    model = load_model(entry, encoders={"own": own})
    own.asked.clear()  # loading asks for the dimension
    answer = answering(model, MEDICAL)
    assert own.asked == []
    for query in MEDICAL.queries[:2]:
        found = answer(query)
        assert len(found.documents[0] if isinstance(found, Rankings) else np.asarray(found)) == 10
    assert own.asked == [("query", [query]) for query in MEDICAL.queries[:2] for _ in range(encoded)]


def test_bits_are_searched_for_other_queries_as_for_their_own() -> None:
    vectors = blind([*MEDICAL.queries[:20], *MEDICAL.documents])
    queries, documents = vectors[:20], vectors[20:]
    both = BinaryRanker(queries, documents)
    expected = both.search(10)
    for other in (BinaryRanker(documents[:1], documents), both):
        found = other.asking(queries[5:8]).search(10)
        np.testing.assert_array_equal(found.documents, expected.documents[5:8])
        np.testing.assert_array_equal(found.scores, expected.scores[5:8])


def test_an_engine_is_asked_and_given_its_documents_once() -> None:
    asked: list[list[str]] = []

    class Engine:
        def index(self, ids: list[str], documents: list[str]) -> None:
            asked.append(ids)

        def search(self, queries: list[str], k: int) -> tuple[list[list[str]], list[list[float]]]:
            asked.append(queries)
            return [[]], [[]]

    answer = answering(RetrieverModel(Engine()), MEDICAL)
    for query in MEDICAL.queries[:2]:
        answer(query)
    assert asked == [list(MEDICAL.document_ids), *([query] for query in MEDICAL.queries[:2])]
