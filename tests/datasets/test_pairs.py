"""Pairs of queries and documents, one a line."""

from __future__ import annotations

import csv
import json
from pathlib import Path
from typing import Any

import pytest

from pytest_embedeval.datasets import RetrievalData, load_dataset
from pytest_embedeval.errors import DatasetError
from tests.datasets.test_collection import findings, grades

Row = dict[str, Any]


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "pairs.jsonl"


def read(path: Path, *rows: Row, **options: Any) -> RetrievalData:
    path.write_text("\n".join(json.dumps(row, ensure_ascii=False) for row in rows), encoding="utf-8")
    return load_dataset(path, format="jsonl", **options)


def refused(path: Path, *rows: Row, **options: Any) -> str:
    with pytest.raises(DatasetError) as caught:
        read(path, *rows, **options)
    return str(caught.value).removeprefix(f"{path}")


def pair(query: Any = "Ne pompalar?", document: Any = "Kalp kanı pompalar.", **more: Any) -> Row:
    return {"query": query, "document": document, **more}


OTHER = pair("Ne süzer?", "Böbrek kanı süzer.")


def test_each_line_is_a_query_and_its_answer(path: Path) -> None:
    data = read(path, pair(), OTHER, language="tr")
    assert (data.queries, data.documents) == (
        ["Ne pompalar?", "Ne süzer?"],
        ["Kalp kanı pompalar.", "Böbrek kanı süzer."],
    )
    assert grades(data) == [("q1", "d1", 1), ("q2", "d2", 1)]
    assert (data.name, data.language, data.findings) == ("pairs", "tr", ())


@pytest.mark.parametrize("key", ["document", "positive", "passage", "text"])
def test_the_document_goes_by_several_names(path: Path, key: str) -> None:
    assert read(path, {"query": "Ne?", key: "Kalp"}).documents == ["Kalp"]


@pytest.mark.parametrize("key", ["grade", "score", "label"])
@pytest.mark.parametrize(("value", "grade"), [(2, 2), (3.0, 3), ("2", 2), (0, 0), (-1, -1), (None, 1)])
def test_the_grade_goes_by_several_names(path: Path, key: str, value: object, grade: int) -> None:
    assert grades(read(path, OTHER, pair("Ne süzer?", **{key: value})))[0] == ("q1", "d1", 1)
    assert grades(read(path, OTHER, pair("Ne süzer?", **{key: value})))[1] == ("q1", "d2", grade)


def test_equal_texts_are_one_query_and_one_document_called_by_their_first_line(path: Path) -> None:
    data = read(path, pair(), OTHER, pair("Ne  süzer?", grade=2), pair("Kim?", "Böbrek kanı\nsüzer."))
    assert data.query_ids == ["q1", "q2", "q4"]
    assert data.document_ids == ["d1", "d2"]
    assert grades(data) == [("q1", "d1", 1), ("q2", "d1", 2), ("q2", "d2", 1), ("q4", "d2", 1)]
    assert data.findings == ()


@pytest.mark.parametrize("key", ["negatives", "negative"])
def test_negatives_are_documents_of_grade_0(path: Path, key: str) -> None:
    data = read(path, pair(**{key: ["Akciğer solur.", "Böbrek kanı süzer."]}), OTHER)
    assert data.document_ids == ["d1", "d1.1", "d1.2"]
    assert grades(data) == [("q1", "d1", 1), ("q1", "d1.1", 0), ("q1", "d1.2", 0), ("q2", "d1.2", 1)]


def test_one_negative_may_be_a_text(path: Path) -> None:
    assert read(path, pair(negative="Akciğer solur.")).documents[1:] == ["Akciğer solur."]


def test_given_ids_are_kept_and_one_document_of_two_ids_is_a_duplicate(path: Path) -> None:
    rows = (
        pair(query_id="a", document_id=7),
        pair("Ne?", query_id="b", document_id=8),
        pair("Hangi?", query_id="b2", document_id=7),
    )
    data = read(path, *rows)
    assert grades(data) == [("a", "7", 1), ("b", "7", 1), ("b2", "7", 1)]
    assert findings(data) == {"duplicate-documents": 1}
    assert read(path, *rows, duplicates="keep").document_ids == ["7", "8"]


