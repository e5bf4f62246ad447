"""One entry of the matrix, `[alias=]source[@revision][:key=value]...`, read and checked without loading anything."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from pytest_embedeval.errors import ModelLoadError, UsageError, did_you_mean
from pytest_embedeval.models.catalogue import catalogue
from pytest_embedeval.models.variants import PRECISIONS
from pytest_embedeval.settings import DEVICES, ModelTable

DEFAULT_MATRIX = ("use-multilingual", "minilm-en", "bm25")
PACKAGED = ("use-multilingual", "minilm-en", "e5-small-q4", "e5-small-q4-enpt")
LEXICAL = "bm25"
BACKENDS = ("torch", "onnx", "openvino")

_ALIAS = re.compile(r"[A-Za-z0-9._+-]+")
_ALIASED = re.compile(r"([^=:/\\]*)=(.*)", re.DOTALL)
_OPTION = re.compile(r":([A-Za-z_]+)=([^:]*)$")
_HUB_ID = re.compile(r"[\w.-]+/[\w.-]+")
_OPTIONS = ("dim", "precision", "backend", "device", "batch_size")


@dataclass(frozen=True)
class ModelSpec:
    """What to load and what to call it.

    Attributes
    ----------
    alias
        Name in test ids, reports and baselines; it stays while the model behind it changes.
    source
        Catalogue name, packaged model, hub id, folder, `bm25`, or the alias of an encoder from a conftest.
    revision
        Branch, tag or commit of a hub id; None for the catalogue's own, or the default branch.
    dim
        Keep the first `dim` numbers of each vector and re-normalise (Matryoshka truncation).
    precision
        What an index keeps of each vector: `float32`, `float16`, `int8` or `binary`.
    backend
        What computes the network of a transformer: `torch`, or on the CPU `onnx` or `openvino`.
    device
        `auto`, `cpu`, `cuda` or `mps`.
    devices
        Several devices that share the texts, such as `cuda:0` and `cuda:1`; in place of `device`.
    batch_size
        Texts per forward pass; None for the loader's choice.
    query_prompt, document_prompt
        Text put before each query or document; None for the model's own.
    """

    alias: str
    source: str
    revision: str | None = None
    dim: int | None = None
    precision: str = "float32"
    backend: str = "torch"
    device: str = "auto"
    batch_size: int | None = None
    devices: tuple[str, ...] = ()
    query_prompt: str | None = None
    document_prompt: str | None = None

    @property
    def is_lexical(self) -> bool:
        """Whether the entry ranks by words and has no vectors."""
        return self.source == LEXICAL

    def dimension_of(self, native: int) -> int:
        """Return the length of the vectors after truncation of `native` numbers to `dim`.

        Raises
        ------
        ModelLoadError
            `dim` asks for more than there is.
        """
        if self.dim is not None and self.dim > native:
            raise ModelLoadError(f"model {self.alias!r}: dim={self.dim}, but its vectors have {native} numbers")
        return self.dim or native


def known_names() -> set[str]:
    """Return the names that an entry may have as its source without any configuration."""
    return {LEXICAL, *PACKAGED, *catalogue()}


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
    entry = text.strip()
    if not entry:
        raise UsageError(f"empty entry in the model matrix: {text!r}")
    given_alias, rest = _split_alias(entry)
    source, options = _split_options(entry, rest)
    source, revision = _split_revision(source)
    if not source:
        raise UsageError(f"{entry!r}: names no source; write [alias=]source, for example prod=bge-m3")
    spec = _defined(source, tables or {}, encoders, entry)
    if revision is not None:
        spec = replace(spec, revision=revision)
    alias = given_alias or _default_alias(source, options)
    if not _ALIAS.fullmatch(alias):
        raise UsageError(f"{entry!r}: {alias!r} is not a usable alias (letters, digits and . _ + -)")
    return _checked(replace(spec, alias=alias, **_typed(entry, options)), entry)


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
    if "@" not in source or Path(source).expanduser().exists():
        return source, None
    name, _, revision = source.rpartition("@")
    if not name or not revision:
        raise UsageError(f"{source!r}: write source@revision")
    return name, revision


def _defined(source: str, tables: Mapping[str, ModelTable], encoders: Collection[str], entry: str) -> ModelSpec:
    """Find out what `source` names; nearest definition first: the user's, then ours, then a folder or the hub."""
    if source in tables:
        return _from_table(source, tables, encoders, entry)
    if source in encoders or source == LEXICAL or source in PACKAGED or source in catalogue():
        return ModelSpec(alias=source, source=source)
    if _looks_like_folder(source) or _HUB_ID.fullmatch(source):
        return ModelSpec(alias=source, source=source)
    if source.endswith("+bm25"):
        raise UsageError(f"{entry!r}: hybrid entries are not supported by this version")
    known = {*tables, *encoders, *known_names()}
    raise UsageError(
        f"unknown model {source!r}; {did_you_mean(source, known)}; or a hub id (owner/name), or a folder (./name)"
    )


def _from_table(name: str, tables: Mapping[str, ModelTable], encoders: Collection[str], entry: str) -> ModelSpec:
    table = tables[name]
    others = {key: value for key, value in tables.items() if key != name}
    source, revision = _split_revision(table.source)
    spec = _defined(source, others, encoders, entry)
    given = {
        key: getattr(table, key)
        for key in ("revision", *_OPTIONS, "devices", "query_prompt", "document_prompt")
        if getattr(table, key) not in (None, ())
    }
    return replace(spec, **({"revision": revision} | given if revision else given))


def _looks_like_folder(source: str) -> bool:
    return source.startswith((".", "/", "~")) or "\\" in source or Path(source).is_dir()


def _default_alias(source: str, options: Mapping[str, str]) -> str:
    name = re.split(r"[/\\]", source.rstrip("/\\"))[-1]
    return "-".join([name, *(f"{key}{value}" for key, value in options.items())])


def _typed(entry: str, options: Mapping[str, str]) -> dict[str, Any]:
    typed: dict[str, Any] = dict(options)
    for key in ("dim", "batch_size"):
        if key in options:
            if not options[key].isdecimal():
                raise UsageError(f"{entry!r}: {key} must be a whole number, not {options[key]!r}")
            typed[key] = int(options[key])
    return typed


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
    _refuse_what_cannot_apply(spec, entry)
    return spec


def _refuse_what_cannot_apply(spec: ModelSpec, entry: str) -> None:
    if spec.devices and spec.device != "auto":
        raise UsageError(f"{entry!r}: takes device or devices, not both")
    if spec.devices and spec.source in PACKAGED and spec.source not in catalogue():
        raise UsageError(f"{entry!r}: {spec.source} runs on one CPU; remove devices")
    _refuse_backend(spec, entry)
    if spec.is_lexical and replace(spec, alias=LEXICAL) != ModelSpec(LEXICAL, LEXICAL):
        raise UsageError(f"{entry!r}: bm25 has no revision, vectors or device; it takes no keys")
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
