"""What to load, how to search with it, and what to call it: one entry of the matrix, read."""

from __future__ import annotations

from dataclasses import dataclass

from pytest_embedeval.errors import ModelLoadError
from pytest_embedeval.models.catalogue import catalogue
from pytest_embedeval.models.endpoint import Endpoint
from pytest_embedeval.models.searching import Search

DEFAULT_MATRIX = ("use-multilingual", "minilm-en", "bm25")
PACKAGED = ("use-multilingual", "minilm-en", "e5-small-q4", "e5-small-q4-enpt")
LEXICAL = "bm25"
RUN = "run:"

_PLAIN = Search()


@dataclass(frozen=True)
class ModelSpec:
    """What to load and what to call it.

    Attributes
    ----------
    alias
        Name in test ids, reports and baselines; it stays while the model behind it changes.
    source
        Catalogue name, packaged model, hub id, folder, `bm25`, or the alias of an encoder from a conftest.
    revision
        Branch, tag or commit of a hub id; None for the catalogue's own, or the default branch.
    dim
        Keep the first `dim` numbers of each vector and re-normalise (Matryoshka truncation).
    precision
        What an index keeps of each vector: `float32`, `float16`, `int8` or `binary`.
    backend
        What computes the network of a transformer: `torch`, or on the CPU `onnx` or `openvino`.
    device
        `auto`, `cpu`, `cuda` or `mps`.
    devices
        Several devices that share the texts, such as `cuda:0` and `cuda:1`; in place of `device`.
    batch_size
        Texts per forward pass; None for the loader's choice.
    num_gpus
        GPUs that one copy of the model takes on a cluster, 0 for none; None for one where the cluster has any.
    memory
        Bytes that one copy of the model takes of its node on a cluster; None where nobody told.
    query_prompt, document_prompt
        Text put before each query or document; None for the model's own.
    is_hybrid
        Whether BM25 searches beside the vectors (`MODEL+bm25`).
    search
        How words, both, or a second stage are searched.
    second
        The model that `search.rerank` names.
    endpoint
        How the provider of a model behind an API is asked; None for the usual way.
    """

    alias: str
    source: str
    revision: str | None = None
    dim: int | None = None
    precision: str = "float32"
    backend: str = "torch"
    device: str = "auto"
    batch_size: int | None = None
    devices: tuple[str, ...] = ()
    num_gpus: float | None = None
    memory: int | None = None
    query_prompt: str | None = None
    document_prompt: str | None = None
    is_hybrid: bool = False
    is_engine: bool = False
    search: Search = _PLAIN
    second: ModelSpec | None = None
    endpoint: Endpoint | None = None

    @property
    def is_lexical(self) -> bool:
        """Whether the entry ranks by words and has no vectors."""
        return self.source == LEXICAL

    @property
    def has_vectors(self) -> bool:
        """Whether suites that look at vectors apply: not to words, and to a hybrid or two stages only as a search."""
        return not (self.is_lexical or self.is_run or self.is_hybrid or self.is_engine or self.search.rerank)

    @property
    def is_run(self) -> bool:
        """Whether the entry is a finished run, a file with ranked lists (`run:PATH`)."""
        return self.source.startswith(RUN)

    def dimension_of(self, native: int) -> int:
        """Return the length of the vectors after truncation of `native` numbers to `dim`.

        Raises
        ------
        ModelLoadError
            `dim` asks for more than there is.
        """
        if self.dim is not None and self.dim > native:
            raise ModelLoadError(f"model {self.alias!r}: dim={self.dim}, but its vectors have {native} numbers")
        return self.dim or native


def known_names() -> set[str]:
    """Return the names that an entry may have as its source without any configuration."""
    return {LEXICAL, *PACKAGED, *catalogue()}
