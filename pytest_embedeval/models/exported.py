"""Transformers run by ONNX Runtime or OpenVINO in place of torch, from one export that is kept and always checked.

sentence-transformers has such backends itself, but through optimum, which holds transformers below 5. Here only the
network changes hands: tokenizer, pooling, normalisation and prompts stay those of sentence-transformers.
"""

from __future__ import annotations

import shutil
import sys
import weakref
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
import transformers
from numpy.typing import NDArray

from pytest_embedeval.errors import MissingExtraError, ModelLoadError
from pytest_embedeval.models import onnx_files
from pytest_embedeval.models.onnx_files import HIDDEN_STATES, NETWORK

Arrays = dict[str, NDArray[Any]]
Tensors = dict[str, torch.Tensor]

LEAST_COSINE = 0.9999

# One token to about 300, so that batches of four hold different lengths and the last one a single text.
_SENTENCES = (
    "a",
    "kedi",
    "Ankara'da bugün hava nasıl?",
    "Which planet has the most moons?",
    "Başvurunuz alındı; sonuç on beş iş günü içinde e-posta ile bildirilecektir.",
    "The ferry to the islands leaves every forty minutes, but not when the sea is rough.",
    "Göz tansiyonu yükseldiğinde çoğu hasta hiçbir belirti fark etmez; bu yüzden kırk yaşından sonra düzenli muayene "
    "önerilir ve ölçümler her zaman günün aynı saatinde yapılır.",
    "Bread made with a sourdough starter rises more slowly than bread made with yeast, because the wild cultures in "
    "it are less vigorous; the longer rest also gives it a taste that people either love or avoid.",
)
_COMPARED = (*_SENTENCES, " ".join(_SENTENCES[2:] + _SENTENCES[4:7]))
_TRACED = _SENTENCES[2:5]  # an axis of length 1 would be taken for a rule


def run_with(backend: str, model: Any, cache: Path | None, identity: str, alias: str) -> None:
    """Let another runtime than torch compute the network of a model, in place; torch's weights are let go.

    Weights of 16 bits are widened: both runtimes compute in float32. Whenever a model is loaded, from a kept export
    too, its vectors of a few texts are compared with torch's.

    Parameters
    ----------
    backend
        `onnx` or `openvino`; both read the same export.
    model
        A SentenceTransformer on the CPU.
    cache
        The export is kept in its folder `exports`. With None, or where that cannot be written to, the export goes away
        with the model.
    identity
        Fingerprint of the model's files.
    alias
        For messages.

    Raises
    ------
    ModelLoadError
        Not a text transformer, not on the CPU, torch cannot export it, or the vectors are not those of torch.
    MissingExtraError
        A library of the extra `onnx` or `openvino` is not installed.
    """
    runtime, versions = _RUNTIMES[backend](), onnx_files.versions(backend)
    facts = {"identity": identity, "dtype": str(model.dtype), "versions": versions}
    change = _Change(model, runtime, f"model {alias!r}: backend={backend}")
    kept = None if cache is None else onnx_files.place(cache, facts)
    if kept is not None and kept.exists():
        if onnx_files.is_whole(kept):
            with suppress(Exception):  # whatever is wrong with it, it is made again
                change.make(kept)
                return
        shutil.rmtree(kept, ignore_errors=True)
    folder = change.export(facts, kept)
    if folder != kept:
        weakref.finalize(model[0], shutil.rmtree, folder, ignore_errors=True)
    try:
        change.make(folder)
    except BaseException:
        shutil.rmtree(folder, ignore_errors=True)
        raise


def engine(backend: str) -> str:
    """Return what a backend adds to the libraries that decide a vector, with versions."""
    versions = onnx_files.versions(backend)
    return ", ".join([_RUNTIMES[backend]().name, *(f"{name} {versions[name]}" for name in ("onnx", "onnxscript"))])


