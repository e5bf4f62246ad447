"""TREC's files: topics, qrels and a corpus, each in the forms that are in use."""

from __future__ import annotations

import html
import re
from collections.abc import Iterator
from pathlib import Path

from pytest_embedeval.datasets.beir import documents_of, queries_of, titled
from pytest_embedeval.datasets.collection import Collection, Judged, NoRelevant, Texts, check_policies
from pytest_embedeval.datasets.duplicates import Policy
from pytest_embedeval.datasets.json_values import grade_of
from pytest_embedeval.datasets.retrieval import RetrievalData
from pytest_embedeval.datasets.rows import json_rows, numbered_lines, spaced_cells
from pytest_embedeval.errors import DatasetError, UsageError
from pytest_embedeval.findings import Finding

_TOPIC_IDS = ("_id", "id", "qid", "query_id", "topic_id")
_TOPIC_TEXTS = ("text", "query", "title")
_DOCUMENT_IDS = ("_id", "id", "docid", "docno", "doc_id", "document_id")
_DOCUMENT_TEXTS = ("text", "contents", "body")

_NUMBER = re.compile(r"<num>\s*(?:Number:)?\s*([^<]*)", re.IGNORECASE)
_TITLE = re.compile(r"<title>\s*(?:Topic:)?\s*([^<]*)", re.IGNORECASE)
_DOCNO = re.compile(r"<docno>([^<]*)</docno>", re.IGNORECASE)
_HEADLINE = re.compile(r"<(title|headline|hl)>(.*?)</\1>", re.IGNORECASE | re.DOTALL)
_TEXT = re.compile(r"<(text)>(.*?)</\1>", re.IGNORECASE | re.DOTALL)
_TAG = re.compile(r"<[^>]*>")


def load_trec(
    path: str | Path,
    *,
    name: str | None = None,
    language: str | None = None,
    corpus: str | None = None,
    topics: str | None = None,
    qrels: str | None = None,
    duplicates: Policy = "merge",
    no_relevant: NoRelevant = "error",
) -> RetrievalData:
    """Read a test collection in TREC's forms.

    Topics that nobody judged are left out and counted.

    Parameters
    ----------
    path
        Folder of the files, or the corpus itself.
    name
        Name of the data set; that of the folder or the corpus by default.
    language
        BCP 47 code, such as `tr`.
    corpus
        Documents, relative to the folder: JSONL, lines of `id<TAB>text`, or TREC's `<DOC>`.
    topics
        Queries, relative to the folder: TREC's `<top>` (their `<title>`), lines of `id<TAB>text`, or JSONL.
    qrels
        Judgements, relative to the folder: lines of `query iteration document grade`, or of three without the
        iteration, between tabs or spaces. A negative grade is judged and not relevant.
    duplicates
        Documents of equal text: `merge`, `keep` or `error`.
    no_relevant
        Judged topics without a relevant document: `error`, `zero` or `skip`.

    Raises
    ------
    DatasetError
        A file is missing or malformed; the message names file and line.
    UsageError
        It is not said which files these are.
    """
    check_policies(duplicates, no_relevant)
    path = Path(path)
    folder = path if path.is_dir() else path.parent
    if corpus is None and path.is_dir():
        raise UsageError(f'{path} is a folder: name the documents in it with corpus = "…", or the file as path')
    if topics is None or qrels is None:
        key = "topics" if topics is None else "qrels"
        raise UsageError(f'{path}: format = "trec" needs {key} = "…", a file in {folder}')
    collection = Collection(
        _corpus(folder / corpus if corpus is not None else path),
        _topics(folder / topics),
        _qrels(folder / qrels),
        only_judged=True,
    )
    return collection.data(
        name or (path.resolve().name if path.is_dir() else path.stem),
        language=language,
        duplicates=duplicates,
        no_relevant=no_relevant,
        protocol={"format": "trec"},
        findings=_unjudged(collection),
    )


