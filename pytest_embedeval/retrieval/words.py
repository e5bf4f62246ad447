"""Words of a text as BM25 counts them, with the rules of its language for casing, apostrophes, stems and stop words."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache, cached_property

import regex

from pytest_embedeval.errors import MissingExtraError
from pytest_embedeval.languages import language_of, lower, stop_words

_APOSTROPHES = str.maketrans("\N{RIGHT SINGLE QUOTATION MARK}\N{MODIFIER LETTER APOSTROPHE}", "''")
_BEYOND_LATIN = re.compile("[\u0300-\U0010ffff]")
_MARK = regex.compile(r"\p{M}")  # without its vowel signs, Hindi would be other words
_WORD, _MARKED_WORD = re.compile(r"[^\W_]+"), regex.compile(r"[\p{L}\p{M}\p{N}]+")

Stem = Callable[[list[str]], list[str]]


@dataclass(frozen=True)
class Analyser:
    """Makes words of texts in one language.

    Attributes
    ----------
    language
        BCP 47 code that decides casing, stemmer and stop words; None for Unicode's casing and neither.
    stemmer
        `snowball`, where there is one for the language, or `none`.
    stop_words
        `keep`, or `drop` the most frequent words of the language.
    """

    language: str | None = None
    stemmer: str = "snowball"
    stop_words: str = "keep"

    def words(self, text: str) -> list[str]:
        """Return the lower-case words of a text, without punctuation, neither stemmed nor left out.

        >>> Analyser("tr").words("Ankara'da KIŞ!")
        ['ankara', 'kış']
        """
        small = lower(text, self.language)
        marked = False
        if _BEYOND_LATIN.search(small):
            small = small.translate(_APOSTROPHES)
            marked = _MARK.search(small) is not None
        if "'" in small:
            small = language_of(self.language).without_suffixes(small)
        return _MARKED_WORD.findall(small) if marked else _WORD.findall(small)

    def stems(self, words: list[str]) -> list[str]:
        """Return the stem of each word, `""` for a stop word that is dropped.

        Raises
        ------
        MissingExtraError
            PyStemmer is not installed.
        UsageError
            Stop words shall be dropped, and none are known for the language.
        """
        stemmed = self._stem(words)
        if self.stop_words == "keep":
            return stemmed
        left_out = stop_words(self.language)
        return ["" if word in left_out else stem for word, stem in zip(words, stemmed, strict=True)]

    @cached_property
    def _stem(self) -> Stem:
        return _stemmer(language_of(self.language).stemmer if self.stemmer == "snowball" else None)


@cache
def _stemmer(name: str | None) -> Stem:
    if name is None:
        return list
    try:
        import Stemmer
    except ImportError:
        raise MissingExtraError("PyStemmer", "lexical") from None
    stem: Stem = Stemmer.Stemmer(name).stemWords
    return stem
