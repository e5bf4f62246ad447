"""BM25 as a ranker: bm25s' scores, without its padding."""

from __future__ import annotations

import sys
from pathlib import Path

import bm25s
import numpy as np
import pytest
from numpy.typing import NDArray

from pytest_embedeval.datasets import RetrievalData, load_dataset
from pytest_embedeval.errors import MissingExtraError, UsageError
from pytest_embedeval.retrieval import Rankings
from pytest_embedeval.retrieval.bm25 import BM25Ranker
from pytest_embedeval.retrieval.words import Analyser

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
    found = BM25Ranker(["tansiyon"], DOCUMENTS, Analyser("tr")).search(4)
    assert found.documents.tolist() == [[1, -1, -1, -1]]
    assert np.isneginf(found.scores[0, 1:]).all()


def test_capitals_find_what_small_letters_find() -> None:
    found = BM25Ranker(["BÖBREK TAŞI", "böbrek taşı", "Kış"], DOCUMENTS, Analyser("tr")).search(4)
    assert found.documents[0].tolist() == found.documents[1].tolist()
    assert found.documents[0, 0] == 2


def test_stemming_joins_the_forms_of_a_word() -> None:
    assert BM25Ranker(["böbrekler"], DOCUMENTS, Analyser("tr")).search(4).documents[0, 0] in (1, 2)
    assert BM25Ranker(["böbrekler"], DOCUMENTS).search(4).documents[0, 0] == -1


def test_equal_scores_stand_in_the_order_of_the_corpus() -> None:
    found = BM25Ranker(["x"], ["y", "x", "x", "x"]).search(2)
    assert found.documents.tolist() == [[1, 2]]
    assert BM25Ranker(["x"], ["y", "x", "x", "x"]).count_at_least(np.array([0]), found.scores[:, 0]).tolist() == [3]


def test_empty_texts_are_no_error() -> None:
    found = BM25Ranker(["", "?"], ["", " "], Analyser("tr")).search(2)
    assert (found.documents == -1).all()


WHOLE_WORDS = Analyser(stemmer="none")


def random_texts(rng: np.random.Generator, n: int, longest: int, vocabulary: int = 300) -> list[list[str]]:
    """Return texts as words, some frequent and most rare, a few texts empty, and words that repeat."""
    ranks = np.minimum(rng.zipf(1.3, (n, longest)), vocabulary)
    return [[f"w{rank}" for rank in row[: rng.integers(0, longest + 1)]] for row in ranks.tolist()]


def by_bm25s(documents: list[list[str]], queries: list[list[str]], **parameters: float) -> NDArray[np.float32]:
    """Return what bm25s says of every pair; words that stand in no document are left out of the query."""
    index = bm25s.BM25(**parameters)
    index.index(documents, show_progress=False)
    known = [[word for word in query if word in index.vocab_dict] for query in queries]
    rows = [index.get_scores(query) if query else np.zeros(len(documents)) for query in known]
    return np.array(rows, dtype=np.float32)


def ranker_of(documents: list[list[str]], queries: list[list[str]], **parameters: float) -> BM25Ranker:
    return BM25Ranker([" ".join(q) for q in queries], [" ".join(d) for d in documents], WHOLE_WORDS, **parameters)


def assert_lists(found: Rankings, scores: NDArray[np.float32], k: int) -> None:
    """Check lists against the score of each pair: best first, equal scores by position, zero scores left out."""
    for row, every in enumerate(scores):
        best = [place for place in np.lexsort((np.arange(len(every)), -every)) if every[place] > 0][:k]
        assert found.documents[row].tolist() == best + [-1] * (k - len(best))
        np.testing.assert_array_equal(found.scores[row, : len(best)], every[best])
        assert np.isneginf(found.scores[row, len(best) :]).all()


@pytest.mark.parametrize("seed", range(3))
@pytest.mark.parametrize(
    "parameters", [{"k1": 1.2}, {"k1": 0.9, "b": 0.4}, {"k1": 2.0, "b": 0.0}, {"k1": 0.0, "b": 1.0}], ids=str
)
def test_a_random_corpus_is_scored_as_bm25s_scores_it(seed: int, parameters: dict[str, float]) -> None:
    rng = np.random.default_rng(seed)
    documents, queries = random_texts(rng, 500, 30), random_texts(rng, 20, 9)
    queries += [["w1", "w1", "w2"], ["w7", "w7", "w7"], ["nowhere", "w3"], ["nowhere"], []]
    expected = by_bm25s(documents, queries, **parameters)
    ranker = ranker_of(documents, queries, **parameters)
    rows, columns = (axis.ravel() for axis in np.indices(expected.shape))
    scores = ranker.score(rows, columns).reshape(expected.shape)
    np.testing.assert_allclose(np.where(np.isneginf(scores), 0, scores), expected, rtol=1e-6)
    assert (np.isneginf(scores) == (expected == 0)).all()
    for k in (1, 10, 500):
        assert_lists(ranker.search(k), np.where(np.isneginf(scores), 0, scores), k)


def test_a_repeated_word_counts_as_often() -> None:
    documents, queries = [["a", "b"], ["b", "c"], ["c", "d"]], [["b", "c"], ["b", "b", "c"]]
    scores = ranker_of(documents, queries).score(np.array([0, 0, 1, 1]), np.array([0, 2, 0, 2]))
    assert scores[2] == pytest.approx(2 * scores[0])
    assert scores[3] == pytest.approx(scores[1])


