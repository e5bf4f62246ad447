"""What is written in BEIR's form is read back as it was."""

from __future__ import annotations

import csv
import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from pytest_embedeval.datasets import Judgements, RetrievalData, export_beir, load_dataset
from pytest_embedeval.errors import UsageError
from tests.datasets.test_collection import grades


def same(one: RetrievalData, other: RetrievalData) -> bool:
    """Whether two data sets have the same texts, grades and fields."""
    return all(
        list(getattr(one, name)) == list(getattr(other, name))
        for name in ("document_ids", "documents", "query_ids", "queries")
    ) and (grades(one), one.document_fields, one.query_fields) == (
        grades(other),
        other.document_fields,
        other.query_fields,
    )


def written_and_read(data: RetrievalData, folder: Path, **options: Any) -> RetrievalData:
    export_beir(data, folder)
    return load_dataset(folder, format="beir", **options)


ODD = RetrievalData(
    name="odd",
    document_ids=["d1", "a\tb", ' "c"\n', "ç"],
    documents=["Kalp kanı pompalar.", " Böbrek\n\nsüzer. ", "Kalpten çıkar.", "Göz  iki boşlukla"],
    query_ids=['"q', "q 2"],
    queries=["Ne\u2028pompalar?", "'ne' \\ \"süzer\""],
    judgements=Judgements.of({(0, 0): 2, (0, 1): 0, (1, 1): 1, (1, 2): -1, (1, 3): 3}),
    document_fields={"title": ["Kalp", "Böbrek", "Kalp", "Göz"], "year": ["1", "", "3", "4"]},
    query_fields={"title": ["Kalp", "Böbrek"], "text": ["a", "b"]},
)


def test_any_ids_texts_grades_and_fields_are_read_back(tmp_path: Path) -> None:
    assert same(written_and_read(ODD, tmp_path / "odd"), ODD)


def test_a_text_that_begins_with_its_title_is_parted_as_beir_has_it(tmp_path: Path) -> None:
    export_beir(ODD, tmp_path)
    rows = [json.loads(line) for line in (tmp_path / "corpus.jsonl").read_text(encoding="utf-8").split("\n")[:-1]]
    assert [(row["title"], row["text"]) for row in rows] == [
        ("Kalp", "kanı pompalar."),
        ("", " Böbrek\n\nsüzer. "),
        ("", "Kalpten çıkar."),
        ("Göz", " iki boşlukla"),
    ]
    assert rows[0]["metadata"] == {"year": "1"}
    assert rows[2]["metadata"] == {"title": "Kalp", "year": "3"}


def test_the_judgements_are_a_table_that_the_csv_module_reads(tmp_path: Path) -> None:
    export_beir(ODD, tmp_path, split="dev")
    with (tmp_path / "qrels" / "dev.tsv").open(encoding="utf-8", newline="") as stream:
        rows = list(csv.reader(stream, delimiter="\t"))
    assert rows[:3] == [["query-id", "corpus-id", "score"], ['"q', "d1", "2"], ['"q', "a\tb", "0"]]
    assert rows[4] == ["q 2", ' "c"\n', "-1"]


@pytest.mark.parametrize("target", ["context", "answer"])
def test_our_own_data_is_read_back(fixtures: Path, tmp_path: Path, target: str) -> None:
    data = load_dataset(fixtures / "turkish_medical_qa.json", target=target, duplicates="keep")
    assert same(written_and_read(data, tmp_path, duplicates="keep"), data)


def test_a_real_set_is_read_back(shared_data: Path, tmp_path: Path) -> None:
    data = load_dataset(shared_data / "xquad.tr.json")
    assert same(written_and_read(data, tmp_path), data)


def test_a_folder_of_another_set_is_left_alone(tmp_path: Path) -> None:
    export_beir(ODD, tmp_path)
    before = (tmp_path / "corpus.jsonl").read_bytes()
    with pytest.raises(UsageError, match=r"corpus\.jsonl exists, and is not overwritten"):
        export_beir(replace(ODD, documents=["x"] * 4), tmp_path, split="dev")
    assert (tmp_path / "corpus.jsonl").read_bytes() == before
    assert not (tmp_path / "qrels" / "dev.tsv").exists()
