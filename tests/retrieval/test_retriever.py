"""Search engines of a user's own: how their lists are read, and what is refused."""

from __future__ import annotations

import json
import threading
import urllib.request
from collections.abc import Callable, Iterator, Sequence
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import numpy as np
import pytest

from pytest_embedeval import Retriever, evaluate_retrieval, load_dataset, load_model
from pytest_embedeval.datasets import Judgements, RetrievalData
from pytest_embedeval.errors import ModelLoadError
from pytest_embedeval.models import Model, ModelSpec
from pytest_embedeval.retrieval.retriever import RetrieverModel, RetrieverRanker, SearchError, as_model, is_retriever
from pytest_embedeval.vectors import normalised
from tests.conftest import ROOT, letters

IDS = [f"d{number}" for number in range(6)]
DATA = RetrievalData(
    name="tiny",
    document_ids=IDS,
    documents=[f"document {number}" for number in range(6)],
    query_ids=["q0", "q1", "q2"],
    queries=["zero", "one", "two"],
    judgements=Judgements.of({(0, 0): 1, (1, 1): 1, (2, 2): 1}),
)

Lists = tuple[Sequence[Sequence[str]], Sequence[Sequence[float]]]


class Fixed:
    """Returns the same lists whatever is asked."""

    def __init__(self, ids: Any, scores: Any) -> None:
        self.found = ids, scores

    def search(self, queries: list[str], k: int) -> Lists:
        return self.found


def ranker(ids: Any, scores: Any) -> RetrieverRanker:
    return RetrieverRanker(RetrieverModel(Fixed(ids, scores), "shop"), DATA)


def counted(found: RetrieverRanker) -> dict[str, int]:
    return {finding.kind: finding.count for finding in found.findings}


FULL = [["d0", "d1"], ["d1", "d0"], ["d3", "d2"]]
DOWN = [[2.0, 1.0]] * 3


def test_lists_become_positions() -> None:
    engine = ranker([["d0", "d5", "d1"], [], ["d3"]], [[3.0, 2.0, 1.0], [], [0.5]])
    found = engine.search(4)
    assert found.documents.tolist() == [[0, 5, 1, -1], [-1, -1, -1, -1], [3, -1, -1, -1]]
    assert found.scores[0].tolist() == [3.0, 2.0, 1.0, -np.inf]
    assert counted(engine) == {"empty-lists": 1}


def test_lists_are_put_in_the_order_of_their_scores() -> None:
    engine = ranker([["d0", "d5", "d1"], ["d1"], ["d2"]], [[1.0, 3.0, 2.0], [1.0], [1.0]])
    assert engine.search(3).documents[0].tolist() == [5, 1, 0]
    assert counted(engine) == {"unsorted-lists": 1}


def test_equal_scores_tie_whatever_their_order() -> None:
    scores = [
        evaluate_retrieval(Fixed([order, ["d1"], ["d2"]], [[1.0, 1.0], [1.0], [1.0]]), DATA)["mrr@10"]
        for order in (["d0", "d4"], ["d4", "d0"])
    ]
    assert scores[0] == scores[1] == pytest.approx((0.75 + 1 + 1) / 3)


def test_unknown_and_repeated_documents_are_counted_and_dropped() -> None:
    engine = ranker([["d4", "passage-7", "d0", "d4"], ["d1"], ["gone"]], [[4.0, 3.0, 2.0, 1.0], [1.0], [1.0]])
    found = engine.search(4)
    assert found.documents[0].tolist() == [4, 0, -1, -1]
    assert found.scores[0].tolist() == [4.0, 2.0, -np.inf, -np.inf]
    assert counted(engine) == {"unknown-documents": 2, "repeated-documents": 1}
    assert engine.findings[0].message == "2 times it returned an id that the data does not know, which was dropped"


def test_numpy_arrays_are_lists_too() -> None:
    found = ranker([np.array(ids) for ids in FULL], np.array(DOWN, dtype=np.float32)).search(2)
    assert found.documents.tolist() == [[0, 1], [1, 0], [3, 2]]


