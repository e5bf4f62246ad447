"""What all formats share: documents, queries and grades by id become typed data, with oddities counted."""

from __future__ import annotations

from typing import Any

import pytest

from pytest_embedeval.datasets import RetrievalData
from pytest_embedeval.datasets.collection import Collection, Judged, Texts
from pytest_embedeval.errors import DatasetError

Grades = list[tuple[str, str, int]]

DOCUMENTS = ["kedi", "köpek", "balık", "kuş"]
QUERIES = ["miyav", "hav", "cik"]
JUDGED: Grades = [("q1", "d1", 1), ("q2", "d2", 2), ("q3", "d4", 1)]


def collection(
    documents: list[str] = DOCUMENTS,
    queries: list[str] = QUERIES,
    judged: Grades = JUDGED,
    *,
    only_judged: bool = False,
) -> Collection:
    """Documents d1, d2 … in the lines 1, 2 … of docs.jsonl, and likewise queries and judgements."""
    sides = [Texts("docs.jsonl"), Texts("queries.jsonl")]
    for side, letter, texts in zip(sides, "dq", (documents, queries), strict=True):
        for number, text in enumerate(texts, start=1):
            side.add(f"{letter}{number}", text, number)
    grades = Judged("test.tsv")
    for judgement in judged:
        grades.add(*judgement)
    return Collection(sides[0], sides[1], grades, only_judged)


def data(given: Collection, **options: Any) -> RetrievalData:
    return given.data(
        "d", **{"language": None, "duplicates": "merge", "no_relevant": "error", "protocol": {}, **options}
    )


def grades(found: RetrievalData) -> Grades:
    columns = (column.tolist() for column in found.judgements.columns)
    return [(found.query_ids[q], found.document_ids[d], grade) for q, d, grade in zip(*columns, strict=True)]


def findings(found: RetrievalData) -> dict[str, int]:
    return {finding.kind: finding.count for finding in found.findings}


def test_ids_become_positions_and_nothing_is_found_odd() -> None:
    found = data(collection(judged=JUDGED[::-1]), language="tr", protocol={"format": "x"})
    assert (found.documents, found.queries, grades(found)) == (DOCUMENTS, QUERIES, JUDGED)
    assert (found.language, found.findings) == ("tr", ())
    assert found.protocol == {"format": "x", "duplicates": "merge", "no_relevant": "error"}


def test_merged_documents_get_the_highest_of_their_grades() -> None:
    judged: Grades = [("q1", "d1", 1), ("q1", "d2", 2), ("q1", "d3", 0), ("q2", "d3", 1), ("q2", "d2", -1)]
    given = collection(["A  b", "A b", "c"], ["x", "y"], judged)
    found = data(given)
    assert (found.document_ids, grades(found)) == (
        ["d1", "d3"],
        [("q1", "d1", 2), ("q1", "d3", 0), ("q2", "d1", -1), ("q2", "d3", 1)],
    )
    assert findings(found) == {"duplicate-documents": 1}


def test_documents_that_are_kept_apart_keep_their_own_grades() -> None:
    judged: Grades = [("q1", "d1", 1), ("q1", "d2", 2)]
    found = data(collection(["A b", "A b"], ["x"], judged), duplicates="keep")
    assert grades(found) == judged


def test_equal_documents_under_error_are_named_with_their_lines() -> None:
    given = collection(["a", "b", "a"], ["x"], [("q1", "d1", 1)])
    with pytest.raises(
        DatasetError, match=r"^docs\.jsonl, line 3 \(id 'd3'\) has the same text as docs\.jsonl, line 1 "
    ):
        data(given, duplicates="error")


def test_of_a_pair_that_is_judged_again_the_highest_grade_counts() -> None:
    found = data(collection(judged=[*JUDGED, ("q1", "d1", 3), ("q2", "d2", 0)]))
    assert grades(found) == [("q1", "d1", 3), ("q2", "d2", 2), ("q3", "d4", 1)]
    assert findings(found) == {"repeated-judgements": 2}


def test_judgements_of_unknown_ids_count_for_nothing_and_are_counted() -> None:
    found = data(collection(judged=[("q1", "d9", 1), *JUDGED, ("q9", "d1", 1), ("q8", "d8", 1)]))
    assert grades(found) == JUDGED
    assert [(finding.kind, finding.count, finding.message) for finding in found.findings] == [
        (
            "unknown-judgements",
            3,
            "3 of 6 judgements name a query (2) or a document (2) that is not there, such as document 'd9', and count "
            "for nothing",
        )
    ]


