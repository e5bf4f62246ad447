"""Retrieval data: documents, queries, and graded judgements between them, all by integer position."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import TYPE_CHECKING

import numpy as np

from pytest_embedeval.errors import DatasetError
from pytest_embedeval.findings import Finding
from pytest_embedeval.keys import first_equal, repeats

if TYPE_CHECKING:
    from numpy.typing import NDArray


@dataclass(frozen=True)
class Judgements:
    """Graded relevance as parallel arrays, sorted by query, at most one grade per pair.

    Attributes
    ----------
    query, document
        Positions, int64 array [m].
    grade
        Relevance, int64 array [m]; 0 is judged and not relevant.
    """

    query: NDArray[np.int64]
    document: NDArray[np.int64]
    grade: NDArray[np.int64]

    def __len__(self) -> int:
        return len(self.query)

    @property
    def columns(self) -> tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.int64]]:
        """Query, document and grade."""
        return self.query, self.document, self.grade

    @classmethod
    def of(cls, grades: Mapping[tuple[int, int], int]) -> Judgements:
        """Make judgements from {(query, document): grade}."""
        pairs = sorted(grades)
        table = np.array([(q, d, grades[q, d]) for q, d in pairs], dtype=np.int64).reshape(-1, 3)
        return cls(table[:, 0].copy(), table[:, 1].copy(), table[:, 2].copy())


@dataclass(frozen=True)
class RetrievalData:
    """A corpus, queries on it and which documents answer which query.

    Attributes
    ----------
    name
        The name in test ids and reports.
    document_ids, documents
        Unique ids and texts, in the same order; likewise for the queries.
    judgements
        By position in those lists.
    language
        BCP 47 code (`tr`) or None.
    document_fields, query_fields
        Further columns by name (title, topic …), each as long as its side.
    protocol
        How the data was read (target, duplicates …): part of the fingerprint.
    variants
        Kind -> query id -> another wording of that query, written by people; no part of the fingerprint.
    findings
        What the loader noticed.
    """

    name: str
    document_ids: Sequence[str]
    documents: Sequence[str]
    query_ids: Sequence[str]
    queries: Sequence[str]
    judgements: Judgements
    language: str | None = None
    document_fields: Mapping[str, Sequence[str]] = field(default_factory=dict)
    query_fields: Mapping[str, Sequence[str]] = field(default_factory=dict)
    protocol: Mapping[str, str] = field(default_factory=dict)
    variants: Mapping[str, Mapping[str, str]] = field(default_factory=dict)
    findings: tuple[Finding, ...] = ()

    @property
    def is_article(self) -> bool:
        """Whether the data was read by the protocol of the article: every answer string a document of its own."""
        return self.protocol.get("target") == "answer" and self.protocol.get("duplicates") == "keep"

    @cached_property
    def fingerprint(self) -> str:
        """`sha256:…` over texts, judgements and protocol; the order of insertion does not change it."""
        digest = hashlib.sha256()
        columns = map(np.ndarray.tolist, self.judgements.columns)
        for part in (
            _by_id(self.document_ids, self.documents),
            _by_id(self.query_ids, self.queries),
            sorted((self.query_ids[q], self.document_ids[d], g) for q, d, g in zip(*columns, strict=True)),
            sorted(self.protocol.items()),
        ):
            digest.update(b"[")
            for number, entry in enumerate(part):
                digest.update((", " if number else "").encode() + json.dumps(entry).encode("ascii"))
            digest.update(b"]")
        return f"sha256:{digest.hexdigest()}"


def check_ids(ids: Sequence[str], place: Callable[[int], str]) -> None:
    """Raise where an id occurs twice.

    Parameters
    ----------
    ids
        One per query or document.
    place
        Position -> how an error calls it.
    """
    first = first_equal(ids)
    repeated = repeats(first)
    if len(repeated):
        position = int(repeated[0])
        raise DatasetError(f"{place(position)}: id {ids[position]!r} is already used by {place(int(first[position]))}")


def _by_id(ids: Sequence[str], texts: Sequence[str]) -> Iterator[tuple[str, str]]:
    """Yield the texts in the order of their ids, one after another: all of them may not fit into the RAM."""
    for place in sorted(range(len(ids)), key=ids.__getitem__):
        yield ids[place], texts[place]
