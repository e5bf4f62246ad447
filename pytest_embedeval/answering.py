"""One query at a time, from its text to the first ten documents: what a person waits for."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from pytest_embedeval.datasets import RetrievalData
from pytest_embedeval.models import Model
from pytest_embedeval.models.searching import DEPTH, Fusion
from pytest_embedeval.retrieval import Ranker
from pytest_embedeval.retrieval.retriever import RetrieverModel
from pytest_embedeval.search import word_ranker
from pytest_embedeval.vectors import normalised

Answer = Callable[[str], object]

_FIRST = 10
_MOST = 2**27  # numbers of the vectors that are searched: half a gigabyte


def answering(model: Model, data: RetrievalData) -> Answer:
    """Return what answers a query by a flat search of a corpus whose words are indexed; it is there to be timed.

    No document is encoded for it: its vectors are drawn at random, as many and as long as those of the corpus, since to
    search all of them takes the same time whatever they are. Beyond half a gigabyte there are no more of them.
    """
    if isinstance(model, RetrieverModel):
        return lambda query: model.ask(data, _FIRST, [query])
    first, second = _first(model, data), model.second
    if second is None:
        return lambda query: first(query).search(_FIRST)
    pairs, depth = second.pairs, model.search.depth or DEPTH
    vectors = _drawn(second, data) if pairs is None else None

    def answer(query: str) -> NDArray[np.int64]:
        found = first(query).search(depth).documents[0]
        found = found[found >= 0]
        if vectors is not None:
            scores = vectors[found % len(vectors)] @ _encoded(second, query)[0]
        elif pairs is not None:
            scores = pairs.score([query] * len(found), [data.documents[place] for place in found.tolist()])
        best: NDArray[np.int64] = found[np.argsort(-scores)[:_FIRST]]
        return best

    return answer


def _first(model: Model, data: RetrievalData) -> Callable[[str], Ranker]:
    """Return query -> the search of its first stage."""
    words = None if model.has_vectors and not model.is_hybrid else word_ranker(data, model.search)
    if words is not None and not model.has_vectors:
        return lambda query: words.asking([query])
    nearest = _nearest(model, _drawn(model, data))
    if words is None:
        return nearest
    from pytest_embedeval.retrieval.hybrid import Pool

    fusion, size = Fusion.of(model.search), len(data.documents)
    return lambda query: Pool(nearest(query), words.asking([query]), size).fused(fusion)


def _nearest(model: Model, documents: NDArray[np.float32]) -> Callable[[str], Ranker]:
    if model.info.precision == "binary":
        from pytest_embedeval.retrieval.binary import BinaryRanker

        bits = BinaryRanker(documents[:0], documents)
        return lambda query: bits.asking(_encoded(model, query))
    from pytest_embedeval.retrieval.exact import ExactRanker

    return lambda query: ExactRanker(_encoded(model, query), documents)


def _encoded(model: Model, query: str) -> NDArray[np.float32]:
    return normalised(model.encode_queries([query]))


def _drawn(model: Model, data: RetrievalData) -> NDArray[np.float32]:
    """Return random unit vectors in the place of those of the documents; float32 array [m, d]."""
    dimension = model.info.dimension or 1
    shape = min(len(data.documents), _MOST // dimension), dimension
    return normalised(np.random.default_rng(0).standard_normal(shape, np.float32))
