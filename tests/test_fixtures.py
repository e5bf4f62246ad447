"""The data we ship: what its cards promise."""

from __future__ import annotations

import csv
import itertools
import json
import re
import statistics
import unicodedata
from collections import Counter
from pathlib import Path
from typing import Any

import pytest

from pytest_embedeval.datasets import RetrievalData, load_dataset
from pytest_embedeval.datasets.languages import lower
from pytest_embedeval.datasets.words import load_words
from pytest_embedeval.retrieval.words import Analyser
from tests.conftest import ROOT

MEDICAL: dict[str, Any] = json.loads((ROOT / "fixtures" / "turkish_medical_qa.json").read_text(encoding="utf-8"))
PARAGRAPHS = [paragraph for article in MEDICAL["data"] for paragraph in article["paragraphs"]]
QUESTIONS = [(question, paragraph["context"]) for paragraph in PARAGRAPHS for question in paragraph["qas"]]
words = Analyser("tr").words
WORDS = load_words(ROOT / "fixtures" / "morphology_tr.tsv").items

TURKISH = set("abcçdefgğhıijklmnoöprsştuüvyzâîû")
LATIN = TURKISH | set("qwxé") | {"µ"}


def test_the_medical_set_is_as_large_as_its_card_says() -> None:
    assert len(MEDICAL["data"]) == 24
    assert len(PARAGRAPHS) == 96
    assert len(QUESTIONS) == 288


def test_every_topic_has_several_passages_so_that_each_question_has_hard_negatives() -> None:
    assert {len(article["paragraphs"]) for article in MEDICAL["data"]} == {4}
    assert {len(paragraph["qas"]) for paragraph in PARAGRAPHS} == {3}


def test_passages_have_60_to_130_words() -> None:
    lengths = [len(paragraph["context"].split()) for paragraph in PARAGRAPHS]
    assert min(lengths) >= 60
    assert max(lengths) <= 130


@pytest.mark.parametrize("fixture", ["turkish_medical_qa.json", "morphology_tr.tsv"])
def test_text_is_composed_and_written_in_the_turkish_alphabet(fixture: str) -> None:
    text = (ROOT / "fixtures" / fixture).read_text(encoding="utf-8")
    assert text == unicodedata.normalize("NFC", text)
    if fixture.endswith("json"):
        text = " ".join([*(p["context"] for p in PARAGRAPHS), *(q["question"] for q, _ in QUESTIONS)])
    letters = {letter for letter in lower(text, "tr") if letter.isalpha()}
    assert letters - LATIN - {"α", "β"} == set()


def test_each_answer_stands_where_it_says_and_in_no_other_passage() -> None:
    for question, context in QUESTIONS:
        for answer in question["answers"]:
            start, text = answer["answer_start"], answer["text"]
            assert context[start : start + len(text)] == text, question["id"]
            holders = [p for p in PARAGRAPHS if lower(text, "tr") in lower(p["context"], "tr")]
            assert len(holders) == 1, (question["id"], text)


def test_ids_and_texts_are_unique() -> None:
    for values in (
        [question["id"] for question, _ in QUESTIONS],
        [question["question"] for question, _ in QUESTIONS],
        [question["question_en"] for question, _ in QUESTIONS],
        [paragraph["context"] for paragraph in PARAGRAPHS],
    ):
        assert [value for value, count in Counter(values).items() if count > 1] == []


def test_questions_are_phrased_unlike_their_passage() -> None:
    """On average, fewer than a quarter of a question's longer words stand in its passage in the same form."""
    shares = []
    for question, context in QUESTIONS:
        asked = [word for word in words(question["question"]) if len(word) > 3]
        shares.append(sum(word in set(words(context)) for word in asked) / max(1, len(asked)))
    assert sum(shares) / len(shares) < 0.25
    assert max(shares) <= 0.5


def test_questions_follow_no_template() -> None:
    """No opening of three words is shared by more than a few of the 288 questions."""
    openings = Counter(" ".join(words(question["question"])[:3]) for question, _ in QUESTIONS)
    assert openings.most_common(1)[0][1] <= 6


def test_every_question_says_what_it_asks_and_how() -> None:
    categories = Counter(question["category"] for question, _ in QUESTIONS)
    assert set(categories) == {
        "definition",
        "cause",
        "risk",
        "symptom",
        "diagnosis",
        "treatment",
        "prevention",
        "complication",
    }
    assert min(categories.values()) >= 15
    phrasing = Counter(question["phrasing"] for question, _ in QUESTIONS)
    assert set(phrasing) == {"lay", "clinical", "synonym"}
    assert phrasing["lay"] >= len(QUESTIONS) // 3
    for question, _ in QUESTIONS:
        assert question["question"].endswith("?")
        assert question["question_en"].endswith("?")
        assert not set(question["question_en"]) & set("ğşıİçöü"), question["id"]


