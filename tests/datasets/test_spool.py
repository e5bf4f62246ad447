"""Entries that lie in a file: the same ones as a list would hold."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from pytest_embedeval.datasets import RetrievalData, collection, load_dataset, load_squad
from pytest_embedeval.datasets.export import export_beir
from pytest_embedeval.datasets.spool import Selection, Spool, chosen, kept_like
from pytest_embedeval.evaluate import evaluate_retrieval
from pytest_embedeval.models import load_model
from tests.conftest import ROOT, letters

ODD = ["", "ışık", "\ud800", "a\0b", "🫀" * 3, 'a "b"\n', "\N{BYTE ORDER MARK}x"]
TEXTS = [f"{text}{number}" for number in range(300) for text in ODD]


@pytest.fixture(scope="module")
def spool() -> Spool[str]:
    return Spool(TEXTS)


def test_entries_are_read_by_place_by_slice_and_in_turn(spool: Spool[str]) -> None:
    assert (len(spool), list(spool), spool[:]) == (len(TEXTS), TEXTS, TEXTS)
    for place in (0, 5, -1, len(TEXTS) - 1):
        assert spool[place] == TEXTS[place]
    for part in (slice(3, 9), slice(-4, None), slice(9, 3), slice(0, None, 700), slice(None, None, -1)):
        assert spool[part] == TEXTS[part]
    with pytest.raises(IndexError):
        spool[len(TEXTS)]


def test_what_is_added_after_reading_is_there() -> None:
    spool = Spool(["a"])
    for number in range(3):
        assert spool[-1] == "a" * (number + 1)
        spool.append("a" * (number + 2))
    assert list(spool) == ["a", "aa", "aaa", "aaaa"]
    assert (len(Spool()), list(Spool())) == (0, [])


def test_more_than_is_held_back_is_written_in_order() -> None:
    long = [letter * 700_000 for letter in "ışığ"]
    assert list(Spool(long)) == long


def test_some_entries_are_chosen_without_a_copy(spool: Spool[str]) -> None:
    places = np.array([7, 8, 9, 3, 0, 2000])
    some = chosen(spool, places)
    assert isinstance(some, Selection)
    assert list(some) == [TEXTS[place] for place in places]
    assert (some[0], some[-1], some[:3], some[1:5:3]) == (TEXTS[7], TEXTS[2000], TEXTS[7:10], [TEXTS[8], TEXTS[0]])
    fewer = chosen(some, [5, 0])
    assert isinstance(fewer, Selection)
    assert list(fewer) == [TEXTS[2000], TEXTS[7]]
    assert chosen(spool, np.arange(len(spool))) is spool
    assert chosen(TEXTS, [2, 1]) == TEXTS[2:0:-1]


def test_others_lie_where_these_do(spool: Spool[str]) -> None:
    assert kept_like(TEXTS, iter("ab")) == ["a", "b"]
    found = kept_like(spool, ({"n": number} for number in range(2)))
    assert isinstance(found, Spool)
    assert list(found) == [{"n": 0}, {"n": 1}]


def both(folder: Path, monkeypatch: pytest.MonkeyPatch) -> tuple[RetrievalData, RetrievalData]:
    """Read a folder twice: held in the RAM, and in files."""
    held = load_dataset(folder, format="beir")
    with monkeypatch.context() as patch:
        patch.setattr(collection, "_IN_MEMORY", 5000)
        return held, load_dataset(folder, format="beir")


def test_a_large_corpus_is_the_same_data(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    medical = load_squad(ROOT / "fixtures" / "turkish_medical_qa.json", language="tr")
    export_beir(medical, tmp_path / "beir")
    corpus = tmp_path / "beir" / "corpus.jsonl"
    lines = corpus.read_text(encoding="utf-8").splitlines()
    again = [line.replace('"_id": "', '"_id": "again ', 1) for line in lines[5:8]]
    empty = '{"_id": "empty", "text": " ", "title": "", "metadata": {}}'
    corpus.write_text("\n".join([*lines[:50], *again, empty, *lines[50:]]), encoding="utf-8")
    held, spooled = both(tmp_path / "beir", monkeypatch)
    assert isinstance(held.documents, list)
    assert isinstance(spooled.documents, Selection)
    assert list(spooled.documents) == held.documents
    assert {key: list(column) for key, column in spooled.document_fields.items()} == held.document_fields
    assert spooled.document_fields
    assert {finding.kind for finding in spooled.findings} == {"empty-documents", "duplicate-documents"}
    assert (spooled.findings, spooled.document_ids) == (held.findings, held.document_ids)
    assert spooled.fingerprint == held.fingerprint
    one, other = (evaluate_retrieval(load_model(letters), data) for data in (held, spooled))
    assert {name: found.value for name, found in other.measured.items() if name != "encode_s"} == {
        name: found.value for name, found in one.measured.items() if name != "encode_s"
    }
    assert other.top == one.top
