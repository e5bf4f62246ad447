"""Every query with its rank under each model, and what was found: columns small enough for ten thousand of them."""

from __future__ import annotations

from collections.abc import Collection
from typing import Any

from pytest_embedeval.gate import Excerpts, Result
from pytest_embedeval.report.load import Kept
from pytest_embedeval.report.rows import EXCERPT


def query_tables(kept: Kept, aliases: list[str]) -> list[dict[str, Any]]:
    """Return one table per data set that was searched.

    Returns
    -------
    dicts with `dataset`, `models`, `ids`, `queries` (texts), `gold` (positions of relevant documents), `documents`
    (texts by position), `document_ids`, and for each model `ranks` (of the first relevant document in the first ten,
    0 where there is none), `found` (positions of the first ten documents) and `scores` (what it gave each of them;
    empty where that was not kept). `grades` are those of `gold`, empty where all are 1.
    """
    places = dict.fromkeys(place for _, place in kept.results if place.startswith("retrieval/"))
    return [_table(place.partition("/")[2], place, kept, aliases) for place in places]


def _table(dataset: str, place: str, kept: Kept, aliases: list[str]) -> dict[str, Any]:
    results = {alias: kept.results[alias, place] for alias in aliases if (alias, place) in kept.results}
    texts = kept.texts.get(dataset, Excerpts(dataset))
    ids = sorted({identity for result in results.values() for identity in result.queries})
    documents = _Numbered()
    gold = [[documents.of(found) for found in texts.relevant.get(identity, ())] for identity in ids]
    models = []
    for alias, result in results.items():
        found = [_found(result, identity) for identity in ids]
        given = texts.found.get(alias, {})
        ranks = [_rank(top, texts.relevant.get(identity, ())) for identity, top in zip(ids, found, strict=True)]
        models.append(
            {
                "alias": alias,
                "ranks": ranks,
                "found": [[documents.of(each) for each in top] for top in found],
                "scores": [list(given.get(identity, ())) for identity in ids] if given else [],
            }
        )
    return {
        "dataset": dataset,
        "ids": ids,
        "queries": [texts.queries.get(identity, identity) for identity in ids],
        "gold": gold,
        "grades": [list(texts.grades.get(identity, ())) for identity in ids] if texts.grades else [],
        "models": models,
        "document_ids": list(documents.places),
        "documents": [_shortened(texts.documents.get(identity, "")) for identity in documents.places],
    }


def _shortened(text: str) -> str:
    """Return a text with a sign where it was cut off when it was kept."""
    return text if len(text) < EXCERPT else f"{text[: EXCERPT - 1].rstrip()}…"


class _Numbered:
    """Positions of documents, in the order in which they are first asked for."""

    def __init__(self) -> None:
        self.places: dict[str, int] = {}

    def of(self, identity: str) -> int:
        return self.places.setdefault(identity, len(self.places))


def _found(result: Result, identity: str) -> list[str]:
    query = result.queries.get(identity)
    return list(query.top) if query is not None else []


def _rank(found: list[str], relevant: Collection[str]) -> int:
    wanted = set(relevant)
    return next((place for place, identity in enumerate(found, start=1) if identity in wanted), 0)
