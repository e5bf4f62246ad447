"""The way through all rooms: what must hold of scores whatever the model."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable

import numpy as np
import pytest
from numpy.typing import NDArray

from pytest_embedeval import (
    evaluate_clustering,
    evaluate_morphology,
    evaluate_retrieval,
    evaluate_triplets,
    load_dataset,
    load_model,
    load_words,
)
from pytest_embedeval.datasets import Judgements, RetrievalData
from pytest_embedeval.errors import UsageError, VectorError
from pytest_embedeval.evaluate import RETRIEVAL_METRICS, measurements
from pytest_embedeval.metrics import Scores
from pytest_embedeval.models import Model
from pytest_embedeval.vectors import Encoded
from tests.conftest import ROOT, constant, letters

MEDICAL = load_dataset(ROOT / "fixtures" / "turkish_medical_qa.json", language="tr")
WORDS = load_words(ROOT / "fixtures" / "morphology_tr.tsv")


def harmonic(n: int) -> float:
    return sum(1 / rank for rank in range(1, n + 1))


def blank(encode: Callable[[list[str]], NDArray[np.float32]] = constant) -> Encoded:
    """Return an encoder that may give all texts one vector."""
    return Encoded(load_model(encode), allow_collapse=True)


@pytest.mark.parametrize("evaluate", [evaluate_retrieval, evaluate_clustering, evaluate_triplets])
def test_one_vector_for_all_texts_gets_no_score(evaluate: Callable[[Model, RetrievalData], Scores]) -> None:
    with pytest.raises(VectorError, match=r"model 'constant' gives one and the same vector to all \d+ texts, '"):
        evaluate(load_model(constant), MEDICAL)


def test_a_function_is_judged_as_the_model_that_it_becomes() -> None:
    """Its type is accepted too: mypy reads this file."""
    plain: Callable[[list[str]], NDArray[np.float32]] = letters
    scores, expected = evaluate_retrieval(plain, MEDICAL), evaluate_retrieval(load_model(letters), MEDICAL)
    assert scores.model == "letters"
    assert [row.value for row in measurements(scores)][:10] == [row.value for row in measurements(expected)][:10]


def test_a_constant_encoder_gets_exactly_chance() -> None:
    """One relevant among N documents that all tie: k/N for recall, H(k)/N for the reciprocal rank."""
    scores = evaluate_retrieval(blank(), MEDICAL, metrics=(*RETRIEVAL_METRICS, "bpref", "r_precision"))
    n = len(MEDICAL.documents)
    discounts = sum(1 / np.log2(rank + 1) for rank in range(1, 11))
    expected = {
        "mrr@10": harmonic(10) / n,
        "mrr": harmonic(n) / n,
        "recall@1": 1 / n,
        "recall@3": 3 / n,
        "recall@5": 5 / n,
        "recall@10": 10 / n,
        "hit_rate@10": 10 / n,
        "precision@10": 1 / n,
        "map@100": harmonic(min(n, 100)) / n,
        "ndcg@10": discounts / n,
        "judged@10": 1 / n,
        "r_precision": 1 / n,
    }
    for name, value in expected.items():
        assert scores[name] == pytest.approx(value), name


def test_chance_needs_no_full_ranking() -> None:
    """With the largest cutoff at 10, the other tied documents are counted and not listed."""
    scores = evaluate_retrieval(blank(), MEDICAL, metrics=["mrr@10", "recall@5", "mrr", "hit_rate@10"])
    n = len(MEDICAL.documents)
    assert scores["mrr@10"] == pytest.approx(harmonic(10) / n)
    assert scores["recall@5"] == pytest.approx(5 / n)
    assert scores["hit_rate@10"] == pytest.approx(10 / n)
    assert scores["mrr"] == pytest.approx(harmonic(n) / n)


def test_a_constant_encoder_separates_no_words() -> None:
    with pytest.raises(VectorError, match="one and the same vector"):
        evaluate_morphology(load_model(constant), WORDS)
    scores = evaluate_morphology(blank(), WORDS)
    assert scores["morphology.auc"] == 0.5
    guessing = np.mean([1 / (1 + len(item.distractors)) for item in WORDS.items])
    assert scores["morphology.accuracy"] == pytest.approx(guessing)
    assert scores["morphology.similarity"] == pytest.approx(1.0), "the article's score calls it perfect"
    assert {scores[f"morphology.versus.{kind}"] for kind in ("lemma", "harmony", "affirmative")} == {0.5}
    negatives = evaluate_triplets(blank(), MEDICAL)
    assert {negatives[f"triplet.accuracy{suffix}"] for suffix in ("", ".hard")} == {0.5}
    assert negatives["triplet.margin.hard"] == pytest.approx(0.0, abs=1e-6)


def test_a_constant_encoder_forms_no_clusters() -> None:
    scores = evaluate_clustering(blank(), MEDICAL)
    for name in ("silhouette.kmeans", "silhouette.label", "v_measure"):
        assert scores[name] == pytest.approx(0.0, abs=1e-6), name


def test_one_row_of_nan_is_an_error_that_names_the_text() -> None:
    def encode(texts: list[str]) -> NDArray[np.float32]:
        vectors = letters(texts)
        vectors[[text == MEDICAL.documents[7] for text in texts]] = np.nan
        return vectors

    with pytest.raises(VectorError, match="NaN") as raised:
        evaluate_retrieval(load_model(encode, alias="broken"), MEDICAL)
    assert MEDICAL.documents[7][:60] in str(raised.value)


@pytest.mark.parametrize("encode", [letters, constant], ids=["letters", "constant"])
def test_ids_and_order_of_insertion_change_no_score(encode: Callable[[list[str]], NDArray[np.float32]]) -> None:
    model = blank(encode)
    shuffled = reordered(MEDICAL, np.random.default_rng(0).permutation(len(MEDICAL.documents)))
    renamed = dataclasses.replace(shuffled, document_ids=[f"x{i}" for i in range(len(shuffled.documents))])
    expected = evaluate_retrieval(model, MEDICAL)
    for data in (shuffled, renamed):
        found = evaluate_retrieval(model, data)
        for name in RETRIEVAL_METRICS:
            np.testing.assert_allclose(found.measured[name].each, expected.measured[name].each, atol=1e-9)  # type: ignore[arg-type]


def test_the_first_relevant_document_is_found_beyond_the_list() -> None:
    """`mrr` without a cutoff equals the one computed from a full ranking."""
    model = load_model(letters)
    short = evaluate_retrieval(model, MEDICAL, metrics=["recall@3", "mrr"])
    whole = evaluate_retrieval(model, MEDICAL, metrics=["mrr", "r_precision"])
    np.testing.assert_allclose(short.measured["mrr"].each, whole.measured["mrr"].each, atol=1e-9)  # type: ignore[arg-type]


def test_trec_order_can_be_had_for_comparison() -> None:
    """Every document ties: trec_eval lists them by id, descending, so only the last id's queries are served."""
    data = RetrievalData(
        name="three",
        document_ids=["a", "b", "c"],
        documents=["bir", "iki", "üç"],
        query_ids=["q1", "q2"],
        queries=["x", "y"],
        judgements=Judgements.of({(0, 0): 1, (1, 2): 1}),
    )
    scores = evaluate_retrieval(load_model(constant), data, metrics=["mrr@2", "mrr"], ties="trec")
    assert scores.measured["mrr@2"].each is not None
    assert scores.measured["mrr@2"].each.tolist() == [0.0, 1.0]
    assert scores.measured["mrr"].each is not None
    assert scores.measured["mrr"].each.tolist() == [1 / 3, 1.0]


