"""Fields of queries, documents and items by id: what scores can be sliced by, and what makes queries a cluster."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

from pytest_embedeval.datasets.items import Item, ItemData
from pytest_embedeval.datasets.retrieval import RetrievalData
from pytest_embedeval.errors import DatasetError, did_you_mean

DOCUMENT = "document"  # the first relevant document of a query: queries that share it are not independent


def fields_by_id(data: RetrievalData | ItemData[Item], names: Iterable[str]) -> dict[str, dict[str, str]]:
    """Return id -> field -> value of each query, and of each document where it has the field; of each item.

    Parameters
    ----------
    names
        Columns of the data, or `document` for the first relevant document of a query.

    Raises
    ------
    DatasetError
        The data has no such field.
    """
    found: dict[str, dict[str, str]] = {}
    for name in names:
        for identity, value in _column(data, name):
            found.setdefault(identity, {})[name] = value
    return found


def clusters_of(data: RetrievalData, name: str) -> dict[str, str]:
    """Return query id -> its cluster, in the order of the queries; one without a value is a cluster of its own.

    Raises
    ------
    DatasetError
        The data has no such field.
    """
    fields = fields_by_id(data, [name])
    return {identity: fields.get(identity, {}).get(name) or f"\0{identity}" for identity in data.query_ids}


def judged_apart(data: RetrievalData | ItemData[Item], clusters: str | None = None) -> tuple[int, str]:
    """Return on how many differences a comparison on this data rests, and what they are, in words.

    Parameters
    ----------
    clusters
        Field whose values make queries one.
    """
    ids, things = (data.query_ids, "queries") if isinstance(data, RetrievalData) else (data.ids, data.UNIT)
    if clusters is None:
        return len(ids), things
    fields = fields_by_id(data, [clusters])
    return len({fields.get(identity, {}).get(clusters, "") for identity in ids}), f"clusters by {clusters}"


def _column(data: RetrievalData | ItemData[Item], name: str) -> Iterable[tuple[str, str]]:
    if not isinstance(data, RetrievalData):
        if name not in data.FIELDS:
            raise DatasetError(_unknown(data.name, name, data.FIELDS))
        return ((item.id, str(getattr(item, name))) for item in data.items)
    sides: list[tuple[Sequence[str], Mapping[str, Sequence[str]]]] = [
        (data.document_ids, data.document_fields),
        (data.query_ids, data.query_fields),  # a query's own value counts where ids of both sides are the same
    ]
    columns = [zip(ids, fields[name], strict=True) for ids, fields in sides if name in fields]
    if columns:
        return (pair for column in columns for pair in column)
    if name != DOCUMENT:
        raise DatasetError(_unknown(data.name, name, {*data.query_fields, *data.document_fields, DOCUMENT}))
    judged = data.judgements
    first: dict[str, str] = {}
    for query, document, grade in zip(*(column.tolist() for column in judged.columns), strict=True):
        if grade > 0:
            first.setdefault(data.query_ids[query], data.document_ids[document])
    return first.items()


def _unknown(dataset: str, name: str, known: Iterable[str]) -> str:
    return f"data set {dataset!r} has no field {name!r} (slices, clusters); {did_you_mean(name, known)}"
