"""Words as BM25 counts them: casing, apostrophes, marks, stems and stop words by language."""

from __future__ import annotations

import unicodedata

import pytest

from pytest_embedeval.errors import UsageError
from pytest_embedeval.languages import lower, stop_words
from pytest_embedeval.retrieval.words import Analyser

TURKISH = [
    ("İstanbul", "istanbul"),
    ("IRMAK", "ırmak"),
    ("KIŞ", "kış"),
    ("Iğdır", "ığdır"),
    ("İLAÇ", "ilaç"),
    ("AĞRI", "ağrı"),
    ("ŞİFA", "şifa"),
    ("ÇIĞLIK", "çığlık"),
    ("GÖĞÜS", "göğüs"),
    ("ÜRİNER", "üriner"),
    ("ISI", "ısı"),
    ("IŞIK", "ışık"),
    ("İĞNE", "iğne"),
    ("DİYABET", "diyabet"),
    ("HIRILTI", "hırıltı"),
    ("KIRIK", "kırık"),
    ("SIZI", "sızı"),
    ("Ilık", "ılık"),
    ("İnme", "inme"),
    ("Böbrek", "böbrek"),
    ("AKCİĞER", "akciğer"),
    ("KARIN", "karın"),
    ("ALIN", "alın"),
    ("AÇIK", "açık"),
    ("SICAK", "sıcak"),
    ("YANIK", "yanık"),
    ("SİNİR", "sinir"),
    ("Hâlâ", "hâlâ"),
    ("KÂĞIT", "kâğıt"),
    ("ÖKSÜRÜK", "öksürük"),
    ("DİRENÇ", "direnç"),
    ("Çıkık", "çıkık"),
    ("2025'İN", "2025"),
    ("İZMİR'LİLERDEN", "izmir"),
]


@pytest.mark.parametrize(("text", "expected"), TURKISH)
@pytest.mark.parametrize("form", ["NFC", "NFD"])
def test_turkish_words_get_turkish_small_letters(text: str, expected: str, form: str) -> None:
    assert Analyser("tr").words(unicodedata.normalize(form, text)) == [expected]  # type: ignore[arg-type]


def test_other_languages_have_one_letter_i() -> None:
    assert [lower(text, "en") for text in ("İstanbul", "IRMAK", "KIŞ")] == ["istanbul", "irmak", "kiş"]


def test_a_suffix_after_an_apostrophe_is_no_word_in_turkish() -> None:
    assert Analyser("tr").words("Ankara'da, Türkiye’nin başkentinde!") == ["ankara", "türkiye", "başkentinde"]


def test_an_english_word_keeps_what_its_apostrophe_joins_and_loses_the_possessive() -> None:
    assert Analyser("en").words("The patient’s heart doesn't — it's") == ["the", "patient", "heart", "doesnt", "it"]


def test_elsewhere_an_apostrophe_parts_words() -> None:
    assert Analyser("fr").words("l'eau") == ["l", "eau"]


def test_marks_belong_to_their_letters() -> None:
    assert Analyser("hi").words("किताब पढ़ना।") == [unicodedata.normalize("NFC", word) for word in ("किताब", "पढ़ना")]
    assert Analyser("he").words("שָׁלוֹם, עוֹלָם") == [unicodedata.normalize("NFC", word) for word in ("שָׁלוֹם", "עוֹלָם")]


def test_punctuation_and_underscores_are_no_words() -> None:
    assert Analyser().words("a_b-c… “d” 3,5") == ["a", "b", "c", "d", "3", "5"]
    assert Analyser().words("?! …") == Analyser("tr").words("") == []


def test_forms_share_a_stem_where_the_language_is_known() -> None:
    assert Analyser("tr-TR").stems(["böbrekler", "böbrek"]) == ["böbrek", "böbrek"]
    assert Analyser("tr", stemmer="none").stems(["böbrekler"]) == ["böbrekler"]
    assert Analyser("xx").stems(["böbrekler"]) == ["böbrekler"]


@pytest.mark.parametrize(("language", "word", "content"), [("en", "the", "kidney"), ("tr", "ve", "böbrek")])
def test_stop_words_are_dropped_on_request(language: str, word: str, content: str) -> None:
    assert Analyser(language, stop_words="drop").stems([word, content])[0] == ""
    assert "" not in Analyser(language).stems([word, content])


def test_unknown_stop_words_are_an_error_that_names_the_known() -> None:
    with pytest.raises(UsageError, match=r"no stop words are known for language 'fi', but for .*'en'.*'tr'"):
        stop_words("fi")


@pytest.mark.parametrize("language", ["en", "tr"])
def test_stop_words_stand_as_the_analyser_writes_them(language: str) -> None:
    found = stop_words(language)
    assert len(found) >= 100
    assert {part for word in found for part in Analyser(language).words(word)} == found
