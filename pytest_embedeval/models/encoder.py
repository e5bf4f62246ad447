"""What every room after this one sees of a model: a handle that encodes, describes itself and can be let go."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal, Protocol, runtime_checkable

from pytest_embedeval.errors import UsageError, VectorError

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    Vectors = NDArray[np.float32]

Role = Literal["query", "document"]


@runtime_checkable
class Encoder(Protocol):
    """Anything that turns texts into vectors, by role; each call is `list[str] -> float array [n, d]`."""

    def encode_queries(self, texts: list[str], /) -> NDArray[np.floating]:
        """Encode search queries."""
        ...

    def encode_documents(self, texts: list[str], /) -> NDArray[np.floating]:
        """Encode documents."""
        ...


@dataclass(frozen=True)
class Prompts:
    """The text put before each query and each document."""

    query: str = ""
    document: str = ""


@dataclass(frozen=True)
class ModelInfo:
    """Facts about one model, as they stand in every report.

    Attributes
    ----------
    fingerprint
        What was really loaded: the commit for a hub model, a hash of weights, tokenizer and configuration for files.
    kind
        `dense` (vectors), `lexical` (words) or, where loading failed, `unknown`.
    dimension
        Numbers per vector, after truncation.
    max_tokens
        Tokens after which a text is cut; None where there is no limit.
    load_s
        Seconds from the request to a model ready to encode.
    error
        Why it could not be loaded; None for a model that could.
    """

    alias: str
    source: str
    revision: str | None = None
    fingerprint: str | None = None
    kind: str = "unknown"
    dimension: int | None = None
    max_tokens: int | None = None
    prompts: Prompts = Prompts()
    precision: str = "float32"
    device: str | None = None
    load_s: float | None = None
    error: str | None = None


class Model:
    """A loaded model under its alias.

    Holds the only reference to the weights, so that `close()` really frees them, even while a traceback of a
    failed test keeps the handle alive.

    Parameters
    ----------
    info
        What stands in the reports.
    encoder
        Makes the vectors; None for a model without them.
    count_tokens
        Tokens of one text, with special tokens; None where nobody knows.
    dim
        Keep the first `dim` numbers of each vector and re-normalise (Matryoshka); None to keep all.
    """

    def __init__(
        self,
        info: ModelInfo,
        encoder: Encoder | None = None,
        count_tokens: Callable[[str], int] | None = None,
        dim: int | None = None,
    ) -> None:
        self.info = info
        self._dim = dim
        self._encoder = encoder
        self._count_tokens = count_tokens

    def __repr__(self) -> str:
        return f"<Model {self.alias}: {self.info.kind}, {self.info.dimension} dimensions>"

    @property
    def alias(self) -> str:
        """The name of the model in the matrix."""
        return self.info.alias

    @property
    def has_vectors(self) -> bool:
        """Whether the model encodes texts (False for `bm25`)."""
        return self.info.kind == "dense"

    def encode_queries(self, texts: Sequence[str]) -> Vectors:
        """Encode queries with the query prompt: float32 array [n, d], not normalised."""
        return self._encode(texts, "query")

    def encode_documents(self, texts: Sequence[str]) -> Vectors:
        """Encode documents with the document prompt: float32 array [n, d], not normalised."""
        return self._encode(texts, "document")

    def count_tokens(self, texts: Sequence[str]) -> int | None:
        """Return the tokens of all texts together, or None for an encoder without a tokenizer of its own."""
        if self._count_tokens is None:
            return None
        return sum(map(self._count_tokens, texts))

    def close(self) -> None:
        """Drop the weights. The handle still describes the model but encodes no more."""
        self._encoder = None
        self._count_tokens = None

    def _encode(self, texts: Sequence[str], role: Role) -> Vectors:
        import numpy as np

        if self._encoder is None:
            reason = "is closed" if self.has_vectors else "has no vectors"
            raise UsageError(f"model {self.alias!r} {reason}")
        if not texts and self.info.dimension is not None:
            return np.empty((0, self.info.dimension), dtype=np.float32)
        encode = self._encoder.encode_queries if role == "query" else self._encoder.encode_documents
        vectors = np.asarray(encode(list(texts)))
        if vectors.ndim != 2 or len(vectors) != len(texts):
            raise VectorError(
                f"model {self.alias!r} returned an array of shape {vectors.shape} for {len(texts)} texts; "
                f"expected [{len(texts)}, d]"
            )
        if vectors.dtype.kind not in "fiu":
            raise VectorError(f"model {self.alias!r} returned {vectors.dtype} values; expected numbers")
        return self._shortened(vectors)

    def _shortened(self, vectors: NDArray[np.generic]) -> Vectors:
        """Apply the matrix's `dim` and `precision`."""
        import numpy as np

        if self._dim is not None:
            vectors = vectors[:, : self._dim]
            norms = np.linalg.norm(vectors.astype(np.float32), axis=1, keepdims=True)
            vectors = vectors / np.maximum(norms, np.finfo(np.float32).tiny)
        if self.info.precision == "float16":
            vectors = vectors.astype(np.float16)
        return np.ascontiguousarray(vectors, dtype=np.float32)
