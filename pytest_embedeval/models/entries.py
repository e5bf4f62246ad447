"""Entries of the matrix, `[alias=]source[@revision][:key=value]...`, read and checked without loading anything."""

from __future__ import annotations

import math
import re
from collections import Counter
from collections.abc import Collection, Iterable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from pytest_embedeval.errors import UsageError, did_you_mean
from pytest_embedeval.models import searching
from pytest_embedeval.models.catalogue import catalogue
from pytest_embedeval.models.endpoint import API, check_endpoint, endpoint_of, names_api
from pytest_embedeval.models.searching import Search
from pytest_embedeval.models.spec import LEXICAL, PACKAGED, RUN, ModelSpec, known_names
from pytest_embedeval.models.variants import PRECISIONS
from pytest_embedeval.settings import DEVICES, ModelTable

BACKENDS = ("torch", "onnx", "openvino")

_ALIAS = re.compile(r"[A-Za-z0-9._+-]+")
_ALIASED = re.compile(r"([^=:/\\]*)=(.*)", re.DOTALL)
_OPTION = re.compile(r":([A-Za-z_][A-Za-z0-9_]*)=([^:]*)$")
_HUB_ID = re.compile(r"[\w.-]+/[\w.-]+")
_OPTIONS = ("dim", "precision", "backend", "device", "batch_size", *searching.KEYS)


def parse_matrix(
    entries: str | Iterable[str],
    tables: Mapping[str, ModelTable] | None = None,
    encoders: Collection[str] = (),
) -> tuple[ModelSpec, ...]:
    """Read a whole matrix.

    Parameters
    ----------
    entries
        Comma-separated text, or one text per entry.
    tables
        `[tool.embedeval.models.NAME]` by name.
    encoders
        Aliases that a conftest provides.

    Raises
    ------
    UsageError
        No entry, an empty one, an unknown source, or two entries under one alias.
    """
    texts = entries.split(",") if isinstance(entries, str) else list(entries)
    if not any(text.strip() for text in texts):
        raise UsageError("the model matrix is empty; name models, for example --models=use-multilingual,bm25")
    specs = tuple(parse_entry(text, tables, encoders) for text in texts)
    for alias, count in Counter(spec.alias for spec in specs).items():
        if count > 1:
            raise UsageError(
                f"{count} models are called {alias!r}; give each its own alias, for example old={alias},new=…"
            )
    return specs


def parse_entry(text: str, tables: Mapping[str, ModelTable] | None = None, encoders: Collection[str] = ()) -> ModelSpec:
    """Read one entry.

    >>> parse_entry("prod=BAAI/bge-m3@5617a9f:dim=256").alias
    'prod'

    Raises
    ------
    UsageError
        The entry is malformed or its source unknown; the message names the entry and what is known.
    """
    spec = _first_of(text, tables, encoders)
    if spec.search.rerank is None:
        return spec
    second = _first_of(spec.search.rerank, tables, encoders)
    if not second.has_vectors:
        raise UsageError(f"{text!r}: rerank names an embedding model or a cross-encoder, not {second.alias}")
    return replace(spec, second=second)


def _first_of(text: str, tables: Mapping[str, ModelTable] | None, encoders: Collection[str]) -> ModelSpec:
    """Read an entry without the model that its `rerank` names."""
    entry = text.strip()
    if not entry:
        raise UsageError(f"empty entry in the model matrix: {text!r}")
    given_alias, rest = _split_alias(entry)
    source, options = _split_options(entry, rest)
    source, is_hybrid = searching.split_hybrid(source, {*(tables or ()), *encoders})
    source, revision = _split_revision(source)
    alias = given_alias or _default_alias(source + searching.HYBRID * is_hybrid, options)
    if not source:
        raise UsageError(f"{entry!r}: names no source; write [alias=]source, for example prod=bge-m3")
    spec = _defined(source, tables or {}, encoders, entry)
    if revision is not None:
        spec = replace(spec, revision=revision)
    if not _ALIAS.fullmatch(alias):
        raise UsageError(f"{entry!r}: {alias!r} is not a usable alias (letters, digits and . _ + -)")
    spec = replace(spec, alias=alias, is_hybrid=spec.is_hybrid or is_hybrid)
    return _checked(_with_options(spec, options, entry), entry)


def _split_alias(entry: str) -> tuple[str | None, str]:
    match = _ALIASED.fullmatch(entry)
    if match is None:
        return None, entry
    if not match[1]:
        raise UsageError(f"{entry!r}: the alias before '=' is empty")
    return match[1], match[2]


def _split_options(entry: str, rest: str) -> tuple[str, dict[str, str]]:
    options: dict[str, str] = {}
    while match := _OPTION.search(rest):
        key, value = match[1], match[2]
        if key not in _OPTIONS:
            raise UsageError(f"{entry!r}: unknown key {key!r}; {did_you_mean(key, _OPTIONS)}")
        if key in options:
            raise UsageError(f"{entry!r}: {key!r} is given twice")
        options[key] = value
        rest = rest[: match.start()]
    return rest, dict(reversed(options.items()))


def _split_revision(source: str) -> tuple[str, str | None]:
    name, _, revision = source.rpartition("@")
    is_path = source.startswith(RUN) or Path(source).expanduser().exists()
    if "@" not in source or is_path or (source.startswith(API) and "/" in revision):
        return source, None
    if not name or not revision:
        raise UsageError(f"{source!r}: write source@revision")
    return name, revision


