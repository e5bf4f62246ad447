"""From an entry of the matrix to a model that encodes."""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from pytest_embedeval.errors import EmbedevalError, ModelLoadError
from pytest_embedeval.models import fingerprint as fingerprints
from pytest_embedeval.models.catalogue import by_source, catalogue
from pytest_embedeval.models.encoder import EncodeFunction, Encoder, Model
from pytest_embedeval.models.endpoint import is_api
from pytest_embedeval.models.entries import parse_entry
from pytest_embedeval.models.info import ModelInfo, Prompts
from pytest_embedeval.models.searching import DEPTH, Fusion, Lexical
from pytest_embedeval.models.spec import LEXICAL, RUN, ModelSpec

if TYPE_CHECKING:
    from pytest_embedeval.cluster import Cluster


def load_model(
    entry: str | ModelSpec | Encoder | EncodeFunction,
    *,
    alias: str | None = None,
    encoders: Mapping[str, object] | None = None,
    cache: Path | None = None,
    cluster: Cluster | None = None,
) -> Model:
    """Load one model.

    Parameters
    ----------
    entry
        An entry of the matrix (`"bge-m3:dim=256"`), a spec, an encoder object, or one callable
        `list[str] -> float array [n, d]` that serves both roles.
    alias
        Name of the model, in place of the one that `entry` brings.
    encoders
        Encoders by alias that entries may name as their source.
    cache
        Folder in which a network that was exported for another backend is kept; None to export it each time.
    cluster
        Whose nodes load the model, where they can by themselves; None to load it here. A second stage stays here.

    Returns
    -------
    Model
        Ready to encode; `close()` frees it.

    Raises
    ------
    UsageError
        The entry is malformed or unknown.
    ModelLoadError
        The model could not be loaded; the message says what was looked for and what to do.
    """
    started = time.perf_counter()
    if isinstance(entry, str | ModelSpec):
        spec = parse_entry(entry, encoders=encoders or ()) if isinstance(entry, str) else entry
        model = _load(replace(spec, alias=alias) if alias else spec, encoders or {}, cache, cluster)
        if not model.can_search:
            raise ModelLoadError(
                f"model {spec.alias!r}: {spec.source} is a cross-encoder, which only puts in order what another model "
                f"finds; write MODEL:rerank={spec.source}"
            )
        if spec.second is not None:
            model.second = _load_second(spec, encoders or {}, cache)
        fusion = (spec.search.fusion or Fusion.method) if spec.is_hybrid else None
        model.search = replace(spec.search, fusion=fusion)
        model.info = replace(model.info, kind=_kind(spec, model), search=_described(spec, model))
    else:
        from pytest_embedeval.models.callables import wrap

        model = wrap(
            ModelSpec(alias=alias or str(getattr(entry, "__name__", type(entry).__name__)), source="python"), entry
        )
    model.info = replace(model.info, load_s=time.perf_counter() - started)
    return model


def _load_second(spec: ModelSpec, encoders: Mapping[str, object], cache: Path | None) -> Model:
    assert spec.second is not None
    device = spec.device if spec.second.device == "auto" else spec.second.device
    return _load(replace(spec.second, alias=f"{spec.alias}: {spec.second.alias}", device=device), encoders, cache)


def _kind(spec: ModelSpec, model: Model) -> str:
    return "two-stage" if spec.second else "hybrid" if spec.is_hybrid else model.info.kind


def _described(spec: ModelSpec, model: Model) -> str | None:
    """Return in words how a model searches besides by its vectors; None for vectors alone."""
    said = []
    if spec.is_lexical or spec.is_hybrid:
        said.append(Lexical.of(spec.search).described)
    if spec.is_hybrid:
        said.append(Fusion.of(spec.search).described)
    if model.second is not None:
        said.append(f"the first {spec.search.depth or DEPTH} put in order by {model.second.info.source}")
    return "; ".join(said) or None


def failed(spec: ModelSpec, error: BaseException) -> ModelInfo:
    """Return the row that a model keeps in every report when it could not be loaded."""
    return ModelInfo(alias=spec.alias, source=spec.source, revision=spec.revision, error=str(error))


def _load(spec: ModelSpec, encoders: Mapping[str, object], cache: Path | None, cluster: Cluster | None = None) -> Model:
    try:
        if cluster is not None:
            from pytest_embedeval.models import clustered

            if clustered.runs_on_nodes(spec, encoders):
                return clustered.load(spec, cluster, cache)
        if spec.source in encoders:
            from pytest_embedeval.models.callables import wrap

            return wrap(spec, encoders[spec.source])
        if spec.source == LEXICAL:
            return Model(ModelInfo(alias=spec.alias, source=spec.source, kind="lexical"))
        if spec.is_run:
            return _load_run(spec)
        return _load_dense(spec, cache)
    except EmbedevalError:
        raise
    except Exception as error:  # a model's own files and libraries may fail in any way
        if "trust_remote_code" in str(error):
            raise ModelLoadError(_needs_code(spec)) from error
        raise ModelLoadError(f"model {spec.alias!r} ({spec.source}): {type(error).__name__}: {error}") from error


def _load_run(spec: ModelSpec) -> Model:
    path = Path(spec.source.removeprefix(RUN)).expanduser()
    if not path.is_file():
        raise ModelLoadError(f"model {spec.alias!r}: there is no run file {path.resolve()}")
    identity = f"sha256:{fingerprints.of_file(path)}"
    return Model(ModelInfo(alias=spec.alias, source=spec.source, kind="run", fingerprint=identity))


def _load_dense(spec: ModelSpec, cache: Path | None) -> Model:
    from pytest_embedeval.models import packaged

    if is_api(spec.source):
        from pytest_embedeval.models import api

        return api.load(spec)
    entry = catalogue().get(spec.source)
    if packaged.is_installed(spec.source) and spec.revision in (None, entry.revision if entry else None):
        return packaged.load(spec, cache)
    if entry is None and spec.source in packaged.LOADERS:
        raise ModelLoadError(packaged.how_to_install(spec.source))
    if entry is not None:
        if entry.needs_remote_code:
            raise ModelLoadError(_needs_code(replace(spec, source=entry.source)))
        spec = replace(spec, source=entry.source, revision=spec.revision or entry.revision)
    return _load_files(spec, cache)


def _needs_code(spec: ModelSpec) -> str:
    return (
        f"model {spec.alias!r}: {spec.source} loads only by running code from its repository "
        "(trust_remote_code), which stays off"
    )


def _load_files(spec: ModelSpec, cache: Path | None) -> Model:
    from pytest_embedeval.models import cross, hub, transformer

    known = by_source(spec.source)
    prompts = Prompts(known.query_prompt, known.document_prompt) if known else None
    folder = Path(spec.source).expanduser()
    if folder.is_dir():
        if cross.is_cross_encoder(folder):
            return cross.load(spec, folder)
        return transformer.load(spec, folder, prompts, cache=cache)
    if spec.source.startswith((".", "/", "~")) or "\\" in spec.source:
        raise ModelLoadError(f"model {spec.alias!r}: there is no folder {folder.resolve()}")
    snapshot, commit = hub.fetch(spec.source, spec.revision)
    if cross.is_cross_encoder(snapshot):
        return cross.load(replace(spec, revision=commit), snapshot, fingerprint=commit)
    return transformer.load(replace(spec, revision=commit), snapshot, prompts, fingerprint=commit, cache=cache)
