"""A search is scored: ties that reach beyond the lists, first relevant documents far below them, and both ends."""

from __future__ import annotations

import itertools
import math
from collections.abc import Sequence

import numpy as np
import pytest
from numpy.typing import NDArray

from pytest_embedeval.datasets import Judgements, RetrievalData
from pytest_embedeval.metrics import parse_metric, score_search
from pytest_embedeval.metrics.searched import Searched
from pytest_embedeval.retrieval import Rankings
from pytest_embedeval.retrieval.bm25 import BM25Ranker
from pytest_embedeval.retrieval.exact import ExactRanker
from pytest_embedeval.retrieval.words import Analyser

Table = NDArray[np.float32]  # the score of each document for each query
Labels = tuple[int | None, ...]  # the grade at each rank, None where nobody judged

NAMES = [
    "mrr",
    *(f"{m}@{k}" for m in ("mrr", "recall", "precision", "hit_rate", "map", "ndcg", "judged") for k in (3, 10)),
]


def by_hand(name: str, labels: Labels, grades: Sequence[int]) -> float:
    """Score one order as the specification writes it."""
    measure, _, cutoff = name.partition("@")
    k = int(cutoff or len(labels))
    hits = [rank for rank, grade in enumerate(labels[:k], start=1) if grade is not None and grade > 0]
    relevant = sum(grade > 0 for grade in grades)
    ideal = sorted((max(grade, 0) for grade in grades), reverse=True)
    return {
        "mrr": lambda: 1 / hits[0] if hits else 0.0,
        "recall": lambda: len(hits) / relevant,
        "precision": lambda: len(hits) / k,
        "hit_rate": lambda: float(bool(hits)),
        "map": lambda: sum(place / rank for place, rank in enumerate(hits, start=1)) / relevant,
        "ndcg": lambda: gain([max(grade or 0, 0) for grade in labels[:k]]) / gain(ideal[:k]),
        "judged": lambda: sum(grade is not None for grade in labels[:k]) / k,
    }[measure]()


def gain(grades: Sequence[int]) -> float:
    return sum(grade / math.log2(rank + 1) for rank, grade in enumerate(grades, start=1))


def orders(scores: NDArray[np.float32], grades: dict[int, int]) -> list[Labels]:
    """Return every order of the whole corpus that differs in what stands where; all are equally likely."""
    groups = [np.flatnonzero(scores == value).tolist() for value in sorted({*scores.tolist()}, reverse=True)]
    arranged = [sorted(set(itertools.permutations([grades.get(d) for d in group])), key=str) for group in groups]
    return [tuple(itertools.chain(*parts)) for parts in itertools.product(*arranged)]


def data_of(table: Table, grades: dict[tuple[int, int], int]) -> RetrievalData:
    queries, documents = table.shape
    return RetrievalData(
        "small",
        [f"d{number}" for number in range(documents)],
        ["text"] * documents,
        [f"q{number}" for number in range(queries)],
        ["text"] * queries,
        Judgements.of(grades),
    )


def searched(table: Table, grades: dict[tuple[int, int], int], names: Sequence[str], **how: bool) -> Searched:
    """Search exactly: the inner products are the scores of the table, without rounding."""
    ranker = ExactRanker(np.eye(len(table), dtype=np.float32), np.ascontiguousarray(table.T))
    return score_search(ranker, data_of(table, grades), [parse_metric(name) for name in names], **how)


@pytest.mark.parametrize("seed", range(25))
def test_value_worst_and_best_are_those_of_all_orders(seed: int) -> None:
    """Fourteen documents, of which ten are listed; the first relevant one may stand anywhere."""
    rng = np.random.default_rng(seed)
    steps = rng.integers(4, 14, (3, 1))
    table = (rng.integers(0, steps, (3, 14)) / 4).astype(np.float32)
    grades = {(query, int(rng.integers(14))): int(rng.integers(1, 4)) for query in range(3)}
    for query, document in itertools.product(range(3), range(14)):
        if rng.random() < 0.12:
            grades.setdefault((query, document), int(rng.integers(-1, 3)))
    own = [{d: g for (q, d), g in grades.items() if q == query} for query in range(3)]
    found = searched(table, grades, NAMES).measured
    every = [orders(scores, mine) for scores, mine in zip(table, own, strict=True)]
    for name in NAMES:
        scored = [
            [by_hand(name, order, [*mine.values()]) for order in each] for each, mine in zip(every, own, strict=True)
        ]
        worst, value, best = (np.mean([side(each) for each in scored]) for side in (min, np.mean, max))
        assert found[name].value == pytest.approx(value), name
        if best - worst < 1e-9:
            assert (found[name].worst, found[name].best) == (None, None), name
        else:
            assert (found[name].worst, found[name].best) == pytest.approx((worst, best)), name


@pytest.mark.parametrize("seed", range(5))
def test_without_ties_there_are_no_ends(seed: int) -> None:
    rng = np.random.default_rng(seed)
    table = np.array([rng.permutation(30) for _ in range(4)], dtype=np.float32)
    grades = {(query, int(rng.integers(30))): 1 for query in range(4)}
    for found in searched(table, grades, NAMES).measured.values():
        assert (found.worst, found.best) == (None, None)


def test_ties_among_documents_that_nobody_judged_touch_no_score() -> None:
    table = np.array([[9, 8, 7, 7, 7, 1, 1]], dtype=np.float32)
    found = searched(table, {(0, 0): 1, (0, 1): 0}, ["mrr", "mrr@10", "recall@3", "ndcg@3"]).measured
    assert {(each.worst, each.best) for each in found.values()} == {(None, None)}


