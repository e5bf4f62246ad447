"""Words of a text as BM25 counts them, with the casing rules of its language."""

from __future__ import annotations

import re
import unicodedata

# Letters, marks and digits of any script; an apostrophe ends the word, so that Ankara'da is found by Ankara.
_WORD = re.compile(r"[^\W_]+")
_TURKIC = {"tr", "az"}
_TURKIC_CAPITALS = str.maketrans({"İ": "i", "I": "ı"})
_SUFFIX_AFTER_APOSTROPHE = re.compile(r"(?<=\w)['’]\w+")


def lower(text: str, language: str | None = None) -> str:
    """Return the text in lower case as its language writes it.

    >>> lower("İSTANBUL'DA KIŞ", "tr")
    "istanbul'da kış"

    Turkish and Azerbaijani have two letters i: İ/i and I/ı. Everywhere else Python's rules hold.
    """
    text = unicodedata.normalize("NFC", text)
    if language is not None and language.split("-")[0] in _TURKIC:
        text = text.translate(_TURKIC_CAPITALS)
    return text.lower().replace("i\N{COMBINING DOT ABOVE}", "i")


def words(text: str, language: str | None = None) -> list[str]:
    """Return the lower-case words of a text, punctuation dropped.

    >>> words("Ankara'da KIŞ!", "tr")
    ['ankara', 'kış']
    """
    lowered = lower(text, language)
    if language is not None and language.split("-")[0] in _TURKIC:
        lowered = _SUFFIX_AFTER_APOSTROPHE.sub("", lowered)
    return _WORD.findall(lowered)