@pytest.mark.parametrize(
    ("row", "message"),
    [
        (pair("Ne?", query_id="a"), ", line 3: another text than PATH, line 1 (id 'a') has"),
        (pair(document="x", document_id="b"), ", line 3: another text than PATH, line 1 (id 'b') has"),
    ],
)
def test_one_id_with_two_texts_is_refused_with_both_lines(path: Path, row: Row, message: str) -> None:
    found = refused(path, pair(query_id="a", document_id="b"), OTHER, row)
    assert found == message.replace("PATH", str(path))


def test_further_short_columns_are_fields_of_the_query(path: Path) -> None:
    data = read(
        path,
        pair(topic="heart", level=1, notes="x" * 201, source="p. 1"),
        pair(document="Kalp bir kastır.", topic="heart", level=1, notes="", source="p. 2"),
        pair("Ne süzer?", topic="kidney", level=2, notes="", source="p. 3", only_here="x"),
    )
    assert data.query_fields == {"level": ["1", "2"], "topic": ["heart", "kidney"]}


def test_columns_can_go_by_other_names(path: Path) -> None:
    row = {"question": "Ne pompalar?", "answer": "Kalp", "relevance": 2, "text": "kalp", "query": "not this"}
    data = read(path, row, query="question", document="answer", grade="relevance")
    assert (data.queries, data.documents, grades(data)) == (["Ne pompalar?"], ["Kalp"], [("q1", "d1", 2)])
    assert data.fingerprint != read(path, row).fingerprint


def test_a_query_with_negatives_alone_is_treated_as_told(path: Path) -> None:
    assert "line 2 (id 'q2'): the query has no relevant document" in refused(path, pair(), pair("Ne?", grade=0))
    assert read(path, pair(), pair("Ne?", grade=0), no_relevant="skip").query_ids == ["q1"]


@pytest.mark.parametrize(
    ("row", "message"),
    [
        ({"document": "x"}, "no key 'query'; found document"),
        ({"query": "x", "answer": "y"}, "no key 'document' or 'positive' or 'passage' or 'text'; found query, answer"),
        (pair(""), "key 'query' is empty"),
        (pair(document=" "), "key 'document' is empty"),
        ({"query": "x", "passage": ["y"]}, "key 'passage' must be text, not list"),
        (pair(grade=0.5), "key 'grade' must be a whole number such as 0, 1 or 2, not 0.5"),
        (pair(label="Exact"), "key 'label' must be a whole number such as 0, 1 or 2, not 'Exact'"),
        (pair(score=True), "key 'score' must be a whole number such as 0, 1 or 2, not True"),
        (pair(negatives=5), "key 'negatives' must be a list of texts, not int"),
        (pair(negatives=["x", None]), "key 'negatives' is missing"),
        (pair(query_id=["a"]), "key 'query_id' must be text or a number, not list"),
    ],
)
def test_a_malformed_line_is_refused_with_line_and_key(path: Path, row: Row, message: str) -> None:
    assert refused(path, OTHER, row) == f", line 2: {message}"


def test_an_empty_file_is_refused(path: Path) -> None:
    assert refused(path) == ": no judgements"


@pytest.mark.parametrize("delimiter", [",", ";", "\t"])
def test_a_table_gives_the_same_data_whatever_its_delimiter(path: Path, delimiter: str) -> None:
    rows = [
        pair('5" mi, 7" mi; hangisi?', 'Kalp, "motor";\nkanı\tpompalar.', grade=2, topic="a,b"),
        {**OTHER, "grade": "", "topic": "c"},
    ]
    expected = read(path, *rows)
    with path.open("w", encoding="utf-8-sig", newline="") as stream:
        table = csv.DictWriter(stream, list(rows[0]), delimiter=delimiter)
        table.writeheader()
        table.writerows(rows)
    data = load_dataset(path, format="csv")
    assert (data.documents, data.queries, data.query_fields) == (
        expected.documents,
        expected.queries,
        expected.query_fields,
    )
    assert data.judgements.grade.tolist() == [2, 1]
    assert data.query_ids == ["q2", "q4"]


def test_a_table_without_a_column_for_documents_is_refused(path: Path) -> None:
    path.write_text("query|answer\nx|y\n")
    with pytest.raises(DatasetError, match=r"line 2: no key 'query'; found query\|answer$"):
        load_dataset(path, format="csv")
