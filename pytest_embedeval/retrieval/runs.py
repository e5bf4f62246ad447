"""Finished runs in TREC's form: read back as a search, to be judged without any model, and written."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from pytest_embedeval.datasets import RetrievalData
from pytest_embedeval.datasets.rows import numbered_lines, spaced_cells
from pytest_embedeval.errors import DatasetError, UsageError
from pytest_embedeval.findings import Finding
from pytest_embedeval.retrieval.ranked import Rankings

if TYPE_CHECKING:
    from numpy.typing import NDArray

_COLUMNS = ("query", "Q0", "document", "rank", "score", "tag")
_LARGEST = float(np.finfo(np.float32).max)


@dataclass(frozen=True)
class Run:
    """A run file as it is.

    Attributes
    ----------
    path
        The file.
    tag
        How the run calls itself: the last column of its first line.
    query_ids, document_ids
        Ids, each once, in the order in which the file names them.
    query, document
        Positions in these, int64 arrays [m], one per line.
    score
        float32 array [m].
    """

    path: Path
    tag: str
    query_ids: Sequence[str]
    document_ids: Sequence[str]
    query: NDArray[np.int64]
    document: NDArray[np.int64]
    score: NDArray[np.float32]


def read_run(path: str | Path) -> Run:
    """Read lines of `query Q0 document rank score tag`, between tabs or spaces; between tabs, ids may hold spaces.

    Raises
    ------
    DatasetError
        The file is missing, empty or malformed, a score is no finite number, or a query lists a document twice; the
        message names file and line.
    """
    path = Path(path)
    queries: dict[str, int] = {}
    documents: dict[str, int] = {}
    query, document, lines = list[int](), list[int](), list[int]()
    scores: list[float] = []
    tag = ""
    for number, cells in _lines(path):
        tag = tag or cells[5]
        query.append(queries.setdefault(cells[0], len(queries)))
        document.append(documents.setdefault(cells[2], len(documents)))
        scores.append(_score(cells[4], f"{path}, line {number}"))
        lines.append(number)
    if not queries:
        raise DatasetError(f"{path}: an empty run")
    pairs = np.array(query, dtype=np.int64), np.array(document, dtype=np.int64)
    run = Run(path, tag, list(queries), list(documents), *pairs, np.array(scores, dtype=np.float32))
    _check_pairs(run, lines)
    return run


class RunRanker:
    """The lists of a run, in place of a search.

    Documents are ordered by score alone, as trec_eval does, in float32: the ranks of the file count for nothing. Equal
    scores stand in the order of the corpus.

    Parameters
    ----------
    run
        A run, or its file.
    data
        What the run searched. Queries that the run misses get an empty list, and so the score 0; what the run names
        beyond the data is counted and dropped.

    Attributes
    ----------
    tag
        How the run calls itself.
    findings
        `unknown-run-documents`, `unknown-run-queries`, `queries-without-run`: what does not fit together.

    Raises
    ------
    DatasetError
        The file is missing or malformed, or no line of it names both a query and a document of the data.
    """

    def __init__(self, run: Run | str | Path, data: RetrievalData) -> None:
        run = run if isinstance(run, Run) else read_run(run)
        self.tag = run.tag
        self._size = len(data.documents)
        query = _positions(run.query_ids, data.query_ids)[run.query]
        document = _positions(run.document_ids, data.document_ids)[run.document]
        both = (query >= 0) & (document >= 0)
        if not both.any():
            raise DatasetError(
                f"{run.path}: no line names both a query and a document of {data.name!r}; the first names query "
                f"{run.query_ids[0]!r} and document {run.document_ids[0]!r}"
            )
        order = np.lexsort((document[both], -run.score[both], query[both]))
        self._query, self._document = query[both][order], document[both][order]
        self._score = run.score[both][order]
        # Where the list of each query begins; the last entry is where the last list ends.
        self._start = np.searchsorted(self._query, np.arange(len(data.queries) + 1))
        pairs = self._query * self._size + self._document
        self._by_pair = np.argsort(pairs)
        self._pairs = pairs[self._by_pair]
        self.findings = tuple(_findings(run, data, query, document))

    def search(self, k: int) -> Rankings:
        """Return the k best documents of every query; no list is longer than the longest of the run."""
        lengths = np.diff(self._start)
        k = min(k, int(lengths.max()))
        shape = len(lengths), k
        documents, scores = np.full(shape, -1, dtype=np.int64), np.full(shape, -np.inf, dtype=np.float32)
        place = np.arange(len(self._query)) - self._start[self._query]
        inside = place < k
        documents[self._query[inside], place[inside]] = self._document[inside]
        scores[self._query[inside], place[inside]] = self._score[inside]
        return Rankings(documents, scores)

    def count_at_least(self, queries: NDArray[np.int64], bounds: NDArray[np.float32]) -> NDArray[np.int64]:
        """Return how many documents of the run score at least `bounds[i]` for query `queries[i]`."""
        counts = [
            np.searchsorted(-self._score[self._start[query] : self._start[query + 1]], -bound, side="right")
            for query, bound in zip(queries.tolist(), bounds, strict=True)
        ]
        return np.array(counts, dtype=np.int64)

    def score(self, queries: NDArray[np.int64], documents: NDArray[np.int64]) -> NDArray[np.float32]:
        """Return the run's score of each pair, -inf for a document that it does not list; float32 array."""
        wanted = queries * self._size + documents
        place = np.minimum(np.searchsorted(self._pairs, wanted), len(self._pairs) - 1)
        found = self._score[self._by_pair[place]]
        return np.where(self._pairs[place] == wanted, found, np.float32(-np.inf))


