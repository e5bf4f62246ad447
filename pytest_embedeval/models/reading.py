"""Model folders, read by sentence-transformers without running code or unpickling anything."""

from __future__ import annotations

from importlib import metadata
from pathlib import Path
from typing import TYPE_CHECKING

from pytest_embedeval.errors import ModelLoadError
from pytest_embedeval.models.spec import ModelSpec

if TYPE_CHECKING:
    from sentence_transformers import CrossEncoder, SentenceTransformer
    from sentence_transformers.sentence_transformer.modules import StaticEmbedding

TORCH = "torch"
_LIBRARIES = ("sentence-transformers", "transformers", "tokenizers", "torch")
_OTHER_FORMATS = {"onnx", "openvino"}  # the same weights again; openvino_model.bin is no pickle
_PICKLED = {".bin", ".pt", ".pth", ".pkl", ".ckpt"}


def transformer(spec: ModelSpec, folder: Path) -> SentenceTransformer:
    """Read an embedding model."""
    import transformers
    from sentence_transformers import SentenceTransformer

    device = _home(spec)
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


def cross_encoder(spec: ModelSpec, folder: Path) -> CrossEncoder:
    """Read a cross-encoder.

    Raises
    ------
    ModelLoadError
        It gives a pair more than one number.
    """
    import transformers
    from sentence_transformers import CrossEncoder

    transformers.utils.logging.disable_progress_bar()  # type: ignore[no-untyped-call]
    model: CrossEncoder = CrossEncoder(
        str(folder),
        device=_home(spec),
        trust_remote_code=False,
        local_files_only=True,
        model_kwargs={"use_safetensors": True},
    )
    if model.num_labels != 1:
        raise ModelLoadError(
            f"model {spec.alias!r}: {spec.source} gives a pair {model.num_labels} numbers; a cross-encoder that ranks "
            "gives one"
        )
    return model


def engine() -> str:
    """Return the libraries that compute, with their versions."""
    # Builds of one version for other devices (torch 2.13.0+cu126) compute the same.
    return ", ".join(f"{name} {metadata.version(name).partition('+')[0]}" for name in _LIBRARIES)


def refuse_pickles(spec: ModelSpec, folder: Path) -> None:
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


def max_tokens(model: SentenceTransformer | CrossEncoder) -> int | None:
    """Return the tokens after which a model cuts a text; None where it has no limit."""
    limit = model.max_seq_length
    if limit == float("inf"):  # a static model, whose tokenizer may have a limit of its own
        limit = (model.tokenizer.truncation or {}).get("max_length")
    return None if limit is None else int(limit)


def _home(spec: ModelSpec) -> str | None:
    """Return where the weights are put at first: with the processes of several devices they are shared from the CPU."""
    import torch

    for name in spec.devices:
        device = torch.device(name)
        there = torch.get_device_module(device).device_count()
        if (device.index or 0) >= there:
            raise ModelLoadError(f"model {spec.alias!r}: there is no device {name!r}; torch sees {there} {device.type}")
    if spec.devices or (spec.backend != TORCH and spec.device == "auto"):
        return "cpu"
    return None if spec.device == "auto" else spec.device


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
