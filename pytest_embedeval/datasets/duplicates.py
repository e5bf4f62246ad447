"""Equal documents under different ids: merged, kept or refused, and always counted."""

from __future__ import annotations

import unicodedata
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

import numpy as np

from pytest_embedeval.errors import DatasetError
from pytest_embedeval.findings import Finding
from pytest_embedeval.keys import first_equal, repeats

if TYPE_CHECKING:
    from numpy.typing import NDArray

Policy = Literal["merge", "keep", "error"]


def folded(text: str) -> str:
    """Return the text in NFC with white space folded: what makes two documents the same.

    Case is kept: folding it would turn a Turkish `I` into `i`.
    """
    return " ".join(unicodedata.normalize("NFC", text).split())


@dataclass(frozen=True)
class Merged:
    """Where each text went: `texts[kept[i]]` is the i-th that stays, `target[j]` the new place of text j.

    Both int64 arrays.
    """

    kept: NDArray[np.int64]
    target: NDArray[np.int64]
    findings: tuple[Finding, ...]


def merge(texts: Sequence[str], policy: Policy, place: Callable[[int], str]) -> Merged:
    """Find equal documents and treat them as `policy` says.

    Parameters
    ----------
    texts
        The documents.
    policy
        `merge` keeps the first of equal texts, `keep` keeps all, `error` refuses.
    place
        Position -> how an error or a finding calls it.

    Raises
    ------
    DatasetError
        Equal documents under `error`.
    """
    first, all_of_them = first_equal(map(folded, texts)), np.arange(len(texts), dtype=np.int64)
    repeated = repeats(first)
    if not len(repeated):
        return Merged(all_of_them, all_of_them, ())
    if policy == "error":
        position = int(repeated[0])
        raise DatasetError(f"{place(position)} has the same text as {place(int(first[position]))}")
    kept, target = all_of_them, all_of_them
    if policy == "merge":
        kept, target = np.unique(first, return_inverse=True)
    done = "merged with" if policy == "merge" else "kept beside"
    message = f"{len(repeated)} of {len(texts)} documents have the text of another and were {done} it"
    return Merged(kept, target, (Finding("duplicate-documents", len(repeated), message),))