def test_a_tie_far_below_the_lists_touches_the_uncut_rank_alone() -> None:
    """Ranks 1 to 20 are distinct; the relevant document shares ranks 21 to 24."""
    table = np.array([[*range(30, 10, -1), 5, 5, 5, 5, 1]], dtype=np.float32)
    found = searched(table, {(0, 22): 1}, ["mrr", "mrr@10", "recall@10"]).measured
    assert found["mrr"].value == pytest.approx(sum(1 / rank for rank in range(21, 25)) / 4)
    assert (found["mrr"].worst, found["mrr"].best) == pytest.approx((1 / 24, 1 / 21))
    assert (found["mrr@10"].value, found["mrr@10"].worst, found["recall@10"].worst) == (0.0, None, None)


def test_scores_within_the_tolerance_of_a_tie_are_tied_below_the_lists_too() -> None:
    near = [0.05 + 5e-7, 0.05, 0.05 - 5e-7, 0.05 - 5e-6]
    table = np.array([[*range(30, 10, -1), *near]], dtype=np.float32)
    found = searched(table, {(0, 21): 1}, ["mrr"]).measured["mrr"]
    assert found.value == pytest.approx((1 / 21 + 1 / 22 + 1 / 23) / 3)
    assert (found.worst, found.best) == pytest.approx((1 / 23, 1 / 21))


def test_a_constant_encoder_has_the_widest_ends() -> None:
    found = searched(
        np.ones((2, 50), dtype=np.float32), {(0, 0): 1, (1, 49): 1}, ["mrr", "mrr@10", "recall@10"]
    ).measured
    assert (found["mrr"].worst, found["mrr"].best) == pytest.approx((1 / 50, 1.0))
    assert (found["mrr@10"].worst, found["mrr@10"].best) == (0.0, 1.0)
    assert (found["recall@10"].worst, found["recall@10"].best) == (0.0, 1.0)
    assert found["recall@10"].value == pytest.approx(10 / 50)


def test_lists_taken_as_they_stand_have_no_ends() -> None:
    found = searched(np.ones((1, 30), dtype=np.float32), {(0, 2): 1}, ["mrr", "mrr@10"], as_listed=True).measured
    for each in found.values():
        assert each.value == pytest.approx(1 / 3)
        assert (each.worst, each.best) == (None, None)


@pytest.mark.parametrize("names", [["mrr@3"], ["recall@1", "mrr"], ["mrr"], ["map@100"], ["bpref"]], ids=lambda n: n[0])
def test_the_first_ten_documents_are_kept_whatever_the_metrics(names: list[str]) -> None:
    table = np.array([range(30), range(30, 0, -1)], dtype=np.float32)
    top = searched(table, {(0, 0): 1, (1, 0): 1}, names).top
    assert top == {
        "q0": tuple(f"d{number}" for number in range(29, 19, -1)),
        "q1": tuple(f"d{number}" for number in range(10)),
    }


def test_a_longer_search_changes_no_score() -> None:
    """`mrr@3` alone is that of a search to 100."""
    table = np.random.default_rng(0).integers(0, 9, (20, 40)).astype(np.float32)
    grades = {(query, query): 1 for query in range(20)}
    alone, beside = (searched(table, grades, names).measured["mrr@3"] for names in (["mrr@3"], ["mrr@3", "map@100"]))
    assert (alone.value, alone.worst, alone.best) == pytest.approx((beside.value, beside.worst, beside.best))


def test_a_small_corpus_is_listed_whole() -> None:
    found = searched(np.array([[1, 3, 2]], dtype=np.float32), {(0, 0): 1}, ["recall@10", "map@100"])
    assert found.top == {"q0": ("d1", "d2", "d0")}
    assert found.measured["recall@10"].value == 1.0


def test_words_that_stand_nowhere_find_nothing() -> None:
    data = RetrievalData(
        "small",
        ["d0", "d1", "d2"],
        ["kalp ağrısı", "kalp ağrısı", "göz"],
        ["q0", "q1"],
        ["kalp", "böbrek"],
        Judgements.of({(0, 1): 1, (1, 2): 1}),
    )
    ranker = BM25Ranker(data.queries, data.documents, Analyser("tr"))
    found = score_search(ranker, data, [parse_metric(name) for name in ("mrr", "mrr@10", "recall@1")])
    assert found.top == {"q0": ("d0", "d1"), "q1": ()}
    for name, value, worst, best in (("mrr", 0.75, 0.5, 1.0), ("mrr@10", 0.75, 0.5, 1.0), ("recall@1", 0.5, 0.0, 1.0)):
        each = found.measured[name]
        assert (each.value, each.worst, each.best) == (value / 2, worst / 2, best / 2), name


class Rounding:
    """Twelve documents that tie, one of which a count misses by the last bit."""

    def search(self, k: int) -> Rankings:
        return Rankings(np.arange(k)[None, :], np.full((1, k), 0.5, dtype=np.float32))

    def count_at_least(self, queries: NDArray[np.int64], bounds: NDArray[np.float32]) -> NDArray[np.int64]:
        return np.where(bounds <= 0.5, 11, 0)

    def score(self, queries: NDArray[np.int64], documents: NDArray[np.int64]) -> NDArray[np.float32]:
        return np.full(len(queries), 0.5, dtype=np.float32)


def test_a_count_that_misses_a_document_breaks_nothing() -> None:
    """Two ways of multiplying the same vectors differ by rounding, and a bound may lie between them."""
    data = data_of(np.zeros((1, 12), dtype=np.float32), {(0, 10): 1, (0, 11): 1})
    found = score_search(Rounding(), data, [parse_metric(name) for name in NAMES]).measured
    for name, each in found.items():
        assert each.worst is not None, name
        assert each.best is not None, name
        assert 0 <= each.worst <= each.value <= each.best <= 1, name
    assert found["recall@10"].value == pytest.approx(10 / 12)
