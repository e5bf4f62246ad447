"""Folders in sentence-transformers' or model2vec's format, loaded without running code or unpickling anything."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from pytest_embedeval.errors import ModelLoadError
from pytest_embedeval.models import fingerprint as fingerprints
from pytest_embedeval.models.encoder import Model, ModelInfo, Prompts
from pytest_embedeval.models.spec import ModelSpec

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray
    from sentence_transformers import SentenceTransformer
    from sentence_transformers.sentence_transformer.modules import StaticEmbedding

# Small batches win on a CPU: little padding, and the activations stay in its cache.
_BATCH_SIZE = {"cpu": 8}
_DEFAULT_BATCH_SIZE = 64
_OTHER_FORMATS = {"onnx", "openvino"}  # the same weights again; openvino_model.bin is no pickle
_PICKLED = {".bin", ".pt", ".pth", ".pkl", ".ckpt"}


class _TransformerEncoder:
    """A SentenceTransformer with its prompts settled."""

    def __init__(self, model: SentenceTransformer, prompts: Prompts, batch_size: int) -> None:
        self._model = model
        self._prompts = prompts
        self._batch_size = batch_size

    def encode_queries(self, texts: list[str]) -> NDArray[np.floating]:
        vectors: NDArray[np.floating] = self._model.encode_query(texts, prompt=self._prompts.query, **self._options())
        return vectors

    def encode_documents(self, texts: list[str]) -> NDArray[np.floating]:
        vectors: NDArray[np.floating] = self._model.encode_document(
            texts, prompt=self._prompts.document, **self._options()
        )
        return vectors

    def count_tokens(self, text: str) -> int:
        tokenizer = self._model.tokenizer
        if hasattr(tokenizer, "add_special_tokens") and not callable(tokenizer):  # a bare tokenizers.Tokenizer
            return len(tokenizer.encode(text).ids)
        return len(tokenizer(text, truncation=False, verbose=False)["input_ids"])

    def _options(self) -> dict[str, Any]:
        return {"batch_size": self._batch_size, "show_progress_bar": False, "convert_to_numpy": True}


def load(spec: ModelSpec, folder: Path, prompts: Prompts | None, fingerprint: str | None = None) -> Model:
    """Load the model in `folder`.

    Parameters
    ----------
    spec
        Alias, device, batch size, prompts that override all others.
    folder
        A sentence-transformers folder (`modules.json`), a plain transformers folder or a model2vec folder,
        with weights in safetensors.
    prompts
        The catalogue's prompts; None for those in the model's own configuration.
    fingerprint
        Known identity (a commit); None to hash the files.

    Raises
    ------
    ModelLoadError
        No safetensors weights, or files that the library cannot read.
    """
    _refuse_pickles(spec, folder)
    model = _read(spec, folder)
    settled = _settle(spec, prompts, model.prompts)
    dimension = model.get_embedding_dimension()
    if dimension is None:
        dimension = int(model.encode(["a"], show_progress_bar=False).shape[1])
    device = str(model.device)
    encoder = _TransformerEncoder(model, settled, spec.batch_size or _BATCH_SIZE.get(device, _DEFAULT_BATCH_SIZE))
    info = ModelInfo(
        alias=spec.alias,
        source=spec.source,
        revision=spec.revision,
        fingerprint=fingerprint or fingerprints.of_folder(folder),
        kind="dense",
        dimension=spec.dimension_of(dimension),
        max_tokens=_max_tokens(model),
        prompts=settled,
        precision=spec.precision,
        device=device,
    )
    return Model(info, encoder, encoder.count_tokens, spec.dim)


def _read(spec: ModelSpec, folder: Path) -> SentenceTransformer:
    import transformers
    from sentence_transformers import SentenceTransformer

    device = None if spec.device == "auto" else spec.device
    transformers.utils.logging.disable_progress_bar()  # type: ignore[no-untyped-call]
    if _is_model2vec(folder):
        return SentenceTransformer(modules=[_model2vec(folder)], device=device)
    return SentenceTransformer(
        str(folder),
        device=device,
        trust_remote_code=False,
        local_files_only=True,
        model_kwargs={"use_safetensors": True},
    )


def _refuse_pickles(spec: ModelSpec, folder: Path) -> None:
    """Raise where the model, or one module of it, has weights that could only be unpickled."""
    pickled = [
        path
        for path in folder.rglob("*")
        if path.suffix in _PICKLED
        and not any(path.parent.glob("*.safetensors"))
        and path.relative_to(folder).parts[0] not in _OTHER_FORMATS
    ]
    if pickled or not any(folder.rglob("*.safetensors")):
        found = f", only {pickled[0].relative_to(folder)}" if pickled else ""
        raise ModelLoadError(
            f"model {spec.alias!r}: {folder} holds no *.safetensors weights{found}; "
            "pickled weights (.bin, .pt) are not loaded"
        )


def _model2vec(folder: Path) -> StaticEmbedding:
    """Read a folder in model2vec's own format: one vector per token, for vocabularies cut down also a mapping."""
    from safetensors.numpy import load_file
    from sentence_transformers.sentence_transformer.modules import StaticEmbedding
    from tokenizers import Tokenizer

    tensors = load_file(folder / "model.safetensors")
    vectors = tensors["embeddings"].astype("float32")
    if "mapping" in tensors:
        vectors = vectors[tensors["mapping"]]
    if "weights" in tensors:
        vectors = vectors * tensors["weights"].astype("float32")[:, None]
    return StaticEmbedding(Tokenizer.from_file(str(folder / "tokenizer.json")), embedding_weights=vectors)


def _is_model2vec(folder: Path) -> bool:
    if (folder / "modules.json").is_file() or not (folder / "config.json").is_file():
        return False
    return '"model2vec"' in (folder / "config.json").read_text(encoding="utf-8")


def _settle(spec: ModelSpec, catalogued: Prompts | None, own: dict[str, str | None]) -> Prompts:
    """Choose each prompt: the user's, else the catalogue's, else the one in the model's own configuration."""
    query = own.get("query") or ""
    document = own.get("document") or own.get("passage") or ""
    if catalogued is not None:
        query, document = catalogued.query, catalogued.document
    return Prompts(
        query if spec.query_prompt is None else spec.query_prompt,
        document if spec.document_prompt is None else spec.document_prompt,
    )


def _max_tokens(model: SentenceTransformer) -> int | None:
    limit = model.max_seq_length
    return int(limit) if limit is not None and limit != float("inf") else None
