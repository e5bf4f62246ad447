"""Question-answering files in SQuAD format (MedTurkQuAD, TQuAD, XQuAD, SQuAD 2) as retrieval data.

`target="context"` asks for the passage that holds the answer. `target="answer"` asks for the answer string itself,
which is the protocol of the article this project began with; with `duplicates="keep"` it is that protocol exactly.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

from pytest_embedeval.datasets.collection import NoRelevant, check_choice, check_policies, columns, repeated_queries
from pytest_embedeval.datasets.duplicates import Policy, merge
from pytest_embedeval.datasets.json_values import is_number, json_id, json_list, json_object, json_text
from pytest_embedeval.datasets.retrieval import Judgements, RetrievalData, check_ids
from pytest_embedeval.datasets.text_files import read_text
from pytest_embedeval.errors import DatasetError
from pytest_embedeval.findings import Finding

Target = Literal["context", "answer"]

# Keys of a question that are not fields to slice by.
_OWN_KEYS = {"id", "question", "answers", "is_impossible", "plausible_answers"}


@dataclass(frozen=True)
class _Question:
    id: str
    text: str
    answers: tuple[str, ...]
    passage: int
    place: str
    fields: Mapping[str, str]


@dataclass
class _Parsed:
    """One file, checked; passages and questions in the order of the file."""

    contexts: list[str] = field(default_factory=list)
    titles: list[str] = field(default_factory=list)
    places: list[str] = field(default_factory=list)
    questions: list[_Question] = field(default_factory=list)
    moved: int = 0


def load_squad(
    path: str | Path,
    *,
    name: str | None = None,
    language: str | None = None,
    target: Target = "context",
    duplicates: Policy = "merge",
    no_relevant: NoRelevant = "error",
) -> RetrievalData:
    """Read a SQuAD file.

    Parameters
    ----------
    path
        JSON file `{"data": [{"title", "paragraphs": [{"context", "qas": [{"id", "question", "answers"}]}]}]}`.
    name
        Name of the data set; the file's stem by default.
    language
        BCP 47 code, such as `tr`.
    target
        What is to be found: the passage (`context`) or the answer string (`answer`).
    duplicates
        Equal documents: `merge`, `keep` or `error`.
    no_relevant
        Questions without an answer in a file that does not mark them `is_impossible`: an `error`, counted as
        scores of `zero`, or left out (`skip`). Those marked impossible are always left out and counted.

    Raises
    ------
    DatasetError
        The file is missing or malformed; the message names file, article, paragraph and question.
    """
    check_choice("target", target, Target)
    check_policies(duplicates, no_relevant)
    path = Path(path)
    parsed = _Parsed()
    for article, place in _articles(path):
        _read_article(parsed, article, place)
    if not parsed.questions:
        raise DatasetError(f"{path}: no questions")
    check_ids([q.id for q in parsed.questions], lambda position: parsed.questions[position].place)
    questions, findings = _answerable(parsed, no_relevant)
    protocol = {"format": "squad", "target": target, "duplicates": duplicates, "no_relevant": no_relevant}
    documents = _contexts(parsed, questions) if target == "context" else _answers(questions)
    merged = merge(documents.texts, duplicates, lambda position: documents.places[position])
    places, kept = merged.target.tolist(), merged.kept.tolist()
    grades = {(query, places[document]): 1 for query, document in documents.gold}
    return RetrievalData(
        name=name or path.stem,
        document_ids=[documents.ids[i] for i in kept],
        documents=[documents.texts[i] for i in kept],
        query_ids=[q.id for q in questions],
        queries=[q.text for q in questions],
        judgements=Judgements.of(grades),
        language=language,
        document_fields={"title": [documents.titles[i] for i in kept]},
        query_fields=columns([q.fields for q in questions]),
        protocol=protocol,
        findings=(
            *findings,
            *merged.findings,
            *repeated_queries([q.text for q in questions], "questions", "passage"),
            *_article(target, duplicates, len(questions)),
        ),
    )


@dataclass(frozen=True)
class _Documents:
    ids: list[str]
    texts: list[str]
    titles: list[str]
    places: list[str]
    gold: list[tuple[int, int]]  # question, document


def _contexts(parsed: _Parsed, questions: list[_Question]) -> _Documents:
    counts: dict[str, int] = {}
    ids = []
    for title in parsed.titles:
        counts[title] = counts.get(title, 0) + 1
        ids.append(f"{title}#{counts[title]}")
    gold = [(position, question.passage) for position, question in enumerate(questions) if question.answers]
    return _Documents(ids, parsed.contexts, parsed.titles, parsed.places, gold)


def _answers(questions: list[_Question]) -> _Documents:
    """Return the article's corpus: the first answer string of each question."""
    answered = [(position, question) for position, question in enumerate(questions) if question.answers]
    return _Documents(
        ids=[question.id for _, question in answered],
        texts=[question.answers[0] for _, question in answered],
        titles=[question.fields["title"] for _, question in answered],
        places=[question.place for _, question in answered],
        gold=[(position, document) for document, (position, _) in enumerate(answered)],
    )


