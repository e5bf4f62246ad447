"""A test collection as its files have it: documents, queries, and grades between their ids. It becomes typed data."""

from __future__ import annotations

from array import array
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Literal, get_args

import numpy as np

from pytest_embedeval.datasets.duplicates import Policy, folded, merge
from pytest_embedeval.datasets.retrieval import Judgements, RetrievalData, check_ids
from pytest_embedeval.datasets.spool import Spool, chosen, kept_like
from pytest_embedeval.errors import DatasetError, UsageError, did_you_mean
from pytest_embedeval.findings import Finding
from pytest_embedeval.keys import first_equal, places, repeats

if TYPE_CHECKING:
    from numpy.typing import NDArray

NoRelevant = Literal["error", "zero", "skip"]

_IN_MEMORY = 2**24  # characters of one side of a collection
_NO_FIELDS: Mapping[str, str] = {}


def check_choice(option: str, value: str, choices: Any) -> None:
    """Raise a UsageError where an option has none of the values of a `Literal`."""
    known = get_args(choices)
    if value not in known:
        raise UsageError(f"{option}={value!r} is unknown; {did_you_mean(value, known)}")


def check_policies(duplicates: str, no_relevant: str) -> None:
    """Raise a UsageError where one of the two options that all formats know has none of its values."""
    check_choice("duplicates", duplicates, Policy)
    check_choice("no_relevant", no_relevant, NoRelevant)


@dataclass
class Texts:
    """The documents, or the queries: parallel lists in the order of the file.

    Attributes
    ----------
    source, unit
        Where they stand, for messages: a file and `line`, or a table and `row`.
    texts
        Lists; where they have more than 2**24 characters, they and their fields lie in a file.
    numbers
        The line or row of each.
    fields
        Further columns of each.
    """

    source: str
    unit: str = "line"
    ids: list[str] = field(default_factory=list)
    texts: Sequence[str] = field(default_factory=list)
    numbers: array[int] = field(default_factory=lambda: array("q"))
    fields: Sequence[Mapping[str, str]] = field(default_factory=list)
    _characters: int = 0

    def add(self, identity: str, text: str, number: int, fields: Mapping[str, str] | None = None) -> None:
        """Append one; from so many characters on, all lie in a file."""
        assert isinstance(self.texts, list | Spool)  # and not what `only` has selected
        assert isinstance(self.fields, list | Spool)
        self.ids.append(identity)
        self.texts.append(text)
        self.numbers.append(number)
        self.fields.append(fields or _NO_FIELDS)
        self._characters += len(text)
        if self._characters > _IN_MEMORY and isinstance(self.texts, list):
            self.texts, self.fields = Spool(self.texts), Spool(self.fields)

    def place(self, position: int) -> str:
        """Return how an error calls one of them."""
        return f"{self.at(self.numbers[position])} (id {self.ids[position]!r})"

    def at(self, number: int) -> str:
        """Return how an error calls a line or row."""
        return f"{self.source}, {self.unit} {number}"

    def only(self, places: Sequence[int] | NDArray[np.int64]) -> Texts:
        """Return those at the given places, to be read."""
        return Texts(
            self.source,
            self.unit,
            [self.ids[place] for place in places],
            chosen(self.texts, places),
            array("q", [self.numbers[place] for place in places]),
            chosen(self.fields, places),
        )


@dataclass
class Judged:
    """Grades between ids: parallel lists in the order of the file."""

    source: str
    query_ids: list[str] = field(default_factory=list)
    document_ids: list[str] = field(default_factory=list)
    grades: list[int] = field(default_factory=list)

    def add(self, query_id: str, document_id: str, grade: int) -> None:
        """Append one."""
        self.query_ids.append(query_id)
        self.document_ids.append(document_id)
        self.grades.append(grade)


