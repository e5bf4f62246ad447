"""Two stages by depth: quality, its gain over the first stage, and what is timed."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from numpy.typing import NDArray

from pytest_embedeval import evaluate_retrieval, load_model
from pytest_embedeval.datasets import Judgements, RetrievalData, load_dataset
from pytest_embedeval.errors import UsageError
from pytest_embedeval.gate import StageRow, bounded_mean_interval
from pytest_embedeval.models import Model, ModelInfo
from pytest_embedeval.stages import DEPTHS, evaluate_stages
from pytest_embedeval.vectors import Encoded
from tests.conftest import ROOT, blind, letters
from tests.gate.test_differences import by_hand

ENCODERS = {"letters": letters, "blind": blind}


class Reader:
    """A cross-encoder that counts the letters two texts share, and notes what it was asked."""

    def __init__(self) -> None:
        self.asked: list[list[tuple[str, str]]] = []

    def score(self, queries: list[str], documents: list[str]) -> NDArray[np.float32]:
        pairs = list(zip(queries, documents, strict=True))
        self.asked.append(pairs)
        return np.array([len({*query} & {*document}) for query, document in pairs], dtype=np.float32)


@pytest.fixture(scope="module")
def data() -> RetrievalData:
    whole = load_dataset(ROOT / "fixtures" / "products", format="wands", language="en")
    assert isinstance(whole, RetrievalData)
    return whole


def encoded(entry: str) -> Encoded:
    return Encoded(load_model(entry, encoders=ENCODERS))


def values(entry: str, data: RetrievalData, metric: str = "mrr@10") -> NDArray[np.float64]:
    each = evaluate_retrieval(encoded(entry), data, metrics=[metric]).measured[metric].each
    assert each is not None
    return each


@pytest.fixture(scope="module")
def rows(data: RetrievalData) -> list[StageRow]:
    return evaluate_stages(encoded("m=bm25:rerank=letters"), data, depths=(50, 5, 1000), metric="ndcg@10")


def test_the_first_stage_stands_alone_then_depths_rise_to_the_whole_corpus(rows: list[StageRow]) -> None:
    assert [row.depth for row in rows] == [0, 5, 50, 190]
    assert {(row.model, row.second, row.dataset, row.metric, row.n) for row in rows} == {
        ("m", "letters", "products", "ndcg@10", 50)
    }
    assert DEPTHS == (10, 20, 50, 100)


def test_each_depth_scores_as_an_entry_of_that_depth(rows: list[StageRow], data: RetrievalData) -> None:
    alone = values("bm25", data, "ndcg@10")
    assert rows[0].value == pytest.approx(alone.mean())
    assert (rows[0].delta, rows[0].delta_low, rows[0].delta_high) == (0, 0, 0)
    for row in rows[1:]:
        each = values(f"m=bm25:rerank=letters:depth={row.depth}", data, "ndcg@10")
        assert row.value == pytest.approx(each.mean())
        assert (row.low, row.high) == pytest.approx(bounded_mean_interval(each, 0.0, 1.0))
        assert row.delta == pytest.approx((each - alone).mean())
        assert (row.delta_low, row.delta_high) == pytest.approx(by_hand(each - alone, 0.02)[:2])
    assert len({row.value for row in rows}) >= 3


def test_only_depths_are_timed_on_twenty_queries_spread_over_the_data(rows: list[StageRow]) -> None:
    assert (rows[0].p50_ms, rows[0].timed) == (None, 0)
    for row in rows[1:]:
        assert row.timed == 20
        assert row.p50_ms is not None
        assert 0 < row.p50_ms < 10_000


def test_a_cross_encoder_reads_each_pair_once_for_all_depths(data: RetrievalData) -> None:
    reader = Reader()
    model = load_model("bm25", alias="m")
    model.second = Model(ModelInfo("reader", "./reader", kind="cross-encoder"), pairs=reader)
    found = evaluate_stages(Encoded(model), data, depths=(3, 30))
    scored = [pair for pairs in reader.asked for pair in pairs if len({query for query, _ in pairs}) > 1]
    timed = [pairs for pairs in reader.asked if len({query for query, _ in pairs}) <= 1]
    assert len(scored) == len(set(scored))
    assert len(timed) == 2 * 20
    assert {len(pairs) for pairs in timed if pairs} >= {3, 30}
    assert [(row.depth, row.second) for row in found] == [(0, "./reader"), (3, "./reader"), (30, "./reader")]


def test_few_queries_are_all_timed(data: RetrievalData) -> None:
    small = replace(
        data,
        queries=data.queries[:3],
        query_ids=data.query_ids[:3],
        query_fields={},
        judgements=Judgements.of({(0, 0): 1, (1, 1): 1, (2, 2): 1}),
    )
    assert [row.timed for row in evaluate_stages(encoded("letters:rerank=blind"), small, depths=(2,))] == [0, 3]


def test_a_model_of_one_stage_is_refused_with_the_key(data: RetrievalData) -> None:
    with pytest.raises(UsageError, match="model 'letters' has one stage; name a second one with rerank=MODEL"):
        evaluate_stages(encoded("letters"), data)


@pytest.mark.parametrize("depth", [0, -3])
def test_a_depth_below_one_is_refused(depth: int, data: RetrievalData) -> None:
    with pytest.raises(UsageError, match=f"depths must be at least 1, not {depth}"):
        evaluate_stages(encoded("letters:rerank=blind"), data, depths=(10, depth))


def test_an_unknown_metric_is_refused(data: RetrievalData) -> None:
    with pytest.raises(UsageError, match="nonsense"):
        evaluate_stages(encoded("letters:rerank=blind"), data, metric="nonsense")
