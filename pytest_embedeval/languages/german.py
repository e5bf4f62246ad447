"""German: umlauts and ß, which people without these keys write as ae and ss, or leave plain."""

from __future__ import annotations

from pytest_embedeval.languages.language import Language

_BARE = str.maketrans("äöüÄÖÜ", "aouAOU")


def bare_umlauts(text: str) -> str:
    """Return the text with umlauts that lost their dots: `Ärzte` becomes `Arzte`."""
    return text.translate(_BARE)


def swiss_spelling(text: str) -> str:
    """Return the text as Swiss keyboards and old forms write it: `ß` becomes `ss`."""
    return text.replace("ß", "ss").replace("ẞ", "SS")


GERMAN = Language(
    "de",
    "German",
    ascii={"ä": "ae", "ö": "oe", "ü": "ue", "ß": "ss"},
    keyboard=("qwertzuiopü", "asdfghjklöä", "yxcvbnm"),
    stemmer="german",
    mistakes={"umlaut": bare_umlauts, "eszett": swiss_spelling},
)
