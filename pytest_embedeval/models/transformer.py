"""Folders in sentence-transformers' or model2vec's format, loaded without running code or unpickling anything."""

from __future__ import annotations

import gc
import weakref
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from pytest_embedeval.models import fingerprint as fingerprints
from pytest_embedeval.models import reading
from pytest_embedeval.models.batches import Budget, batches_at_once, encode_in_batches
from pytest_embedeval.models.encoder import Model
from pytest_embedeval.models.info import ModelInfo, Prompts
from pytest_embedeval.models.prompts import own_prompts, prompt_findings
from pytest_embedeval.models.spec import ModelSpec

if TYPE_CHECKING:
    from numpy.typing import NDArray

_COUNTED_AT_ONCE = 1024  # texts, because a tokenizer returns much more than their lengths


class _TransformerEncoder:
    """A SentenceTransformer with its prompts settled.

    Parameters
    ----------
    alias
        For messages.
    texts
        Texts of a batch at most; None for what suits the device.
    devices
        Where processes of their own encode; empty to encode in this one. They start with the first texts and end with
        `close()`, or with this object.
    """

    def __init__(self, model: Any, alias: str, prompts: Prompts, texts: int | None, devices: tuple[str, ...]) -> None:
        import torch

        self._model = model
        self._alias = alias
        self._prompts = prompts
        self._devices = devices
        self._pool: Any = None
        self._stop_pool: Callable[[], object] = lambda: None
        is_static = model.transformers_model is None
        self._pads = not is_static and _can_count(model.tokenizer)
        self._budget = Budget.on(
            devices or (str(model.device),), static=is_static, texts=texts, threads=torch.get_num_threads()
        )

    def encode_queries(self, texts: list[str]) -> NDArray[np.float32]:
        return self._encode(self._model.encode_query, texts, self._prompts.query)

    def encode_documents(self, texts: list[str]) -> NDArray[np.float32]:
        return self._encode(self._model.encode_document, texts, self._prompts.document)

    def count_tokens(self, texts: list[str]) -> list[int]:
        """Return the tokens of each text, with special tokens where the model adds them, as if none were cut."""
        tokenizer = self._model.tokenizer
        count = _count_bare if hasattr(tokenizer, "encode_batch_fast") else _count
        starts = range(0, len(texts), _COUNTED_AT_ONCE)
        return [length for i in starts for length in count(tokenizer, texts[i : i + _COUNTED_AT_ONCE])]

    def close(self) -> None:
        """End the processes on other devices."""
        self._stop_pool()
        self._pool = None

    def _encode(self, encode: Callable[..., Any], texts: list[str], prompt: str) -> NDArray[np.float32]:
        return encode_in_batches(
            texts,
            self._lengths(texts, prompt) if self._pads else None,
            self._budget,
            partial(self._encode_batch, encode, prompt),
            free=partial(_free, str(self._model.device)),
            model=self._alias,
        )

    def _encode_batch(self, encode: Callable[..., Any], prompt: str, texts: list[str]) -> NDArray[np.floating]:
        # An empty prompt, unlike None, also keeps out the one that the configuration has for all texts.
        sizes = self._shared_out(len(texts)) if self._devices else {"batch_size": len(texts)}
        vectors: NDArray[np.floating] = encode(texts, prompt=prompt, show_progress_bar=False, **sizes)
        return vectors

    def _shared_out(self, texts: int) -> dict[str, Any]:
        """Return how sentence-transformers is to divide a batch for all devices into batches of one."""
        if self._pool is None:
            self._pool = self._model.start_multi_process_pool(list(self._devices))
            self._stop_pool = weakref.finalize(self, self._model.stop_multi_process_pool, self._pool)
        size = max(1, texts // batches_at_once(len(self._devices)))
        return {"pool": self._pool, "batch_size": size, "chunk_size": size}

    def _lengths(self, texts: list[str], prompt: str) -> NDArray[np.int64]:
        counted = np.array(self.count_tokens([prompt + text for text in texts]), dtype=np.int64)
        limit = reading.max_tokens(self._model)
        return counted if limit is None else np.minimum(counted, limit)


def _can_count(tokenizer: Any) -> bool:
    return callable(tokenizer) or hasattr(tokenizer, "encode_batch_fast")


def _count(tokenizer: Any, texts: list[str]) -> list[int]:
    """Count with a tokenizer of transformers."""
    encoded = tokenizer(
        texts, truncation=False, verbose=False, return_attention_mask=False, return_token_type_ids=False
    )
    return list(map(len, encoded["input_ids"]))


def _count_bare(tokenizer: Any, texts: list[str]) -> list[int]:
    """Count with a `tokenizers.Tokenizer`, to which a static model adds no special tokens."""
    cut = tokenizer.truncation
    tokenizer.no_truncation()
    try:
        return list(map(len, tokenizer.encode_batch_fast(texts, add_special_tokens=False)))
    finally:
        if cut:
            tokenizer.enable_truncation(**cut)


def _free(device: str) -> None:
    """Let go of what no one uses any more, here and in the cache of the device."""
    import torch

    gc.collect()
    getattr(torch.get_device_module(device), "empty_cache", gc.collect)()


def load(
    spec: ModelSpec,
    folder: Path,
    prompts: Prompts | None,
    fingerprint: str | None = None,
    cache: Path | None = None,
) -> Model:
    """Load the model in `folder`.

    Parameters
    ----------
    spec
        Alias, backend, devices, batch size, prompts that override all others.
    folder
        A sentence-transformers folder (`modules.json`), a plain transformers folder or a model2vec folder,
        with weights in safetensors.
    prompts
        The catalogue's prompts; None for those in the model's own configuration.
    fingerprint
        Known identity (a commit); None to hash the files.
    cache
        Folder in which a network that was exported for another backend is kept; None to export it each time.

    Raises
    ------
    ModelLoadError
        No safetensors weights, files that the library cannot read, a device that is not there, or a backend that
        cannot compute this model.
    MissingExtraError
        The library of the backend is not installed.
    """
    reading.refuse_pickles(spec, folder)
    fingerprint = fingerprint or fingerprints.of_folder(folder)
    model = reading.transformer(spec, folder)
    libraries = _change_backend(spec, model, cache, fingerprint)
    settled = _settle(spec, prompts, model.prompts)
    dimension = model.get_embedding_dimension()
    if dimension is None:
        dimension = int(model.encode(["a"], show_progress_bar=False).shape[1])
    encoder = _TransformerEncoder(model, spec.alias, settled, spec.batch_size, spec.devices)
    info = ModelInfo(
        alias=spec.alias,
        source=spec.source,
        revision=spec.revision,
        fingerprint=fingerprint,
        kind="dense",
        dimension=spec.dimension_of(dimension),
        max_tokens=reading.max_tokens(model),
        prompts=settled,
        precision=spec.precision,
        device=", ".join(spec.devices) or str(model.device),
        backend=spec.backend,
        dtype=None if model.dtype is None else str(model.dtype).removeprefix("torch."),
        engine=libraries,
        findings=prompt_findings(spec.source, folder, settled, model.prompts, alias=spec.alias),
    )
    return Model(info, encoder, encoder.count_tokens if _can_count(model.tokenizer) else None, dimension)


def _change_backend(spec: ModelSpec, model: Any, cache: Path | None, fingerprint: str) -> str:
    """Let the backend of the entry compute the network, and return all libraries that compute, with their versions."""
    if spec.backend == reading.TORCH:
        return reading.engine()
    from pytest_embedeval.models import exported

    exported.run_with(spec.backend, model, cache, fingerprint, spec.alias)
    return f"{reading.engine()}, {exported.engine(spec.backend)}"


def _settle(spec: ModelSpec, catalogued: Prompts | None, own: dict[str, str | None]) -> Prompts:
    """Choose each prompt: the user's, else the catalogue's, else the one in the model's own configuration."""
    prompts = own_prompts(own) if catalogued is None else catalogued
    return Prompts(
        prompts.query if spec.query_prompt is None else spec.query_prompt,
        prompts.document if spec.document_prompt is None else spec.document_prompt,
    )
