"""Finished runs: read, put in order and judged as trec_eval does, and written."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import pytrec_eval
from numpy.typing import NDArray

from pytest_embedeval.datasets import Judgements, RetrievalData
from pytest_embedeval.errors import DatasetError, UsageError
from pytest_embedeval.metrics import parse_metric, score_search
from pytest_embedeval.metrics.ties import trec_preference
from pytest_embedeval.retrieval import Ranker, Rankings
from pytest_embedeval.retrieval.runs import RunRanker, write_run

TREC_NAMES = {
    "mrr": "recip_rank",
    "recall@1": "recall_1",
    "recall@5": "recall_5",
    "recall@10": "recall_10",
    "hit_rate@5": "success_5",
    "hit_rate@10": "success_10",
    "precision@10": "P_10",
    "map@10": "map_cut_10",
    "map@100": "map_cut_100",
    "ndcg@10": "ndcg_cut_10",
    "ndcg@100": "ndcg_cut_100",
    "r_precision": "Rprec",
    "bpref": "bpref",
}


def data_of(
    documents: list[str], queries: list[str], grades: dict[tuple[int, int], int], protocol: dict[str, str] | None = None
) -> RetrievalData:
    return RetrievalData("d", documents, documents, queries, queries, Judgements.of(grades), protocol=protocol or {})


DATA = data_of(["a", "b", "c", "d e"], ["q1", "q2", "q3"], {(0, 0): 1, (1, 1): 1, (2, 3): 1})
LINES = "q1 Q0 b 1 0.5 bm25\nq1 Q0 a 2 0.9 bm25\nq3 Q0 c 9 -1e3 other\nq1 Q0 c 3 0.5 bm25\n"


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "model.trec"


def ranker(path: Path, text: str, data: RetrievalData = DATA) -> RunRanker:
    path.write_text(text, encoding="utf-8")
    return RunRanker(path, data)


def lists(rankings: Rankings) -> list[list[int]]:
    return [[document for document in row if document >= 0] for row in rankings.documents.tolist()]


def test_scores_and_not_ranks_give_the_order_and_equal_scores_that_of_the_corpus(path: Path) -> None:
    run = ranker(path, LINES)
    found = run.search(4)
    assert lists(found) == [[0, 1, 2], [], [2]]
    np.testing.assert_array_equal(found.scores[:, 0], np.array([0.9, -np.inf, -1e3], dtype=np.float32))
    assert [found.documents.dtype.name, found.scores.dtype.name] == ["int64", "float32"]
    assert run.tag == "bm25"


def test_a_shorter_search_is_the_beginning_of_a_longer_one(path: Path) -> None:
    run = ranker(path, LINES)
    assert lists(run.search(1)) == [[0], [], [2]]
    assert run.search(1).documents.shape == (3, 1)


def test_lines_may_have_tabs_or_spaces_and_ids_between_tabs_may_hold_spaces(path: Path) -> None:
    run = ranker(path, "q1\tQ0\td e\t1\t0.5\tmy tag\r\n\n  q1   Q0 a\t2 0.25 t \n")
    assert lists(run.search(4))[0] == [3, 0]


def test_a_no_break_space_is_part_of_an_id(path: Path) -> None:
    data = replace(DATA, document_ids=["a", "b", "c", "d\u00a0e"])
    assert lists(ranker(path, "q1 Q0 d\u00a0e 1 0.5 t\n", data).search(4))[0] == [3]


def test_any_pair_can_be_asked_for_its_score(path: Path) -> None:
    run: Ranker = ranker(path, LINES)
    queries, documents = np.array([2, 0, 0, 1, 0, 2]), np.array([2, 2, 3, 0, 0, 3])
    expected = np.array([-1e3, 0.5, -np.inf, -np.inf, 0.9, -np.inf], dtype=np.float32)
    np.testing.assert_array_equal(run.score(queries, documents), expected)


def test_it_is_counted_how_many_documents_reach_a_score(path: Path) -> None:
    run: Ranker = ranker(path, LINES)
    queries, bounds = np.array([0, 0, 0, 1, 2]), np.array([0.5, 0.6, 1.0, -np.inf, -1e3], dtype=np.float32)
    assert run.count_at_least(queries, bounds).tolist() == [3, 1, 0, 0, 1]


def test_queries_without_a_list_score_zero(path: Path) -> None:
    data = replace(DATA, judgements=Judgements.of({(0, 0): 1, (1, 1): 1, (2, 2): 1}))
    found = score_search(ranker(path, LINES, data), data, [parse_metric("mrr@10"), parse_metric("mrr")]).measured
    for name in ("mrr@10", "mrr"):
        each = found[name].each
        assert each is not None
        assert each.tolist() == [1.0, 0.0, 1.0]


def test_what_does_not_fit_the_data_is_counted_and_dropped(path: Path) -> None:
    run = ranker(path, LINES + "q1 Q0 x 1 0.8 t\nq9 Q0 a 1 1 t\nq9 Q0 x 1 1 t\n")
    assert lists(run.search(4)) == [[0, 1, 2], [], [2]]
    assert [(finding.kind, finding.count, finding.message) for finding in run.findings] == [
        (
            "unknown-run-documents",
            1,
            "1 of 7 lines of the run name a document that the data does not have, such as 'x', and were dropped",
        ),
        ("unknown-run-queries", 1, "1 queries of the run are not in the data, such as 'q9'"),
        ("queries-without-run", 1, "1 of 3 queries are not in the run, such as 'q2': they score 0"),
    ]


def test_documents_that_were_merged_away_are_told_to_be_unknown(path: Path) -> None:
    (finding, *_) = ranker(path, LINES + "q1 Q0 x 1 0.8 t\n", replace(DATA, protocol={"duplicates": "merge"})).findings
    assert finding.message.endswith("one that was merged with its equal is unknown, too")


def test_a_run_that_fits_the_data_has_no_findings(path: Path) -> None:
    assert ranker(path, "".join(f"q{i} Q0 a 1 1 t\n" for i in (1, 2, 3))).findings == ()


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("q1 Q0 a 1 high t\n", ", line 1: the score 'high' is no number"),
        (LINES + "q2 Q0 a 1 nan t\n", ", line 5: the score nan is no finite number of single precision"),
        ("q1 Q0 a 1 1 t\n\nq1 Q0 b 2 -inf t\n", ", line 3: the score -inf is no finite number"),
        ("q1 Q0 a 1 1e39 t\n", ", line 1: the score 1e39 is no finite number of single precision"),
        (LINES + "q3 Q0 a 1 1 t\nq1 Q0 a 7 0.1 t\n", ", line 6: query 'q1' lists document 'a' a second time"),
        ("q9 Q0 x 1 1 t\nq1 Q0 a 1 1 t\nq9 Q0 x 2 1 t", ", line 3: query 'q9' lists document 'x' a second time"),
        ("q1 Q0 a 1 1\n", ", line 1: 5 columns; expected query, Q0, document, rank, score, tag"),
        ("q1 Q0 a b 1 1 t\n", ", line 1: 7 columns"),
        ("", ": an empty run"),
        ("q9 Q0 a 1 1 t\n", ": no line names both a query and a document of 'd'; the first names query 'q9' and "),
    ],
)
def test_a_malformed_run_is_refused_with_its_line(path: Path, text: str, message: str) -> None:
    with pytest.raises(DatasetError) as caught:
        ranker(path, text)
    assert str(caught.value).removeprefix(str(path)).startswith(message)


def test_a_missing_run_is_named(path: Path) -> None:
    with pytest.raises(DatasetError, match=r"model\.trec: no such file"):
        RunRanker(path, DATA)


def random_case(seed: int, *, tied: bool) -> tuple[RetrievalData, Rankings]:
    """50 queries with many graded documents each, and lists of unequal lengths that miss some queries altogether."""
    rng = np.random.default_rng(seed)
    ids = [f"d{i:03}" for i in rng.permutation(400)]
    grades = {}
    for query in range(50):
        for document in rng.choice(400, rng.integers(5, 60), replace=False).tolist():
            grades[query, document] = int(rng.integers(-1, 4))
        grades[query, int(rng.integers(400))] = int(rng.integers(1, 4))
    documents = np.full((50, 120), -1, dtype=np.int64)
    scores = np.full((50, 120), -np.inf, dtype=np.float32)
    for query in range(50):
        n = int(rng.integers(0, 121)) if query % 7 else 0
        values = rng.integers(0, 12, n) / 8 if tied else rng.normal(0, 30, n)
        documents[query, :n] = rng.permutation(400)[:n]
        scores[query, :n] = np.sort(values.astype(np.float32))[::-1]
    return data_of(ids, [f"q{i}" for i in range(50)], grades), Rankings(documents, scores)


def trec_eval(data: RetrievalData, path: Path) -> dict[str, NDArray[np.float64]]:
    qrels: dict[str, dict[str, int]] = {}
    for query, document, grade in zip(*(column.tolist() for column in data.judgements.columns), strict=True):
        qrels.setdefault(data.query_ids[query], {})[data.document_ids[document]] = grade
    with path.open(encoding="utf-8") as stream:
        run = pytrec_eval.parse_run(stream)
    measures = {"recip_rank", "recall.1,5,10", "success", "P", "map_cut", "ndcg_cut", "Rprec", "bpref"}
    found = pytrec_eval.RelevanceEvaluator(qrels, measures).evaluate(run)
    return {
        ours: np.array([found[query][theirs] if query in found else 0.0 for query in data.query_ids])
        for ours, theirs in TREC_NAMES.items()
    }


@pytest.mark.parametrize("tied", [False, True], ids=["distinct", "tied"])
@pytest.mark.parametrize("seed", range(4))
def test_metrics_of_a_run_equal_trec_eval(seed: int, tied: bool, path: Path) -> None:
    data, rankings = random_case(seed, tied=tied)
    write_run(path, data, rankings, "random")
    expected = trec_eval(data, path)
    order = np.argsort(trec_preference(data.document_ids))  # as evaluate_retrieval does for ties="trec"
    place = np.empty_like(order)
    place[order] = np.arange(len(order))
    ids = [data.document_ids[i] for i in order]
    grades = {(q, int(place[d])): g for q, d, g in zip(*(c.tolist() for c in data.judgements.columns), strict=True)}
    sorted_data = data_of(ids, list(data.query_ids), grades)
    metrics = [parse_metric(name) for name in TREC_NAMES]
    found = score_search(RunRanker(path, sorted_data), sorted_data, metrics, as_listed=True).measured
    for name, values in expected.items():
        each = found[name].each
        assert each is not None
        np.testing.assert_allclose(each, values, rtol=0, atol=1e-9, err_msg=name)
    assert expected["recall@10"].max() > 0


def test_recall_is_the_share_of_the_relevant_and_hit_rate_whether_there_is_any(path: Path) -> None:
    data = data_of(["a", "b", "c", "d", "e"], ["q"], {(0, 0): 2, (0, 1): 1, (0, 2): 1, (0, 3): 3, (0, 4): 0})
    run = ranker(path, "q Q0 a 1 9 t\nq Q0 e 2 8 t\nq Q0 c 3 7 t\nq Q0 d 4 6 t\n", data)
    names = ("recall@1", "recall@3", "recall@5", "hit_rate@1", "hit_rate@3", "hit_rate@5")
    found = score_search(run, data, [parse_metric(name) for name in names]).measured
    assert [found[name].value for name in names] == [0.25, 0.5, 0.75, 1.0, 1.0, 1.0]


def test_ties_of_a_run_count_as_the_mean_over_their_orders(path: Path) -> None:
    run = ranker(path, "q1 Q0 b 1 1 t\nq1 Q0 a 2 1 t\nq1 Q0 c 3 1 t\n")
    found = score_search(run, DATA, [parse_metric("recall@1")]).measured["recall@1"]
    assert found.each is not None
    assert found.each[0] == pytest.approx(1 / 3)


def test_what_is_written_is_read_back(path: Path) -> None:
    scores = np.array([[0.1, -1 / 3, -np.inf], [16777216.0, 1e-30, -5.5], [-np.inf] * 3], dtype=np.float32)
    rankings = Rankings(np.array([[3, 0, -1], [2, 1, 0], [-1, -1, -1]]), scores)
    write_run(path.parent / "runs" / path.name, DATA, rankings, "my model")
    text = (path.parent / "runs" / path.name).read_text(encoding="utf-8")
    assert text.splitlines()[:2] == ["q1\tQ0\td e\t1\t0.1\tmy model", "q1\tQ0\ta\t2\t-0.33333334\tmy model"]
    found = RunRanker(path.parent / "runs" / path.name, DATA)
    np.testing.assert_array_equal(found.search(3).documents, rankings.documents)
    np.testing.assert_array_equal(found.search(3).scores, rankings.scores)
    assert found.tag == "my model"


@pytest.mark.parametrize("wrong", ["", "a\tb", "a\nb"])
def test_an_id_or_a_tag_that_would_break_a_line_is_refused(path: Path, wrong: str) -> None:
    rankings = Rankings(np.zeros((3, 1), dtype=np.int64), np.zeros((3, 1), dtype=np.float32))
    for data, tag in ((DATA, wrong), (replace(DATA, query_ids=["q1", wrong, "q3"]), "t")):
        with pytest.raises(UsageError, match="cannot stand in a run file"):
            write_run(path, data, rankings, tag)
    assert not path.exists()
