"""Networks as ONNX files in folders that are whole or not there."""

from __future__ import annotations

import hashlib
import json
import logging
import shutil
import tempfile
import uuid
import warnings
from contextlib import suppress
from importlib import metadata
from pathlib import Path
from typing import Any

import torch

from pytest_embedeval.errors import MissingExtraError
from pytest_embedeval.models import fingerprint as fingerprints

FOLDER = "exports"  # in the cache
NETWORK = "model.onnx"  # its weights lie beside it, in model.onnx.data
HIDDEN_STATES = "last_hidden_state"
_FACTS = "export.json"
_FORMAT = 1
_MAKERS = ("torch", "transformers", "sentence-transformers", "onnx", "onnxscript")


def versions(extra: str) -> dict[str, str]:
    """Return the versions of the libraries that make an export.

    Raises
    ------
    MissingExtraError
        One of them is not installed; the message names `extra`.
    """
    try:
        return {name: metadata.version(name).partition("+")[0] for name in _MAKERS}
    except metadata.PackageNotFoundError as error:
        raise MissingExtraError(error.name, extra) from error


def place(cache: Path, facts: dict[str, Any]) -> Path:
    """Return the folder in the cache for the export that `facts` decide."""
    return cache / FOLDER / hashlib.sha256(_json({"format": _FORMAT, **facts})).hexdigest()


def is_whole(folder: Path) -> bool:
    """Whether a folder holds an export, every byte as it was written."""
    try:
        facts = json.loads((folder / _FACTS).read_bytes())
        return bool(facts["files"] == _fingerprint(folder))
    except (OSError, ValueError, KeyError, TypeError):
        return False


def export(network: torch.nn.Module, inputs: dict[str, torch.Tensor], facts: dict[str, Any], kept: Path | None) -> Path:
    """Export a network under a name of its own, then rename that to `kept`.

    Parameters
    ----------
    network
        A transformer whose output has `last_hidden_state`.
    inputs
        What it is traced with, by name: integers [batch, sequence], with neither axis of length 1.
    facts
        Written beside the network, for people.
    kept
        Where the export is to be; None for a temporary folder.

    Returns
    -------
    Path
        `kept`, or another folder, which no one else knows, where that cannot be written to.
    """
    folder = _new_folder(kept)
    try:
        _write(network, inputs, folder / NETWORK)
        (folder / _FACTS).write_bytes(_json({**facts, "files": _fingerprint(folder)}))
    except BaseException:
        shutil.rmtree(folder, ignore_errors=True)
        raise
    if kept is None:
        return folder
    try:
        return folder.rename(kept)
    except OSError:
        if not is_whole(kept):
            return folder
        shutil.rmtree(folder, ignore_errors=True)  # another process was first
        return kept


class _Traced(torch.nn.Module):
    """A transformer as a function of tensors alone."""

    def __init__(self, network: torch.nn.Module, names: tuple[str, ...]) -> None:
        super().__init__()
        self.network = network
        self._names = names

    def forward(self, *tensors: torch.Tensor) -> Any:
        named = dict(zip(self._names, tensors, strict=True))
        return self.network(**named, return_dict=True)[HIDDEN_STATES]


def _write(network: torch.nn.Module, inputs: dict[str, torch.Tensor], path: Path) -> None:
    logger = logging.getLogger("torch.onnx")
    level = logger.level
    logger.setLevel(logging.ERROR)  # it names libraries for images that are not there
    try:
        with warnings.catch_warnings(), torch.no_grad():
            warnings.simplefilter("ignore")  # torch deprecates what torch uses
            torch.onnx.export(
                _Traced(network, tuple(inputs)).eval(),
                tuple(inputs.values()),
                path,
                dynamo=True,  # the older exporter fails on Gemma 3 and loses inputs of DeBERTa
                verbose=False,
                input_names=list(inputs),
                output_names=[HIDDEN_STATES],
                dynamic_shapes=(tuple({0: "batch", 1: "sequence"} for _ in inputs),),
            )
    finally:
        logger.setLevel(level)


def _new_folder(kept: Path | None) -> Path:
    if kept is not None:
        folder = kept.with_name(f".partial-{uuid.uuid4().hex}")
        with suppress(OSError):
            folder.mkdir(parents=True)
            return folder
    return Path(tempfile.mkdtemp(prefix="embedeval-export-"))


def _fingerprint(folder: Path) -> str:
    return fingerprints.of_files(folder.glob(f"{NETWORK}*"), folder)


def _json(facts: dict[str, Any]) -> bytes:
    return json.dumps(facts, indent=2, sort_keys=True).encode()
