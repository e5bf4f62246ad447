"""English: possessives, and words that an apostrophe shortens."""

from __future__ import annotations

import re

from pytest_embedeval.languages.language import Language

_POSSESSIVE = re.compile(r"'(?<=\w')s\b")
_INSIDE = re.compile(r"'(?<=\w')(?=\w)")  # don't stays one word


def without_suffixes(text: str) -> str:
    """Return the text with possessives dropped and shortened words in one piece."""
    return _INSIDE.sub("", _POSSESSIVE.sub("", text))


ENGLISH = Language("en", "English", stemmer="english", without_suffixes=without_suffixes)
