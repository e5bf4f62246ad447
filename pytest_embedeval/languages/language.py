"""What is the same for every language until its own module says otherwise: the rules of Unicode."""

from __future__ import annotations

import unicodedata
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

Change = Callable[[str], str]

_QWERTY = ("qwertyuiop", "asdfghjkl", "zxcvbnm")


def _as_it_is(text: str) -> str:
    return text


@dataclass(frozen=True)
class Language:
    """One language.

    Attributes
    ----------
    code
        BCP 47 code without script and region; empty for none.
    name
        In English; the code where nothing more is known.
    capitals, small
        Letter -> its capital, or small, letter, where that is not Unicode's.
    ascii
        Small letter -> how it is typed on a keyboard that lacks it; a letter without an entry loses its marks.
    keyboard
        Rows of the usual keyboard, small letters from left to right; each row stands half a key to the right of the
        one above it.
    stemmer
        Name of its Snowball stemmer; None where there is none.
    without_suffixes
        What is done to apostrophes, straight ones in lower-case text, before words are counted.
    mistakes
        Name -> what people type instead, of this language alone.
    """

    code: str = ""
    name: str = ""
    capitals: Mapping[str, str] = field(default_factory=dict)
    small: Mapping[str, str] = field(default_factory=dict)
    ascii: Mapping[str, str] = field(default_factory=dict)
    keyboard: tuple[str, ...] = _QWERTY
    stemmer: str | None = None
    without_suffixes: Change = _as_it_is
    mistakes: Mapping[str, Change] = field(default_factory=dict)

    def lower(self, text: str) -> str:
        """Return the text in NFC and in lower case."""
        text = unicodedata.normalize("NFC", text)
        for capital, small in self.small.items():
            text = text.replace(capital, small)
        return text.lower().replace("i\N{COMBINING DOT ABOVE}", "i")

    def upper(self, text: str) -> str:
        """Return the text in NFC and in capitals."""
        text = unicodedata.normalize("NFC", text)
        for small, capital in self.capitals.items():
            text = text.replace(small, capital)
        return text.upper()

    def to_ascii(self, text: str) -> str:
        """Return the text as it is typed without the letters that only this language has.

        Letters whose base is not one of a to z, and all other signs, stay as they are.
        """
        return "".join(map(self._typed, unicodedata.normalize("NFC", text)))

    def _typed(self, letter: str) -> str:
        if letter.isascii():
            return letter
        small = self.lower(letter)
        if small in self.ascii:
            typed = self.ascii[small]
            return typed if letter == small else typed.capitalize()
        base = unicodedata.normalize("NFD", letter)[0]
        return base if base.isascii() and base.isalpha() else letter

    def neighbours(self, letter: str) -> str:
        """Return the keys that touch the key of a small letter, the row of the letter first; `""` for no key."""
        for row, keys in enumerate(self.keyboard):
            place = keys.find(letter)
            if place < 0:
                continue
            beside = keys[max(place - 1, 0) : place] + keys[place + 1 : place + 2]
            # The row above stands half a key to the left: key n lies below its keys n and n + 1.
            above = self.keyboard[row - 1][place : place + 2] if row else ""
            below = self.keyboard[row + 1][max(place - 1, 0) : place + 1] if row + 1 < len(self.keyboard) else ""
            return "".join(key for key in beside + above + below if key.isalpha())
        return ""
