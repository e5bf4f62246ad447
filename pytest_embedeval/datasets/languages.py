"""Which language a text is in, and whether it is the one expected; its words without signs."""

from __future__ import annotations

import unicodedata
from collections.abc import Sequence
from functools import cache
from typing import Any

from pytest_embedeval.languages import lower, primary

# py3langid 0.4 on 2,518 English and 5,057 Turkish questions, sentences and passages of XQuAD, TQuAD and the medical
# set: from 40 letters and a confidence of 0.8 on, 1 and 0 of them were taken for another language, and 97 % and 99 %
# were recognised. From 20 letters and 0.5 on it was 6 and 6. The first 256 characters tell as much as a whole passage.
_LETTERS = 40
_CONFIDENCE = 0.8
_CHARACTERS = 256

# Members of one macrolanguage (ISO 639-3), by the codes of the identifier and of users: neither is a mistake.
_MACROLANGUAGE = {
    **dict.fromkeys(("nb", "nn"), "no"),
    **dict.fromkeys(("hr", "bs", "sr"), "sh"),
    **dict.fromkeys(("ary", "arz"), "ar"),
    **dict.fromkeys(("yue", "wuu"), "zh"),
    "id": "ms",
    "sdh": "ku",
    "uzs": "uz",
    "fil": "tl",
}
_NO_LANGUAGE = "zxx"
_COMMON = frozenset(" abcdefghijklmnopqrstuvwxyzçğıöşü0123456789")  # need not be looked at one by one


def plain(text: str, language: str | None = None) -> str:
    r"""Return the words of a text in lower case with one blank between them, without punctuation and symbols.

    >>> plain("  Ankara'da,\nKIŞ! ", "tr")
    'ankara da kış'

    A text without any letter or digit is returned as it is, so that two of them are not taken for equal.
    """
    small = lower(text, language)
    for sign in set(small).difference(_COMMON):
        # Marks belong to their letter: without its vowel signs, Hindi would be other words.
        if not sign.isalnum() and unicodedata.category(sign)[0] != "M":
            small = small.replace(sign, " ")
    return " ".join(small.split()) or text.strip()


def languages_of(texts: Sequence[str], limit: int = 2000) -> dict[int, str]:
    """Tell the language of the texts that are long and clear enough for it.

    Parameters
    ----------
    texts
        Texts of any length; short ones are passed over.
    limit
        Look at about so many texts at most, spread evenly.

    Returns
    -------
    Position of a text -> ISO 639 code.
    """
    identifier = None
    found = {}
    for position in range(0, len(texts), -(-len(texts) // limit) or 1):
        start = texts[position][:_CHARACTERS]
        if sum(map(str.isalpha, start)) < _LETTERS:
            continue
        identifier = identifier or _identifier()
        language, confidence = identifier.classify(start)
        if confidence >= _CONFIDENCE and language != _NO_LANGUAGE:
            found[position] = language
    return found


def is_same(language: str, other: str) -> bool:
    """Whether two codes name one language, or two of one macrolanguage (Norwegian Bokmål is Norwegian)."""
    return _macrolanguage(language) == _macrolanguage(other)


def is_known(language: str | None) -> bool:
    """Whether texts in this language would be recognised."""
    return _macrolanguage(language) in {_macrolanguage(code) for code in _identifier().labels}


def _macrolanguage(language: str | None) -> str:
    code = primary(language)
    return _MACROLANGUAGE.get(code, code)


@cache
def _identifier() -> Any:
    """Return the language identifier; its model takes 0.6 s to unpack, once per process."""
    from py3langid.langid import MODEL_FILE, LanguageIdentifier  # type: ignore[import-untyped]

    return LanguageIdentifier.from_model_file(MODEL_FILE, norm_probs=True)
