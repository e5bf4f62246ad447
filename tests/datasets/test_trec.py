"""TREC's forms of topics, judgements and documents."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from pytest_embedeval.datasets import RetrievalData, load_dataset
from pytest_embedeval.errors import DatasetError, UsageError
from tests.datasets.test_collection import findings, grades

TOPICS = {
    "sgml": """
<top>
<num> Number: 301
<title> International Organized
Crime &amp; money

<desc> Description:
Identify organizations.
</top>
<TOP>
<NUM>302</NUM>
<TITLE>Poliomyelitis</TITLE>
</TOP>
""",
    "tabs": "301\tInternational Organized Crime & money\n\n302\tPoliomyelitis\n",
    "jsonl": '{"qid": 301, "query": "International Organized Crime & money"}\n'
    '{"_id": "302", "text": "Poliomyelitis"}\n',
}
DOCUMENTS = {
    "sgml": """<DOC>
<DOCNO> FT911-1 </DOCNO>
<HEADLINE>FT  14 MAY 91 / A gang</HEADLINE>
<TEXT>
A gang was <b>caught</b>
in Rome.
</TEXT>
</DOC>
<doc>
<docno>FT911-2</docno>
<text>The vaccine &lt;worked&gt;.</text>
<text>It did.</text>
</doc>
<DOC>
<DOCNO>FT911-3</DOCNO>
<TEXT>
</TEXT>
</DOC>
""",
    "tabs": "FT911-1\tFT 14 MAY 91 / A gang A gang was caught in Rome.\n"
    "FT911-2\tThe vaccine <worked>. It did.\nFT911-3\t\n",
    "jsonl": '{"docid": "FT911-1", "title": "FT 14 MAY 91 / A gang", "contents": "A gang was caught in Rome."}\n'
    '{"_id": "FT911-2", "text": "The vaccine <worked>. It did."}\n{"id": "FT911-3", "text": ""}\n',
}
QRELS = "301 0 FT911-1 2\n301 0 FT911-2 -1\n302 0 FT911-2 1\n"


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    folder = tmp_path / "trec.8"
    folder.mkdir()
    (folder / "topics").write_text(TOPICS["sgml"])
    (folder / "corpus").write_text(DOCUMENTS["sgml"])
    (folder / "qrels").write_text(QRELS)
    return folder


def read(folder: Path, **options: Any) -> RetrievalData:
    return load_dataset(folder, format="trec", **{"corpus": "corpus", "topics": "topics", "qrels": "qrels", **options})


def refused(folder: Path, **options: Any) -> str:
    with pytest.raises(DatasetError) as caught:
        read(folder, **options)
    return str(caught.value).removeprefix(f"{folder}/")


@pytest.mark.parametrize("documents", DOCUMENTS)
@pytest.mark.parametrize("topics", TOPICS)
def test_each_form_gives_the_same_data(folder: Path, topics: str, documents: str) -> None:
    (folder / "topics").write_text(TOPICS[topics])
    (folder / "corpus").write_text(DOCUMENTS[documents])
    data = read(folder)
    assert data.queries == ["International Organized Crime & money", "Poliomyelitis"]
    assert data.documents == [
        "FT 14 MAY 91 / A gang A gang was caught in Rome.",
        "The vaccine <worked>. It did.",
    ]
    assert grades(data) == [("301", "FT911-1", 2), ("301", "FT911-2", -1), ("302", "FT911-2", 1)]
    assert (data.name, findings(data)) == ("trec.8", {"empty-documents": 1})


def test_the_path_may_be_the_corpus_itself(folder: Path) -> None:
    data = load_dataset(folder / "corpus", format="trec", topics="topics", qrels="qrels")
    assert (data.name, len(data.documents)) == ("corpus", 2)


@pytest.mark.parametrize(
    "qrels",
    [
        "301\t0\tFT911-1\t2\n301\t0\tFT911-2\t-1\n\n302\t0\tFT911-2\t1",
        "301 FT911-1 2\r\n301 FT911-2 -1\r\n302 FT911-2 1\r\n",
        "  301   Q0  FT911-1\t2 \n301\tFT911-2 -1\n302 0 FT911-2 1\n",
    ],
    ids=["tabs", "three columns", "both"],
)
def test_judgements_may_have_tabs_or_spaces_and_three_or_four_columns(folder: Path, qrels: str) -> None:
    (folder / "qrels").write_text(qrels)
    assert grades(read(folder)) == [("301", "FT911-1", 2), ("301", "FT911-2", -1), ("302", "FT911-2", 1)]


def test_unknown_ids_and_topics_that_nobody_judged_are_counted(folder: Path) -> None:
    (folder / "qrels").write_text("301 0 FT911-1 1\n301 0 AP-1 1\n399 0 FT911-2 1\n")
    data = read(folder)
    assert data.query_ids == ["301"]
    assert findings(data) == {"unjudged-topics": 1, "empty-documents": 1, "unknown-judgements": 2}


@pytest.mark.parametrize(
    ("file", "text", "message"),
    [
        ("qrels", QRELS + "302 FT911-1\n", "line 4: 2 columns; expected query, iteration, document, grade"),
        ("qrels", QRELS + "302 0 FT911-1 1 x\n", "line 4: 5 columns; expected "),
        ("qrels", "302 0 FT911-1 yes\n", "line 1: grade must be a whole number such as 0, 1 or 2, not 'yes'"),
        ("topics", "301\tcrime\n302 polio\n", "line 2: expected an id, a tab and a text"),
        ("topics", "301\tcrime\n302\t\n", "line 2: topic '302' has no text"),
        ("topics", "\n<top>\n<num> 301\n</top>", "line 2: <top> without <num> or <title>"),
        ("topics", "<top>\n<num> 1 <title> x\n<top>\n", "line 1: <top> without </top>"),
        ("topics", "<top>\n<num> 1 <title> x\n</top>\n<top>\n<num> 2\n", "line 4: <top> without </top>"),
        ("topics", '{"id": "301"}', "line 1: key 'text' is missing"),
        ("corpus", "<DOC>\n<TEXT>x</TEXT>\n</DOC>", "line 1: <DOC> without <DOCNO>"),
        ("corpus", "FT911-1 text\n", "line 1: expected an id, a tab and a text"),
    ],
)
def test_a_malformed_line_is_refused_with_file_and_line(folder: Path, file: str, text: str, message: str) -> None:
    (folder / file).write_text(text)
    assert refused(folder).startswith(f"{file}, {message}")


def test_topics_in_an_unknown_form_are_refused_with_those_that_are_known(folder: Path) -> None:
    (folder / "topics").write_text("<topics>\n<topic number='301'><query>crime</query></topic>\n</topics>\n")
    assert refused(folder) == "topics: no <top> in it; the other forms are JSONL and lines of id, tab and text"


def test_a_missing_file_is_named(folder: Path) -> None:
    assert refused(folder, qrels="qrels.txt") == "qrels.txt: no such file"


@pytest.mark.parametrize(
    ("missing", "hint"), [("corpus", 'corpus = "…"'), ("topics", 'topics = "…"'), ("qrels", 'qrels = "…"')]
)
def test_a_file_that_is_not_named_is_the_callers_mistake(folder: Path, missing: str, hint: str) -> None:
    with pytest.raises(UsageError, match=hint):
        read(folder, **{missing: None})
