from __future__ import annotations

from pathlib import Path

import pytest

from pytest_embedeval.datasets import Judgements, RetrievalData, WordData, WordItem, load_dataset
from pytest_embedeval.datasets.fields import fields_by_id
from pytest_embedeval.errors import DatasetError

DATA = RetrievalData(
    "medical",
    document_ids=["d1", "d2", "d3"],
    documents=["bir", "iki", "üç"],
    query_ids=["q1", "q2", "q3"],
    queries=["a", "b", "c"],
    judgements=Judgements.of({(0, 0): 0, (0, 1): 1, (0, 2): 2, (1, 1): 3, (2, 0): -1}),
    query_fields={"category": ["kalp", "göz", ""], "title": ["K", "G", "K"]},
    document_fields={"title": ["T1", "T2", "T3"], "source": ["s1", "s2", "s3"]},
)
WORDS = WordData(
    "forms",
    [
        WordItem("1", "tense", "V;PST", "gelmek", "geldi", ("güldü",), "article"),
        WordItem("2", "case", "", "ev", "evden", ("devden",), ""),
    ],
)


def test_a_field_of_the_queries() -> None:
    assert fields_by_id(DATA, ["category"]) == {
        "q1": {"category": "kalp"},
        "q2": {"category": "göz"},
        "q3": {"category": ""},
    }


def test_a_field_of_the_documents_serves_suites_that_score_documents() -> None:
    assert fields_by_id(DATA, ["source"]) == {"d1": {"source": "s1"}, "d2": {"source": "s2"}, "d3": {"source": "s3"}}


def test_a_field_of_both_sides_is_that_of_each() -> None:
    assert fields_by_id(DATA, ["title"]) == {
        "d1": {"title": "T1"},
        "d2": {"title": "T2"},
        "d3": {"title": "T3"},
        "q1": {"title": "K"},
        "q2": {"title": "G"},
        "q3": {"title": "K"},
    }


def test_where_ids_are_the_same_the_query_counts() -> None:
    data = RetrievalData(
        "faq",
        ["1", "2"],
        ["bir", "iki"],
        ["1"],
        ["a"],
        Judgements.of({(0, 0): 1}),
        query_fields={"title": ["of the query"]},
        document_fields={"title": ["of the document", "other"]},
    )
    assert fields_by_id(data, ["title"]) == {"1": {"title": "of the query"}, "2": {"title": "other"}}


def test_the_document_of_a_query_is_its_first_relevant_one() -> None:
    """A judged document that is not relevant makes no two queries alike; q3 has no relevant one."""
    assert fields_by_id(DATA, ["document"]) == {"q1": {"document": "d2"}, "q2": {"document": "d2"}}


def test_a_column_named_document_comes_before_the_relevant_one() -> None:
    data = RetrievalData(
        "faq", ["d1"], ["bir"], ["q1"], ["a"], Judgements.of({(0, 0): 1}), query_fields={"document": ["p. 7"]}
    )
    assert fields_by_id(data, ["document"]) == {"q1": {"document": "p. 7"}}


def test_several_fields_stand_together() -> None:
    found = fields_by_id(DATA, ["category", "document", "title"])
    assert found["q1"] == {"category": "kalp", "document": "d2", "title": "K"}
    assert found["q3"] == {"category": "", "title": "K"}
    assert fields_by_id(DATA, []) == {}


def test_items_of_words_have_four_fields() -> None:
    assert fields_by_id(WORDS, ["category", "features", "lemma", "source"]) == {
        "1": {"category": "tense", "features": "V;PST", "lemma": "gelmek", "source": "article"},
        "2": {"category": "case", "features": "", "lemma": "ev", "source": ""},
    }


@pytest.mark.parametrize(
    ("data", "name", "words"),
    [
        (DATA, "categori", "data set 'medical' has no field 'categori'"),
        (DATA, "categori", "did you mean 'category'? Known: category, document, source, title"),
        (WORDS, "distractors", "data set 'forms' has no field 'distractors'"),
        (WORDS, "form", "Known: category, features, lemma, source"),
        (WORDS, "document", "Known: category, features, lemma, source"),
    ],
)
def test_an_unknown_field_is_named_with_the_nearest(data: RetrievalData | WordData, name: str, words: str) -> None:
    with pytest.raises(DatasetError) as caught:
        fields_by_id(data, ["category", name])
    assert words in str(caught.value)


def test_the_shipped_data_can_be_sliced_and_clustered(fixtures: Path) -> None:
    data = load_dataset(fixtures / "turkish_medical_qa.json", language="tr")
    found = fields_by_id(data, ["category", "document", "title"])
    queries = [found[identity] for identity in data.query_ids]
    assert all(row.keys() == {"category", "document", "title"} and all(row.values()) for row in queries)
    assert {row["document"] for row in queries} <= {*data.document_ids}
    assert all(row["document"].startswith(f"{row['title']}#") for row in queries)
    assert len({row["category"] for row in queries}) < len({row["document"] for row in queries}) < len(queries)