def test_the_seven_pairs_of_the_article_are_marked() -> None:
    pairs = [(item.lemma, item.form) for item in WORDS if item.source == "article"]
    assert pairs == [
        ("geliyorum", "gelmekteyim"),
        ("gidecek", "gider"),
        ("yaptım", "yapıyorum"),
        ("okuyor", "okumakta"),
        ("koşacağım", "koşarım"),
        ("araba", "arabalar"),
        ("evdeyim", "evde olmak"),
    ]


def test_morphology_items_are_many_and_balanced() -> None:
    own = Counter(item.category for item in WORDS if item.source != "article")
    assert set(own) == {"tense", "person", "case", "plural", "possessive", "negation", "question", "derivation"}
    assert sum(own.values()) >= 150
    assert min(own.values()) >= 24


def test_morphology_items_are_unique_and_written_in_the_turkish_alphabet() -> None:
    pairs = Counter((item.lemma, item.form) for item in WORDS)
    assert max(pairs.values()) == 1
    for item in WORDS:
        for word in (item.lemma, item.form, *item.distractors):
            assert set(word) <= TURKISH | {" "}, (item.id, word)
        assert len(item.distractors) == 3, item.id
        assert re.fullmatch(rf"({item.category}|article)-\d+", item.id)


def test_no_distractor_is_a_form_that_another_item_gives_its_lemma() -> None:
    forms = {(item.lemma, item.form) for item in WORDS}
    for item, other in itertools.product(WORDS, WORDS):
        assert not (item.lemma == other.lemma and other.form in item.distractors), item.id
    assert all((item.lemma, word) not in forms for item in WORDS for word in item.distractors)


def test_negation_is_tested_against_the_affirmative() -> None:
    for item in WORDS:
        if item.category == "negation":
            assert re.search(r"m[ae]m[ae]k$", item.lemma), item.id
            stem = re.sub(r"m[ae]m[ae]k$", "", item.lemma)
            assert any(word.startswith(stem[:-1]) for word in item.distractors), item.id


PRODUCTS = ROOT / "fixtures" / "products"
CARD = (ROOT / "fixtures" / "products.md").read_text(encoding="utf-8")


def table(name: str) -> list[dict[str, str]]:
    """Return the rows of a tab-separated file in WANDS form."""
    with (PRODUCTS / name).open(encoding="utf-8", newline="") as lines:
        return list(csv.DictReader(lines, delimiter="\t"))


PRODUCT, QUERY, QUERY_TR, LABEL = (table(f"{name}.csv") for name in ("product", "query", "query_tr", "label"))
RELEVANT = [row for row in LABEL if row["label"] != "Irrelevant"]


def test_the_products_are_as_many_as_their_card_says() -> None:
    classes = {row["product_class"] for row in PRODUCT}
    assert f"| products | {len(PRODUCT)} in {len(classes)} classes |" in CARD
    without = sum(not row["query_class"] for row in QUERY)
    assert f"| queries, each in English and Turkish | {len(QUERY)}, of them {without} without a class |" in CARD
    labels = Counter(row["label"] for row in LABEL)
    assert set(labels) == {"Exact", "Partial", "Irrelevant"}
    counts = ", ".join(f"{labels[label]} `{label}`" for label in ("Exact", "Partial", "Irrelevant"))
    assert f"| judgements | {len(LABEL)}: {counts} |" in CARD
    assert len(PRODUCT) >= 150
    assert len(QUERY) >= 40


def test_descriptions_are_as_long_as_their_card_says() -> None:
    lengths = sorted(len(row["product_description"].split()) for row in PRODUCT)
    short = {9: "nine"}[sum(length < 25 for length in lengths)]
    said = f"{lengths[0]} to {lengths[-1]} words, median {statistics.median(lengths):g}; {short} under 25"
    assert f"| descriptions | {said} |" in CARD


def test_relevant_products_are_spread_as_their_card_says() -> None:
    counts = Counter(row["query_id"] for row in RELEVANT)
    for said, least, most in (
        ("1 or 2", 1, 2),
        ("3 or 4", 3, 4),
        ("5 to 7", 5, 7),
        ("11 to 14", 11, 14),
        ("31", 31, 31),
    ):
        assert f"| {said} | {sum(least <= count <= most for count in counts.values())} |" in CARD
    assert f"The median is {statistics.median(counts.values()):g}." in CARD
    assert f"of the {len(RELEVANT)} relevant pairs" in CARD


