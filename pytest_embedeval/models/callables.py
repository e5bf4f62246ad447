"""Encoders that come as Python objects: from a conftest, a notebook or a test."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from pytest_embedeval.errors import ModelLoadError
from pytest_embedeval.models.encoder import Encoder, Model
from pytest_embedeval.models.info import ModelInfo, Prompts
from pytest_embedeval.models.spec import ModelSpec

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray


class _OneForBoth:
    """One callable as an encoder: queries and documents are encoded alike."""

    def __init__(self, encode: Callable[[list[str]], Any]) -> None:
        self.encode_queries = encode
        self.encode_documents = encode


class _Prompted:
    """Puts the prompts of the matrix entry before the texts of an encoder that knows none."""

    def __init__(self, encoder: Encoder, prompts: Prompts) -> None:
        self._encoder = encoder
        self._prompts = prompts

    def encode_queries(self, texts: list[str]) -> NDArray[np.floating]:
        return self._encoder.encode_queries([self._prompts.query + text for text in texts])

    def encode_documents(self, texts: list[str]) -> NDArray[np.floating]:
        return self._encoder.encode_documents([self._prompts.document + text for text in texts])


def wrap(spec: ModelSpec, target: object) -> Model:
    """Make a model of an encoder object or of one callable.

    An optional attribute `fingerprint` (str) of the object says which model it is.

    Raises
    ------
    ModelLoadError
        The object is neither, or it cannot encode a first text.
    """
    if isinstance(target, Encoder):
        encoder: Encoder = target
    elif callable(target):
        encoder = _OneForBoth(target)
    else:
        raise ModelLoadError(
            f"model {spec.alias!r}: {type(target).__name__} has no encode_queries and encode_documents "
            "(list[str] -> float array [n, d]) and cannot be called"
        )
    if spec.backend != "torch" or spec.devices:
        key = "devices" if spec.devices else f"backend={spec.backend}"
        raise ModelLoadError(f"model {spec.alias!r}: {key} does not apply to an encoder that comes as a Python object")
    fingerprint = getattr(target, "fingerprint", None)
    if not isinstance(fingerprint, str | None):
        raise ModelLoadError(
            f"model {spec.alias!r}: fingerprint of {type(target).__name__} must be a text that changes whenever its "
            f"vectors do, not {type(fingerprint).__name__}"
        )
    prompts = Prompts(spec.query_prompt or "", spec.document_prompt or "")
    if prompts != Prompts():
        encoder = _Prompted(encoder, prompts)
    dimension = _dimension(spec, encoder)
    info = ModelInfo(
        alias=spec.alias,
        source=spec.source,
        revision=spec.revision,
        fingerprint=fingerprint,
        kind="dense",
        dimension=spec.dimension_of(dimension),
        prompts=prompts,
        precision=spec.precision,
        backend="python",
    )
    return Model(info, encoder, native=dimension)


def _dimension(spec: ModelSpec, encoder: Encoder) -> int:
    import numpy as np

    try:
        shape = np.shape(encoder.encode_documents(["a"]))
    except Exception as error:
        raise ModelLoadError(f"model {spec.alias!r} cannot encode: {type(error).__name__}: {error}") from error
    if len(shape) != 2 or shape[0] != 1:
        raise ModelLoadError(f"model {spec.alias!r} returned shape {shape} for one text; expected (1, d)")
    return int(shape[1])
