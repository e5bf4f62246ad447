"""The data we ship: what its cards promise."""

from __future__ import annotations

import csv
import json
import math
import re
import statistics
import unicodedata
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest

from pytest_embedeval.datasets import RetrievalData, WordItem, load_dataset, load_minimal_pairs, load_sentences
from pytest_embedeval.datasets.words import load_words
from pytest_embedeval.languages import language_of, lower
from pytest_embedeval.retrieval.words import Analyser
from tests.conftest import ROOT

MEDICAL: dict[str, Any] = json.loads((ROOT / "fixtures" / "turkish_medical_qa.json").read_text(encoding="utf-8"))
PARAGRAPHS = [paragraph for article in MEDICAL["data"] for paragraph in article["paragraphs"]]
QUESTIONS = [(question, paragraph["context"]) for paragraph in PARAGRAPHS for question in paragraph["qas"]]
words = Analyser("tr").words
WORDS = load_words(ROOT / "fixtures" / "morphology_tr.tsv").items
GERMAN = load_words(ROOT / "fixtures" / "morphology_de.tsv").items


def table_of(name: str) -> list[dict[str, str]]:
    """Return the rows of a tab-separated file of ours."""
    with (ROOT / "fixtures" / name).open(encoding="utf-8", newline="") as lines:
        return list(csv.DictReader(lines, delimiter="\t", quoting=csv.QUOTE_NONE))


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
    assert len(WORDS) >= 600
    assert len(own) >= 14
    assert min(own.values()) >= 24
    assert {
        *("tense", "person", "case", "plural", "possessive", "negation", "question", "derivation", "aspect"),
        *("evidential", "ability", "mood", "copula", "causative", "passive", "reciprocal", "compound"),
        *("lenition", "vowel_drop", "participle", "converb"),
    } == set(own)


def test_the_card_counts_what_the_file_holds() -> None:
    card = (ROOT / "fixtures" / "morphology_tr.md").read_text(encoding="utf-8")
    assert f"{len(WORDS)} items" in card
    categories = Counter(item.category for item in WORDS)
    for category, count in categories.items():
        assert f"| {category} | {count} |" in card
    for kind, count in Counter(kind for item in WORDS for kind in item.kinds).items():
        assert f"| `{kind}` | {count:,} |" in card


@pytest.mark.parametrize(("items", "letters"), [(WORDS, TURKISH), (GERMAN, set("abcdefghijklmnopqrstuvwxyzäöüß-"))])
def test_morphology_items_are_unique_and_written_in_the_alphabet(items: Sequence[WordItem], letters: set[str]) -> None:
    pairs = Counter((item.lemma, item.form) for item in items)
    assert max(pairs.values()) == 1
    for item in items:
        for word in (item.lemma, item.form, *item.distractors):
            assert set(word.lower()) <= letters | {" "}, (item.id, word)
            assert word == unicodedata.normalize("NFC", word)
        assert len(item.distractors) >= 3, item.id
        assert len({item.lemma, item.form, *item.distractors}) == 2 + len(item.distractors), item.id
        assert len(item.kinds) == len(item.distractors), item.id
        assert re.fullmatch(rf"({item.category}|article)-\d+", item.id)
        assert re.fullmatch(r"(N|V|ADJ|ADV)[A-Z0-9;.+(]?.*", item.features), item.id


@pytest.mark.parametrize("items", [WORDS, GERMAN])
def test_no_distractor_is_a_form_that_another_item_gives_its_lemma(items: Sequence[WordItem]) -> None:
    forms: dict[str, set[str]] = {}
    for item in items:
        forms.setdefault(item.lemma, set()).add(item.form)
    for item in items:
        assert not forms[item.lemma].intersection(item.distractors), item.id


def test_negation_is_tested_against_the_affirmative() -> None:
    """The lemma is negative itself, so that the affirmative is a form of another one."""
    for item in WORDS:
        if item.category == "negation":
            assert re.search(r"m[ae]m[ae]k$", item.lemma), item.id
            stem = re.sub(r"m[ae]m[ae]k$", "", item.lemma)
            assert item.distractors[item.kinds.index("affirmative")].startswith(stem[:-1]), item.id
    others = [item for item in WORDS if "affirmative" in item.kinds and item.category != "negation"]
    assert {item.category for item in others} == {"ability"}
    assert all(re.search(r"[ae]m[ae]m[ae]k$", item.lemma) for item in others)


