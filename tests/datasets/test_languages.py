from __future__ import annotations

import unicodedata
from pathlib import Path

import pytest

from pytest_embedeval.datasets import load_squad
from pytest_embedeval.datasets.languages import is_known, is_same, languages_of, plain
from pytest_embedeval.languages import lower, primary

TURKISH = "Böbrekler kanı süzer ve fazla suyu idrarla dışarı atar; günde yaklaşık iki litre."
ENGLISH = "The kidneys filter the blood and pass the surplus water on as urine, two litres a day."
GERMAN = "Die Nieren filtern das Blut und scheiden das überschüssige Wasser als Harn wieder aus."


@pytest.mark.parametrize(
    ("text", "language", "expected"),
    [
        ("IŞIK İLE", "tr", "ışık ile"),
        ("IŞIK İLE", "tr-TR", "ışık ile"),
        ("IŞIK İLE", "az", "ışık ile"),
        ("ILL WILL", "en", "ill will"),
        ("İZMİR", None, "izmir"),
        (unicodedata.normalize("NFD", "İÇ Ağrı"), "tr", "iç ağrı"),
    ],
)
def test_small_letters_are_those_of_the_language(text: str, language: str | None, expected: str) -> None:
    assert lower(text, language) == expected


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("  Kalp,\n(kanı)\tpompalar! ", "kalp kanı pompalar"),
        ("Ankara'da", "ankara da"),
        ("snake_case – 3.5", "snake case 3 5"),
        ("हिन्दी भाषा!", "हिन्दी भाषा"),
        (" ?! ", "?!"),
        ("", ""),
    ],
    ids=["punctuation", "apostrophe", "signs", "marks of letters", "nothing but signs", "empty"],
)
def test_plain_text_is_its_words(text: str, expected: str) -> None:
    assert plain(text, "tr") == expected


@pytest.mark.parametrize(("code", "expected"), [("tr", "tr"), ("tr-TR", "tr"), ("TR_tr", "tr"), (None, "")])
def test_script_and_region_do_not_change_the_language(code: str | None, expected: str) -> None:
    assert primary(code) == expected


def test_the_language_of_clear_texts_is_told_by_position() -> None:
    assert languages_of([TURKISH, "Kısa soru?", ENGLISH, GERMAN]) == {0: "tr", 2: "en", 3: "de"}


@pytest.mark.parametrize(
    "text",
    [
        "",
        "What is this?",
        "MKEK JNG90 (BORA-12)\nMKEK T-12\n",
        "12.5 " * 40,
        "asdf jklö qwer uiop yxcv bnmm fghj tzui rewq lkjh asdf",
        "Konzentration, Temperatur und Druck: Boyle-Mariotte ne demek?",
    ],
    ids=["empty", "short", "codes", "numbers", "keys", "two languages"],
)
def test_what_is_short_or_unclear_or_no_language_is_passed_over(text: str) -> None:
    assert languages_of([text]) == {}


def test_many_texts_are_looked_at_from_the_first_to_the_last() -> None:
    assert list(languages_of([TURKISH] * 11, limit=4)) == [0, 3, 6, 9]
    assert languages_of([], limit=4) == {}


def test_no_passage_of_the_medical_set_is_taken_for_another_language(fixtures: Path) -> None:
    data = load_squad(fixtures / "turkish_medical_qa.json")
    told = languages_of(data.documents)
    assert len(told) >= 0.98 * len(data.documents)
    assert set(told.values()) == {"tr"}
    assert set(languages_of(data.query_fields["question_en"][::4]).values()) == {"en"}


@pytest.mark.parametrize(("name", "language"), [("xquad.en", "en"), ("tquad-dev", "tr")])
def test_no_real_question_is_taken_for_another_language(shared_data: Path, name: str, language: str) -> None:
    told = languages_of(load_squad(shared_data / f"{name}.json").queries, limit=200)
    assert len(told) > 50
    assert set(told.values()) == {language}


@pytest.mark.parametrize(("one", "other"), [("tr", "tr-TR"), ("no", "nb-NO"), ("hr", "sr"), ("zh-Hans", "yue")])
def test_codes_of_one_language(one: str, other: str) -> None:
    assert is_same(one, other)
    assert is_known(one)


@pytest.mark.parametrize(("one", "other"), [("tr", "az"), ("en", "de"), ("tr", "")])
def test_codes_of_two_languages(one: str, other: str) -> None:
    assert not is_same(one, other)


@pytest.mark.parametrize("code", [None, "", "tlh"])
def test_a_language_that_would_not_be_recognised(code: str | None) -> None:
    assert not is_known(code)
