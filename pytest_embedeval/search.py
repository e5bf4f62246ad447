"""What searches a data set for a model: vectors, words, both, or one after the other."""

from __future__ import annotations

from functools import cached_property
from typing import TYPE_CHECKING

from pytest_embedeval.datasets import RetrievalData
from pytest_embedeval.errors import UsageError
from pytest_embedeval.models.searching import DEPTH, Fusion, Lexical, Search
from pytest_embedeval.models.spec import RUN
from pytest_embedeval.retrieval import Ranker
from pytest_embedeval.vectors import Encoded

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from pytest_embedeval.models import ModelInfo
    from pytest_embedeval.retrieval.approximate import BuiltIndex
    from pytest_embedeval.retrieval.bm25 import BM25Ranker
    from pytest_embedeval.retrieval.hybrid import Pool


def ranker(encoded: Encoded, data: RetrievalData) -> Ranker:
    """Return the search that a model's entry of the matrix asks for.

    Raises
    ------
    UsageError
        The model neither has vectors nor knows words.
    """
    model = encoded.model
    if model.info.kind == "run":
        from pytest_embedeval.retrieval.runs import RunRanker

        return RunRanker(model.info.source.removeprefix(RUN), data)
    if model.info.kind == "engine":
        from pytest_embedeval.retrieval.retriever import RetrieverModel, RetrieverRanker

        assert isinstance(model, RetrieverModel)
        return RetrieverRanker(model, data)
    first = first_ranker(encoded, data)
    if encoded.second is None:
        return first
    from pytest_embedeval.retrieval.two_stage import TwoStageRanker

    depth = model.search.depth or DEPTH
    return TwoStageRanker(first, PairScores(encoded.second, data).score, len(data.documents), depth)


def exact_ranker(encoded: Encoded, data: RetrievalData) -> Ranker:
    """Search with all numbers of each vector in float32, whatever the entry of the matrix says."""
    return _flat(
        encoded, encoded.whole_vectors(data.queries, "query"), encoded.whole_vectors(data.documents, "document")
    )


def takes_index(info: ModelInfo) -> bool:
    """Whether an approximate index can stand for the exact search of a model: only where vectors alone are searched.

    Binary vectors have a search of their own.
    """
    return info.kind == "dense" and info.precision != "binary"


def built_index(index: str, encoded: Encoded, data: RetrievalData) -> BuiltIndex | None:
    """Build the index of that name over the vectors of a data set; None for `flat` and where none can be searched.

    Raises
    ------
    UsageError
        There is no such index, or it cannot be built on these vectors.
    MissingExtraError
        LanceDB is not installed.
    """
    from pytest_embedeval.retrieval.approximate import BuiltIndex
    from pytest_embedeval.retrieval.index_names import check_index, parse_index

    name = parse_index(index)
    if name is None or not takes_index(encoded.model.info):
        return None
    check_index(index)
    queries, documents = encoded.vectors(data.queries, "query"), encoded.vectors(data.documents, "document")
    return BuiltIndex(name, queries, documents, encoded.cluster)


def word_ranker(data: RetrievalData, search: Search | None = None) -> BM25Ranker:
    """Search by words (BM25), with the keys of an entry."""
    from pytest_embedeval.retrieval.bm25 import BM25Ranker
    from pytest_embedeval.retrieval.words import Analyser

    lexical = Lexical.of(search or Search())
    analyser = Analyser(data.language, lexical.stemmer, lexical.stop_words)
    return BM25Ranker(data.queries, data.documents, analyser, k1=lexical.k1, b=lexical.b)


def vector_ranker(encoded: Encoded, data: RetrievalData) -> Ranker:
    """Search by vectors, in the dimension and precision of the model's entry."""
    queries = encoded.vectors(data.queries, "query")
    documents = encoded.vectors(data.documents, "document")
    if encoded.model.info.precision == "binary":
        from pytest_embedeval.retrieval.binary import BinaryRanker

        return BinaryRanker(queries, documents)
    return _flat(encoded, queries, documents)


def _flat(encoded: Encoded, queries: NDArray[np.float32], documents: NDArray[np.float32]) -> Ranker:
    """Search every document, here or on the nodes of a cluster."""
    if encoded.cluster is not None:
        from pytest_embedeval.retrieval.sharded import ShardedRanker

        return ShardedRanker(queries, documents, encoded.cluster, memory=encoded.memory)
    from pytest_embedeval.retrieval.exact import ExactRanker

    return ExactRanker(queries, documents, memory=encoded.memory)


def pool(encoded: Encoded, data: RetrievalData) -> Pool:
    """Return what vectors and words find, to be put in one order."""
    from pytest_embedeval.retrieval.hybrid import Pool

    return Pool(vector_ranker(encoded, data), word_ranker(data, encoded.model.search), len(data.documents))


def first_ranker(encoded: Encoded, data: RetrievalData) -> Ranker:
    """Return the search without its second stage.

    Raises
    ------
    UsageError
        The model neither has vectors nor knows words.
    """
    model = encoded.model
    if model.info.kind == "lexical" or (model.info.kind == "two-stage" and not model.has_vectors):
        return word_ranker(data, model.search)
    if not model.has_vectors:
        raise UsageError(f"model {model.alias!r} cannot search")
    if model.is_hybrid:
        return pool(encoded, data).fused(Fusion.of(model.search))
    return vector_ranker(encoded, data)


class PairScores:
    """Scores of a second model for pairs of query and document."""

    def __init__(self, second: Encoded, data: RetrievalData) -> None:
        self._second = second
        self._data = data

    def score(self, queries: NDArray[np.int64], documents: NDArray[np.int64]) -> NDArray[np.float32]:
        """Return the score of each pair; float32 array."""
        pairs = self._second.model.pairs
        if pairs is None:
            return self._vectors.score(queries, documents)
        asked = [self._data.queries[query] for query in queries.tolist()]
        return pairs.score(asked, [self._data.documents[document] for document in documents.tolist()])

    @cached_property
    def _vectors(self) -> Ranker:
        return vector_ranker(self._second, self._data)