BACK, FRONT = "aıou", "eiöü"


def test_every_broken_harmony_really_breaks_it_at_a_suffix() -> None:
    """The first vowel that differs agrees with the one before it in the form, and disagrees in the distractor."""
    broken = [
        (item, word)
        for item in WORDS
        for word, kind in zip(item.distractors, item.kinds, strict=True)
        if kind == "harmony"
    ]
    assert len(broken) >= 400
    assert len({item.category for item, _ in broken}) >= 18
    for item, word in broken:
        assert len(word) == len(item.form), item.id
        changed = [place for place, (one, other) in enumerate(zip(item.form, word, strict=True)) if one != other]
        assert changed, item.id
        for place in changed:
            assert (item.form[place] in BACK) != (word[place] in BACK), (item.id, word)
            assert {item.form[place], word[place]} <= set(BACK + FRONT), (item.id, word)
        before = next(letter for letter in reversed(word[: changed[0]]) if letter in BACK + FRONT)
        assert (before in BACK) == (item.form[changed[0]] in BACK), (item.id, item.form)
        assert (before in BACK) != (word[changed[0]] in BACK), (item.id, word)


def test_broken_harmony_is_no_mere_lack_of_turkish_keys() -> None:
    for item in WORDS:
        for word, kind in zip(item.distractors, item.kinds, strict=True):
            assert kind != "harmony" or word != language_of("tr").to_ascii(item.form), item.id


def test_german_items_are_many_and_balanced() -> None:
    counts = Counter(item.category for item in GERMAN)
    assert len(GERMAN) >= 150
    assert set(counts.values()) == {18}
    assert len(counts) == 10
    texts = [f"{item.lemma} {item.form}" for item in GERMAN]
    assert sum(bool(set(text.lower()) & set("äöü")) for text in texts) >= 30
    assert sum("ß" in text for text in texts) >= 15
    assert Counter(kind for item in GERMAN for kind in item.kinds)["spelling"] >= 150
    card = (ROOT / "fixtures" / "morphology_de.md").read_text(encoding="utf-8")
    assert f"{len(GERMAN)} items" in card


ENGLISH: dict[str, Any] = json.loads((ROOT / "fixtures" / "turkish_medical_qa.en.json").read_text(encoding="utf-8"))


def test_the_english_side_has_the_same_questions_on_the_same_passages() -> None:
    for article, english in zip(MEDICAL["data"], ENGLISH["data"], strict=True):
        assert english["title"] == article["title_en"]
        for passage, translated in zip(article["paragraphs"], english["paragraphs"], strict=True):
            assert [q["id"] for q in translated["qas"]] == [q["id"] for q in passage["qas"]]
            assert [q["question"] for q in translated["qas"]] == [q["question_en"] for q in passage["qas"]]
            ratio = len(translated["context"]) / len(passage["context"])
            assert 0.75 < ratio < 1.5, translated["context"][:60]


def test_each_english_answer_stands_where_it_says_and_in_no_other_passage() -> None:
    passages = [passage for article in ENGLISH["data"] for passage in article["paragraphs"]]
    assert len({passage["context"] for passage in passages}) == 96
    for passage in passages:
        assert not set(passage["context"]) & set("ğşıİç"), passage["context"][:60]
        for question in passage["qas"]:
            (answer,) = question["answers"]
            start, text = answer["answer_start"], answer["text"]
            assert passage["context"][start : start + len(text)] == text, question["id"]
            assert sum(text.lower() in other["context"].lower() for other in passages) == 1, question["id"]


def test_numbers_of_both_languages_agree() -> None:
    """A dose or a limit that changed in translation would stand out."""
    differing = []
    for article, english in zip(MEDICAL["data"], ENGLISH["data"], strict=True):
        for passage, translated in zip(article["paragraphs"], english["paragraphs"], strict=True):
            found = [
                {number.replace(",", ".") for number in re.findall(r"\d+(?:[.,]\d+)?", side["context"])}
                for side in (passage, translated)
            ]
            if not found[0] <= found[1] | {"000"}:
                differing.append((article["title"], sorted(found[0] - found[1])))
    assert differing == []


INFLECTED = table_of("turkish_medical_qa.inflected.tsv")


