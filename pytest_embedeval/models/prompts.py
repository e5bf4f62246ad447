"""The truth about prompts: a model that is known to need one, and gets none."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

from pytest_embedeval.findings import Finding
from pytest_embedeval.models.catalogue import CatalogueEntry, by_source, catalogue
from pytest_embedeval.models.info import Prompts

_HEAD = 65_536  # bytes of a README.md in which its front matter must end
_BARE_KEY = re.compile(r"[A-Za-z0-9_-]+")
_SIDES = ("query", "document")


@dataclass(frozen=True)
class _Known:
    """Prompts that a model was trained with, and who says so: a clause that they end."""

    prompts: Prompts
    says: str


def own_prompts(own: Mapping[str, str | None]) -> Prompts:
    """Return the prompts of a model's own configuration, in which that of documents may be called `passage`.

    Parameters
    ----------
    own
        `SentenceTransformer.prompts`.
    """
    return Prompts(own.get("query") or "", own.get("document") or own.get("passage") or "")


def prompt_findings(
    source: str,
    folder: Path | None,
    prompts: Prompts,
    own: Mapping[str, str | None],
    *,
    alias: str | None = None,
) -> tuple[Finding, ...]:
    """Return a finding for each role in which a model needs a prompt and gets none.

    It is known to need one where the catalogue has it, where the model's own configuration has it, or where the model
    was made from one of the catalogue, as its name, its `config.json` or the front matter of its `README.md` tells.
    Another prompt than the known one is no finding: somebody chose it.

    Parameters
    ----------
    source
        Catalogue name, hub id or folder, as in the matrix.
    folder
        Where the files lie; None for a model without.
    prompts
        What is really put before the texts.
    own
        The prompts in the model's configuration (`SentenceTransformer.prompts`).
    alias
        Name in the matrix, and of the table in which the prompt can be set; None for the last part of `source`.

    Returns
    -------
    tuple of Finding
        Of the kind `missing-prompt`.
    """
    name = alias or _last_part(source)
    missing = [side for side in _SIDES if not getattr(prompts, side)]
    known = list(_known(source, folder, own)) if missing else []
    found = []
    for side in missing:
        expected, says = next(((text, k.says) for k in known if (text := getattr(k.prompts, side))), ("", ""))
        if expected:
            found.append(Finding("missing-prompt", 1, _message(name, side, expected, says)))
    return tuple(found)


def _message(name: str, side: str, expected: str, says: str) -> str:
    table = name if _BARE_KEY.fullmatch(name) else _quoted(name)
    texts = "queries" if side == "query" else "documents"
    return (
        f"model {name!r} puts no prompt before {texts}, but {says} {_quoted(expected)}; "
        f"set {side}_prompt = {_quoted(expected)} under [tool.embedeval.models.{table}]"
    )


def _quoted(text: str) -> str:
    """Return a TOML string; what JSON escapes, TOML escapes alike."""
    return json.dumps(text, ensure_ascii=False)


def _known(source: str, folder: Path | None, own: Mapping[str, str | None]) -> Iterator[_Known]:
    """Yield what is known of the prompts, the nearest knowledge first."""
    entry = catalogue().get(source) or by_source(source)
    if entry is not None:
        yield _Known(_prompts_of(entry), f"the catalogue has for {entry.alias}")
    configured = own_prompts(own)
    yield _Known(configured, "its own configuration has")
    # Whoever configured one prompt has thought of the other; a static model takes none, whatever it was distilled from.
    if entry is not None or configured != Prompts() or (folder and _is_static(folder)):
        return
    for text, place in _origins(source, folder):
        ancestor = _ancestor(text)
        if ancestor is not None:
            says = f"it was made from {ancestor.source} (by {place}), which has"
            yield _Known(_prompts_of(ancestor), says)
            return


def _prompts_of(entry: CatalogueEntry) -> Prompts:
    return Prompts(entry.query_prompt, entry.document_prompt)


def _origins(source: str, folder: Path | None) -> Iterator[tuple[str, str]]:
    """Yield texts that may name the model from which this one was made, and where they stand."""
    if folder is not None:
        yield _base_model(folder / "README.md"), "base_model in its README.md"
        yield str(_json_object(folder / "config.json").get("_name_or_path")), "_name_or_path in its config.json"
    yield _last_part(source), "its name"


def _ancestor(text: str) -> CatalogueEntry | None:
    """Return the model of the catalogue whose name occurs in a text, the longest of several.

    `multilingual-e5-large` also occurs in `multilingual-e5-large-instruct-ft`, which needs other prompts.
    """
    named = {len(name): entry for name, entry in _names().items() if re.search(name, _hyphened(text))}
    return named[max(named)] if named else None


@cache
def _names() -> Mapping[str, CatalogueEntry]:
    """Return pattern of a name, as a word or words of its own -> entry."""
    return {
        rf"(?<![a-z0-9]){re.escape(_hyphened(_last_part(entry.source)))}(?![a-z0-9])": entry
        for entry in catalogue().values()
    }


def _hyphened(name: str) -> str:
    return re.sub(r"[\s_]", "-", name.lower())


def _last_part(source: str) -> str:
    return re.split(r"[/\\]", source.rstrip("/\\"))[-1]


def _is_static(folder: Path) -> bool:
    """Whether the model looks its tokens up in a table."""
    if _json_object(folder / "config.json").get("model_type") == "model2vec":
        return True
    modules = _json(folder / "modules.json")
    return isinstance(modules, list) and "StaticEmbedding" in str(modules)


def _json_object(path: Path) -> Mapping[str, Any]:
    content = _json(path)
    return content if isinstance(content, dict) else {}


def _json(path: Path) -> object:
    """Return what a JSON file holds; None where it is missing or malformed."""
    try:
        return json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError, RecursionError):
        return None


def _base_model(readme: Path) -> str:
    """Return what stands under `base_model` in the front matter of a model card; `""` where nothing does."""
    try:
        with readme.open("rb") as stream:
            head = stream.read(_HEAD).decode("utf-8", "replace")
    except OSError:
        return ""
    front = re.match(r"\ufeff?---\r?\n(.*?)^---\s*$", head, re.DOTALL | re.MULTILINE)
    if front is None:
        return ""
    value = re.search(r"^base_model:(.*(?:\r?\n[ \t-].*)*)", front[1], re.MULTILINE)
    return value[1] if value else ""
