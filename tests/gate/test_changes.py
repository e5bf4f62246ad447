"""Why a comparison came out as it did: which queries changed, their ranks, and what now stands above."""

from __future__ import annotations

from dataclasses import replace

import pytest

from pytest_embedeval.gate import Comparison, Excerpts, QueryChange, Result, why_lines
from pytest_embedeval.gate.changes import overlaps, query_changes
from pytest_embedeval.gate.differences import Slice
from tests.gate.test_results import kept

IDS = ["q000", "q001", "q002", "q003", "q004"]
TEXTS = Excerpts(
    "medical",
    queries={"q001": "Göğüs ağrısı neden olur?"},
    documents={"d1": "Kalp krizi …", "d9": "Mide yanması …"},
    relevant={"q001": ["d1", "d2"], "q002": ["d2"]},
)


def changes(after: Result, before: Result, texts: Excerpts | None = None, metric: str = "mrr@10") -> list[QueryChange]:
    return query_changes(metric, sorted(after.queries), before, after, texts)


def test_the_largest_loss_comes_first_then_the_largest_gain() -> None:
    before = kept({"mrr@10": [0.5, 1.0, 0.0, 0.2, 0.5, 1.0]})
    after = kept({"mrr@10": [0.5, 0.0, 0.1, 0.1, 1.0, 0.0]})
    found = changes(after, before)
    assert [(change.id, change.before, change.after, change.lost) for change in found] == [
        ("q001", 1.0, 0.0, True),
        ("q005", 1.0, 0.0, True),
        ("q003", 0.2, 0.1, True),
        ("q004", 0.5, 1.0, False),
        ("q002", 0.0, 0.1, False),
    ]


def test_of_equal_losses_the_one_that_fell_furthest_comes_first() -> None:
    before = kept({"mrr@10": [1.0] * 4, "mrr": [1.0] * 4})
    after = kept({"mrr@10": [0.0] * 4, "mrr": [1 / 12, 0.0, 1 / 90, 1 / 12]})
    found = changes(after, before)
    assert [(change.id, change.rank_after) for change in found] == [
        ("q001", None),
        ("q002", 90),
        ("q000", 12),
        ("q003", 12),
    ]


def test_ranks_are_read_from_the_uncut_reciprocal_rank() -> None:
    before = kept({"mrr@10": [1.0, 1 / 7], "mrr": [1.0, 1 / 7]})
    after = kept({"mrr@10": [0.0, 0.0], "mrr": [1 / 87, 1 / 321]})
    assert [(change.rank_before, change.rank_after) for change in changes(after, before)] == [(1, 87), (7, 321)]


def test_without_it_a_rank_beyond_the_cutoff_is_unknown() -> None:
    before, after = kept({"mrr@10": [1 / 3]}), kept({"mrr@10": [0.0]})
    assert [(change.rank_before, change.rank_after) for change in changes(after, before)] == [(3, None)]


def test_a_metric_without_ranks_has_none() -> None:
    before, after = kept({"recall@10": [1.0]}), kept({"recall@10": [0.5]})
    (change,) = changes(after, before, metric="recall@10")
    assert (change.rank_before, change.rank_after) == (None, None)


def test_ranks_of_another_metric_are_those_of_the_first_relevant_document() -> None:
    before, after = kept({"recall@10": [1.0], "mrr": [0.5]}), kept({"recall@10": [0.5], "mrr": [0.25]})
    (change,) = changes(after, before, metric="recall@10")
    assert (change.rank_before, change.rank_after) == (2, 4)


@pytest.mark.parametrize("rank", [1, 2, 3, 10, 99, 500, 999])
def test_rounding_keeps_ranks(rank: int) -> None:
    before, after = kept({"mrr@10": [1.0], "mrr": [1.0]}), kept({"mrr@10": [0.5], "mrr": [1 / rank]})
    assert changes(after, before)[0].rank_after == rank


def test_what_stands_above_is_the_first_document_that_is_not_relevant() -> None:
    lists = {"q000": ["d9"], "q001": ["d9", "d1"], "q002": ["d2", "d1"], "q003": ["d7", "d9"]}
    before, after = kept({"mrr@10": [1.0] * 4}), kept({"mrr@10": [0.5] * 4}, top=lists)
    texts = replace(TEXTS, relevant={**TEXTS.relevant, "q003": ["d1", "d7"]})
    found = {change.id: change for change in changes(after, before, texts)}
    assert found["q001"] == QueryChange(
        "q001", "Göğüs ağrısı neden olur?", 1.0, 0.5, 1, 2, "d1", "Kalp krizi …", "d9", "Mide yanması …"
    )
    assert (found["q002"].gold, found["q002"].gold_text, found["q002"].above) == ("d2", None, None)
    assert (found["q003"].gold, found["q003"].above) == ("d1", None)
    assert (found["q000"].text, found["q000"].gold, found["q000"].above) == ("", None, None)


def test_the_text_of_a_document_stands_for_it_where_documents_are_scored() -> None:
    before, after = kept({"silhouette.label": [0.5]}, ["d1"]), kept({"silhouette.label": [0.1]}, ["d1"])
    assert changes(after, before, TEXTS, "silhouette.label")[0].text == "Kalp krizi …"