@pytest.mark.parametrize(
    ("ids", "scores", "problem"),
    [
        (FULL[:2], DOWN, "search returned 2 lists of ids for 3 queries; query 'q2' is the first without"),
        (FULL, DOWN[:1], "search returned 1 lists of scores for 3 queries; query 'q1' is the first without"),
        ([*FULL, []], DOWN, "search returned 4 lists of ids for 3 queries"),
        ([["d0"], None, ["d2"]], [[1.0], None, [1.0]], "query 'q1' has no list; return an empty one where nothing"),
        ([["d0", "d1"], ["d1"], []], [[1.0], [1.0], []], "query 'q0' has 2 ids and 1 scores"),
        ([["d0"], ["d1", "d0", "d2"], []], [[1.0], [3.0, 2.0, 1.0], []], "query 'q1' has 3 documents, and 2 were"),
        ([["d0"], ["d1"], ["d2"]], [[1.0], [float("nan")], [1.0]], "query 'q1': the score of 'd1' is nan; scores are"),
        ([["d0"], ["d1"], ["d2"]], [[1.0], [1.0], [float("inf")]], "query 'q2': the score of 'd2' is inf; scores are"),
        ([["d0"], ["d1"], ["d2"]], [[1e39], [1.0], [1.0]], r"query 'q0': the score of 'd0' is 1e\+39; scores are"),
        ([["d0"], ["d1"], ["d2"]], [[1.0], [None], [1.0]], "query 'q1': the score of 'd1' is None; scores are finite"),
        ([["d0"], [1], ["d2"]], [[1.0]] * 3, "query 'q1': the id 1 is int; ids are those of the data, str"),
        ([["7"], ["8"], []], [[1.0], [1.0], []], "none of the ids it returned is one of the data's; it says '7', they"),
    ],
)  # fmt: skip
def test_what_no_score_may_be_computed_from_names_engine_data_and_query(ids: Any, scores: Any, problem: str) -> None:
    with pytest.raises(SearchError, match=f"^engine 'shop' on tiny: {problem}"):
        ranker(ids, scores).search(2)


@pytest.mark.parametrize("found", [None, [["d0"]], "ids", {"ids": [], "scores": []}])
def test_an_engine_returns_ids_and_scores(found: Any) -> None:
    engine = RetrieverModel(Fixed([], []), "shop")
    engine._retriever.found = found  # type: ignore[union-attr]
    with pytest.raises(SearchError, match=r"search returned \w+; it must return \(ids, scores\)"):
        RetrieverRanker(engine, DATA).search(2)


class Noted:
    """An engine that holds no corpus yet and notes what it is told."""

    def __init__(self) -> None:
        self.calls: list[str] = []
        self.held: list[str] = []

    def index(self, ids: list[str], documents: list[str]) -> None:
        self.calls.append(f"index {ids[0]}: {documents[0]}")
        self.held = ids

    def search(self, queries: list[str], k: int) -> Lists:
        self.calls.append(f"search {len(queries)} for {k}")
        return [self.held[:k]] * len(queries), [[1.0 - place / 10 for place in range(min(k, 6))]] * len(queries)


def test_the_corpus_is_given_once_and_searched_once_per_evaluation() -> None:
    engine = Noted()
    model = RetrieverModel(engine)
    for _ in range(2):
        RetrieverRanker(model, DATA).search(4)
    other = RetrievalData("other", ["x"], ["text"], ["q"], ["ask"], Judgements.of({(0, 0): 1}))
    RetrieverRanker(model, other).search(1)
    RetrieverRanker(model, DATA).search(4)
    assert engine.calls == [
        *("index d0: document 0", "search 3 for 4", "search 3 for 4"),
        *("index x: text", "search 1 for 1", "index d0: document 0", "search 3 for 4"),
    ]


def test_an_engine_is_asked_for_no_more_than_there_are() -> None:
    engine = Noted()
    evaluate_retrieval(engine, DATA)
    assert engine.calls == ["index d0: document 0", "search 3 for 6"]


def test_an_index_that_failed_is_given_again() -> None:
    engine = Noted()
    model = RetrieverModel(engine)
    engine.index, given = _refuse, engine.index  # type: ignore[method-assign]
    with pytest.raises(ConnectionError):
        RetrieverRanker(model, DATA).search(2)
    engine.index = given  # type: ignore[method-assign]
    assert RetrieverRanker(model, DATA).search(2).documents.tolist() == [[0, 1]] * 3


def _refuse(ids: list[str], documents: list[str]) -> None:
    raise ConnectionError


def test_what_the_lists_do_not_hold_has_no_score() -> None:
    engine = ranker(FULL, DOWN)
    engine.search(2)
    rows = np.array([0, 0, 2])
    assert engine.score(rows, np.array([1, 3, 3])).tolist() == [1.0, -np.inf, 2.0]
    assert engine.count_at_least(rows, np.array([1.0, 1.5, 3.0], dtype=np.float32)).tolist() == [2, 1, 0]


def test_an_engine_gets_the_scores_of_its_lists() -> None:
    """First, first, second; nothing of it is encoded."""
    scores = evaluate_retrieval(Fixed(FULL, DOWN), DATA)
    assert scores.model == "Fixed"
    assert scores["mrr@10"] == scores["mrr"] == pytest.approx((1 + 1 + 0.5) / 3)
    assert scores["recall@1"] == pytest.approx(2 / 3)
    assert scores["recall@10"] == pytest.approx(1)
    assert scores.top["q2"] == ("d3", "d2")
    assert not scores.encoded
    assert "encode_s" not in scores.measured


