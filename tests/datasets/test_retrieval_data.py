from __future__ import annotations

import re
from dataclasses import replace

import pytest

from pytest_embedeval.datasets import Finding, Judgements, RetrievalData
from pytest_embedeval.datasets.retrieval import check_ids
from pytest_embedeval.errors import DatasetError

DATA = RetrievalData(
    name="organs",
    document_ids=["d1", "d2", "d3"],
    documents=["Kalp kanı pompalar.", "Böbrek kanı süzer.", "Mide yemeği öğütür."],
    query_ids=["q1", "q2"],
    queries=["Kanı ne pompalar?", "Kanı ne süzer?"],
    judgements=Judgements.of({(0, 0): 2, (1, 1): 1, (1, 0): 0}),
    protocol={"format": "squad", "target": "context"},
)


def test_judgements_are_sorted_by_query_whatever_the_order_of_insertion() -> None:
    judgements = Judgements.of({(2, 1): 3, (0, 5): 1, (0, 4): 0})
    assert judgements.query.tolist() == [0, 0, 2]
    assert judgements.document.tolist() == [4, 5, 1]
    assert judgements.grade.tolist() == [0, 1, 3]
    assert len(judgements) == 3


def test_no_judgements_are_three_empty_columns() -> None:
    judgements = Judgements.of({})
    assert len(judgements) == 0
    assert judgements.query.shape == judgements.document.shape == judgements.grade.shape == (0,)


@pytest.mark.parametrize(
    "other",
    [
        pytest.param(replace(DATA, documents=["Kalp kanı pompalar", *DATA.documents[1:]]), id="text of a document"),
        pytest.param(replace(DATA, queries=["Kanı kim pompalar?", DATA.queries[1]]), id="text of a query"),
        pytest.param(replace(DATA, document_ids=["d1", "d2", "d4"]), id="id of a document"),
        pytest.param(replace(DATA, query_ids=["q1", "q3"]), id="id of a query"),
        pytest.param(
            replace(DATA, document_ids=["d1", "d2"], documents=DATA.documents[:2]), id="a document that nobody asks for"
        ),
        pytest.param(replace(DATA, judgements=Judgements.of({(0, 0): 1, (1, 1): 1, (1, 0): 0})), id="grade"),
        pytest.param(replace(DATA, judgements=Judgements.of({(0, 0): 2, (1, 1): 1})), id="judged as not relevant"),
        pytest.param(replace(DATA, judgements=Judgements.of({(0, 0): 2, (1, 2): 1, (1, 0): 0})), id="document"),
        pytest.param(replace(DATA, protocol={"format": "squad", "target": "answer"}), id="protocol"),
        pytest.param(replace(DATA, protocol={**DATA.protocol, "duplicates": "keep"}), id="more protocol"),
    ],
)
def test_text_judgement_and_protocol_decide_the_fingerprint(other: RetrievalData) -> None:
    assert other.fingerprint != DATA.fingerprint


@pytest.mark.parametrize(
    "other",
    [
        pytest.param(replace(DATA, name="again", language="tr"), id="name and language"),
        pytest.param(replace(DATA, findings=(Finding("x", 1, "x"),)), id="findings"),
        pytest.param(replace(DATA, query_fields={"topic": ["a", "b"]}), id="columns to slice by"),
        pytest.param(
            replace(
                DATA,
                document_ids=DATA.document_ids[::-1],
                documents=DATA.documents[::-1],
                judgements=Judgements.of({(0, 2): 2, (1, 1): 1, (1, 2): 0}),
            ),
            id="order of documents",
        ),
        pytest.param(
            replace(
                DATA,
                query_ids=DATA.query_ids[::-1],
                queries=DATA.queries[::-1],
                judgements=Judgements.of({(1, 0): 2, (0, 1): 1, (0, 0): 0}),
            ),
            id="order of queries",
        ),
        pytest.param(replace(DATA, protocol={"target": "context", "format": "squad"}), id="order of protocol"),
    ],
)
def test_order_and_labels_do_not(other: RetrievalData) -> None:
    assert other.fingerprint == DATA.fingerprint


def test_a_fingerprint_says_how_it_was_made() -> None:
    assert re.fullmatch(r"sha256:[0-9a-f]{64}", DATA.fingerprint)


def test_half_a_character_has_a_fingerprint() -> None:
    assert replace(DATA, queries=["\ud83d", "?"]).fingerprint != replace(DATA, queries=["\ude00", "?"]).fingerprint


@pytest.mark.parametrize(
    ("ids", "texts"),
    [
        pytest.param(["d1\tKalp", "d2"], ["kan", "mide"], id="the border of id and text"),
        pytest.param(["d1"], ["Kalp\tkan\nd2\tmide"], id="the border of two documents"),
    ],
)
def test_where_a_text_begins_is_part_of_the_fingerprint(ids: list[str], texts: list[str]) -> None:
    two = replace(
        DATA, document_ids=["d1", "d2"], documents=["Kalp\tkan", "mide"], judgements=Judgements.of({}), query_ids=[]
    )
    two = replace(two, queries=[])
    assert replace(two, document_ids=ids, documents=texts).fingerprint != two.fingerprint


def test_unique_ids_pass() -> None:
    check_ids(["1", "01", "a", "A"], str)


def test_a_repeated_id_names_both_places() -> None:
    with pytest.raises(DatasetError, match=r"^row 3: id 'b' is already used by row 1$"):
        check_ids(["a", "b", "c", "b"], lambda position: f"row {position}")
