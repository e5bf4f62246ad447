"""The models known by a short name: where they live, at which revision, and the prompts they were trained with."""

from __future__ import annotations

import csv
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path

_TABLE = Path(__file__).with_name("catalogue.tsv")


@dataclass(frozen=True)
class CatalogueEntry:
    """One line of `catalogue.tsv`; prompts are `""` where the model needs none."""

    alias: str
    source: str
    revision: str
    dim: int
    max_tokens: int | None
    parameters: int | None
    licence: str
    query_prompt: str
    document_prompt: str
    languages: str
    note: str

    @property
    def needs_remote_code(self) -> bool:
        """Whether the model only loads by running code from its repository, which stays off here."""
        return "needs remote code" in self.note

    @property
    def is_api(self) -> bool:
        """Whether the model is behind a provider's API (no repository, hence no slash)."""
        return "/" not in self.source


@cache
def catalogue() -> Mapping[str, CatalogueEntry]:
    """Return alias -> entry, in the order of the file."""
    with _TABLE.open(encoding="utf-8", newline="") as lines:
        return {row["alias"]: _entry(row) for row in csv.DictReader(lines, delimiter="\t", quoting=csv.QUOTE_NONE)}


def by_source(source: str) -> CatalogueEntry | None:
    """Return the entry of a hub id, so that `intfloat/multilingual-e5-small` gets its prompts as `e5-small` does."""
    return next((entry for entry in catalogue().values() if entry.source == source), None)


def _entry(row: dict[str, str | None]) -> CatalogueEntry:
    text = {key: value or "" for key, value in row.items()}
    return CatalogueEntry(
        alias=text["alias"],
        source=text["source"],
        revision=text["revision"],
        dim=int(text["dim"]),
        max_tokens=int(text["max_tokens"]) if text["max_tokens"] else None,
        parameters=int(text["parameters"]) if text["parameters"].strip() else None,
        licence=text["licence"].strip(),
        query_prompt=_prompt(text["query_prompt"]),
        document_prompt=_prompt(text["document_prompt"]),
        languages=text["languages"],
        note=text["note"],
    )


def _prompt(cell: str) -> str:
    return cell.replace("\\n", "\n")
