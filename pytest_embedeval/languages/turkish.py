"""Turkish, and Azerbaijani where it is the same: two letters i, and suffixes after an apostrophe."""

from __future__ import annotations

import re

from pytest_embedeval.languages.language import Language

_SUFFIX = re.compile(r"'(?<=\w')\w+")  # what is looked for first is the apostrophe, which is rare

_CAPITALS = {"i": "İ", "ı": "I"}
_SMALL = {"İ": "i", "I": "ı"}
# The dotted and the dotless i are one key on a keyboard without Turkish letters; â, î, û are typed plain.
_ASCII = {"ç": "c", "ğ": "g", "ı": "i", "i": "i", "ö": "o", "ş": "s", "ü": "u", "â": "a", "î": "i", "û": "u"}
_Q_KEYBOARD = ("qwertyuıopğü", "asdfghjklşi", "zxcvbnmöç")


def without_suffixes(text: str) -> str:
    """Return the text without the suffixes of names, so that `ankara'da` is found by `ankara`."""
    return _SUFFIX.sub("", text)


TURKISH = Language(
    "tr",
    "Turkish",
    capitals=_CAPITALS,
    small=_SMALL,
    ascii=_ASCII,
    keyboard=_Q_KEYBOARD,
    stemmer="turkish",
    without_suffixes=without_suffixes,
)

AZERBAIJANI = Language(
    "az",
    "Azerbaijani",
    capitals=_CAPITALS,
    small=_SMALL,
    ascii={**_ASCII, "ə": "e"},
    keyboard=("qüertyuiopöğ", "asdfghjklıə", "zxcvbnmçş"),
    without_suffixes=without_suffixes,
)
