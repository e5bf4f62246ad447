from __future__ import annotations

import unicodedata

import pytest

from pytest_embedeval.errors import UsageError
from pytest_embedeval.languages import language_of, lower, primary, stop_words
from pytest_embedeval.languages.turkish import TURKISH


@pytest.mark.parametrize(
    ("code", "small", "capital"),
    [
        ("tr", "diş ağrısı ışık", "DİŞ AĞRISI IŞIK"),
        ("tr-TR", "içi", "İÇİ"),
        ("az", "işıq", "İŞIQ"),
        ("de", "straße", "STRASSE"),
        ("en", "ill will", "ILL WILL"),
        (None, "diş", "DIŞ"),
    ],
)
def test_capitals_are_those_of_the_language(code: str | None, small: str, capital: str) -> None:
    assert language_of(code).upper(small) == capital
    if code in ("tr", "az", "en"):
        assert lower(capital, code) == small


@pytest.mark.parametrize(
    ("code", "text", "typed"),
    [
        ("tr", "İçimi çok ağrıtan kâğıt, ĞÜŞ", "Icimi cok agritan kagit, GUS"),
        ("tr", unicodedata.normalize("NFD", "çığ"), "cig"),
        ("de", "Ärzte übergroß, Öl", "Aerzte uebergross, Oel"),
        ("fr", "Où est l'hôpital?", "Ou est l'hopital?"),
        ("tr", "日本 καρδιά हिन्दी 🙂", "日本 καρδιά हिन्दी 🙂"),
        ("tr", "", ""),
    ],
    ids=["turkish", "decomposed", "german", "no module of its own", "other scripts", "empty"],
)
def test_a_keyboard_without_its_letters(code: str, text: str, typed: str) -> None:
    assert language_of(code).to_ascii(text) == typed


@pytest.mark.parametrize(
    ("code", "letter", "touching"),
    [
        ("tr", "ğ", "püşi"),
        ("tr", "ş", "lipğç"),
        ("tr", "a", "sqwz"),
        ("tr", "q", "wa"),
        ("de", "ö", "läpü"),
        ("de", "y", "xas"),
        ("en", "é", ""),
        ("en", "5", ""),
    ],
)
def test_neighbours_are_the_keys_that_touch(code: str, letter: str, touching: str) -> None:
    assert set(language_of(code).neighbours(letter)) == set(touching)


def test_neighbours_are_mutual_and_every_turkish_letter_has_some() -> None:
    letters = "abcçdefgğhıijklmnoöprsştuüvyz"
    for letter in letters:
        near = TURKISH.neighbours(letter)
        assert near, letter
        assert letter not in near
        for other in near:
            assert letter in TURKISH.neighbours(other), (letter, other)


def test_what_a_language_does_not_say_is_unicodes() -> None:
    unknown = language_of("xx")
    assert (unknown.code, unknown.name, unknown.stemmer, unknown.mistakes) == ("xx", "xx", None, {})
    assert language_of("xx-Latn") == unknown
    assert unknown.upper("ğ") == "Ğ"


@pytest.mark.parametrize(
    ("code", "name", "stemmer"),
    [("tr", "Turkish", "turkish"), ("de-AT", "German", "german"), ("az", "Azerbaijani", None), ("fi", "fi", "finnish")],
)
def test_names_and_stemmers(code: str, name: str, stemmer: str | None) -> None:
    language = language_of(code)
    assert (language.code, language.name, language.stemmer) == (primary(code), name, stemmer)


@pytest.mark.parametrize(
    ("code", "text", "kept"),
    [("tr", "ankara'da 3'ü", "ankara 3"), ("en", "john's don't", "john dont"), ("de", "geht's", "geht's")],
)
def test_apostrophes(code: str, text: str, kept: str) -> None:
    assert language_of(code).without_suffixes(text) == kept


@pytest.mark.parametrize(("code", "word"), [("tr", "ve"), ("en", "the"), ("de", "und")])
def test_stop_words_are_data(code: str, word: str) -> None:
    found = stop_words(code)
    assert word in found
    assert all(each == lower(each, code) for each in found)


def test_unknown_stop_words_name_the_known() -> None:
    with pytest.raises(UsageError, match=r"language 'fi', but for \['de', 'en', 'tr'\]"):
        stop_words("fi")
