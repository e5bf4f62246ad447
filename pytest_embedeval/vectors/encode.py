"""Texts become checked unit vectors, by role, in batches that report their progress."""

from __future__ import annotations

import hashlib
import time
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Protocol

import numpy as np

from pytest_embedeval.models import Model
from pytest_embedeval.vectors.checks import check_vectors

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from pytest_embedeval.models.encoder import Role

_CHUNK = 256


class Progress(Protocol):
    """What a progress bar must offer; tqdm does."""

    def update(self, n: int, /) -> object:
        """Count n more texts as done."""
        ...

    def close(self) -> object:
        """End the bar."""
        ...


ProgressFactory = Callable[[str, int], Progress]


class Encoded:
    """The vectors that one model has made so far, each list of texts encoded once, with the seconds it took.

    Parameters
    ----------
    model
        The loaded model.
    progress
        (label, number of texts) -> a bar; None for silence.
    """

    def __init__(self, model: Model, progress: ProgressFactory | None = None) -> None:
        self.model = model
        self._progress = progress
        self._kept: dict[tuple[Role, str], tuple[NDArray[np.float32], float]] = {}

    def vectors(self, texts: Sequence[str], role: Role) -> NDArray[np.float32]:
        """Return unit vectors, float32 array [n, d], in the order of `texts`.

        Parameters
        ----------
        texts
            What to encode.
        role
            `query` or `document`: decides the prompt.

        Raises
        ------
        VectorError
            The model returned something no score may be computed from; the message names the text.
        """
        return self._encoded(texts, role)[0]

    def seconds(self, texts: Sequence[str], role: Role) -> float:
        """Return how long encoding these texts took."""
        return self._encoded(texts, role)[1]

    def close(self) -> None:
        """Forget all vectors and drop the model's weights."""
        self._kept.clear()
        self.model.close()

    def _encoded(self, texts: Sequence[str], role: Role) -> tuple[NDArray[np.float32], float]:
        key = role, _digest(texts)
        if key not in self._kept:
            started = time.perf_counter()
            vectors = encode(self.model, texts, role, self._progress)
            self._kept[key] = vectors, time.perf_counter() - started
        return self._kept[key]


def _digest(texts: Sequence[str]) -> str:
    digest = hashlib.sha256()
    for text in texts:
        content = text.encode("utf-8", "surrogatepass")
        digest.update(len(content).to_bytes(8))
        digest.update(content)
    return digest.hexdigest()


def encode(
    model: Model, texts: Sequence[str], role: Role, progress: ProgressFactory | None = None
) -> NDArray[np.float32]:
    """Encode texts and normalise to unit length.

    Texts are encoded from the longest to the shortest, so that a batch holds texts of one length and a text too
    large for the memory fails at once.

    Returns
    -------
    float32 array [n, d]
        In the order of `texts`.

    Raises
    ------
    VectorError
        NaN, infinity, zeros or a wrong dimension; the message names the text.
    """
    run = model.encode_queries if role == "query" else model.encode_documents
    order = sorted(range(len(texts)), key=lambda i: -len(texts[i]))
    result: NDArray[np.float32] | None = None
    bar = progress(f"{model.alias}: {role}", len(texts)) if progress else None
    try:
        for start in range(0, len(order), _CHUNK):
            rows = order[start : start + _CHUNK]
            batch = [texts[i] for i in rows]
            vectors = run(batch)
            check_vectors(vectors, batch, dimension=model.info.dimension, model=model.alias)
            if result is None:
                result = np.empty((len(texts), vectors.shape[1]), dtype=np.float32)
            result[rows] = normalised(vectors)
            if bar:
                bar.update(len(rows))
    finally:
        if bar:
            bar.close()
    return np.empty((0, model.info.dimension or 0), dtype=np.float32) if result is None else result


def normalised(vectors: NDArray[np.float32]) -> NDArray[np.float32]:
    """Return the vectors at unit length (L2), so that inner products are cosines; float32 array [n, d]."""
    unit: NDArray[np.float32] = vectors / np.linalg.norm(vectors, axis=1, keepdims=True)
    return unit
