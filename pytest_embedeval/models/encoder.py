"""What every room after this one sees of a model: a handle that encodes, describes itself and can be let go."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any, Protocol, runtime_checkable

from pytest_embedeval.errors import UsageError, VectorError
from pytest_embedeval.models import variants
from pytest_embedeval.models.info import ROLES, ModelInfo, Recipe, Role
from pytest_embedeval.models.searching import Search

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from pytest_embedeval.models.clustered import Copies
    from pytest_embedeval.models.remote import Remote
    from pytest_embedeval.models.variants import Vectors

    Block = tuple[NDArray[np.int64], list[str]]  # the places of some texts in their list, and the texts
    EncodedBlock = tuple[NDArray[np.int64], NDArray[np.float32], float]  # places, vectors, and the seconds it took


@runtime_checkable
class Encoder(Protocol):
    """Anything that turns texts into vectors, by role; each call is `list[str] -> float array [n, d]`."""

    def encode_queries(self, texts: list[str], /) -> NDArray[np.floating]:
        """Encode search queries."""
        ...

    def encode_documents(self, texts: list[str], /) -> NDArray[np.floating]:
        """Encode documents."""
        ...


EncodeFunction = Callable[[list[str]], "NDArray[Any]"]  # one for both roles


class PairScorer(Protocol):
    """Reads a query and a document together."""

    def score(self, queries: list[str], documents: list[str], /) -> NDArray[np.float32]:
        """Return how well each document fits its query, higher is better; float32 array [n]."""
        ...


class Model:
    """A loaded model under its alias.

    Holds the only reference to the weights, so that `close()` really frees them, even while a traceback of a
    failed test keeps the handle alive.

    Parameters
    ----------
    info
        What stands in the reports; `native_dimension`, `bytes_per_vector` and `encoding` are filled in here.
    encoder
        Makes the vectors; None for a model without them.
    count_tokens
        Tokens of each text, with special tokens and without a prompt; None where nobody knows.
    native
        Numbers per vector that the encoder returns; None for `info.dimension`. Where `info.dimension` is smaller, the
        first of them are kept (Matryoshka).
    pairs
        Scores pairs of query and document; None for all but cross-encoders.

    Attributes
    ----------
    search
        The keys of its entry that say how it searches.
    second
        The model that puts in order what this one finds; None for one stage.
    remote
        What is known of a model behind an API; None for one that is computed here.
    nodes
        Its copies on the nodes of a cluster; None for one that is computed here.
    """

    def __init__(
        self,
        info: ModelInfo,
        encoder: Encoder | None = None,
        count_tokens: Callable[[list[str]], list[int] | None] | None = None,
        native: int | None = None,
        pairs: PairScorer | None = None,
    ) -> None:
        self.info = _completed(info, native or info.dimension)
        self.search = Search()
        self.second: Model | None = None
        self.remote: Remote | None = None
        self.nodes: Copies | None = None
        self.pairs = pairs
        self._encoder = encoder
        self._count_tokens = count_tokens

    def __repr__(self) -> str:
        return f"<Model {self.alias}: {self.info.kind}, {self.info.dimension} dimensions>"

    @property
    def alias(self) -> str:
        """The name of the model in the matrix."""
        return self.info.alias

    @property
    def is_hybrid(self) -> bool:
        """Whether words are searched beside the vectors."""
        return self.search.fusion is not None

    @property
    def has_vectors(self) -> bool:
        """Whether the model encodes texts (False for `bm25`)."""
        return self.info.kind == "dense" or self.info.dimension is not None

    @property
    def can_search(self) -> bool:
        """Whether the model finds documents for a query (False for a cross-encoder)."""
        return self.pairs is None

    @property
    def native_dimension(self) -> int | None:
        """Numbers per vector that the encoder returns."""
        return self.info.native_dimension

    @property
    def is_shortened(self) -> bool:
        """Whether `dim` or `precision` leave less of a vector than the model gives."""
        return self.info.dimension != self.native_dimension or self.info.precision != "float32"

    @property
    def is_kept(self) -> bool:
        """Whether there are vectors to keep between runs, of this model or of its second stage."""
        return any(each is not None and each.recipe("query") is not None for each in (self, self.second))

    def recipe(self, role: Role) -> Recipe | None:
        """Return what decides the vectors of one role; None for a model without a fingerprint, which may be any."""
        return _recipe(self.info, role)

    def encode(self, texts: Sequence[str], role: Role) -> Vectors:
        """Encode texts as the network does, all numbers of each vector: float32 array [n, native], not normalised.

        Raises
        ------
        VectorError
            Not one row of numbers per text.
        UsageError
            The model is closed or has no vectors.
        """
        import numpy as np

        if self._encoder is None:
            reason = "is closed" if self.has_vectors else "has no vectors"
            raise UsageError(f"model {self.alias!r} {reason}")
        if not texts and self.native_dimension is not None:
            return np.empty((0, self.native_dimension), dtype=np.float32)
        encode = self._encoder.encode_queries if role == "query" else self._encoder.encode_documents
        vectors = np.asarray(encode(list(texts)))
        if vectors.ndim != 2 or len(vectors) != len(texts):
            raise VectorError(
                f"model {self.alias!r} returned an array of shape {vectors.shape} for {len(texts)} texts; "
                f"expected [{len(texts)}, d]"
            )
        if vectors.dtype.kind not in "fiu":
            raise VectorError(f"model {self.alias!r} returned {vectors.dtype} values; expected numbers")
        return np.ascontiguousarray(vectors, dtype=np.float32)

    def encode_queries(self, texts: Sequence[str]) -> Vectors:
        """Encode queries with the query prompt: float32 array [n, d], cut to `dim` and rounded for float16."""
        return self.shortened(self.encode(texts, "query"))

    def encode_documents(self, texts: Sequence[str]) -> Vectors:
        """Encode documents with the document prompt: float32 array [n, d], cut to `dim` and rounded for float16."""
        return self.shortened(self.encode(texts, "document"))

    def count_tokens(self, texts: Sequence[str], role: Role | None = None) -> list[int] | None:
        """Return the tokens of each text, with the prompt of the role; None for an encoder without a tokenizer."""
        if self._count_tokens is None:
            return None
        prompt = self.info.prompts.of(role) if role else ""
        return self._count_tokens([prompt + text for text in texts])

    def close(self) -> None:
        """Drop the weights. The handle still describes the model but encodes no more."""
        self._encoder = None
        self._count_tokens = None
        self.pairs = None
        if self.nodes is not None:
            self.nodes.close()
            self.nodes = None
        if self.second is not None:
            self.second.close()

    def shortened(self, vectors: Vectors) -> Vectors:
        """Cut whole vectors to the model's dimension, at unit length, and round them where it says float16."""
        if self.info.dimension is not None and self.info.dimension != self.native_dimension:
            vectors = variants.truncated(vectors, self.info.dimension)
        return variants.rounded(vectors) if self.info.precision == "float16" else vectors


def _completed(info: ModelInfo, native: int | None) -> ModelInfo:
    dimension = info.dimension
    if dimension is None:
        return info
    info = replace(info, native_dimension=native)
    recipes = [_recipe(info, role) for role in ROLES]
    decides = [*(recipe.digest for recipe in recipes if recipe), str(dimension), info.precision]
    encoding = f"sha256:{hashlib.sha256(' '.join(decides).encode()).hexdigest()}" if all(recipes) else None
    return replace(info, bytes_per_vector=variants.bytes_per_vector(dimension, info.precision), encoding=encoding)


def _recipe(info: ModelInfo, role: Role) -> Recipe | None:
    if info.fingerprint is None or info.native_dimension is None:
        return None
    is_here = info.device != "api"  # neither LiteLLM's version nor a note on the provider's limit decides a vector
    return Recipe(
        fingerprint=info.fingerprint,
        role=role,
        prompt=info.prompts.of(role),
        dimension=info.native_dimension,
        dtype=info.dtype,
        backend=info.backend,
        max_tokens=info.max_tokens if is_here else None,
        engine=info.engine if is_here else None,
        device=info.device and info.device.partition(":")[0],
    )
