"""BM25 as a ranker: bm25s' scores, without its padding."""

from __future__ import annotations

import bm25s
import numpy as np

from pytest_embedeval.retrieval.bm25 import BM25Ranker

DOCUMENTS = [
    "Kışın grip aşısı olmak zatürre riskini azaltır.",
    "Yüksek tansiyon böbreklere zarar verir.",
    "Böbrek taşı düşüren hastada yan ağrısı olur.",
    "Aşı olmak, aşı olmak ve yine aşı olmak.",
]


def test_scores_are_those_of_bm25s() -> None:
    tokens = [["a", "b"], ["b", "c", "c"], ["d"]]
    index = bm25s.BM25()
    index.index(tokens, show_progress=False)
    found = BM25Ranker(["c b"], ["a b", "b c c", "d"]).search(3)
    expected = np.sort(index.get_scores(["c", "b"]))[::-1][:2]
    np.testing.assert_allclose(found.scores[0, :2], expected, rtol=1e-6)


def test_documents_without_a_common_word_are_not_returned() -> None:
    found = BM25Ranker(["tansiyon"], DOCUMENTS, "tr").search(4)
    assert found.documents.tolist() == [[1, -1, -1, -1]]
    assert np.isneginf(found.scores[0, 1:]).all()


def test_capitals_find_what_small_letters_find() -> None:
    found = BM25Ranker(["BÖBREK TAŞI", "böbrek taşı", "Kış"], DOCUMENTS, "tr").search(4)
    assert found.documents[0].tolist() == found.documents[1].tolist()
    assert found.documents[0, 0] == 2


def test_stemming_joins_the_forms_of_a_word() -> None:
    assert BM25Ranker(["böbrekler"], DOCUMENTS, "tr").search(4).documents[0, 0] in (1, 2)
    assert BM25Ranker(["böbrekler"], DOCUMENTS).search(4).documents[0, 0] == -1


def test_equal_scores_stand_in_the_order_of_the_corpus() -> None:
    found = BM25Ranker(["x"], ["y", "x", "x", "x"]).search(2)
    assert found.documents.tolist() == [[1, 2]]
    assert BM25Ranker(["x"], ["y", "x", "x", "x"]).count_at_least(np.array([0]), found.scores[:, 0]).tolist() == [3]


def test_empty_texts_are_no_error() -> None:
    found = BM25Ranker(["", "?"], ["", " "], "tr").search(2)
    assert (found.documents == -1).all()
