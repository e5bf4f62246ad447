"""Words of a text as BM25 counts them, with the casing rules of its language."""

from __future__ import annotations

import re

from pytest_embedeval.datasets.languages import is_turkic, lower

# Letters, marks and digits of any script; an apostrophe ends the word, so that Ankara'da is found by Ankara.
_WORD = re.compile(r"[^\W_]+")
_SUFFIX_AFTER_APOSTROPHE = re.compile(r"(?<=\w)['’]\w+")


def words(text: str, language: str | None = None) -> list[str]:
    """Return the lower-case words of a text, punctuation dropped.

    >>> words("Ankara'da KIŞ!", "tr")
    ['ankara', 'kış']
    """
    lowered = lower(text, language)
    if is_turkic(language):
        lowered = _SUFFIX_AFTER_APOSTROPHE.sub("", lowered)
    return _WORD.findall(lowered)
