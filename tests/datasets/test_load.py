from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from inspect import signature
from pathlib import Path

import pytest

from pytest_embedeval.datasets import RetrievalData, WordData, load_dataset, load_entry, load_squad
from pytest_embedeval.datasets.load import _LOADERS
from pytest_embedeval.errors import DatasetError, UsageError
from pytest_embedeval.settings import FORMATS, DatasetTable, load_settings
from tests.conftest import ROOT


@pytest.fixture
def organs(tmp_path: Path) -> Path:
    """A file with one passage given twice and one question without an answer."""
    answered = {"id": "k-1", "question": "Ne pompalar?", "answers": [{"text": "kanı", "answer_start": 5}]}
    paragraphs = [
        {"context": "Kalp kanı pompalar.", "qas": [answered]},
        {"context": "Kalp kanı pompalar.", "qas": [{"id": "k-2", "question": "Neden?", "answers": []}]},
    ]
    path = tmp_path / "organs.json"
    path.write_text(json.dumps({"data": [{"title": "Kalp", "paragraphs": paragraphs}]}), encoding="utf-8")
    return path


def test_options_reach_the_loader(organs: Path) -> None:
    data = load_dataset(organs, name="o", language="tr", target="answer", duplicates="keep", no_relevant="skip")
    assert (data.name, data.language, data.documents) == ("o", "tr", ["kanı"])
    assert data.protocol == {"format": "squad", "target": "answer", "duplicates": "keep", "no_relevant": "skip"}


def test_without_a_name_the_file_gives_one(organs: Path) -> None:
    assert load_dataset(organs, no_relevant="zero").name == "organs"


@pytest.mark.parametrize("format", ["mteb", "morphology", ""])
def test_another_format_is_the_callers_mistake(organs: Path, format: str) -> None:
    known = "beir, csv, hub, jsonl, squad, trec, wands"
    with pytest.raises(UsageError, match=f"'{format}' is not a format of retrieval data; Known: {known}"):
        load_dataset(organs, format=format)


def test_an_option_of_another_format_is_the_callers_mistake(organs: Path) -> None:
    message = "format='beir' has no option 'target'; Known: duplicates, language, no_relevant, split"
    with pytest.raises(UsageError, match=message):
        load_dataset(organs, format="beir", target="answer")


@pytest.mark.parametrize("format", sorted(_LOADERS))
def test_every_loader_takes_the_keys_of_its_format_and_no_other(format: str) -> None:
    loader: Callable[..., RetrievalData] = _LOADERS[format]
    taken = set(signature(loader).parameters) - {"path", "name", "language"}
    assert taken == set(FORMATS[format])


@pytest.mark.parametrize("format", sorted(_LOADERS))
def test_a_table_without_options_stands_for_the_defaults_of_the_loader(format: str) -> None:
    table = DatasetTable("x", format)
    loader: Callable[..., RetrievalData] = _LOADERS[format]
    for key in FORMATS[format]:
        assert getattr(table, key) in (None, (), signature(loader).parameters[key].default)


def test_an_entry_of_the_configuration_is_read_as_it_says(organs: Path) -> None:
    table = DatasetTable(str(organs), "squad", language="tr", duplicates="keep", no_relevant="zero")
    data = load_entry("heart", table)
    assert isinstance(data, RetrievalData)
    assert data == replace(
        load_squad(organs, name="heart", language="tr", duplicates="keep", no_relevant="zero"),
        judgements=data.judgements,
    )
    assert (len(data.documents), len(data.queries)) == (2, 2)
    answers = load_entry("heart", replace(table, target="answer", no_relevant="skip"))
    assert isinstance(answers, RetrievalData)
    assert answers.documents == ["kanı"]


def test_an_entry_without_options_fails_on_what_it_was_not_told(organs: Path) -> None:
    with pytest.raises(DatasetError, match="no answers, and not marked is_impossible"):
        load_entry("heart", DatasetTable(str(organs), "squad"))


def test_an_entry_of_word_pairs_becomes_words(fixtures: Path) -> None:
    data = load_entry("forms", DatasetTable(str(fixtures / "morphology_tr.tsv"), "morphology", language="tr"))
    assert isinstance(data, WordData)
    assert (data.name, data.language) == ("forms", "tr")


def test_options_of_an_entry_reach_the_loader(tmp_path: Path) -> None:
    header = "product_id\tproduct_name\tproduct_class\tcolour\n"
    (tmp_path / "product.csv").write_text(header + "".join(f"{i}\tsofa\tSofas\tred {i}\n" for i in range(20)))
    (tmp_path / "query_tr.csv").write_text("query_id\tquery\n0\tkoltuk\n")
    labels = "".join(f"0\t{i}\tPartial\n" for i in range(20))
    (tmp_path / "label.csv").write_text("query_id\tproduct_id\tlabel\n" + labels)
    data = load_entry(
        "sofas",
        DatasetTable(str(tmp_path), "wands", fields=("colour",), queries="query_tr.csv", sample=5, seed=1),
    )
    assert isinstance(data, RetrievalData)
    assert (data.name, data.queries, len(data.documents)) == ("sofas", ["koltuk"], 5)
    assert data.documents[0].startswith("red ")
    assert data.protocol["seed"] == "1"


@pytest.mark.parametrize("name", ["medical", "morphology_tr", "similarity_tr", "confusions_tr"])
def test_the_data_sets_of_this_project_can_be_read(name: str) -> None:
    data = load_entry(name, load_settings(ROOT).datasets[name])
    assert (data.name, data.language, data.findings) == (name, "tr", ())