def _corpus(path: Path) -> Texts:
    texts = Texts(str(path))
    kind = _kind(path)
    if kind == "json":
        return documents_of(json_rows(path), texts, _DOCUMENT_IDS, _DOCUMENT_TEXTS)
    for number, identity, text in _documents(path) if kind == "sgml" else _tabbed(path):
        texts.add(identity, text, number)
    return texts


def _topics(path: Path) -> Texts:
    texts = Texts(str(path))
    kind = _kind(path)
    if kind == "json":
        return queries_of(json_rows(path), texts, _TOPIC_IDS, _TOPIC_TEXTS)
    for number, identity, text in _tops(path) if kind == "sgml" else _tabbed(path):
        if not text:
            raise DatasetError(f"{path}, line {number}: topic {identity!r} has no text")
        texts.add(identity, text, number)
    return texts


def _qrels(path: Path) -> Judged:
    judged = Judged(str(path))
    for number, line in numbered_lines(path):
        cells = spaced_cells(line)
        if len(cells) not in {0, 3, 4}:
            found = f"{len(cells)} columns; expected query, iteration, document, grade, or these without the iteration"
            raise DatasetError(f"{path}, line {number}: {found}")
        if cells:
            judged.add(cells[0], cells[-2], grade_of(cells[-1], "grade", f"{path}, line {number}"))
    return judged


def _kind(path: Path) -> str:
    """Tell the form of a file by its first line."""
    first = next((line.lstrip() for _, line in numbered_lines(path) if line.strip()), "")
    return {"{": "json", "<": "sgml"}.get(first[:1], "tabs")


def _tabbed(path: Path) -> Iterator[tuple[int, str, str]]:
    for number, line in numbered_lines(path):
        if line.strip():
            identity, tab, text = line.partition("\t")
            if not tab or not identity.strip():
                raise DatasetError(f"{path}, line {number}: expected an id, a tab and a text")
            yield number, identity.strip(), text.strip()


def _tops(path: Path) -> Iterator[tuple[int, str, str]]:
    """Yield the line, number and title of TREC's topics; tags may be closed or not."""
    for line, block in _blocks(path, "top"):
        number, title = _NUMBER.search(block), _TITLE.search(block)
        if number is None or not number[1].strip() or title is None:
            raise DatasetError(f"{path}, line {line}: <top> without <num> or <title>")
        yield line, number[1].strip(), _plain(title[1])


def _documents(path: Path) -> Iterator[tuple[int, str, str]]:
    """Yield the line, number and text of TREC's documents: the headline and every `<TEXT>`."""
    for line, block in _blocks(path, "doc"):
        number = _DOCNO.search(block)
        if number is None or not number[1].strip():
            raise DatasetError(f"{path}, line {line}: <DOC> without <DOCNO>")
        headline, text = (
            " ".join(_plain(match[2]) for match in part.finditer(block)).strip() for part in (_HEADLINE, _TEXT)
        )
        yield line, number[1].strip(), titled(headline, text)


def _blocks(path: Path, tag: str) -> Iterator[tuple[int, str]]:
    """Yield what stands between `<tag>` and `</tag>`, with the line in which it begins."""
    begin, end = f"<{tag}>", f"</{tag}>"
    start, found, block = 0, 0, list[str]()
    for number, line in numbered_lines(path):
        lower = line.lower()
        if begin in lower:
            if start:
                break
            start, found, block = number, found + 1, []
        block.append(line)
        if start and end in lower:
            yield start, "\n".join(block)
            start = 0
    if start:
        raise DatasetError(f"{path}, line {start}: {begin} without {end}")
    if not found:
        raise DatasetError(f"{path}: no {begin} in it; the other forms are JSONL and lines of id, tab and text")


def _plain(text: str) -> str:
    return " ".join(html.unescape(_TAG.sub(" ", text)).split())


def _unjudged(collection: Collection) -> tuple[Finding, ...]:
    judged = set(collection.judged.query_ids)
    unjudged = sum(identity not in judged for identity in collection.queries.ids)
    if not unjudged:
        return ()
    message = f"{unjudged:,} of {len(collection.queries.ids):,} topics have no judgement and were left out"
    return (Finding("unjudged-topics", unjudged, message),)
