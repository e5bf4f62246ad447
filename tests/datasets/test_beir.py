"""Folders in BEIR's form."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from pytest_embedeval.datasets import load_dataset
from pytest_embedeval.errors import DatasetError, UsageError
from tests.datasets.test_collection import findings, grades

CORPUS: list[dict[str, Any]] = [
    {"_id": "d1", "title": "Kalp", "text": "Kanı pompalar.", "metadata": {"year": 1999, "open": True, "tags": ["a"]}},
    {"_id": 2, "title": "", "text": "Böbrek kanı süzer.", "metadata": {"year": 2001, "open": False}},
    {"_id": "d3", "text": "Karaciğer safra yapar.", "metadata": {"year": 2001, "open": False}},
]
QUERIES: list[dict[str, Any]] = [
    {"_id": "q1", "text": "Ne pompalar?", "metadata": {"kind": "what"}},
    {"_id": "q2", "text": "Ne süzer?", "metadata": {"kind": "what"}},
    {"_id": "q3", "text": "Of the training split"},
]
HEADER = "query-id\tcorpus-id\tscore\n"


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    folder = tmp_path / "organs"
    (folder / "qrels").mkdir(parents=True)
    write(folder, "corpus.jsonl", CORPUS)
    write(folder, "queries.jsonl", QUERIES)
    (folder / "qrels" / "test.tsv").write_text(HEADER + "q1\td1\t2\nq1\td3\t0\nq2\t2\t1\n")
    (folder / "qrels" / "train.tsv").write_text(HEADER + "q3\td3\t1\n")
    return folder


def write(folder: Path, name: str, rows: list[dict[str, Any]]) -> None:
    lines = (json.dumps(row, ensure_ascii=False) for row in rows)
    (folder / name).write_text("\n".join(lines), encoding="utf-8")


def refused(folder: Path, **options: Any) -> str:
    """Return the error's message from the name of the folder on."""
    with pytest.raises(DatasetError) as caught:
        load_dataset(folder, format="beir", **options)
    return str(caught.value).removeprefix(f"{folder}")


def test_texts_begin_with_their_titles(folder: Path) -> None:
    data = load_dataset(folder, format="beir", language="tr")
    assert data.documents == ["Kalp Kanı pompalar.", "Böbrek kanı süzer.", "Karaciğer safra yapar."]
    assert (data.name, data.language, data.findings) == ("organs", "tr", ())


def test_titles_and_scalar_metadata_are_fields(folder: Path) -> None:
    data = load_dataset(folder, format="beir")
    assert data.document_fields == {
        "title": ["Kalp", "", ""],
        "year": ["1999", "2001", "2001"],
        "open": ["true", "false", "false"],
    }
    assert data.query_fields == {"kind": ["what", "what"]}


@pytest.mark.parametrize(
    ("split", "queries", "judged"),
    [
        ("test", ["Ne pompalar?", "Ne süzer?"], [("q1", "d1", 2), ("q1", "d3", 0), ("q2", "2", 1)]),
        ("train", ["Of the training split"], [("q3", "d3", 1)]),
    ],
)
def test_only_queries_of_the_split_are_asked(
    folder: Path, split: str, queries: list[str], judged: list[tuple[str, str, int]]
) -> None:
    data = load_dataset(folder, format="beir", split=split)
    assert (data.queries, grades(data), data.findings) == (queries, judged, ())
    assert data.protocol["split"] == split


def test_grades_may_be_written_as_decimals_and_ids_may_hold_spaces(folder: Path) -> None:
    write(folder, "corpus.jsonl", [*CORPUS, {"_id": "a b", "text": "x"}])
    (folder / "qrels" / "test.tsv").write_text(HEADER + "q1\ta b\t2.0\n")
    assert grades(load_dataset(folder, format="beir")) == [("q1", "a b", 2)]


def test_a_document_may_be_its_title_alone(folder: Path) -> None:
    write(folder, "corpus.jsonl", [{"_id": "d1", "title": "Kalp"}, {"_id": "d2", "title": "Göz", "text": ""}])
    assert load_dataset(folder, format="beir", no_relevant="zero").documents == ["Kalp", "Göz"]


