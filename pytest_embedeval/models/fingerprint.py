"""Which model it really was: a hash of the files that decide the vectors."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from pathlib import Path

# What a model folder may hold beside the model: cards, licences, training notes, other formats of the same weights.
_NOT_THE_MODEL = {".md", ".gitattributes", ".png", ".bin", ".onnx", ".h5", ".ot", ".msgpack", ".pt", ".pkl"}


def of_folder(folder: Path) -> str:
    """Return `sha256:…` over weights, tokenizer and configuration of a model folder, by relative path."""
    files = (path for path in folder.rglob("*") if path.is_file())
    return of_files((path for path in files if not _is_beside(path.relative_to(folder))), folder)


def of_files(paths: Iterable[Path], root: Path) -> str:
    """Return `sha256:…` over the names (relative to `root`) and contents of `paths`, in sorted order."""
    digest = hashlib.sha256()
    for path in sorted(paths):
        digest.update(f"{path.relative_to(root).as_posix()}\0{of_file(path)}\n".encode())
    return f"sha256:{digest.hexdigest()}"


def of_file(path: Path) -> str:
    """Return the hexadecimal sha256 of one file."""
    with path.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()


def _is_beside(path: Path) -> bool:
    hidden = any(part.startswith(".") for part in path.parts)
    return hidden or path.suffix in _NOT_THE_MODEL or path.name == "LICENSE" or path.name == "data_config.json"