def test_ids_of_the_products_agree() -> None:
    for rows, key in ((PRODUCT, "product_id"), (QUERY, "query_id"), (QUERY_TR, "query_id"), (LABEL, "id")):
        assert [row[key] for row in rows] == [str(number) for number in range(len(rows))]
    pairs = [(row["query_id"], row["product_id"]) for row in LABEL]
    assert len(set(pairs)) == len(pairs)
    assert {query for query, _ in pairs} == {row["query_id"] for row in QUERY}
    assert {product for _, product in pairs} <= {row["product_id"] for row in PRODUCT}


def test_every_query_has_an_exact_product_and_six_near_misses() -> None:
    by_label = {
        label: Counter(row["query_id"] for row in LABEL if row["label"] == label) for label in ("Exact", "Irrelevant")
    }
    assert set(by_label["Exact"]) == set(by_label["Irrelevant"]) == {row["query_id"] for row in QUERY}
    assert min(by_label["Irrelevant"].values()) >= 6


def test_no_two_products_and_no_two_queries_are_called_alike() -> None:
    for rows, column in (
        (PRODUCT, "product_name"),
        (PRODUCT, "product_description"),
        (QUERY, "query"),
        (QUERY_TR, "query"),
    ):
        texts = [lower(row[column], "en").strip() for row in rows]
        assert all(texts)
        assert len(set(texts)) == len(texts), column


def test_each_query_has_a_turkish_twin() -> None:
    assert [(row["query_id"], row["query_class"]) for row in QUERY_TR] == [
        (row["query_id"], row["query_class"]) for row in QUERY
    ]
    for english, turkish in zip(QUERY, QUERY_TR, strict=True):
        assert english["query"] != turkish["query"]
        assert not set(lower(english["query"], "en")) & set("çğışöüâîû")
        letters = {letter for letter in lower(turkish["query"], "tr") if letter.isalpha()}
        assert letters <= LATIN, turkish["query"]
    marked = [row for row in QUERY_TR if set(lower(row["query"], "tr")) & set("çğışöü")]
    assert len(marked) > len(QUERY_TR) / 2


def test_columns_are_those_of_wands() -> None:
    assert list(PRODUCT[0]) == [
        "product_id",
        "product_name",
        "product_class",
        "category hierarchy",
        "product_description",
        "product_features",
        "rating_count",
        "average_rating",
        "review_count",
    ]
    assert list(QUERY[0]) == list(QUERY_TR[0]) == ["query_id", "query", "query_class"]
    assert list(LABEL[0]) == ["id", "query_id", "product_id", "label"]
    for row in PRODUCT:
        assert row["category hierarchy"].count(" / ") >= 1
        assert all(" : " in feature for feature in row["product_features"].split("|")), row["product_id"]
        assert not row["average_rating"] or 1 <= float(row["average_rating"]) <= 5
        ratings = [row[column] for column in ("rating_count", "average_rating", "review_count")]
        assert all(ratings) or not any(ratings), row["product_id"]
    assert sum(not row["rating_count"] for row in PRODUCT) == 9
    raw = (PRODUCTS / "product.csv").read_text(encoding="utf-8")
    assert '"Whitby 48"" Four-Shelf Bookcase"' in raw


def test_couch_and_sofa_and_a_place_to_relax_are_asked_for() -> None:
    asked = {row["query"] for row in QUERY}
    assert {"couch", "place to sit and relax"} <= asked
    names = {row["product_id"]: lower(row["product_name"], "en") for row in PRODUCT}
    couch = next(row["query_id"] for row in QUERY if row["query"] == "couch")
    exact = [names[row["product_id"]] for row in LABEL if (row["query_id"], row["label"]) == (couch, "Exact")]
    assert any("sofa" in name for name in exact)
    assert not all("couch" in name for name in exact)


@pytest.mark.parametrize(("queries", "asked"), [("query.csv", QUERY), ("query_tr.csv", QUERY_TR)])
def test_the_products_load_without_a_finding(queries: str, asked: list[dict[str, str]]) -> None:
    data = load_dataset(PRODUCTS, format="wands", language="en", queries=queries)
    assert isinstance(data, RetrievalData)
    assert (len(data.documents), len(data.queries), len(data.judgements)) == (len(PRODUCT), len(asked), len(LABEL))
    assert [*data.queries] == [row["query"] for row in asked]
    assert data.findings == ()
    grades = Counter(data.judgements.grade.tolist())
    labels = Counter(row["label"] for row in LABEL)
    assert grades == {2: labels["Exact"], 1: labels["Partial"], 0: labels["Irrelevant"]}


@pytest.mark.parametrize("name", ["turkish_medical_qa", "morphology_tr", "products"])
def test_every_fixture_has_a_card(name: str) -> None:
    card = Path(ROOT / "fixtures" / f"{name}.md").read_text(encoding="utf-8")
    for heading in ("## Origin", "## Size", "## Licence", "## Limits"):
        assert heading in card
    assert "CC BY 4.0" in card