@dataclass(frozen=True)
class Collection:
    """Documents, queries and judgements, by id.

    Attributes
    ----------
    only_judged
        Queries without any judgement are no part of the data: the file of queries serves several sets of judgements.
    """

    documents: Texts
    queries: Texts
    judged: Judged
    only_judged: bool = False

    def data(
        self,
        name: str,
        *,
        language: str | None,
        duplicates: Policy,
        no_relevant: NoRelevant,
        protocol: Mapping[str, str],
        findings: Sequence[Finding] = (),
    ) -> RetrievalData:
        """Return typed data, with what is odd about the files counted.

        Parameters
        ----------
        duplicates
            Documents of equal text: `merge` (they get the highest of their grades), `keep`, `error`.
        no_relevant
            Queries without a relevant document: `error`, `zero` (they are kept), `skip`.
        protocol
            How the files were read, besides these two.
        findings
            What the loader itself noticed.

        Raises
        ------
        DatasetError
            An id stands twice, no judgement names a query and a document that are there, or one of the two policies
            refuses.
        """
        queries = self.queries
        for side in (self.documents, queries):
            check_ids(side.ids, side.place)
        documents, empty = _with_text(self.documents)
        query, document, grade, unknown = self._positions(documents)
        merged = merge(documents.texts, duplicates, documents.place)
        repeated = len(query) - len(np.unique(query * len(documents.ids) + document))
        query, document, grade = _highest(query, merged.target[document], grade)
        kept, without = self._kept(query, grade, no_relevant)
        place = np.full(len(queries.ids), -1, dtype=np.int64)
        place[kept] = np.arange(len(kept))
        stays = place[query] >= 0
        documents, queries = documents.only(merged.kept), queries.only(kept)
        return RetrievalData(
            name=name,
            document_ids=documents.ids,
            documents=documents.texts,
            query_ids=queries.ids,
            queries=queries.texts,
            judgements=Judgements(place[query[stays]], document[stays], grade[stays]),
            language=language,
            document_fields=columns(documents.fields),
            query_fields=columns(queries.fields),
            protocol={**protocol, "duplicates": duplicates, "no_relevant": no_relevant},
            findings=(
                *findings,
                *empty,
                *unknown,
                *_repeated_pairs(repeated, len(self.judged.grades)),
                *without,
                *merged.findings,
                *repeated_queries(queries.texts, "queries", "judgements"),
            ),
        )

    def _positions(
        self, documents: Texts
    ) -> tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.int64], tuple[Finding, ...]]:
        """Return query, document and grade of the judgements whose two ids are there, and the others as a finding."""
        judged = self.judged
        query, document = places(self.queries.ids, judged.query_ids), places(documents.ids, judged.document_ids)
        both = (query >= 0) & (document >= 0)
        if not both.any():
            raise DatasetError(f"{judged.source}: {self._nothing_known()}")
        findings = _unknown_ids(judged, query < 0, document < 0)
        grade = np.array(judged.grades, dtype=np.int64)
        return query[both], document[both], grade[both], findings

    def _nothing_known(self) -> str:
        if not self.judged.grades:
            return "no judgements"
        query, document = self.judged.query_ids[0], self.judged.document_ids[0]
        return (
            f"no judgement names both a query of {self.queries.source} and a document of {self.documents.source}; "
            f"the first names query {query!r} and document {document!r}, where the files begin with "
            f"{_first(self.queries)} and {_first(self.documents)}"
        )

    def _kept(
        self, query: NDArray[np.int64], grade: NDArray[np.int64], no_relevant: NoRelevant
    ) -> tuple[NDArray[np.int64], tuple[Finding, ...]]:
        """Return the positions of the queries that stay, and how many have no relevant document, as a finding."""
        n = len(self.queries.ids)
        answered = np.bincount(query[grade > 0], minlength=n) > 0
        asked = np.ones(n, dtype=np.bool_)
        if self.only_judged:
            named = set(self.judged.query_ids)
            asked = np.array([identity in named for identity in self.queries.ids], dtype=np.bool_)
        without = np.flatnonzero(asked & ~answered)
        if not answered.any():
            raise DatasetError(f"{self.judged.source}: no query has a relevant document (a grade of 1 or more)")
        if not len(without):
            return np.flatnonzero(asked), ()
        if no_relevant == "error":
            place = self.queries.place(int(without[0]))
            raise DatasetError(
                f"{place}: the query has no relevant document; in all {len(without):,} have none. "
                'no_relevant = "skip" leaves them out, "zero" lets them score zero'
            )
        done = "score zero" if no_relevant == "zero" else "were left out"
        message = f"{len(without):,} of {np.count_nonzero(asked):,} queries have no relevant document and {done}"
        kept = asked if no_relevant == "zero" else answered & asked
        return np.flatnonzero(kept), (Finding("queries-without-relevant", len(without), message),)