def write_run(path: str | Path, data: RetrievalData, rankings: Rankings, tag: str) -> None:
    """Write ranked lists as a run file with tabs between its columns, so that ids with spaces can be read back.

    Parameters
    ----------
    path
        The file; its folder is made where it is missing.
    data
        What was searched: its ids stand in the file.
    rankings
        One list per query of the data.
    tag
        Name of the run, such as the model's alias.

    Raises
    ------
    UsageError
        The tag or an id is empty, or holds a tab or a line break.
    """
    for identity in (tag, *data.query_ids, *data.document_ids):
        if not identity.strip() or any(sign in identity for sign in "\t\r\n"):
            raise UsageError(f"{identity!r} cannot stand in a run file: it is empty, or holds a tab or a line break")
    path = Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("w", encoding="utf-8", newline="\n") as stream:
        for query_id, documents, scores in zip(data.query_ids, rankings.documents, rankings.scores, strict=True):
            for rank, (document, score) in enumerate(zip(documents.tolist(), scores, strict=True), start=1):
                if document >= 0:
                    stream.write(f"{query_id}\tQ0\t{data.document_ids[document]}\t{rank}\t{score!s}\t{tag}\n")


def _lines(path: Path) -> Iterator[tuple[int, list[str]]]:
    for number, line in numbered_lines(path):
        cells = line.split("\t")
        if len(cells) != len(_COLUMNS):
            cells = spaced_cells(line)
        if cells and len(cells) != len(_COLUMNS):
            raise DatasetError(f"{path}, line {number}: {len(cells)} columns; expected {', '.join(_COLUMNS)}")
        if cells:
            yield number, cells


def _score(text: str, place: str) -> float:
    try:
        score = float(text)
    except ValueError:
        raise DatasetError(f"{place}: the score {text!r} is no number") from None
    if not abs(score) <= _LARGEST:
        raise DatasetError(f"{place}: the score {text} is no finite number of single precision")
    return score


def _check_pairs(run: Run, lines: Sequence[int]) -> None:
    """Raise where a query lists a document twice."""
    pair = run.query * len(run.document_ids) + run.document
    order = np.argsort(pair, kind="stable")
    again = order[1:][pair[order][1:] == pair[order][:-1]]
    if len(again):
        first = int(again.min())
        document, query = run.document_ids[run.document[first]], run.query_ids[run.query[first]]
        raise DatasetError(
            f"{run.path}, line {lines[first]}: query {query!r} lists document {document!r} a second time"
        )


def _positions(ids: Sequence[str], known: Sequence[str]) -> NDArray[np.int64]:
    """Return where each id stands among the known ones, -1 where it does not; int64 array."""
    place: Mapping[str, int] = {identity: position for position, identity in enumerate(known)}
    return np.array([place.get(identity, -1) for identity in ids], dtype=np.int64)


def _findings(
    run: Run, data: RetrievalData, query: NDArray[np.int64], document: NDArray[np.int64]
) -> Iterator[Finding]:
    unknown = np.flatnonzero((query >= 0) & (document < 0))
    if len(unknown):
        example = run.document_ids[run.document[unknown[0]]]
        merged = (
            "; one that was merged with its equal is unknown, too" if data.protocol.get("duplicates") == "merge" else ""
        )
        message = (
            f"{len(unknown):,} of {len(query):,} lines of the run name a document that the data does not have, such as "
            f"{example!r}, and were dropped{merged}"
        )
        yield Finding("unknown-run-documents", len(unknown), message)
    others = np.unique(run.query[query < 0])
    if len(others):
        message = f"{len(others):,} queries of the run are not in the data, such as {run.query_ids[others[0]]!r}"
        yield Finding("unknown-run-queries", len(others), message)
    missing = np.setdiff1d(np.arange(len(data.query_ids)), query)
    if len(missing):
        example = data.query_ids[missing[0]]
        message = (
            f"{len(missing):,} of {len(data.query_ids):,} queries are not in the run, such as {example!r}: they score 0"
        )
        yield Finding("queries-without-run", len(missing), message)