def test_a_negative_cutoff_is_refused() -> None:
    with pytest.raises(UsageError, match="'recall@-3': the cutoff must be a whole number of at least 1"):
        evaluate_retrieval(load_model(letters), MEDICAL, metrics=["recall@-3"])


def test_evaluation_seeds_no_global_generator() -> None:
    before = np.random.get_state()[1].tolist()  # type: ignore[index]
    evaluate_clustering(load_model(letters), MEDICAL)
    evaluate_triplets(load_model(letters), MEDICAL)
    assert np.random.get_state()[1].tolist() == before  # type: ignore[index]


def test_numbers_that_are_not_finite_become_null() -> None:
    scores = evaluate_retrieval(load_model(letters), MEDICAL)
    spoiled = dataclasses.replace(scores.measured["mrr"], value=float("nan"))
    rows = measurements(dataclasses.replace(scores, measured={"mrr": spoiled}))
    assert (rows[0].value, rows[0].low, rows[0].high) == (None, None, None)


def test_every_mean_lies_in_its_interval() -> None:
    for row in measurements(evaluate_retrieval(load_model(letters), MEDICAL)):
        if row.low is not None:
            assert row.value is not None
            assert row.high is not None
            assert row.low <= row.value <= row.high


def reordered(data: RetrievalData, order: NDArray[np.int64]) -> RetrievalData:
    place = np.argsort(order)
    judged = data.judgements
    return dataclasses.replace(
        data,
        document_ids=[data.document_ids[i] for i in order],
        documents=[data.documents[i] for i in order],
        document_fields={"title": [data.document_fields["title"][i] for i in order]},
        judgements=dataclasses.replace(judged, document=place[judged.document]),
    )