def test_oddities_of_the_files_are_counted(folder: Path) -> None:
    write(folder, "corpus.jsonl", [*CORPUS, {"_id": "d4", "text": ""}, {"_id": "d5", "text": CORPUS[2]["text"]}])
    (folder / "qrels" / "test.tsv").write_text(HEADER + "q1\td1\t1\nq1\td1\t1\nq9\td1\t1\nq2\td5\t1\nq2\td4\t1\n")
    data = load_dataset(folder, format="beir")
    assert findings(data) == {
        "empty-documents": 1,
        "unknown-judgements": 2,
        "repeated-judgements": 1,
        "duplicate-documents": 1,
    }
    assert grades(data) == [("q1", "d1", 1), ("q2", "d3", 1)]


def test_a_missing_folder_is_told_what_belongs_into_it(tmp_path: Path) -> None:
    message = refused(tmp_path / "nowhere")
    assert message == ": no such folder; BEIR's form is corpus.jsonl, queries.jsonl and qrels/test.tsv in one"


@pytest.mark.parametrize("name", ["corpus.jsonl", "queries.jsonl"])
def test_a_missing_file_is_named(folder: Path, name: str) -> None:
    (folder / name).unlink()
    assert refused(folder).startswith(f"/{name}: no such file")


def test_a_missing_split_is_told_which_there_are(folder: Path) -> None:
    assert refused(folder, split="dev") == "/qrels/dev.tsv: no such file; splits that are there: test, train"


@pytest.mark.parametrize(
    ("row", "message"),
    [
        ({"title": "x", "text": "y"}, "key '_id' is missing or empty"),
        ({"_id": "d", "txt": "y"}, "key 'text' is missing"),
        ({"_id": "d", "text": 5}, "key 'text' must be text, not int"),
        ({"_id": "d", "title": ["x"], "text": "y"}, "key 'title' must be text, not list"),
        ({"_id": ["d"], "text": "y"}, "key '_id' must be text or a number, not list"),
        ({"_id": "d", "text": "y", "metadata": [1]}, "key 'metadata': expected an object, found list"),
    ],
)
def test_a_malformed_document_is_refused_with_line_and_key(folder: Path, row: dict[str, Any], message: str) -> None:
    write(folder, "corpus.jsonl", [*CORPUS, row])
    assert refused(folder) == f"/corpus.jsonl, line 4: {message}"


def test_half_a_character_is_refused(folder: Path) -> None:
    with (folder / "queries.jsonl").open("a") as stream:
        stream.write('\n{"_id": "q4", "text": "\\ud83d"}\n')
    assert refused(folder).startswith("/queries.jsonl, line 4: key 'text' holds half a character")


def test_a_query_without_text_is_refused(folder: Path) -> None:
    write(folder, "queries.jsonl", [{"_id": "q1", "text": " "}])
    assert refused(folder) == "/queries.jsonl, line 1: key 'text' is empty"


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("q1\td1\t1\n", "line 1: column 'query-id' is missing; found q1, d1, 1"),
        (HEADER + "q1\td1\tgood\n", "line 2: score must be a whole number such as 0, 1 or 2, not 'good'"),
        (HEADER + "q1\td1\t0.5\n", "line 2: score must be a whole number such as 0, 1 or 2, not '0.5'"),
        (HEADER + "q1\td1\n", "line 2: 2 cells, and the header has 3 columns; a stray tab, quote or '\\t'?"),
        (HEADER + "q1\t\t1\n", "line 2: key 'corpus-id' is missing or empty"),
    ],
)
def test_a_malformed_judgement_is_refused_with_its_line(folder: Path, text: str, message: str) -> None:
    (folder / "qrels" / "test.tsv").write_text(text)
    assert refused(folder) == f"/qrels/test.tsv, {message}"


@pytest.mark.parametrize("option", ["duplicates", "no_relevant"])
def test_an_unknown_policy_is_the_callers_mistake(folder: Path, option: str) -> None:
    with pytest.raises(UsageError, match=f"{option}='drop' is unknown"):
        load_dataset(folder, format="beir", **{option: "drop"})
