"""Lower case as each language writes it."""

from __future__ import annotations

import unicodedata

import pytest

from pytest_embedeval.datasets.languages import lower
from pytest_embedeval.retrieval.words import words


@pytest.mark.parametrize(
    ("text", "turkish", "english"),
    [
        ("İstanbul", "istanbul", "istanbul"),
        ("IRMAK", "ırmak", "irmak"),
        ("KIŞ", "kış", "kiş"),
        ("ĞÜÖÇŞ", "ğüöçş", "ğüöçş"),
        ("Iğdır", "ığdır", "iğdır"),
        ("İLAÇ", "ilaç", "ilaç"),
        ("COVID", "covıd", "covid"),
    ],
)
def test_turkish_has_two_letters_i(text: str, turkish: str, english: str) -> None:
    assert lower(text, "tr") == turkish
    assert lower(unicodedata.normalize("NFD", text), "tr-TR") == turkish
    assert lower(text, "en") == english


def test_a_suffix_after_an_apostrophe_is_no_word() -> None:
    assert words("Ankara'da, Türkiye’nin başkentinde!", "tr") == ["ankara", "türkiye", "başkentinde"]
    assert words("the patient's heart", "en") == ["the", "patient", "s", "heart"]


def test_nothing_is_made_of_nothing() -> None:
    assert words("", "tr") == []
    assert words("?! …", None) == []
