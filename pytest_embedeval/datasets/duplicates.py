"""Equal documents under different ids: merged, kept or refused, and always counted."""

from __future__ import annotations

import unicodedata
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Literal

from pytest_embedeval.errors import DatasetError
from pytest_embedeval.findings import Finding

Policy = Literal["merge", "keep", "error"]


def folded(text: str) -> str:
    """Return the text in NFC with white space folded: what makes two documents the same.

    Case is kept: folding it would turn a Turkish `I` into `i`.
    """
    return " ".join(unicodedata.normalize("NFC", text).split())


@dataclass(frozen=True)
class Merged:
    """Where each text went: `texts[kept[i]]` is the i-th that stays, `target[j]` the new place of text j."""

    kept: list[int]
    target: list[int]
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
    first: dict[str, int] = {}
    kept: list[int] = []
    target: list[int] = []
    repeated = 0
    for position, text in enumerate(texts):
        key = folded(text)
        if key not in first:
            first[key] = len(kept)
        else:
            repeated += 1
            if policy == "error":
                raise DatasetError(f"{place(position)} has the same text as {place(kept[first[key]])}")
            if policy == "merge":
                target.append(first[key])
                continue
        target.append(len(kept))
        kept.append(position)
    if not repeated:
        return Merged(kept, target, ())
    done = "merged with" if policy == "merge" else "kept beside"
    message = f"{repeated} of {len(texts)} documents have the text of another and were {done} it"
    return Merged(kept, target, (Finding("duplicate-documents", repeated, message),))