class _Change:
    """One model whose network changes hands.

    Parameters
    ----------
    model
        A SentenceTransformer.
    runtime
        What is to compute.
    where
        How messages begin.
    """

    def __init__(self, model: Any, runtime: _Runtime, where: str) -> None:
        self._module = _text_transformer(model, where)
        self._where = where
        self._model = model.float()
        self._runtime = runtime
        self._expected = self._encode(_COMPARED)

    def export(self, facts: dict[str, Any], kept: Path | None) -> Path:
        """Export the network; see `onnx_files.export`."""
        seen: Tensors = {}
        network = self._module.model

        def watched(tensors: Tensors) -> torch.Tensor:
            seen.update(tensors)
            hidden_states: torch.Tensor = network(**tensors, return_dict=True)[HIDDEN_STATES]
            return hidden_states

        with self._replaced(watched):
            self._encode(_TRACED)
        # Clones, because tensors made in inference mode cannot be traced.
        inputs = {name: tensor.clone() for name, tensor in seen.items()}
        try:
            return onnx_files.export(network, inputs, facts, kept)
        except Exception as error:
            raise ModelLoadError(f"{self._where}: the network could not be exported: {_reason(error)}") from error

    def make(self, folder: Path) -> None:
        """Put the export in `folder` in place of the network, or raise and leave things as they were."""
        run = self._runtime.read(folder / NETWORK)
        with self._replaced(lambda tensors: torch.from_numpy(run({name: tensors[name].numpy() for name in tensors}))):
            self._compare()
            stand_in = self._module.model
        self._module.model = stand_in

    @contextmanager
    def _replaced(self, compute: Callable[[Tensors], torch.Tensor]) -> Iterator[None]:
        network = self._module.model
        self._module.model = _Network(network.config, compute)
        try:
            yield
        finally:
            self._module.model = network

    def _encode(self, texts: tuple[str, ...]) -> NDArray[np.float64]:
        vectors = self._model.encode(list(texts), prompt="", batch_size=4, show_progress_bar=False)
        return np.asarray(vectors, dtype=np.float64)

    def _compare(self) -> None:
        found, expected = self._encode(_COMPARED), self._expected
        lengths = np.linalg.norm(found, axis=1) * np.linalg.norm(expected, axis=1)
        cosines = (found * expected).sum(axis=1) / lengths
        if not cosines.min() >= LEAST_COSINE:  # NaN fails too
            raise ModelLoadError(
                f"{self._where} gives other vectors than torch: cosine {cosines.min():.6f} at the lowest and "
                f"{cosines.mean():.6f} on average over {len(cosines)} texts, expected {LEAST_COSINE}; remove backend"
            )


class _Network(torch.nn.Module):
    """Stands where a transformer stood and answers as it did."""

    def __init__(self, config: Any, compute: Callable[[Tensors], torch.Tensor]) -> None:
        super().__init__()
        self.config = config
        self._compute = compute
        # sentence-transformers asks the first parameter for device and type.
        self.nothing = torch.nn.Parameter(torch.empty(0), requires_grad=False)

    def forward(self, **features: Any) -> Tensors:
        tensors = {name: value for name, value in features.items() if isinstance(value, torch.Tensor)}
        return {HIDDEN_STATES: self._compute(tensors)}


@dataclass(frozen=True)
class _Runtime:
    """A library that computes, with its version, and how it reads a network."""

    name: str
    read: Callable[[Path], Callable[[Arrays], NDArray[np.float32]]]


def _onnxruntime() -> _Runtime:
    try:
        import onnxruntime
    except ImportError as error:
        raise MissingExtraError("onnxruntime", "onnx") from error

    def read(path: Path) -> Callable[[Arrays], NDArray[np.float32]]:
        options = onnxruntime.SessionOptions()
        options.log_severity_level = 3  # errors; what it would optimise elsewhere is nobody's concern
        session = onnxruntime.InferenceSession(path, options, providers=["CPUExecutionProvider"])
        return lambda inputs: session.run([HIDDEN_STATES], inputs)[0]

    return _Runtime(f"onnxruntime {onnxruntime.__version__}", read)


def _openvino() -> _Runtime:
    with _unreported():
        try:
            import openvino
        except ImportError as error:
            raise MissingExtraError("openvino", "openvino") from error

    def read(path: Path) -> Callable[[Arrays], NDArray[np.float32]]:
        # On processors with units for them it would compute in bfloat16 or float16.
        network = openvino.Core().compile_model(path, "CPU", {"INFERENCE_PRECISION_HINT": "f32"})
        return lambda inputs: network(inputs)[HIDDEN_STATES]

    return _Runtime(f"openvino {openvino.__version__.partition('-')[0]}", read)


@contextmanager
def _unreported() -> Iterator[None]:
    """Keep the import of OpenVINO from being reported to its makers; without their package for that, it is silent."""
    reporter = "openvino_telemetry"
    if reporter in sys.modules:
        yield
        return
    sys.modules[reporter] = None  # type: ignore[assignment]
    try:
        yield
    finally:
        del sys.modules[reporter]


_RUNTIMES = {"onnx": _onnxruntime, "openvino": _openvino}


def _text_transformer(model: Any, where: str) -> Any:
    """Return the module of a SentenceTransformer that turns texts, and nothing else, into hidden states."""
    module = model[0]
    network = getattr(module, "auto_model", None)
    ways = getattr(module, "modality_config", {})
    if (
        not isinstance(network, transformers.PreTrainedModel)
        or not {"text"} <= set(ways) <= {"text", "message"}
        or any(way["method"] != "forward" or way["method_output_name"] != HIDDEN_STATES for way in ways.values())
        or network.config.output_hidden_states
    ):
        kind = type(module if network is None else network).__name__
        raise ModelLoadError(f"{where} applies to text transformers only, not to {kind}; remove backend")
    if model.device.type != "cpu":
        raise ModelLoadError(f"{where} runs on the CPU, but the model is on {model.device}; add device=cpu")
    return module


def _reason(error: BaseException) -> str:
    """Return in one line what lies under the exporter's own pages of advice."""
    while error.__cause__ is not None:
        error = error.__cause__
    return f"{type(error).__name__}: {str(error).strip().partition(chr(10))[0]}"
