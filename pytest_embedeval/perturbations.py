"""The same text as people type it: without marks, in capitals, with typos. Pure functions of text, language and seed.

What a perturbation does to a text depends on nothing but the text, its language and the seed: not on the texts beside
it, nor on the order in which they come. An empty text, or one in another script, comes back as it is wherever there is
nothing to change.
"""

from __future__ import annotations

import hashlib
import random
import re
import unicodedata
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from pytest_embedeval.errors import UsageError, did_you_mean
from pytest_embedeval.languages import Language, language_of

_APOSTROPHES = re.compile("['\N{RIGHT SINGLE QUOTATION MARK}\N{MODIFIER LETTER APOSTROPHE}](?<=\\w.)(?=\\w)")
_WORD = re.compile(r"[^\W\d_]+")
_BLANK = re.compile(r"\s+")
_QUESTION = re.compile("\\s*[?\N{FULLWIDTH QUESTION MARK}\N{ARABIC QUESTION MARK}]+")
_LEAST_LETTERS = 3  # a typo in a shorter word often makes another word of it


def ascii_only(text: str, language: Language, _: random.Random) -> str:
    """Leave out what only the language's own keyboard has: `akciğer` becomes `akciger`, `Ärzte` becomes `Aerzte`."""
    return language.to_ascii(text)


def capitals(text: str, language: Language, _: random.Random) -> str:
    """Write all letters as capitals: `diş` becomes `DİŞ`."""
    return language.upper(text)


def wrong_capitals(text: str, language: Language, _: random.Random) -> str:
    """Write capitals by another language's rules, as programs do: `diş` becomes `DIŞ`."""
    return unicodedata.normalize("NFC", text).upper() if language.capitals else text


def decomposed(text: str, _: Language, __: random.Random) -> str:
    """Part each letter from its marks (NFD), as some keyboards and file systems do."""
    return unicodedata.normalize("NFD", text)


def without_apostrophes(text: str, _: Language, __: random.Random) -> str:
    """Leave out apostrophes within words: `Ankara'da` becomes `Ankarada`."""
    return _APOSTROPHES.sub("", text)


def typos(text: str, language: Language, chance: random.Random) -> str:
    """Strike a neighbouring key once in every word of three letters or more, on the language's own keyboard."""
    return _WORD.sub(lambda word: _mistyped(word[0], language, chance), text)


def _mistyped(word: str, language: Language, chance: random.Random) -> str:
    if len(word) < _LEAST_LETTERS:
        return word
    places = [place for place, letter in enumerate(word) if language.neighbours(language.lower(letter))]
    if not places:
        return word
    place = chance.choice(places)
    letter = language.lower(word[place])
    struck = chance.choice(language.neighbours(letter))
    if word[place] != letter:
        struck = language.upper(struck)
    return word[:place] + struck + word[place + 1 :]


def spaces(text: str, _: Language, chance: random.Random) -> str:
    """Put two or three blanks between words, and some around the text."""
    if not text.strip():
        return text
    return f" {_BLANK.sub(lambda _: ' ' * chance.randint(2, 3), text.strip())}  "


def without_question_mark(text: str, _: Language, __: random.Random) -> str:
    """Leave out question marks, and the blanks before them."""
    return _QUESTION.sub("", text)


Change = Callable[[str, Language, random.Random], str]

PERTURBATIONS: Mapping[str, Change] = {
    "ascii": ascii_only,
    "capitals": capitals,
    "wrong_capitals": wrong_capitals,
    "nfd": decomposed,
    "apostrophe": without_apostrophes,
    "typo": typos,
    "space": spaces,
    "question_mark": without_question_mark,
}


@dataclass(frozen=True)
class Perturbation:
    """One way to type a text, in one language.

    Attributes
    ----------
    name
        Key of `PERTURBATIONS`, or of the language's own mistakes.
    """

    name: str
    language: Language
    change: Change
    seed: int = 42

    def __call__(self, text: str) -> str:
        """Return the text as it would be typed."""
        drawn = hashlib.sha256(f"{self.seed}\0{self.name}\0{text}".encode("utf-8", "surrogatepass")).digest()
        return self.change(text, self.language, random.Random(int.from_bytes(drawn)))  # noqa: S311  # no secret


def perturbations(
    language: str | None = None, names: Sequence[str] | None = None, *, seed: int = 42
) -> tuple[Perturbation, ...]:
    """Return perturbations for texts in a language.

    Parameters
    ----------
    language
        BCP 47 code, such as `tr`; None for Unicode's rules and an English keyboard.
    names
        Which; all that the language has by default.
    seed
        Of the typos and blanks.

    Raises
    ------
    UsageError
        The language has no perturbation of that name.
    """
    own = language_of(language)
    known: dict[str, Change] = {**PERTURBATIONS, **{name: _own(change) for name, change in own.mistakes.items()}}
    chosen = list(known) if names is None else names
    for name in chosen:
        if name not in known:
            raise UsageError(f"unknown perturbation {name!r} for language {language!r}; {did_you_mean(name, known)}")
    return tuple(Perturbation(name, own, known[name], seed) for name in chosen)


def perturb(text: str, name: str, *, language: str | None = None, seed: int = 42) -> str:
    """Return a text as people type it.

    >>> perturb("Akciğer kanseri nedir?", "ascii", language="tr")
    'Akciger kanseri nedir?'

    Parameters
    ----------
    text
        Any text; what is typed wrongly depends on nothing else but `language` and `seed`.
    name
        `ascii`, `capitals`, `wrong_capitals`, `nfd`, `apostrophe`, `typo`, `space`, `question_mark`; in German also
        `umlaut` and `eszett`.

    Raises
    ------
    UsageError
        No such perturbation.
    """
    (chosen,) = perturbations(language, [name], seed=seed)
    return chosen(text)


def _own(change: Callable[[str], str]) -> Change:
    return lambda text, _, __: change(text)