def shared(old: list[list[str]], new: list[list[str]]) -> list[float] | None:
    """Return the overlap of the lists of each query."""
    ids = IDS[: len(old)]
    sides = [kept({"mrr@10": [1.0] * len(ids)}, ids, top=dict(zip(ids, lists, strict=True))) for lists in (old, new)]
    found = overlaps(ids, *sides)
    return None if found is None else found.tolist()


def test_overlap_is_the_share_of_documents_in_both_lists() -> None:
    old = [["a", "b", "c", "d"], ["a", "b"], ["a"], ["a", "b"], ["a", "b", "c", "d"]]
    new = [["d", "c", "b", "a"], ["b", "c"], ["b"], ["a", "b", "c", "d"], ["d"]]
    assert shared(old, new) == [1.0, 0.5, 0.0, 0.5, 0.25]


def test_two_empty_lists_are_the_same() -> None:
    """BM25 finds nothing for some queries; a run compared with itself overlaps in full."""
    assert shared([["a"], []], [["a"], []]) == [1.0, 1.0]
    assert shared([["a"], []], [["a"], ["b"]]) == [1.0, 0.0]


def test_without_lists_there_is_no_overlap() -> None:
    assert shared([[], []], [[], []]) is None


def test_texts_of_two_tests_stand_together() -> None:
    more = Excerpts("medical", {"q009": "Ateş?"}, {"d9": "newer"}, {"q009": ["d9"]})
    both = TEXTS.joined(more)
    assert (both.name, set(both.queries), set(both.relevant)) == ("medical", {"q001", "q009"}, {"q001", "q002", "q009"})
    assert both.documents == {"d1": "Kalp krizi …", "d9": "newer"}


def lost(number: int, *, above: bool = True, ranked: bool = True) -> QueryChange:
    before, after = (1, 4) if ranked else (None, None)
    first = "d9" if above else None
    return QueryChange(f"q{number}", f"soru {number}", 1.0, 0.25, before, after, "d1", "gold", first, "Mide")


COMPARISON = Comparison(
    "next", "prod", "baseline", "retrieval", "medical", "mrr@10", "old", "new", 100, 24, 12, 0.815, [], []
)
REGRESSED = Slice("category", "kalp", 40, -0.125, -0.2, -0.05, True)


def test_the_first_line_counts() -> None:
    assert why_lines(COMPARISON) == ["24 lost, 12 won of 100; 82% of the first ten documents are the same"]
    assert why_lines(replace(COMPARISON, overlap=None)) == ["24 lost, 12 won of 100"]


def test_regressed_slices_are_named_and_others_are_not() -> None:
    calm = replace(REGRESSED, value="göz", regressed=False)
    lines = why_lines(replace(COMPARISON, slices=[calm, REGRESSED, replace(REGRESSED, value="baş", n=31)]))
    assert lines[1:] == ["regressed in category=kalp (−0.125, n = 40), category=baş (−0.125, n = 31)"]


def test_a_lost_query_shows_its_ranks_and_what_is_first_now() -> None:
    won = replace(lost(2), before=0.25, after=1.0)
    assert why_lines(replace(COMPARISON, queries=[lost(1), won]))[1:] == [
        "lost (rank 1 → 4) soru 1",
        "    now first: d9: Mide",
    ]


def test_a_rank_beyond_the_list_is_a_dash() -> None:
    beyond = replace(lost(1, above=False), rank_after=None)
    assert why_lines(replace(COMPARISON, queries=[beyond]))[1:] == ["lost (rank 1 → –) soru 1"]


def test_a_loss_without_ranks_shows_scores() -> None:
    assert why_lines(replace(COMPARISON, queries=[lost(1, ranked=False)]))[1:] == ["lost (1 → 0.25) soru 1"]


def test_long_texts_are_cut_and_stand_on_one_line() -> None:
    long = replace(lost(1), text="çok\nuzun " * 50, above_text="belge\r\n" * 50)
    for line in why_lines(replace(COMPARISON, queries=[long]))[1:]:
        assert len(line) <= 80
        assert line.endswith("…")
        assert "\n" not in line


@pytest.mark.parametrize("ranked", [True, False], ids=["ranks", "scores"])
@pytest.mark.parametrize("above", [True, False], ids=["above", "none above"])
@pytest.mark.parametrize("slices", [[], [REGRESSED]], ids=["whole", "slice"])
@pytest.mark.parametrize("number", [0, 1, 3, 4, 5, 8, 9, 10, 50])
def test_an_explanation_has_at_most_ten_lines_and_hides_no_query(
    number: int, slices: list[Slice], above: bool, ranked: bool
) -> None:
    queries = [lost(place, above=above, ranked=ranked) for place in range(number)]
    lines = why_lines(replace(COMPARISON, slices=slices, queries=queries))
    assert len(lines) <= 10
    quoted = [line for line in lines if line.startswith("lost (")]
    rest = [line for line in lines if line.startswith("…")]
    needed = 1 + len(slices) + number * (2 if above and ranked else 1)
    assert (len(quoted) == number) == (needed <= 10)
    if needed > 10:
        assert rest == [f"… and {number - len(quoted)} more lost queries"]
        assert len(lines) >= 9
    else:
        assert rest == []


@pytest.mark.parametrize("limit", [3, 5])
def test_fewer_lines_may_be_asked_for(limit: int) -> None:
    comparison = replace(COMPARISON, slices=[REGRESSED], queries=[lost(place) for place in range(9)])
    assert len(why_lines(comparison, limit)) <= limit
