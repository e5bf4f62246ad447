"""What models found for one query: side by side where there is room, else one below the other."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from pytest_embedeval.cli.display import GAP, beside, columns_of, ends, padded, shortened, table
from pytest_embedeval.datasets import RetrievalData

_LEAST_BESIDE = 46  # columns of an answer beside another
_LEAST_TEXT = 12
_NONE = "–"
_HEADER = ("", "score", "grade", "id")
_TO_RIGHT = (True, True, True, False)


@dataclass(frozen=True)
class Answer:
    """What one model found.

    Attributes
    ----------
    documents, scores
        Positions in the corpus, best first, and the model's own scores.
    best
        Where the best relevant document stands, in words; empty where none is known.
    """

    alias: str
    documents: Sequence[int]
    scores: Sequence[float]
    best: str = ""


def answer_lines(answers: Sequence[Answer], data: RetrievalData, width: int) -> Iterator[str]:
    """Yield the lines of a terminal with `width` columns.

    Parameters
    ----------
    answers
        One of each model.
    data
        The corpus, with the one query and its judgements.
    """
    grades = dict(zip(data.judgements.document.tolist(), data.judgements.grade.tolist(), strict=True))
    alone = _found_by_one(answers)
    share = (width - len(GAP) * (len(answers) - 1)) // max(len(answers), 1)
    is_wide = share >= _LEAST_BESIDE
    blocks = [_block(answer, data, grades, alone, share if is_wide else width) for answer in answers]
    if is_wide:
        yield from beside(blocks, share)
    else:
        for number, block in enumerate(blocks):
            yield from ([""] if number else []) + block
    if alone:
        yield ""
        yield "*: in the list of this model alone"


def _found_by_one(answers: Sequence[Answer]) -> set[int]:
    """Return the documents that only one of several models found."""
    if len(answers) < 2:
        return set()
    found = Counter(document for answer in answers for document in answer.documents)
    return {document for document, models in found.items() if models == 1}


def _block(answer: Answer, data: RetrievalData, grades: Mapping[int, int], alone: set[int], width: int) -> list[str]:
    title = [shortened(line, width) for line in (answer.alias, answer.best) if line]
    if not answer.documents:
        return [*title, "nothing found"]
    rows: list[Sequence[str]] = [_HEADER]
    for rank, (document, score) in enumerate(zip(answer.documents, answer.scores, strict=True), start=1):
        mark = "*" if document in alone else " " * bool(alone)
        identity = ends(data.document_ids[document], width // 5)
        rows.append((f"{rank}{mark}", _number(score), str(grades.get(document, _NONE)), identity))
    cells = list(table(rows, _TO_RIGHT))
    taken = max(map(columns_of, cells)) + len(GAP)
    texts = ["document", *(data.documents[document] for document in answer.documents)]
    room = max(width - taken, _LEAST_TEXT)
    lines = (padded(row, taken) + shortened(text, room) for row, text in zip(cells, texts, strict=True))
    return [*title, *(line.rstrip() for line in lines)]


def _number(score: float) -> str:
    return f"{score:.4f}" if abs(score) < 1e5 else f"{score:.4g}"
