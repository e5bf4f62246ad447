"""Facts about a model: what it is, what decides its vectors, and what stands before a text."""

from __future__ import annotations

import hashlib
import json
from dataclasses import asdict, dataclass
from typing import Literal

from pytest_embedeval.findings import Finding

Role = Literal["query", "document"]
ROLES: tuple[Role, ...] = ("query", "document")


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
        `dense` (vectors), `lexical` (words), `hybrid` (both), `two-stage` (a second model puts in order what a first
        one found), `cross-encoder` (such a second one), `engine` (a search of the user's own), `run` (a finished one)
        or, where loading failed, `unknown`.
    dimension
        Numbers per vector, after truncation.
    max_tokens
        Tokens after which a text is cut; None where there is no limit.
    load_s
        Seconds from the request to a model ready to encode.
    error
        Why it could not be loaded, or why its copies on a cluster were lost later; None for a model that could be used.
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
    price
        US dollars for a million tokens, of a model behind an API; None where nobody told.
    search
        How it searches besides by its vectors: by words, by both, in two stages; None for vectors alone.
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
    search: str | None = None
    price: float | None = None

    @property
    def failed(self) -> str:
        """What could not be done with a model that has an error: it was not `loaded`, or loaded but not `run`."""
        return "loaded" if self.kind == "unknown" else "run"
