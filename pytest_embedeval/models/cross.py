"""Cross-encoders: models that read a query and a document together and say how well they fit."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pytest_embedeval.errors import ModelLoadError, VectorError
from pytest_embedeval.models import fingerprint as fingerprints
from pytest_embedeval.models import reading
from pytest_embedeval.models.encoder import Model
from pytest_embedeval.models.info import ModelInfo
from pytest_embedeval.models.spec import ModelSpec

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

_PAIRS = 32  # read at once, unless set
_OF_VECTORS = ("dim", "precision", "backend", "devices", "query_prompt", "document_prompt")


def is_cross_encoder(folder: Path) -> bool:
    """Whether the model in a folder gives pairs of texts a score, and texts no vectors."""
    kind = _configuration(folder / "config_sentence_transformers.json").get("model_type")
    if kind is not None:
        return bool(kind == "CrossEncoder")
    names = _configuration(folder / "config.json").get("architectures")
    return isinstance(names, list) and bool(names) and str(names[0]).endswith("ForSequenceClassification")


def _configuration(path: Path) -> dict[str, Any]:
    try:
        found = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}
    return found if isinstance(found, dict) else {}


class CrossEncoder:
    """Scores pairs.

    Parameters
    ----------
    model
        A `sentence_transformers.CrossEncoder` with one label.
    alias
        For messages.
    batch_size
        Pairs that are read at once.
    """

    def __init__(self, model: Any, alias: str, batch_size: int = _PAIRS) -> None:
        self._model = model
        self._alias = alias
        self._batch_size = batch_size

    def score(self, queries: list[str], documents: list[str]) -> NDArray[np.float32]:
        """Return how well each document fits its query, higher is better; float32 array [n].

        Raises
        ------
        VectorError
            A score that is not a finite number; the message names the pair.
        """
        import numpy as np

        pairs = list(zip(queries, documents, strict=True))
        if not pairs:
            return np.empty(0, dtype=np.float32)
        found = np.asarray(
            self._model.predict(pairs, batch_size=self._batch_size, show_progress_bar=False), dtype=np.float32
        ).reshape(-1)
        wrong = np.flatnonzero(~np.isfinite(found))
        if len(wrong):
            query, document = pairs[wrong[0]]
            raise VectorError(
                f"model {self._alias!r} gave {len(wrong)} of {len(pairs)} pairs a score that is not finite, "
                f"for example {query[:60]!r} with {document[:60]!r}"
            )
        return found


def load(spec: ModelSpec, folder: Path, fingerprint: str | None = None) -> Model:
    """Load the cross-encoder in `folder`: weights in safetensors, no code of the model's own.

    Raises
    ------
    ModelLoadError
        No safetensors weights, a model that gives a pair more than one number, or a key that is about vectors.
    """
    plain = ModelSpec(spec.alias, spec.source)
    for key in _OF_VECTORS:
        if getattr(spec, key) != getattr(plain, key):
            raise ModelLoadError(f"model {spec.alias!r}: {key} does not apply to a cross-encoder; remove it")
    reading.refuse_pickles(spec, folder)
    model = reading.cross_encoder(spec, folder)
    info = ModelInfo(
        alias=spec.alias,
        source=spec.source,
        revision=spec.revision,
        fingerprint=fingerprint or fingerprints.of_folder(folder),
        kind="cross-encoder",
        max_tokens=reading.max_tokens(model),
        device=str(model.device),
        engine=reading.engine(),
    )
    return Model(info, pairs=CrossEncoder(model, spec.alias, spec.batch_size or _PAIRS))
