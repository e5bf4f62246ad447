"""What one model has encoded so far, in the dimension and precision of its entry of the matrix."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np

from pytest_embedeval.findings import Finding
from pytest_embedeval.keys import list_key, text_keys
from pytest_embedeval.models import Model
from pytest_embedeval.vectors import quantise
from pytest_embedeval.vectors.encode import Encoding, ProgressFactory, encode_texts
from pytest_embedeval.vectors.geometry import Geometry, vector_findings
from pytest_embedeval.vectors.probe import check_probe
from pytest_embedeval.vectors.room import Room
from pytest_embedeval.vectors.store import Store

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from pytest_embedeval.cluster import Cluster
    from pytest_embedeval.models.info import Role


_LARGEST = 2**26  # bytes of a list that the driver of a cluster holds in the RAM


@dataclass(frozen=True)
class EncodedList:
    """What is known of a list of texts that was encoded.

    Attributes
    ----------
    encoded, reused
        Distinct texts that this run computed, and those that were kept from another.
    seconds
        What it took to compute all of them, be it now or when they were kept.
    spent
        Seconds that this run took to have them.
    tokens
        All their tokens, prompts included; None where nobody counted.
    truncated
        Texts of which the model reads only the beginning; None where nobody counted.
    mean_cosine
        Of all pairs of texts: near 0 where vectors point everywhere, near 1 where they share a narrow cone.
    equal
        Distinct texts whose vector equals that of another one.
    hubness
        Skewness of the number of queries for which each document is among the first ten; None where nothing was
        searched.
    findings
        What is worth knowing about these vectors.
    """

    role: Role
    texts: int
    encoded: int
    reused: int
    seconds: float
    spent: float
    tokens: int | None
    truncated: int | None
    mean_cosine: float | None = None
    equal: int | None = None
    hubness: float | None = None
    findings: tuple[Finding, ...] = ()


class Encoded:
    """The vectors of one model: each list of texts encoded once, kept in a store if there is one.

    Parameters
    ----------
    model
        The loaded model.
    progress
        (label, number of texts) -> a bar; None for silence.
    store
        Where vectors are kept between runs; None to keep none. Those of a model without a fingerprint never are.
    memory
        Bytes from which the vectors of a list lie in a file instead of the RAM, and what a search may take; None for
        no bound.
    allow_collapse
        Accept a model that gives all texts of a list one and the same vector.
    cluster
        Whose nodes search the vectors; None for this machine. Lists of more than 64 MiB lie in a file then, beside the
        vectors of the store if there is one, where nodes may read them.

    Attributes
    ----------
    second
        The vectors of the model that puts in order what this one finds; None for one stage.
    """

    def __init__(
        self,
        model: Model,
        progress: ProgressFactory | None = None,
        *,
        store: Store | None = None,
        memory: int | None = None,
        allow_collapse: bool = False,
        cluster: Cluster | None = None,
    ) -> None:
        self.model = model
        self.memory = memory
        self.cluster = cluster
        self.second: Encoded | None = None
        if model.second is not None:
            self.second = Encoded(
                model.second, progress, store=store, memory=memory, allow_collapse=allow_collapse, cluster=cluster
            )
        self._progress = progress
        self._store = store
        self._allow_collapse = allow_collapse
        shared = store.segments if store and store.can_write else None
        self._room = Room(memory) if cluster is None else Room(min(memory or _LARGEST, _LARGEST), shared)
        self._whole: dict[tuple[Role, bytes], Encoding] = {}
        self._shortened: dict[tuple[Role, bytes], NDArray[np.float32]] = {}
        if store is not None and model.remote is not None:
            check_probe(model, store)

    def vectors(self, texts: Sequence[str], role: Role) -> NDArray[np.float32]:
        """Return unit vectors in the model's dimension and precision, float32 array [n, d], in the order of `texts`.

        `int8` and `binary` say what an index keeps of documents: these come back as their codes stand for them,
        queries as they are.

        Parameters
        ----------
        texts
            What to encode.
        role
            `query` or `document`: decides the prompt.

        Raises
        ------
        VectorError
            The model returned something no score may be computed from; the message names the text.
        """
        key = role, list_key(text_keys(texts))
        if key not in self._shortened:
            vectors = self._encoding(texts, role, key).vectors
            if self.model.is_shortened:
                whole, shape = vectors, (len(vectors), self.model.info.dimension or 0)
                vectors = self._room.filled(shape, lambda rows: self.model.shortened(whole[rows]))
            if role == "document":
                vectors = quantise.as_indexed(vectors, self.model.info.precision, self._room)
            self._shortened[key] = vectors
        return self._shortened[key]

    def whole_vectors(self, texts: Sequence[str], role: Role) -> NDArray[np.float32]:
        """Return unit vectors with all their numbers in float32, whatever the entry of the matrix says."""
        return self._encoding(texts, role, (role, list_key(text_keys(texts)))).vectors

    def about(
        self,
        texts: Sequence[str],
        role: Role,
        *,
        geometry: bool = False,
        neighbours: NDArray[np.int64] | None = None,
    ) -> EncodedList:
        """Return what is known of these texts; encodes them if that was not done yet.

        Parameters
        ----------
        geometry
            Look at how their vectors lie, too.
        neighbours
            Where they were searched: the positions found first for each query, int64 array [queries, k].
        """
        found = self._encoding(texts, role, (role, list_key(text_keys(texts))))
        counted = bool(len(found.tokens)) and bool((found.tokens >= 0).all())
        limit = self.model.info.max_tokens
        facts = EncodedList(
            role=role,
            texts=len(texts),
            encoded=found.encoded,
            reused=found.reused,
            seconds=found.seconds,
            spent=found.spent,
            tokens=int(found.tokens.sum(dtype=np.int64)) if counted else None,
            truncated=int(np.count_nonzero(found.tokens > limit)) if counted and limit is not None else None,
        )
        return self._with_geometry(facts, texts, found.vectors, neighbours) if geometry else facts

    def close(self) -> None:
        """Forget all vectors and drop the model's weights."""
        self._whole.clear()
        self._shortened.clear()
        if self.second is not None:
            self.second.close()
        self.model.close()

    def _with_geometry(
        self,
        facts: EncodedList,
        texts: Sequence[str],
        vectors: NDArray[np.float32],
        neighbours: NDArray[np.int64] | None,
    ) -> EncodedList:
        lie = Geometry.of(texts, vectors, neighbours)
        things = "queries" if facts.role == "query" else "documents"
        return replace(
            facts,
            mean_cosine=lie.mean_cosine,
            equal=lie.duplicates.count,
            hubness=lie.hubness.skewness if lie.hubness else None,
            findings=vector_findings(lie, texts, model=self.model.alias, things=things),
        )

    def _encoding(self, texts: Sequence[str], role: Role, key: tuple[Role, bytes]) -> Encoding:
        if key not in self._whole:
            recipe = self.model.recipe(role)
            self._whole[key] = encode_texts(
                self.model,
                texts,
                role,
                shelf=self._store.shelf(recipe, self.model.info.source) if self._store and recipe else None,
                progress=self._progress,
                room=self._room,
                allow_collapse=self._allow_collapse,
            )
        return self._whole[key]
