"""What every room after this one sees of a model: a handle that encodes, describes itself and can be let go."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, replace
from typing import TYPE_CHECKING, Literal, Protocol, runtime_checkable

from pytest_embedeval.errors import UsageError, VectorError
from pytest_embedeval.findings import Finding
from pytest_embedeval.models import variants

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from pytest_embedeval.models.variants import Vectors

Role = Literal["query", "document"]
ROLES: tuple[Role, ...] = ("query", "document")


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

    def of(self, role: Role) -> str:
        """Return the prompt of one role."""
        return self.query if role == "query" else self.document


@dataclass(frozen=True)
class Recipe:
    """All that decides the vector of a text, besides the text: two equal recipes give a text the same vector.

    Attributes
    ----------
    fingerprint
        Weights, tokenizer and configuration, or the commit that holds them.
    prompt
        The text really put before each text of this role.
    dimension
        Numbers per vector before any truncation.
    dtype
        Type of the weights in memory, which a library may choose otherwise than the file.
    max_tokens
        Tokens after which a text is cut.
    engine
        Libraries that compute, with their versions.
    device
        What they compute on, `cpu`, `cuda` or `mps`: their last digits differ. None where nobody knows.
    normalisation
        How vectors are scaled before they are kept.
    """

    fingerprint: str
    role: Role
    prompt: str
    dimension: int
    dtype: str | None
    backend: str
    max_tokens: int | None
    engine: str | None
    device: str | None = None
    normalisation: str = "l2"
    precision: str = "float32"

    @property
    def digest(self) -> str:
        """Return `sha256:…` over all fields."""
        facts = json.dumps(asdict(self), sort_keys=True)
        return f"sha256:{hashlib.sha256(facts.encode()).hexdigest()}"


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
    backend
        What runs the network: `torch`, `onnx`, `openvino`.
    dtype
        Type of the weights in memory; None where nobody knows.
    engine
        Libraries that compute the vectors, with their versions.
    native_dimension
        Numbers per vector that the model gives, before any truncation.
    bytes_per_vector
        What an index keeps of one document, at this dimension and precision.
    encoding
        `sha256:…` over everything that decides a vector: fingerprint, prompts, backend, dtype, versions, dimension,
        precision. Equal for two models only if they give every text the same vectors; None without a fingerprint.
    findings
        What is odd or worth knowing about the model as it was used.
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
    backend: str = "torch"
    dtype: str | None = None
    engine: str | None = None
    native_dimension: int | None = None
    bytes_per_vector: int | None = None
    encoding: str | None = None
    findings: tuple[Finding, ...] = ()


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
    """

    def __init__(
        self,
        info: ModelInfo,
        encoder: Encoder | None = None,
        count_tokens: Callable[[list[str]], list[int]] | None = None,
        native: int | None = None,
    ) -> None:
        self.info = _completed(info, native or info.dimension)
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

    @property
    def native_dimension(self) -> int | None:
        """Numbers per vector that the encoder returns."""
        return self.info.native_dimension

    @property
    def is_shortened(self) -> bool:
        """Whether `dim` or `precision` leave less of a vector than the model gives."""
        return self.info.dimension != self.native_dimension or self.info.precision != "float32"

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

    def shortened(self, vectors: Vectors) -> Vectors:
        """Cut whole vectors to the model's dimension, at unit length, and round them where it says float16."""
        if self.info.dimension is not None and self.info.dimension != self.native_dimension:
            vectors = variants.truncated(vectors, self.info.dimension)
        return variants.rounded(vectors) if self.info.precision == "float16" else vectors


def _completed(info: ModelInfo, native: int | None) -> ModelInfo:
    dimension = info.dimension
    if info.kind != "dense" or dimension is None:
        return info
    info = replace(info, native_dimension=native)
    recipes = [_recipe(info, role) for role in ROLES]
    decides = [*(recipe.digest for recipe in recipes if recipe), str(dimension), info.precision]
    encoding = f"sha256:{hashlib.sha256(' '.join(decides).encode()).hexdigest()}" if all(recipes) else None
    return replace(info, bytes_per_vector=variants.bytes_per_vector(dimension, info.precision), encoding=encoding)


def _recipe(info: ModelInfo, role: Role) -> Recipe | None:
    if info.fingerprint is None or info.native_dimension is None:
        return None
    return Recipe(
        fingerprint=info.fingerprint,
        role=role,
        prompt=info.prompts.of(role),
        dimension=info.native_dimension,
        dtype=info.dtype,
        backend=info.backend,
        max_tokens=info.max_tokens,
        engine=info.engine,
        device=info.device and info.device.partition(":")[0],
    )
