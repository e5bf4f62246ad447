"""Texts by their content: what a vector is kept under, and which texts of a list are the same."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Sequence
from itertools import islice
from typing import TYPE_CHECKING

import numpy as np
import xxhash

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Keys = NDArray[np.uint64]

_ROWS = 1024


def text_keys(texts: Iterable[str]) -> Keys:
    """Return the 128-bit XXH3 hash of each text, uint64 array [n, 2].

    Two texts of one list share a key with a probability below n² / 2^129, a billion texts with 10^-21; texts made to
    collide on purpose would, since XXH3 is no cryptographic hash.
    """
    digest = xxhash.xxh3_128_digest
    content, each = bytearray(), iter(texts)
    for block in iter(lambda: list(islice(each, _ROWS)), []):
        try:
            content += b"".join(map(digest, map(str.encode, block)))  # no step in Python for each text
        except UnicodeEncodeError:  # half a character
            content += b"".join([digest(text.encode("utf-8", "surrogatepass")) for text in block])
    return np.frombuffer(bytes(content), dtype=np.uint64).reshape(-1, 2)


def list_key(keys: Keys) -> bytes:
    """Return one key for a whole list of texts, in its order."""
    return hashlib.sha256(keys.tobytes()).digest()


def distinct(keys: Keys) -> tuple[NDArray[np.int64], NDArray[np.int64] | None]:
    """Find equal texts.

    Returns
    -------
    Where each distinct text stands first, int64 array [m], ascending; and for each of the n texts its place among
    these, int64 array [n], or None where all differ.
    """
    halves = np.sort(keys[:, 0])
    if not (halves[1:] == halves[:-1]).any():
        return np.arange(len(keys), dtype=np.int64), None
    order = np.lexsort((keys[:, 1], keys[:, 0]))  # stable: equal texts stay in the order of the list
    ordered = keys[order]
    begins = np.concatenate(([True], (ordered[1:] != ordered[:-1]).any(axis=1)))
    found = order[begins]
    by_appearance = np.argsort(found)
    place = np.empty_like(by_appearance)
    place[by_appearance] = np.arange(len(found))
    inverse = np.empty(len(keys), dtype=np.int64)
    inverse[order] = place[np.cumsum(begins) - 1]
    return found[by_appearance], inverse


def first_equal(texts: Iterable[str]) -> NDArray[np.int64]:
    """Return for each text where an equal one stands first, itself for most; int64 array [n]."""
    first, inverse = distinct(text_keys(texts))
    return first if inverse is None else first[inverse]


def repeats(first: NDArray[np.int64]) -> NDArray[np.int64]:
    """Return which texts repeat an earlier one, ascending; int64 array. `first` is what `first_equal` returns."""
    return np.flatnonzero(first != np.arange(len(first)))


def places(texts: Iterable[str], wanted: Sequence[str]) -> NDArray[np.int64]:
    """Return where each wanted text stands first among `texts`, int64 array [wanted]; -1 for one that is not there."""
    n = len(wanted)
    keys = np.concatenate([text_keys(texts), text_keys(wanted)])
    first, inverse = distinct(keys)
    found = (first if inverse is None else first[inverse])[len(keys) - n :]
    return np.where(found < len(keys) - n, found, -1)
