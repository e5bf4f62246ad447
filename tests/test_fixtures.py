"""The data we ship: what its cards promise."""

from __future__ import annotations

import itertools
import json
import re
import unicodedata
from collections import Counter
from pathlib import Path
from typing import Any

import pytest

from pytest_embedeval.datasets.languages import lower
from pytest_embedeval.datasets.words import load_words
from pytest_embedeval.retrieval.words import words
from tests.conftest import ROOT

MEDICAL: dict[str, Any] = json.loads((ROOT / "fixtures" / "turkish_medical_qa.json").read_text(encoding="utf-8"))
PARAGRAPHS = [paragraph for article in MEDICAL["data"] for paragraph in article["paragraphs"]]
QUESTIONS = [(question, paragraph["context"]) for paragraph in PARAGRAPHS for question in paragraph["qas"]]
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
        asked = [word for word in words(question["question"], "tr") if len(word) > 3]
        shares.append(sum(word in set(words(context, "tr")) for word in asked) / max(1, len(asked)))
    assert sum(shares) / len(shares) < 0.25
    assert max(shares) <= 0.5


def test_questions_follow_no_template() -> None:
    """No opening of three words is shared by more than a few of the 288 questions."""
    openings = Counter(" ".join(words(question["question"], "tr")[:3]) for question, _ in QUESTIONS)
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


@pytest.mark.parametrize("name", ["turkish_medical_qa", "morphology_tr"])
def test_every_fixture_has_a_card(name: str) -> None:
    card = Path(ROOT / "fixtures" / f"{name}.md").read_text(encoding="utf-8")
    for heading in ("## Origin", "## Size", "## Licence", "## Limits"):
        assert heading in card
    assert "CC BY 4.0" in card
