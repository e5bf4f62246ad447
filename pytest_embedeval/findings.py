"""What the owner of a data set, or of a model, should know about it."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Finding:
    """Something about a data set, or a model, that its owner should know.

    Attributes
    ----------
    kind
        Short stable name, such as `duplicate-documents`.
    count
        How many texts, queries or judgements it concerns.
    message
        One sentence for people.
    """

    kind: str
    count: int
    message: str
