"""Texts as people type them: the same for the same seed, whatever stands beside them, and safe for any text."""

from __future__ import annotations

import json
import random
import unicodedata

import pytest

from pytest_embedeval import perturb
from pytest_embedeval.errors import UsageError
from pytest_embedeval.languages import language_of
from pytest_embedeval.perturbations import PERTURBATIONS, perturbations
from tests.conftest import ROOT

QUESTIONS = [
    question["question"]
    for article in json.loads((ROOT / "fixtures" / "turkish_medical_qa.json").read_text(encoding="utf-8"))["data"]
    for passage in article["paragraphs"]
    for question in passage["qas"]
]


@pytest.mark.parametrize(
    ("name", "language", "text", "typed"),
    [
        ("ascii", "tr", "Akciğer kanseri nedir?", "Akciger kanseri nedir?"),
        ("ascii", "de", "Fußpilz bei Ärzten", "Fusspilz bei Aerzten"),
        ("capitals", "tr", "diş ağrısı", "DİŞ AĞRISI"),
        ("wrong_capitals", "tr", "diş ağrısı", "DIŞ AĞRISI"),
        ("wrong_capitals", "de", "Zahn", "Zahn"),
        ("nfd", "tr", "ağrı", "ag\u0306rı"),
        (
            "apostrophe",
            "tr",
            "Ankara'da TB\N{RIGHT SINGLE QUOTATION MARK}nin 'ilk' belirtisi",
            "Ankarada TBnin 'ilk' belirtisi",
        ),
        ("space", "tr", "\t\n ", "\t\n "),
        ("question_mark", "tr", "Neden? Nasıl ?", "Neden Nasıl"),
        ("question_mark", "ar", "لماذا؟", "لماذا"),
        ("umlaut", "de", "Ärzte für Füße", "Arzte fur Fuße"),
        ("eszett", "de", "Fußpilz GROẞ", "Fusspilz GROSS"),
    ],
)
def test_each_does_what_it_says(name: str, language: str, text: str, typed: str) -> None:
    assert perturb(text, name, language=language) == typed


def test_typing_is_the_same_whenever_and_beside_whatever_it_happens() -> None:
    for made in perturbations("tr"):
        alone = [made(text) for text in QUESTIONS]
        assert [made(text) for text in reversed(QUESTIONS)] == alone[::-1]
        assert [perturb(text, made.name, language="tr", seed=42) for text in QUESTIONS[:20]] == alone[:20]
    random.seed(7)
    state = random.getstate()
    perturb(QUESTIONS[0], "typo", language="tr")
    assert random.getstate() == state, "no global generator is touched"


def test_another_seed_makes_other_typos() -> None:
    made = {seed: [perturb(text, "typo", language="tr", seed=seed) for text in QUESTIONS] for seed in (1, 2)}
    assert sum(one != other for one, other in zip(*made.values(), strict=True)) > 0.9 * len(QUESTIONS)


def test_a_typo_is_one_neighbouring_key_in_every_word_of_three_letters() -> None:
    turkish = language_of("tr")
    for text in QUESTIONS:
        before, after = text.split(), perturb(text, "typo", language="tr").split()
        assert [len(word) for word in after] == [len(word) for word in before]
        for word, typed in zip(before, after, strict=True):
            struck = [(one, other) for one, other in zip(word, typed, strict=True) if one != other]
            runs = max(map(len, "".join(c if c.isalpha() else " " for c in word).split()), default=0)
            assert bool(struck) == (runs >= 3), (word, typed)
            for one, other in struck:
                assert turkish.lower(other) in turkish.neighbours(turkish.lower(one)), (word, typed)
                assert one.isupper() == other.isupper()


def test_white_space_is_all_that_is_added() -> None:
    for text in QUESTIONS:
        typed = perturb(text, "space", language="tr")
        assert typed != text
        assert typed.split() == text.split()


@pytest.mark.parametrize("name", sorted({*PERTURBATIONS, "umlaut", "eszett"}))
@pytest.mark.parametrize(
    "text", ["", " ", "42", "?", "a", "日本語のテキスト", "قلب سليم", "🙂 👩‍⚕️", "\ud800 half", "ß" * 50], ids=range(10)
)
def test_any_text_is_safe(name: str, text: str) -> None:
    typed = perturb(text, name, language="de")
    assert perturb(text, name, language="de") == typed
    if not any(map(str.isalpha, text)) and name != "question_mark":
        assert typed.split() == text.split()


def test_capitals_and_decomposed_letters_lose_nothing() -> None:
    turkish = language_of("tr")
    for text in QUESTIONS:
        assert turkish.lower(perturb(text, "capitals", language="tr")) == turkish.lower(text)
        assert unicodedata.normalize("NFC", perturb(text, "nfd", language="tr")) == text


def test_a_language_has_its_own_beside_those_of_all() -> None:
    names = {code: {made.name for made in perturbations(code)} for code in ("tr", "de", None)}
    assert names["tr"] == names[None] == set(PERTURBATIONS)
    assert names["de"] == {*PERTURBATIONS, "umlaut", "eszett"}


@pytest.mark.parametrize(
    ("name", "language", "message"),
    [
        ("typos", "tr", "unknown perturbation 'typos' for language 'tr'; did you mean 'typo'?"),
        ("umlaut", "tr", "unknown perturbation 'umlaut' for language 'tr'"),
    ],
)
def test_an_unknown_name_is_refused(name: str, language: str, message: str) -> None:
    with pytest.raises(UsageError) as error:
        perturb("ağrı", name, language=language)
    assert str(error.value).startswith(message)


GERMAN = (ROOT / "tests" / "languages" / "queries_de.tsv").read_text(encoding="utf-8").splitlines()[1:]


def test_german_queries_are_typed_as_germans_without_their_keys_type_them() -> None:
    assert len(GERMAN) == 40
    changed = {made.name: [made(text) for text in GERMAN] for made in perturbations("de")}
    assert all(text.isascii() for text in changed["ascii"])
    assert not set("".join(changed["umlaut"])) & set("äöüÄÖÜ")
    assert "ß" in "".join(changed["umlaut"])
    assert "ß" not in "".join(changed["eszett"])
    assert set("".join(changed["eszett"])) & set("äöü")
    for name in ("ascii", "umlaut", "eszett", "typo", "capitals", "question_mark"):
        assert any(typed != text for typed, text in zip(changed[name], GERMAN, strict=True)), name
    german = language_of("de")
    for text, typed in zip(GERMAN, changed["typo"], strict=True):
        struck = [(one, other) for one, other in zip(text, typed, strict=True) if one != other]
        assert all(other.lower() in german.neighbours(one.lower()) for one, other in struck)