def test_every_question_has_a_variant_in_other_inflections() -> None:
    asked = {question["id"]: question["question"] for question, _ in QUESTIONS}
    assert [row["query_id"] for row in INFLECTED] == list(asked)
    assert {row["kind"] for row in INFLECTED} == {"inflection"}
    assert len({row["text"] for row in INFLECTED} | set(asked.values())) == 2 * len(asked)
    for row in INFLECTED:
        assert row["text"].endswith("?")
        assert row["text"] == unicodedata.normalize("NFC", row["text"])
        letters = {letter for letter in lower(row["text"], "tr") if letter.isalpha()}
        assert letters - LATIN - {"α", "β"} == set(), row["text"]


def test_variants_keep_the_stems_and_change_the_forms() -> None:
    """Of the longer words, most have their first four letters in the original, and a good part another ending."""
    asked = {question["id"]: question["question"] for question, _ in QUESTIONS}
    kept, changed, long = 0, 0, 0
    for row in INFLECTED:
        before = [word for word in words(asked[row["query_id"]]) if len(word) > 4]
        after = [word for word in words(row["text"]) if len(word) > 4]
        stems = {word[:4] for word in before}
        kept += sum(word[:4] in stems for word in after)
        changed += sum(word not in before for word in after)
        long += len(after)
        assert set(after) != set(before) or row["text"].split() != asked[row["query_id"]].split()
    assert kept / long > 0.75
    assert changed / long > 0.4


SIMILARITY = load_sentences(ROOT / "fixtures" / "similarity_tr.tsv").items


def test_graded_pairs_use_the_whole_scale() -> None:
    assert len(SIMILARITY) >= 100
    bands = Counter(math.ceil(pair.grade) for pair in SIMILARITY)
    assert set(bands) == {0, 1, 2, 3, 4, 5}
    assert min(bands.values()) >= 20
    card = (ROOT / "fixtures" / "similarity_tr.md").read_text(encoding="utf-8")
    assert f"{len(SIMILARITY)} pairs" in card
    for kind, count in Counter(pair.kind for pair in SIMILARITY).items():
        assert f"| `{kind}` | {count} |" in card


def test_grades_agree_with_what_each_pair_is() -> None:
    allowed = {
        "paraphrase": (4, 5),
        "close": (3, 5),
        "related": (1.5, 3.5),
        "topic": (0.5, 1.5),
        "unrelated": (0, 0),
        "negation": (1, 2.5),
        "antonym": (1, 2.5),
        "contradiction": (0.5, 2),
    }
    for pair in SIMILARITY:
        low, high = allowed[pair.kind]
        assert low <= pair.grade <= high, pair.id
        assert pair.grade * 2 == int(pair.grade * 2)
        letters = {letter for letter in lower(pair.other, "tr") if letter.isalpha()}
        assert letters <= LATIN, pair.other
        assert 3 <= len(pair.other.split()) <= 24, pair.other
    texts = [*{pair.anchor for pair in SIMILARITY}, *(pair.other for pair in SIMILARITY)]
    assert len(set(texts)) == len(texts)


CONFUSIONS = load_minimal_pairs(ROOT / "fixtures" / "confusions_tr.tsv").items


def test_minimal_pairs_are_many_and_balanced() -> None:
    assert Counter(pair.kind for pair in CONFUSIONS) == dict.fromkeys(("negation", "number", "organ", "topic"), 30)
    texts = [text for pair in CONFUSIONS for text in (pair.query, pair.positive, pair.negative)]
    assert len(set(texts)) == len(texts)
    for text in texts:
        assert text == unicodedata.normalize("NFC", text)
        assert {letter for letter in lower(text, "tr") if letter.isalpha()} <= LATIN, text


def test_minimal_pairs_differ_in_little_but_for_the_topic() -> None:
    for pair in CONFUSIONS:
        right, wrong = pair.positive.split(), pair.negative.split()
        if pair.kind != "topic":
            changed = Counter(right) - Counter(wrong)
            assert sum(changed.values()) <= 4, pair.id
            assert abs(len(right) - len(wrong)) <= 4, pair.id


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


NAMES = sorted({path.name.partition(".")[0] for path in (ROOT / "fixtures").iterdir()})


@pytest.mark.parametrize("name", NAMES)
def test_every_fixture_has_a_card(name: str) -> None:
    card = Path(ROOT / "fixtures" / f"{name}.md").read_text(encoding="utf-8")
    for heading in ("## Origin", "## Size", "## Licence", "## Limits"):
        assert heading in card
    assert "CC BY 4.0" in card