def _articles(path: Path) -> Iterator[tuple[Any, str]]:
    try:
        content = json.loads(read_text(path))
    except json.JSONDecodeError as error:
        raise DatasetError(f"{path}: line {error.lineno}, column {error.colno}: not valid JSON: {error.msg}") from None
    for number, article in enumerate(json_list(content, "data", str(path)), start=1):
        title = article.get("title") if isinstance(article, Mapping) else None
        label = f" ({title!r})" if title else ""
        yield article, f"{path}: article {number}{label}"


def _read_article(parsed: _Parsed, article: Any, place: str) -> None:
    title = str(json_object(article, place).get("title") or place.rpartition(": ")[2])
    for number, paragraph in enumerate(json_list(article, "paragraphs", place), start=1):
        here = f"{place}, paragraph {number}"
        context = json_text(json_object(paragraph, here), "context", here)
        parsed.contexts.append(context)
        parsed.titles.append(title)
        parsed.places.append(here)
        for position, entry in enumerate(json_list(paragraph, "qas", here), start=1):
            _read_question(parsed, entry, f"{here}, question {position}")


def _read_question(parsed: _Parsed, entry: Any, place: str) -> None:
    entry = json_object(entry, place)
    identity = json_id(entry, "id", place)
    place = f"{place} (id {identity!r})"
    question = json_text(entry, "question", place)
    passage = len(parsed.contexts) - 1
    answers: list[str] = []
    impossible = entry.get("is_impossible", False)
    if not isinstance(impossible, bool):
        raise DatasetError(f"{place}: key 'is_impossible' must be true or false, not {impossible!r}")
    if not impossible:
        for answer in json_list(entry, "answers", place):
            text = json_text(json_object(answer, place), "text", place)
            parsed.moved += not _stands(text, answer.get("answer_start"), parsed.contexts[passage], place)
            answers.append(text)
    extra = {key: str(value) for key, value in entry.items() if key not in _OWN_KEYS and isinstance(value, str | int)}
    if impossible:
        extra["is_impossible"] = "true"
    fields = {**extra, "title": parsed.titles[passage]}
    parsed.questions.append(_Question(identity, question, tuple(dict.fromkeys(answers)), passage, place, fields))


def _stands(answer: str, start: Any, context: str, place: str) -> bool:
    """Whether the answer stands where `answer_start` (a number, or a number as text) says; elsewhere is tolerated."""
    if answer not in context:
        raise DatasetError(f"{place}: the answer {answer!r} does not stand in the paragraph's context")
    if start is None:
        return True
    if not is_number(start) and not (isinstance(start, str) and start.strip().removeprefix("-").isdecimal()):
        raise DatasetError(f"{place}: answer_start must be a number, not {start!r}")
    position = int(start)
    return position >= 0 and context.startswith(answer, position)


def _answerable(parsed: _Parsed, no_relevant: NoRelevant) -> tuple[list[_Question], tuple[Finding, ...]]:
    kept: list[_Question] = []
    findings: list[Finding] = []
    impossible = unanswered = 0
    for question in parsed.questions:
        if question.answers:
            kept.append(question)
        elif question.fields.get("is_impossible"):
            impossible += 1
        elif no_relevant == "error":
            raise DatasetError(f"{question.place}: no answers, and not marked is_impossible")
        else:
            unanswered += 1
            if no_relevant == "zero":
                kept.append(question)
    if not any(question.answers for question in kept):
        raise DatasetError(f"{parsed.questions[0].place.partition(': ')[0]}: no question has an answer")
    if impossible:
        message = f"{impossible} questions are marked is_impossible and were left out"
        findings.append(Finding("impossible-questions", impossible, message))
    if unanswered:
        done = "score zero" if no_relevant == "zero" else "were left out"
        findings.append(
            Finding("unanswered-questions", unanswered, f"{unanswered} questions have no answer and {done}")
        )
    if parsed.moved:
        message = f"{parsed.moved} answers stand elsewhere in their passage than answer_start says"
        findings.append(Finding("wrong-answer-start", parsed.moved, message))
    return kept, tuple(findings)


def _article(target: Target, duplicates: Policy, questions: int) -> tuple[Finding, ...]:
    if (target, duplicates) != ("answer", "keep"):
        return ()
    message = "scored by the article's protocol: equal answers are separate documents, and one of them counts as right"
    return (Finding("article-protocol", questions, message),)