def _defined(source: str, tables: Mapping[str, ModelTable], encoders: Collection[str], entry: str) -> ModelSpec:
    """Find out what `source` names; nearest definition first: the user's, then ours, then a folder or the hub."""
    if source in tables:
        return _from_table(source, tables, encoders, entry)
    if source in encoders or source == LEXICAL or source in PACKAGED or source in catalogue():
        return ModelSpec(alias=source, source=source)
    if source.removeprefix(RUN) not in ("", source):
        return ModelSpec(alias=source, source=source)
    if names_api(source, entry) or _looks_like_folder(source) or _HUB_ID.fullmatch(source):
        return ModelSpec(alias=source, source=source)
    known = {*tables, *encoders, *known_names()}
    raise UsageError(
        f"unknown model {source!r}; {did_you_mean(source, known)}; or a hub id (owner/name), or a folder (./name)"
    )


def _from_table(name: str, tables: Mapping[str, ModelTable], encoders: Collection[str], entry: str) -> ModelSpec:
    table = tables[name]
    others = {key: value for key, value in tables.items() if key != name}
    source, is_hybrid = searching.split_hybrid(table.source, others)
    source, revision = _split_revision(source)
    spec = _defined(source, others, encoders, entry)
    given = {
        key: getattr(table, key)
        for key in ("revision", *_OPTIONS, "devices", "num_gpus", "memory", "query_prompt", "document_prompt")
        if getattr(table, key) not in (None, ())
    }
    spec = replace(spec, is_hybrid=spec.is_hybrid or is_hybrid, endpoint=endpoint_of(table, spec.endpoint))
    return _with_options(spec, {"revision": revision} | given if revision else given, entry)


def _looks_like_folder(source: str) -> bool:
    return source.startswith((".", "/", "~")) or "\\" in source or Path(source).is_dir()


def _default_alias(source: str, options: Mapping[str, str]) -> str:
    name = re.split(r"[/\\]", source.removeprefix(RUN).rstrip("/\\"))[-1]
    named = {key: re.split(r"[/\\=]", value.rstrip("/\\"))[-1].partition("@")[0] for key, value in options.items()}
    return "-".join([name, *(f"{key}{value}" for key, value in named.items())])


def _with_options(spec: ModelSpec, options: Mapping[str, Any], entry: str) -> ModelSpec:
    """Return the entry with its keys; those on a line are text."""
    plain = {key: value for key, value in options.items() if key not in searching.KEYS}
    for key in ("dim", "batch_size"):
        if isinstance(plain.get(key), str):
            if not plain[key].isdecimal():
                raise UsageError(f"{entry!r}: {key} must be a whole number, not {plain[key]!r}")
            plain[key] = int(plain[key])
    given = {key: value for key, value in vars(spec.search).items() if value is not None}
    given |= {key: value for key, value in options.items() if key in searching.KEYS}
    return replace(spec, search=Search.read(entry, given), **plain)


def _checked(spec: ModelSpec, entry: str) -> ModelSpec:
    for key, known in (("precision", PRECISIONS), ("backend", BACKENDS), ("device", DEVICES)):
        if getattr(spec, key) not in known:
            raise UsageError(
                f"{entry!r}: {key}={getattr(spec, key)} is not supported; {did_you_mean(getattr(spec, key), known)}"
            )
    for key in ("dim", "batch_size"):
        value = getattr(spec, key)
        if value is not None and value < 1:
            raise UsageError(f"{entry!r}: {key} must be at least 1, not {value}")
    if spec.num_gpus is not None and not 0 <= spec.num_gpus < math.inf:
        raise UsageError(f"{entry!r}: num_gpus must be a number of GPUs, such as 1 or 0.5, not {spec.num_gpus:g}")
    _refuse_what_cannot_apply(spec, entry)
    return spec


def _refuse_what_cannot_apply(spec: ModelSpec, entry: str) -> None:
    if spec.devices and spec.device != "auto":
        raise UsageError(f"{entry!r}: takes device or devices, not both")
    if spec.devices and spec.source in PACKAGED and spec.source not in catalogue():
        raise UsageError(f"{entry!r}: {spec.source} runs on one CPU; remove devices")
    _refuse_backend(spec, entry)
    check_endpoint(spec, entry)
    if (spec.is_lexical or spec.is_run) and spec.is_hybrid:
        raise UsageError(f"{entry!r}: a hybrid is an embedding model and bm25; put the model before +bm25")
    if spec.is_run and replace(spec, alias=LEXICAL) != ModelSpec(LEXICAL, spec.source):
        raise UsageError(f"{entry!r}: a finished run takes no keys")
    if spec.is_lexical and replace(spec, alias=LEXICAL, search=Search()) != ModelSpec(LEXICAL, LEXICAL):
        raise UsageError(f"{entry!r}: bm25 takes no keys but k1, b, stemmer, stop_words, rerank and depth")
    spec.search.check(entry, has_words=spec.is_lexical or spec.is_hybrid, is_hybrid=spec.is_hybrid)
    if spec.revision is not None and spec.source in PACKAGED and spec.source not in catalogue():
        raise UsageError(
            f"{entry!r}: {spec.source} comes in a wheel; its version is that of the package, not @revision"
        )


def _refuse_backend(spec: ModelSpec, entry: str) -> None:
    if spec.backend == BACKENDS[0] or spec.is_lexical:
        return
    if spec.source in PACKAGED and spec.source not in catalogue():
        raise UsageError(f"{entry!r}: {spec.source} comes with an engine of its own; remove backend={spec.backend}")
    if spec.devices or spec.device not in ("auto", "cpu"):
        elsewhere = "devices" if spec.devices else f"device={spec.device}"
        raise UsageError(f"{entry!r}: backend={spec.backend} runs on one CPU; remove it, or remove {elsewhere}")
