"""A user's own search engine: what it has to offer, and how its lists are read."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Sequence
from dataclasses import fields
from itertools import pairwise
from typing import TYPE_CHECKING, Any, Protocol, runtime_checkable

import numpy as np

from pytest_embedeval.datasets import RetrievalData
from pytest_embedeval.errors import EmbedevalError, ModelLoadError
from pytest_embedeval.findings import Finding
from pytest_embedeval.models.encoder import Encoder, Model
from pytest_embedeval.models.info import ModelInfo
from pytest_embedeval.models.spec import ModelSpec
from pytest_embedeval.retrieval.listed import DEEPEST, Lists
from pytest_embedeval.retrieval.ranked import Rankings

if TYPE_CHECKING:
    from typing_extensions import TypeIs

_LARGEST = float(np.finfo(np.float32).max)

Found = tuple[Sequence[Sequence[str]], Sequence[Sequence[float]]]


class SearchError(EmbedevalError):
    """A search engine returned what no score may be computed from; the message names the query."""


@runtime_checkable
class Retriever(Protocol):
    """A search engine: Elasticsearch, pgvector, Qdrant, or any other, behind two methods.

    `index(ids, documents)` is optional, `(list[str], list[str]) -> None`: an engine that holds no corpus yet is given
    that of the data set before its first search. One that holds it already knows the documents by the ids of the data.
    """

    def search(self, queries: list[str], k: int, /) -> Found:
        """Return (ids, scores) of at most k documents per query.

        One list of ids per query, best first, empty where nothing was found; and one list of as many floats, higher is
        better. Documents whose scores are equal count as tied, whatever their order.
        """
        ...


def is_retriever(target: object) -> TypeIs[Retriever]:
    """Whether an object searches and does not encode."""
    return isinstance(target, Retriever) and not isinstance(target, Encoder | Model)


class RetrieverModel(Model):
    """A search engine under its alias.

    Parameters
    ----------
    retriever
        The engine.
    alias
        Its name; that of its class unless set.
    source
        What stands in the reports beside it.
    """

    def __init__(self, retriever: Retriever, alias: str | None = None, source: str = "python") -> None:
        super().__init__(ModelInfo(alias or type(retriever).__name__, source, kind="engine", backend="python"))
        self._retriever: Retriever | None = retriever
        self._holds: str | None = None

    def ask(self, data: RetrievalData, k: int, queries: Sequence[str] | None = None) -> Found:
        """Search every query of a data set, or others; its documents are given to the engine first if it takes any.

        Raises
        ------
        SearchError
            The engine is closed.
        """
        if self._retriever is None:
            raise SearchError(f"engine {self.alias!r} is closed")
        index = getattr(self._retriever, "index", None)
        if callable(index) and self._holds != data.fingerprint:
            self._holds = None  # until all of it is there
            index(list(data.document_ids), list(data.documents))
            self._holds = data.fingerprint
        return self._retriever.search(list(data.queries if queries is None else queries), k)

    def close(self) -> None:
        """Let go of the engine."""
        super().close()
        self._retriever = None


def as_model(spec: ModelSpec, target: object) -> RetrieverModel | None:
    """Return the model of an entry whose source is a search engine; None where the source is no such object.

    Raises
    ------
    ModelLoadError
        The entry has keys that are about vectors, or asks for a second search.
    """
    if not is_retriever(target):
        return None
    plain = ModelSpec(spec.alias, spec.source, device=spec.device)
    given = {each.name for each in fields(spec)} - {"is_engine"}
    keys = sorted(key for key in given if getattr(spec, key) != getattr(plain, key))
    if keys:
        raise ModelLoadError(f"model {spec.alias!r}: {keys[0]} does not apply to a search engine; remove it")
    return RetrieverModel(target, spec.alias, spec.source)


class RetrieverRanker(Lists):
    """Ranks documents by the lists of an engine, one search for all queries.

    Lists are put in the order of their scores. Of a document that comes back several times, as passages of it do, the
    best score counts. Ids that the data does not know are dropped. All three are counted in `findings`. No list is
    longer than 1,000 places, and an mrr without a cutoff sees no further than the list.

    Parameters
    ----------
    engine
        The engine.
    data
        Its queries are asked, and its ids are those that come back.
    """

    def __init__(self, engine: RetrieverModel, data: RetrievalData) -> None:
        super().__init__()
        self._engine = engine
        self._data = data
        self._place = {identity: place for place, identity in enumerate(data.document_ids)}
        self.findings: tuple[Finding, ...] = ()

    def search(self, k: int) -> Rankings:
        """Return the k best documents of every query.

        Raises
        ------
        SearchError
            Queries are missing, a list is longer than k, ids and scores do not match, or a score is no number; the
            message names the query.
        """
        k = min(k, DEEPEST, len(self._data.documents))
        ids, scores = self._checked(self._engine.ask(self._data, k))
        documents = np.full((len(ids), k), -1, dtype=np.int64)
        values = np.full((len(ids), k), -np.inf, dtype=np.float32)
        self._check_ids(ids)
        counts: Counter[str] = Counter()
        for row in range(len(ids)):
            found = self._read(row, ids[row], scores[row], k, counts)
            documents[row, : len(found)] = list(found)
            values[row, : len(found)] = list(found.values())
        self.findings = tuple(
            Finding(kind, counts[kind], text.format(counts[kind], len(ids)))
            for kind, text in _FINDINGS.items()
            if counts[kind]
        )
        return self.keep(documents, values)

    def _checked(self, found: Any) -> Found:
        if not isinstance(found, tuple | list) or len(found) != 2:
            raise self._error(f"search returned {type(found).__name__}; it must return (ids, scores)")
        n = len(self._data.queries)
        for name, lists in zip(("ids", "scores"), found, strict=True):
            if len(lists) != n:
                first = f"; query {self._data.query_ids[len(lists)]!r} is the first without" if len(lists) < n else ""
                raise self._error(f"search returned {len(lists):,} lists of {name} for {n:,} queries{first}")
        return found[0], found[1]

    def _check_ids(self, ids: Sequence[Sequence[str]]) -> None:
        """Raise where not one id is known: then the engine calls the documents otherwise, or holds others."""
        found = [identity for each in ids if each is not None for identity in each]
        if found and not any(isinstance(identity, str) and identity in self._place for identity in found):
            own = next(iter(self._place))
            raise self._error(
                f"none of the ids it returned is one of the data's; it says {found[0]!r}, they are like {own!r}"
            )

    def _read(self, row: int, ids: Any, scores: Any, k: int, counts: Counter[str]) -> dict[int, float]:
        """Return position -> score of one list; what was dropped or moved is counted."""
        query = f"query {self._data.query_ids[row]!r}"
        if ids is None or scores is None:
            raise self._error(f"{query} has no list; return an empty one where nothing was found")
        if len(ids) != len(scores):
            raise self._error(f"{query} has {len(ids):,} ids and {len(scores):,} scores")
        if len(ids) > k:
            raise self._error(f"{query} has {len(ids):,} documents, and {k:,} were asked for")
        values = [self._number(query, identity, score) for identity, score in zip(ids, scores, strict=True)]
        counts["empty-lists"] += not values
        counts["unsorted-lists"] += any(below > above for above, below in pairwise(values))
        found: dict[int, float] = {}
        for identity, value in zip(ids, values, strict=True):
            place = self._place.get(identity)
            if place is None:
                counts["unknown-documents"] += 1
                continue
            counts["repeated-documents"] += place in found
            found[place] = max(value, found.get(place, value))
        return found

    def _number(self, query: str, identity: object, score: Any) -> float:
        if not isinstance(identity, str):
            raise self._error(
                f"{query}: the id {identity!r} is {type(identity).__name__}; ids are those of the data, str"
            )
        try:
            value = float(score)
        except (TypeError, ValueError):
            value = math.nan
        if not abs(value) <= _LARGEST:
            raise self._error(f"{query}: the score of {identity!r} is {score!r}; scores are finite numbers")
        return value

    def _error(self, problem: str) -> SearchError:
        return SearchError(f"engine {self._engine.alias!r} on {self._data.name}: {problem}")


_FINDINGS = {
    "empty-lists": "it found nothing for {:,} of {:,} queries",
    "unsorted-lists": "the lists of {:,} of {:,} queries were not in the order of their scores, and were sorted",
    "unknown-documents": "{:,} times it returned an id that the data does not know, which was dropped",
    "repeated-documents": "{:,} times it returned a document again in one list; the best score counts",
}