def test_judgements_that_fit_nothing_are_refused_with_an_example_of_each_side() -> None:
    with pytest.raises(DatasetError) as caught:
        data(collection(judged=[("051", "d1", 1), ("q1", "AP-1", 1)]))
    assert str(caught.value) == (
        "test.tsv: no judgement names both a query of queries.jsonl and a document of docs.jsonl; the first names "
        "query '051' and document 'd1', where the files begin with 'q1' and 'd1'"
    )


def test_a_file_without_judgements_is_refused() -> None:
    with pytest.raises(DatasetError, match=r"^test\.tsv: no judgements$"):
        data(collection(judged=[]))


@pytest.mark.parametrize("side", ["documents", "queries"])
def test_an_id_that_stands_twice_is_named_with_both_lines(side: str) -> None:
    given = collection()
    texts = getattr(given, side)
    texts.add(texts.ids[0], "again", 9)
    with pytest.raises(DatasetError, match=r"line 9 \(id '.1'\): id '.1' is already used by .*, line 1 "):
        data(given)


NONE_RELEVANT: Grades = [("q1", "d1", 1), ("q2", "d2", 0), ("q2", "d3", -1)]


def test_a_query_without_a_relevant_document_is_refused_with_its_line() -> None:
    with pytest.raises(DatasetError) as caught:
        data(collection(judged=NONE_RELEVANT))
    assert str(caught.value) == (
        "queries.jsonl, line 2 (id 'q2'): the query has no relevant document; in all 2 have none. "
        'no_relevant = "skip" leaves them out, "zero" lets them score zero'
    )


@pytest.mark.parametrize(
    ("no_relevant", "only_judged", "queries", "judged", "counted"),
    [
        ("zero", False, ["q1", "q2", "q3"], NONE_RELEVANT, 2),
        ("skip", False, ["q1"], NONE_RELEVANT[:1], 2),
        ("zero", True, ["q1", "q2"], NONE_RELEVANT, 1),
        ("skip", True, ["q1"], NONE_RELEVANT[:1], 1),
    ],
)
def test_queries_without_a_relevant_document_score_zero_or_are_left_out_and_counted(
    no_relevant: str, only_judged: bool, queries: list[str], judged: Grades, counted: int
) -> None:
    found = data(collection(judged=NONE_RELEVANT, only_judged=only_judged), no_relevant=no_relevant)
    assert (found.query_ids, grades(found)) == (queries, judged)
    assert findings(found) == {"queries-without-relevant": counted}


def test_positions_follow_when_an_earlier_query_is_left_out() -> None:
    judged: Grades = [("q1", "d1", 0), ("q2", "d2", 1), ("q3", "d4", 2)]
    found = data(collection(judged=judged), no_relevant="skip")
    assert grades(found) == judged[1:]
    assert found.queries == ["hav", "cik"]


def test_a_query_that_is_judged_for_unknown_documents_alone_is_still_asked() -> None:
    judged: Grades = [("q1", "d1", 1), ("q2", "d9", 1)]
    found = data(collection(judged=judged, only_judged=True), no_relevant="zero")
    assert found.query_ids == ["q1", "q2"]
    assert findings(found) == {"unknown-judgements": 1, "queries-without-relevant": 1}


@pytest.mark.parametrize("no_relevant", ["error", "zero", "skip"])
def test_data_in_which_nothing_is_relevant_is_refused(no_relevant: str) -> None:
    with pytest.raises(DatasetError, match=r"^test\.tsv: no query has a relevant document"):
        data(collection(judged=[("q1", "d1", 0)]), no_relevant=no_relevant)


def test_documents_without_text_are_left_out_and_their_judgements_count_for_nothing() -> None:
    judged: Grades = [("q1", "d1", 1), ("q1", "d2", 1), ("q1", "d3", 1)]
    found = data(collection(["a", " \n", "c"], ["x"], judged))
    assert (found.document_ids, grades(found)) == (["d1", "d3"], [judged[0], judged[2]])
    assert findings(found) == {"empty-documents": 1, "unknown-judgements": 1}


def test_queries_of_one_text_are_counted_and_kept() -> None:
    found = data(collection(queries=["hav", "hav", " hav "]))
    assert len(found.queries) == 3
    assert findings(found) == {"repeated-queries": 2}


def test_only_columns_that_every_entry_has_become_fields() -> None:
    given = collection()
    given.queries.fields = [
        {"topic": "a", "x": "1", "e": ""},
        {"topic": "", "e": ""},
        {"topic": "b", "x": "2", "e": ""},
    ]
    found = data(given)
    assert found.query_fields == {"topic": ["a", "", "b"]}
    assert found.document_fields == {}
