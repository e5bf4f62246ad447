from __future__ import annotations

import csv
import re
from pathlib import Path

import pytest

from pytest_embedeval.models.catalogue import by_source, catalogue


def test_every_hub_model_is_pinned_to_a_full_commit() -> None:
    on_the_hub = [entry for entry in catalogue().values() if not entry.is_api]
    assert on_the_hub
    assert [entry.alias for entry in on_the_hub if not re.fullmatch(r"[0-9a-f]{40}", entry.revision)] == []


def test_only_models_behind_an_api_have_no_commit() -> None:
    assert {entry.alias for entry in catalogue().values() if entry.is_api} == {"openai-small", "openai-large"}


def test_aliases_and_sources_are_unique() -> None:
    sources = [entry.source for entry in catalogue().values()]
    assert len(set(sources)) == len(sources)
    assert [alias for alias in catalogue() if not re.fullmatch(r"[A-Za-z0-9._+-]+", alias)] == []


@pytest.mark.parametrize(
    ("alias", "query", "document"),
    [
        ("e5-small", "query: ", "passage: "),
        ("e5-base", "query: ", "passage: "),
        ("e5-large", "query: ", "passage: "),
        ("arctic-l", "query: ", ""),
        ("nomic-v2", "search_query: ", "search_document: "),
        ("embeddinggemma", "task: search result | query: ", "title: none | text: "),
        ("bge-small-en", "Represent this sentence for searching relevant passages: ", ""),
        (
            "qwen3-0.6b",
            "Instruct: Given a web search query, retrieve relevant passages that answer the query\nQuery:",
            "",
        ),
        (
            "e5-large-instruct",
            "Instruct: Given a web search query, retrieve relevant passages that answer the query\nQuery: ",
            "",
        ),
        ("bge-m3", "", ""),
        ("minilm-en", "", ""),
    ],
)
def test_prompts_keep_their_blanks_and_line_ends(alias: str, query: str, document: str) -> None:
    entry = catalogue()[alias]
    assert (entry.query_prompt, entry.document_prompt) == (query, document)


def test_the_catalogue_agrees_with_the_shared_table(shared_data: Path) -> None:
    columns = ("source", "revision", "dim", "max_tokens", "licence", "query_prompt", "document_prompt", "note")
    with (shared_data.parent / "models.tsv").open(encoding="utf-8", newline="") as lines:
        rows = {row["alias"]: row for row in csv.DictReader(lines, delimiter="\t", quoting=csv.QUOTE_NONE)}
    shared = {
        alias: {column: (row[column] or "").replace("\\n", "\n") for column in columns}
        for alias, row in rows.items()
        if "/" in row["source"]
    }
    own = {
        alias: {column: str(getattr(entry, column) or "") for column in columns}
        for alias, entry in catalogue().items()
        if not entry.is_api
    }
    assert own == shared


def test_remote_code_is_read_from_the_note() -> None:
    remote = {entry.alias for entry in catalogue().values() if entry.needs_remote_code}
    assert remote == {"gte-multilingual", "arctic-m", "jina-v3", "nomic-v2"}


def test_a_hub_id_finds_its_entry() -> None:
    entry = by_source("intfloat/multilingual-e5-small")
    assert entry is not None
    assert entry.alias == "e5-small"
    assert by_source("intfloat/unknown") is None
