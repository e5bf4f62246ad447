"""What a language decides about its letters: casing, folding, keyboard, apostrophes, stems, stop words.

One module per language that differs from Unicode's rules; one table entry for a language of which only a stemmer is
known. A new language is a module with one `Language`, and its entry in `_OWN`.
"""

from __future__ import annotations

from functools import cache
from importlib.resources import files

from pytest_embedeval.errors import UsageError
from pytest_embedeval.languages.english import ENGLISH
from pytest_embedeval.languages.german import GERMAN
from pytest_embedeval.languages.language import Language
from pytest_embedeval.languages.turkish import AZERBAIJANI, TURKISH

__all__ = ["Language", "language_of", "lower", "primary", "stop_words"]

_OWN = {language.code: language for language in (TURKISH, AZERBAIJANI, GERMAN, ENGLISH)}

_STEMMED = {
    "ar": "arabic",
    "da": "danish",
    "el": "greek",
    "es": "spanish",
    "fi": "finnish",
    "fr": "french",
    "hu": "hungarian",
    "it": "italian",
    "nl": "dutch",
    "no": "norwegian",
    "pt": "portuguese",
    "ro": "romanian",
    "ru": "russian",
    "sv": "swedish",
}


def primary(code: str | None) -> str:
    """Return the language of a BCP 47 code without script and region, `""` for None.

    >>> primary("tr-TR")
    'tr'
    """
    return (code or "").replace("_", "-").split("-")[0].lower()


@cache
def language_of(code: str | None) -> Language:
    """Return what is known of a language; Unicode's rules for one of which nothing is.

    >>> language_of("tr-TR").upper("diş")
    'DİŞ'
    """
    own = primary(code)
    return _OWN.get(own) or Language(own, own, stemmer=_STEMMED.get(own))


def lower(text: str, code: str | None = None) -> str:
    """Return the text in NFC and in lower case as its language writes it.

    >>> lower("İSTANBUL'DA KIŞ", "tr")
    "istanbul'da kış"
    """
    return language_of(code).lower(text)


@cache
def stop_words(code: str | None) -> frozenset[str]:
    """Return the stop words of a language, in lower case.

    Raises
    ------
    UsageError
        None are known for it.
    """
    own = primary(code)
    folder = files(__package__) / "stop_words"
    source = folder / f"{own}.txt"
    if not own or not source.is_file():
        known = sorted(path.name.removesuffix(".txt") for path in folder.iterdir())
        raise UsageError(f"stop_words=drop: no stop words are known for language {code!r}, but for {known}")
    return frozenset(source.read_text(encoding="utf-8").split())