def columns(fields: Sequence[Mapping[str, str]]) -> dict[str, Sequence[str]]:
    """Return the columns that every entry has and some entry has a value in, so that any of them can slice scores."""
    shared = set(fields[0]) if fields else set()
    for entry in fields:
        shared &= entry.keys()
    table = {key: kept_like(fields, (entry[key] for entry in fields)) for key in sorted(shared)}
    return {key: column for key, column in table.items() if any(column)}


def repeated_queries(texts: Sequence[str], noun: str, what: str) -> tuple[Finding, ...]:
    """Return as a finding how many queries, `noun` in the words of their format, have the text of another one.

    Parameters
    ----------
    what
        What each of them is scored for.
    """
    repeated = len(repeats(first_equal(map(folded, texts))))
    if not repeated:
        return ()
    message = f"{repeated} of {len(texts)} {noun} repeat the text of another; each is scored for its own {what}"
    return (Finding(f"repeated-{noun}", repeated, message),)


def _highest(
    query: NDArray[np.int64], document: NDArray[np.int64], grade: NDArray[np.int64]
) -> tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.int64]]:
    """Sort by query and document, and keep the highest grade of each pair."""
    order = np.lexsort((grade, document, query))
    query, document, grade = query[order], document[order], grade[order]
    last = np.append((query[1:] != query[:-1]) | (document[1:] != document[:-1]), True)
    return query[last], document[last], grade[last]


def _unknown_ids(judged: Judged, no_query: NDArray[np.bool_], no_document: NDArray[np.bool_]) -> tuple[Finding, ...]:
    unknown = np.flatnonzero(no_query | no_document)
    if not len(unknown):
        return ()
    first = int(unknown[0])
    example = f"query {judged.query_ids[first]!r}" if no_query[first] else f"document {judged.document_ids[first]!r}"
    message = (
        f"{len(unknown):,} of {len(judged.grades):,} judgements name a query ({np.count_nonzero(no_query):,}) or a "
        f"document ({np.count_nonzero(no_document):,}) that is not there, such as {example}, and count for nothing"
    )
    return (Finding("unknown-judgements", len(unknown), message),)


def _repeated_pairs(repeated: int, judgements: int) -> tuple[Finding, ...]:
    if not repeated:
        return ()
    message = f"{repeated:,} of {judgements:,} judgements repeat a pair; the highest grade of a pair counts"
    return (Finding("repeated-judgements", repeated, message),)


def _with_text(documents: Texts) -> tuple[Texts, tuple[Finding, ...]]:
    """Leave out documents of white space alone, which no search can find, and count them."""
    filled = np.flatnonzero(
        np.fromiter((bool(text) and not text.isspace() for text in documents.texts), dtype=np.bool_)
    )
    empty = len(documents.texts) - len(filled)
    if not empty:
        return documents, ()
    message = f"{empty:,} of {len(documents.texts):,} documents have no text and were left out"
    return documents.only(filled), (Finding("empty-documents", empty, message),)


def _first(texts: Texts) -> str:
    return repr(texts.ids[0]) if texts.ids else "none"
