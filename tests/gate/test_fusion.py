"""The curve over alpha, and what the chosen alpha is worth on queries that did not choose it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

import numpy as np
import pytest
from numpy.typing import NDArray

from pytest_embedeval.gate import FusionRow, bounded_mean_interval
from pytest_embedeval.gate.fusion import ALPHAS, RRF, VECTORS, WORDS, fusion_rows
from pytest_embedeval.models.searching import Fusion
from tests.gate.test_differences import by_hand

Each = NDArray[np.float64]
Mask = NDArray[np.bool_]
HALF = Fusion("weighted", 0.5)
CHOOSING = np.array([True] * 4 + [False] * 6)
# Words are the better part on the four that choose; a half is better than both. The others disagree.
EACH: Mapping[Fusion, Each] = {
    WORDS: np.array([1, 0.5, 0.5, 0.5, 0, 0, 0.25, 0, 0, 0.5]),
    HALF: np.array([1, 1, 0.5, 0.5, 0.5, 0, 0.5, 0, 0.25, 0.5]),
    VECTORS: np.array([0.5, 0.5, 0.5, 0.5, 1, 1, 1, 1, 1, 0.25]),
    RRF: np.array([1, 1, 1, 1, 0.25, 0, 0.25, 0, 0, 0.5]),
}


def rows_of(each: Mapping[Fusion, Each], choosing: Mask = CHOOSING, **options: list[str]) -> list[FusionRow]:
    return fusion_rows("m", "medical", "mrr@10", each, choosing, **options)


def test_alphas_go_from_words_to_vectors_in_steps_of_a_twentieth() -> None:
    assert pytest.approx(np.linspace(0, 1, 21).tolist()) == ALPHAS
    assert {0.0, 0.25, 0.5, 0.75, 1.0} <= set(ALPHAS)


def test_the_curve_is_that_of_all_queries() -> None:
    curve = [row for row in rows_of(EACH) if row.queries == "all"]
    assert [(row.fusion, row.alpha) for row in curve] == [
        ("weighted", 0.0),
        ("weighted", 0.5),
        ("weighted", 1.0),
        ("rrf", None),
    ]
    for row, scores in zip(curve, EACH.values(), strict=True):
        assert (row.model, row.dataset, row.metric, row.n) == ("m", "medical", "mrr@10", 10)
        assert row.value == pytest.approx(scores.mean())
        assert (row.low, row.high) == bounded_mean_interval(scores, 0.0, 1.0)
        assert (row.chosen, row.beside, row.delta, row.delta_low) == (False, None, None, None)


def test_the_chosen_alpha_is_judged_on_the_other_queries_beside_the_better_part_of_the_first() -> None:
    """The half wins the first four, and words are the better part there, though vectors win the others."""
    chosen, ranks = (row for row in rows_of(EACH) if row.queries == "held out")
    assert (chosen.fusion, chosen.alpha, chosen.chosen, chosen.beside, chosen.n) == ("weighted", 0.5, True, "bm25", 6)
    assert (ranks.fusion, ranks.alpha, ranks.chosen, ranks.beside, ranks.n) == ("rrf", None, False, "bm25", 6)
    for row, fusion in ((chosen, HALF), (ranks, RRF)):
        now, then = EACH[fusion][~CHOOSING], EACH[WORDS][~CHOOSING]
        low, high = by_hand(now - then, 0.02)[:2]
        assert (row.value, row.delta) == pytest.approx((now.mean(), (now - then).mean()))
        assert (row.delta_low, row.delta_high) == pytest.approx((low, high))
        assert (row.low, row.high) == bounded_mean_interval(now, 0.0, 1.0)


def test_the_other_half_may_find_vectors_the_better_part() -> None:
    found = [row for row in rows_of(EACH, ~CHOOSING) if row.queries == "held out"]
    assert [(row.alpha, row.beside, row.n) for row in found] == [(1.0, "vectors", 4), (None, "vectors", 4)]
    assert found[0].delta == 0.0


def test_of_equal_alphas_the_one_nearest_to_the_middle_is_chosen() -> None:
    """Means that differ in their last bits are equal."""
    each = {Fusion("weighted", alpha): np.full(10, 0.3) for alpha in ALPHAS}
    each[Fusion("weighted", 0.8)] = np.full(10, 0.4)
    each[Fusion("weighted", 0.9)] = np.full(10, 0.4 + 1e-13)
    assert [row.alpha for row in rows_of(each) if row.chosen] == [0.8]


@pytest.mark.parametrize("choosing", [np.zeros(10, dtype=np.bool_), np.ones(10, dtype=np.bool_)], ids=["none", "all"])
def test_where_all_queries_are_on_one_side_there_is_a_curve_alone(choosing: Mask) -> None:
    rows = rows_of(EACH, choosing)
    assert {row.queries for row in rows} == {"all"}
    assert not any(row.chosen for row in rows)


def test_queries_of_one_cluster_are_one_difference() -> None:
    clusters = ["a"] * 4 + ["b", "b", "c", "c", "d", "d"]
    chosen = next(row for row in rows_of(EACH, clusters=clusters) if row.chosen)
    change = (EACH[HALF] - EACH[WORDS])[4:].reshape(3, 2).mean(axis=1)
    assert (chosen.delta_low, chosen.delta_high) == pytest.approx(by_hand(change, 0.02)[:2])
    assert chosen.n == 6


def test_without_rank_fusion_the_chosen_alpha_stands_alone() -> None:
    each = {fusion: scores for fusion, scores in EACH.items() if fusion != RRF}
    assert [row.fusion for row in rows_of(each) if row.queries == "held out"] == ["weighted"]


def test_rows_in_words() -> None:
    row = FusionRow("a", "medical", "mrr@10", "weighted", 0.35, "all", 1190, 0.5, 0.4, 0.6)
    assert row.line == "a+bm25 on medical: alpha=0.35; mrr@10 0.500 on 1,190 all"
    held = replace(row, queries="held out", chosen=True, beside="vectors", delta=0.02, delta_low=-0.01, delta_high=0.05)
    assert held.line == (
        "a+bm25 on medical: alpha=0.35 chosen by half of the queries; mrr@10 0.500 on 1,190 held out, +0.020 beside "
        "vectors alone, one-sided 95 % [−0.010, +0.050]"
    )
    assert replace(row, fusion="rrf", alpha=None).line.startswith("a+bm25 on medical: rank fusion; mrr@10")
