"""The arithmetic of larger corpora on more machines."""

from __future__ import annotations

from typing import Any

import pytest

from pytest_embedeval.models import ModelInfo
from pytest_embedeval.report.plan import SCAN_BYTES_PER_S, Machine, Measured, measured, most_for_flat, plan, plans
from pytest_embedeval.report.schema import Git, IndexRow, Report, Run, SpeedRow, VectorsRow

FAST = Measured("fast", texts_per_s=1000, native=1000, dimension=500, text_bytes=1000, scanned_per_s=1e7)
MACHINE = Machine(price=2.0, memory=1e10, network=1e8, latency=0.1)


def report(**rows: Any) -> Report:
    head = Run(started="2025-01-01T00:00:00+00:00", duration_s=1.0, git=Git(), versions={}, machine={}, settings={})
    dense = ModelInfo("a", "a", kind="dense", dimension=256, native_dimension=512, device="cpu")
    empty: dict[str, Any] = {"datasets": [], "measurements": [], "speed": [], "verdicts": []}
    return Report(**{"run": head, "models": [dense, ModelInfo("bm25", "bm25", kind="lexical")], **empty, **rows})


def vectors(texts: int, seconds: float, tokens: int | None = None, role: str = "document") -> VectorsRow:
    counts: dict[str, Any] = {
        "role": role,
        "texts": texts,
        "encoded": 0,
        "reused": texts,
        "seconds": seconds,
        "spent": 0.0,
        "tokens": tokens,
    }
    return VectorsRow(model="a", suite="retrieval", dataset="d", **counts)


def test_one_line_by_hand() -> None:
    line = plan(FAST, MACHINE, 3_600_000, 4)
    assert line.seconds == 900
    assert line.dollars == 2.0
    assert line.moved == 3_600_000 * 5000
    assert line.memory == 900_000 * 2000
    assert line.query == pytest.approx(0.09)
    assert (line.bottleneck, line.needs_index) == ("encoding", False)


def test_n_machines_cost_what_one_does_until_the_network_is_full() -> None:
    one, many, most = plans(FAST, MACHINE, [3_600_000], [1, 10, 64])
    assert one.dollars == many.dollars
    assert one.seconds == 10 * many.seconds
    assert most.bottleneck == "network"
    assert most.seconds == 3_600_000 * 5000 / 1e8
    assert most.dollars is not None
    assert many.dollars is not None
    assert most.dollars > many.dollars


def test_memory_and_slow_queries_ask_for_an_index() -> None:
    assert plan(FAST, MACHINE, 100_000_000, 8).bottleneck == "memory"
    slow = plan(FAST, MACHINE, 3_600_000, 1)
    assert (slow.bottleneck, slow.needs_index) == ("search", True)


@pytest.mark.parametrize("nodes", [1, 8, 64])
@pytest.mark.parametrize("memory", [1e9, 1e12], ids=["little memory", "much memory"])
def test_the_limit_of_flat_search_is_where_the_bottleneck_changes(nodes: int, memory: float) -> None:
    machine = Machine(memory=memory)
    most = most_for_flat(FAST, machine, nodes)
    assert not plan(FAST, machine, most, nodes).needs_index
    assert plan(FAST, machine, most + nodes, nodes).needs_index


def test_a_timed_rate_goes_before_that_of_the_corpus_and_the_largest_corpus_before_others() -> None:
    rows = [vectors(100, 1.0), vectors(300, 2.0, tokens=3000), vectors(9999, 1.0, role="query")]
    (found,) = measured(report(vectors=rows))
    assert (found.alias, found.native, found.dimension) == ("a", 512, 256)
    assert found.texts_per_s == 150
    assert found.text_bytes == 40
    assert found.scanned_per_s == SCAN_BYTES_PER_S / 1024
    timed = SpeedRow(model="a", task="encode", texts_per_s=77.0, rounds=3)
    (found,) = measured(report(vectors=rows, speed=[timed]))
    assert found.texts_per_s == 77


def test_a_timed_search_goes_before_what_is_assumed() -> None:
    place: dict[str, Any] = {
        "model": "a",
        "suite": "retrieval",
        "dataset": "d",
        "index": "HNSW32",
        "recall": 1.0,
        "low": 1.0,
    }
    cost: dict[str, Any] = {"high": 1.0, "n": 100, "build_s": 1.0, "p50_ms": 1.0, "bytes": 1}
    rows = [IndexRow(documents=n, exact_p50_ms=ms, **place, **cost) for n, ms in ((10, 1.0), (20_000, 4.0))]
    (found,) = measured(report(vectors=[vectors(100, 1.0)], indexes=rows))
    assert found.scanned_per_s == 5e6
    assert "timed on 20,000 of d" in found.notes[-1]


def test_a_model_of_which_nothing_was_timed_is_left_out() -> None:
    assert list(measured(report())) == []
