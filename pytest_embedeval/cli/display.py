"""Texts of others on a terminal: on one line, in so many columns, and without a control character."""

from __future__ import annotations

import shutil
import unicodedata
from collections.abc import Iterator, Sequence
from itertools import zip_longest

from pytest_embedeval.cli.parsers import WIDTH

_JOINERS = "\u200c\u200d"  # they shape Persian words and put emoji together
_LEAST = 40
GAP = "  "


def terminal_width() -> int:
    """Return the columns of the terminal, 80 where there is none; the variable COLUMNS overrides both."""
    return max(shutil.get_terminal_size((WIDTH, 24)).columns, _LEAST)


def visible(text: str) -> str:
    r"""Return a text on one line; what would steer a terminal, or turn its writing around, as `\x1b`.

    Letters and their accents are composed (NFC), so that they take one column.
    """
    line = " ".join(unicodedata.normalize("NFC", text).split())
    return "".join(sign if sign.isprintable() or sign in _JOINERS else _escaped(sign) for sign in line)


def columns_of(text: str) -> int:
    """Return how many columns of a terminal a visible text takes: two for a Chinese sign, none for an accent."""
    return len(text) if text.isascii() else sum(map(_columns_of, text))


def shortened(text: str, width: int) -> str:
    """Return the beginning of a text of others, made visible, in at most `width` columns."""
    words = text.split(None, width)  # a document may be a book
    line = visible(" ".join(words[:width])[: 4 * width])
    if columns_of(line) <= width and len(words) <= width:
        return line
    return _begin(line, width - 1).rstrip() + "…"


def ends(text: str, width: int) -> str:
    """Return beginning and end of a visible text in at most `width` columns: of ids, the end tells one from another."""
    line = visible(text)
    if columns_of(line) <= width:
        return line
    head, tail = _begin(line, width // 2), _begin(line[::-1], (width - 1) // 2)[::-1]
    return f"{head}…{tail}"


def padded(text: str, width: int, *, to_right: bool = False) -> str:
    """Return a visible text with blanks up to `width` columns."""
    blanks = " " * (width - columns_of(text))
    return blanks + text if to_right else text + blanks


def table(rows: Sequence[Sequence[str]], right: Sequence[bool]) -> Iterator[str]:
    """Yield rows of visible cells as lines, each column as wide as its widest cell.

    Parameters
    ----------
    right
        Which columns stand to the right.
    """
    widths = [max(map(columns_of, cells)) for cells in zip(*rows, strict=True)]
    for row in rows:
        cells = (padded(cell, width, to_right=end) for cell, width, end in zip(row, widths, right, strict=True))
        yield GAP.join(cells).rstrip()


def beside(blocks: Sequence[Sequence[str]], width: int) -> Iterator[str]:
    """Yield blocks of lines side by side, each of `width` columns."""
    for lines in zip_longest(*blocks, fillvalue=""):
        yield GAP.join(padded(line, width) for line in lines).rstrip()


def _begin(line: str, width: int) -> str:
    """Return as many signs as fit into `width` columns."""
    taken = 0
    for place, sign in enumerate(line):
        taken += _columns_of(sign)
        if taken > width:
            return line[:place]
    return line


def _columns_of(sign: str) -> int:
    if unicodedata.category(sign) in ("Mn", "Me", "Cf"):
        return 0
    return 2 if unicodedata.east_asian_width(sign) in "WF" else 1


def _escaped(sign: str) -> str:
    return sign.encode("unicode_escape").decode("ascii")