def test_an_engine_over_a_models_vectors_scores_as_the_model() -> None:
    data = load_dataset(ROOT / "fixtures" / "turkish_medical_qa.json", language="tr")

    class Vectors:
        def index(self, ids: list[str], documents: list[str]) -> None:
            self.ids, self.vectors = np.array(ids), normalised(letters(documents))

        def search(self, queries: list[str], k: int) -> Lists:
            products = normalised(letters(queries)) @ self.vectors.T
            order = np.argsort(-products, axis=1)[:, :k]
            return self.ids[order].tolist(), np.take_along_axis(products, order, axis=1).tolist()

    engine, model = evaluate_retrieval(Vectors(), data), evaluate_retrieval(load_model(letters), data)
    for name in ("mrr@10", "recall@5", "ndcg@10", "map@100", "mrr"):
        assert engine[name] == pytest.approx(model[name]), name


def test_a_closed_engine_searches_no_more() -> None:
    model = RetrieverModel(Fixed(FULL, DOWN), "shop")
    model.close()
    with pytest.raises(SearchError, match="engine 'shop' is closed"):
        RetrieverRanker(model, DATA).search(2)


class Both:
    """Encodes and searches."""

    def search(self, queries: list[str], k: int) -> Lists:
        raise AssertionError

    def encode_queries(self, texts: list[str]) -> Any:
        return letters(texts)

    encode_documents = encode_queries


def test_what_encodes_is_an_encoder_even_if_it_searches() -> None:
    assert isinstance(Fixed([], []), Retriever)
    assert is_retriever(Fixed([], []))
    assert [is_retriever(target) for target in (Both(), letters, "minilm-en", load_model(letters))] == [False] * 4
    assert evaluate_retrieval(Both(), DATA).encoded


def test_keys_about_vectors_do_not_apply_to_an_engine() -> None:
    engine = Fixed([], [])
    model = as_model(ModelSpec("shop", "mine", device="cpu"), engine)
    assert isinstance(model, Model)
    assert (model.info.alias, model.info.source, model.info.kind) == ("shop", "mine", "engine")
    assert as_model(ModelSpec("shop", "mine"), letters) is None
    for spec in (ModelSpec("shop", "mine", dim=64), ModelSpec("shop", "mine", precision="int8")):
        with pytest.raises(ModelLoadError, match=r"^model 'shop': (dim|precision) does not apply to a search engine"):
            as_model(spec, engine)


class Elasticsearch:
    """The worked example of docs/search.md."""

    def __init__(self, url: str) -> None:
        self.url = url

    def search(self, queries: list[str], k: int) -> Lists:
        found = [self.ask({"query": {"match": {"text": query}}, "size": k, "_source": False}) for query in queries]
        ids = [[hit["_id"] for hit in hits] for hits in found]
        return ids, [[hit["_score"] for hit in hits] for hits in found]

    def ask(self, body: dict[str, Any]) -> list[dict[str, Any]]:
        request = urllib.request.Request(self.url, json.dumps(body).encode(), {"Content-Type": "application/json"})
        with urllib.request.urlopen(request, timeout=10) as answer:
            hits: list[dict[str, Any]] = json.load(answer)["hits"]["hits"]
            return hits


@pytest.fixture
def endpoint() -> Iterator[Callable[[dict[str, list[str]]], str]]:
    """Serve a search on loopback: text of a query -> ids, best first."""
    servers = []

    def serve(answers: dict[str, list[str]]) -> str:
        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
                ids = answers[body["query"]["match"]["text"]][: body["size"]]
                hits = [{"_id": identity, "_score": 9.5 - place} for place, identity in enumerate(ids)]
                content = json.dumps({"hits": {"hits": hits}}).encode()
                self.send_response(200)
                self.send_header("Content-Length", str(len(content)))
                self.end_headers()
                self.wfile.write(content)

            def log_message(self, *_: object) -> None:
                pass

        server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        servers.append(server)
        threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01}).start()
        return f"http://127.0.0.1:{server.server_address[1]}/articles/_search"

    yield serve
    for server in servers:
        server.shutdown()
        server.server_close()


def test_an_endpoint_is_judged_over_http(endpoint: Callable[[dict[str, list[str]]], str]) -> None:
    url = endpoint({"zero": ["d0"], "one": ["d3", "d1"], "two": []})
    scores = evaluate_retrieval(Elasticsearch(url), DATA)
    assert scores["mrr@10"] == pytest.approx((1 + 0.5 + 0) / 3)
    assert [finding.message for finding in scores.findings] == ["it found nothing for 1 of 3 queries"]