@pytest.mark.parametrize("seed", range(3))
def test_counts_and_scores_agree_with_the_lists(seed: int) -> None:
    rng = np.random.default_rng(seed)
    documents, queries = random_texts(rng, 80, 12, vocabulary=20), random_texts(rng, 10, 4, vocabulary=20)
    ranker = ranker_of(documents, queries)
    found = ranker.search(80)
    row, place = np.nonzero(found.documents >= 0)
    np.testing.assert_array_equal(ranker.score(row, found.documents[row, place]), found.scores[row, place])
    counts = ranker.count_at_least(row, found.scores[row, place])
    assert counts.tolist() == [
        np.count_nonzero(found.scores[r] >= found.scores[r, p]) for r, p in zip(row, place, strict=True)
    ]
    assert ranker.count_at_least(np.arange(10), np.full(10, -1.0, np.float32)).tolist() == [
        np.count_nonzero(found.documents[query] >= 0) for query in range(10)
    ]


def test_a_shorter_list_is_the_beginning_of_a_longer_one() -> None:
    rng = np.random.default_rng(1)
    documents, queries = random_texts(rng, 200, 6, vocabulary=8), random_texts(rng, 10, 3, vocabulary=8)
    whole = ranker_of(documents, queries).search(200)
    for k in (1, 7, 50):
        assert (ranker_of(documents, queries).search(k).documents == whole.documents[:, :k]).all()


def capitals(text: str) -> str:
    """Return Turkish text in capitals."""
    return text.replace("i", "İ").replace("ı", "I").upper()


def medical(fixtures: Path) -> RetrievalData:
    return load_dataset(fixtures / "turkish_medical_qa.json", format="squad", language="tr")


def test_every_turkish_question_in_capitals_finds_what_it_finds_in_small_letters(fixtures: Path) -> None:
    data = medical(fixtures)
    loud = list(map(capitals, data.queries))
    assert len(data.queries) == 288
    assert not set(loud) & set(data.queries)
    usual, shouted = (BM25Ranker(asked, data.documents, Analyser("tr")).search(10) for asked in (data.queries, loud))
    np.testing.assert_array_equal(shouted.documents, usual.documents)
    np.testing.assert_array_equal(shouted.scores, usual.scores)
    assert (usual.documents[:, 0] >= 0).all()
    unlike = BM25Ranker(loud, data.documents, Analyser("en", stemmer="none")).search(10)
    assert (unlike.documents != usual.documents).any(axis=1).sum() > 144  # as a tokeniser for English would have it


def test_stop_words_find_nothing_where_they_are_dropped() -> None:
    documents = ["böbrek ve kalp", "ve ile ve", "göz"]
    kept, dropped = (
        BM25Ranker(["ve", "ve böbrek"], documents, Analyser("tr", stop_words=how)).search(3) for how in ("keep", "drop")
    )
    assert [sorted(row) for row in kept.documents.tolist()] == [[-1, 0, 1], [-1, 0, 1]]
    assert dropped.documents.tolist() == [[-1, -1, -1], [0, -1, -1]]


def test_dropped_stop_words_make_a_document_no_longer() -> None:
    documents = ["böbrek ve ile için", "böbrek", "kalp kapak göz"]
    found = BM25Ranker(["böbrek"], documents, Analyser("tr", stop_words="drop")).search(3)
    assert found.scores[0, 0] == found.scores[0, 1] > 0


def test_stop_words_of_an_unknown_language_are_an_error() -> None:
    with pytest.raises(UsageError, match="stop_words=drop: no stop words are known for language None"):
        BM25Ranker(["a"], ["a"], Analyser(stop_words="drop"))


def test_without_a_stemmer_each_form_is_a_word_of_its_own() -> None:
    asked = ["böbrekler", "böbreklere"]
    found = BM25Ranker(asked, DOCUMENTS, Analyser("tr", stemmer="none")).search(4)
    assert found.documents[:, 0].tolist() == [-1, 1]


def test_the_texts_of_a_data_set_are_read_in_its_language(fixtures: Path) -> None:
    """Real questions, and what bm25s gives for the same stems."""
    data, analyser = medical(fixtures), Analyser("tr")
    texts = [analyser.stems(analyser.words(text)) for text in (*data.documents, *data.queries)]
    documents, queries = texts[: len(data.documents)], texts[len(data.documents) :]
    found = BM25Ranker(data.queries, data.documents, analyser).search(10)
    expected = -np.sort(-by_bm25s(documents, queries), axis=1)[:, :10]
    np.testing.assert_allclose(found.scores, np.where(expected > 0, expected, -np.inf), rtol=1e-6)


@pytest.mark.parametrize(("hidden", "package"), [("bm25s", "bm25s"), ("Stemmer", "PyStemmer")])
def test_a_missing_library_is_named_with_its_extra(hidden: str, package: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, hidden, None)
    with pytest.raises(MissingExtraError, match=package) as caught:
        BM25Ranker(["a"], ["a"], Analyser("da"))
    assert "pytest-embedeval[lexical]" in str(caught.value)


def test_a_corpus_without_a_word_is_no_error() -> None:
    ranker = BM25Ranker(["a"], ["", "…"])
    assert ranker.score(np.array([0]), np.array([1])).tolist() == [-np.inf]
    assert ranker.count_at_least(np.array([0]), np.array([0], dtype=np.float32)).tolist() == [0]
