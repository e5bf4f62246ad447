"""The two ends of what a score can be: the worst and the best order of every tie group."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from pytest_embedeval.datasets import Judgements
from pytest_embedeval.metrics.judged_lists import Beyond
from pytest_embedeval.metrics.ties import Groups
from pytest_embedeval.retrieval import Rankings

if TYPE_CHECKING:
    from numpy.typing import NDArray

_UNJUDGED = -(1 << 62)  # below every grade: what is judged and wrong stands above what nobody judged


def extreme_orders(
    rankings: Rankings, judgements: Judgements, groups: Groups, beyond: Beyond | None
) -> tuple[Rankings, Rankings]:
    """Return the lists with each tie group in its worst and in its best order.

    Within a group the best order goes by grade, the worst by grade reversed; every measure is lowest for the one and
    highest for the other. Where the last group reaches beyond the list, the documents out there take part.

    Parameters
    ----------
    rankings
        Lists of length k.
    groups
        Their tie groups, as `ties.extended` gives them.
    beyond
        The judged documents that tie with the last place but did not fit in.
    """
    worst, best = rankings.documents.copy(), rankings.documents.copy()
    k = rankings.documents.shape[1]
    stranger = int(max(judgements.document.max(initial=0), rankings.documents.max(initial=0))) + 1
    ends = np.searchsorted(judgements.query, np.arange(len(worst) + 1))
    for row in _tied_rows(groups).tolist():
        judged = slice(ends[row], ends[row + 1])
        grades = dict(zip(judgements.document[judged].tolist(), judgements.grade[judged].tolist(), strict=True))
        documents = rankings.documents[row]
        start, _ = groups.at(np.full(k, row), np.arange(k))
        outside = _outside(row, groups, beyond, int(k - start[-1]), stranger)
        documents, start = np.append(documents, outside), np.append(start, np.full(len(outside), start[-1]))
        grade = np.array([grades.get(document, _UNJUDGED) for document in documents.tolist()])
        worst[row] = documents[np.lexsort((grade, start))[:k]]
        best[row] = documents[np.lexsort((-grade, start))[:k]]
    return Rankings(worst, rankings.scores), Rankings(best, rankings.scores)


def _tied_rows(groups: Groups) -> NDArray[np.int64]:
    n, k = groups.shape
    tied = np.bincount(groups.first // k, minlength=n) < k
    if groups.beyond is not None:
        tied |= groups.beyond > 0
    rows: NDArray[np.int64] = np.flatnonzero(tied)
    return rows


def _outside(row: int, groups: Groups, beyond: Beyond | None, room: int, stranger: int) -> NDArray[np.int64]:
    """Return the judged documents beyond the list, and strangers for the unjudged: no more than the group has room."""
    reach = 0 if groups.beyond is None else int(groups.beyond[row])
    known = np.empty(0, dtype=np.int64) if beyond is None else beyond.document[beyond.query == row]
    return np.append(known, np.full(max(min(reach - len(known), room), 0), stranger, dtype=np.int64))
