"""Two languages, one index: questions in one language against passages in the other, and the gap to one language."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np

from pytest_embedeval.datasets import Judgements, RetrievalData
from pytest_embedeval.errors import DatasetError, UsageError
from pytest_embedeval.evaluate import Judged, as_encoded
from pytest_embedeval.languages import primary
from pytest_embedeval.metrics import Measured, Scores, score_each
from pytest_embedeval.search import ranker
from pytest_embedeval.vectors import Encoded

if TYPE_CHECKING:
    from numpy.typing import NDArray


def evaluate_crosslingual(
    model: Judged, data: RetrievalData, other: RetrievalData, *, metric: str = "mrr@10"
) -> Scores:
    """Ask each question in two languages, of passages in the other one.

    For Turkish data and their English translation: `crosslingual.en-tr` is the metric of English questions on Turkish
    passages; `crosslingual.gap.en-tr` what that loses beside Turkish questions on the same passages, paired by question
    (negative is a loss); `crosslingual.bitext.en-tr` the share of English questions whose nearest Turkish question is
    their translation. `crosslingual.score` is the mean of both directions.

    Parameters
    ----------
    data, other
        The same questions, by id, in two languages; each has a language of its own. Questions that only one of them
        has are left out.
    metric
        A ranking metric with a cutoff.

    Raises
    ------
    UsageError
        A language is missing, both are the same, or the model has no vectors.
    DatasetError
        The two share no question id.
    """
    encoded = as_encoded(model)
    if not encoded.model.has_vectors:
        raise UsageError(f"model {encoded.model.alias!r} ({encoded.model.info.kind}) has no vectors")
    codes = [primary(side.language) for side in (data, other)]
    if not all(codes) or codes[0] == codes[1]:
        raise UsageError(f"{data.name}: crosslingual needs data in two languages, not in {codes[0]!r} and {codes[1]!r}")
    first, second = _shared(data, other)
    measured: dict[str, Measured] = {}
    both = []
    for (asked, asked_in), (searched, searched_in) in _directions((first, codes[0]), (second, codes[1])):
        way = f"{asked_in}-{searched_in}"
        alone = score_each(ranker(encoded, searched), searched, metric)
        crossed_data = replace(searched, queries=asked.queries)
        crossed = score_each(ranker(encoded, crossed_data), crossed_data, metric)
        both.append(crossed)
        ids = searched.query_ids
        measured[f"crosslingual.{way}"] = Measured.mean_of(crossed, ids)
        measured[f"crosslingual.gap.{way}"] = Measured.mean_of(crossed - alone, ids, (-1.0, 1.0), is_compared=False)
        measured[f"crosslingual.bitext.{way}"] = Measured.mean_of(_bitext(encoded, asked, searched), ids)
    measured = {"crosslingual.score": Measured.mean_of(np.mean(both, axis=0), first.query_ids), **measured}
    digest = hashlib.sha256(f"{first.fingerprint}{second.fingerprint}".encode()).hexdigest()
    return Scores("crosslingual", data.name, encoded.model.alias, measured, f"sha256:{digest}", {"metric": metric})


_Side = tuple[RetrievalData, str]


def _directions(first: _Side, second: _Side) -> Iterator[tuple[_Side, _Side]]:
    """Yield who asks and who is searched, both ways."""
    yield second, first
    yield first, second


def _shared(data: RetrievalData, other: RetrievalData) -> tuple[RetrievalData, RetrievalData]:
    """Return both with the questions that they share alone, in the order of the first."""
    place = {identity: position for position, identity in enumerate(other.query_ids)}
    ids = [identity for identity in data.query_ids if identity in place]
    if not ids:
        raise DatasetError(
            f"{data.name} and its translation share no question id; they begin with {data.query_ids[0]!r} and "
            f"{other.query_ids[0]!r}"
        )
    own = {identity: position for position, identity in enumerate(data.query_ids)}
    return _only(data, [own[identity] for identity in ids]), _only(other, [place[identity] for identity in ids])


def _only(data: RetrievalData, kept: list[int]) -> RetrievalData:
    """Return the data with these queries alone; all documents stay, for they are what is searched."""
    new = np.full(len(data.query_ids), -1, dtype=np.int64)
    new[kept] = np.arange(len(kept))
    judged = data.judgements
    rows = np.flatnonzero(new[judged.query] >= 0)
    rows = rows[np.lexsort((judged.document[rows], new[judged.query[rows]]))]
    return replace(
        data,
        query_ids=[data.query_ids[i] for i in kept],
        queries=[data.queries[i] for i in kept],
        query_fields={name: [column[i] for i in kept] for name, column in data.query_fields.items()},
        judgements=Judgements(new[judged.query[rows]], judged.document[rows], judged.grade[rows]),
    )


def _bitext(encoded: Encoded, asked: RetrievalData, among: RetrievalData) -> NDArray[np.float64]:
    """Return 1 where the nearest question of the other language is the translation, shared among ties; float64 [n].

    All are encoded as queries. Questions of equal text are equally right.
    """
    from pytest_embedeval.retrieval.exact import ExactRanker

    texts = {text: position for position, text in enumerate(dict.fromkeys(among.queries))}
    pairs = {(query, texts[text]): 1 for query, text in enumerate(among.queries)}
    data = RetrievalData(
        name=among.name,
        document_ids=[str(position) for position in texts.values()],
        documents=list(texts),
        query_ids=asked.query_ids,
        queries=asked.queries,
        judgements=Judgements.of(pairs),
    )
    search = ExactRanker(
        encoded.vectors(data.queries, "query"), encoded.vectors(data.documents, "query"), memory=encoded.memory
    )
    return score_each(search, data, "recall@1")
