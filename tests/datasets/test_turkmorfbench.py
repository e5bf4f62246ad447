"""TurkMorfBench, from the package where it is installed, and from a file of its form."""

from __future__ import annotations

import importlib.util
import json
import sys
from collections import Counter
from pathlib import Path
from typing import Any

import pytest

from pytest_embedeval.datasets import load_turkmorfbench
from pytest_embedeval.errors import DatasetError, MissingExtraError

ITEM: dict[str, Any] = {
    "kimlik": "a1",
    "kova": "ad_cekimi",
    "gorev": "belirtme",
    "govde": "kalp",
    "altin": "kalbi",
    "celdirici": {"uyum": "kalbı", "yumusama": "kalpi", "bos": ""},
    "gercek": True,
}


def write(tmp_path: Path, *items: Any) -> Path:
    path = tmp_path / "core.json"
    path.write_text(json.dumps({"maddeler": items}), encoding="utf-8")
    return path


def test_stem_form_and_wrong_spellings_become_an_item(tmp_path: Path) -> None:
    (item,) = load_turkmorfbench(write(tmp_path, ITEM)).items
    assert (item.lemma, item.form, item.distractors) == ("kalp", "kalbi", ("kalbı", "kalpi"))
    assert item.kinds == ("uyum", "yumusama")
    assert (item.category, item.features, item.source) == ("ad_cekimi", "belirtme", "turkmorfbench")


def test_items_that_ask_nothing_are_left_out_and_counted(tmp_path: Path) -> None:
    data = load_turkmorfbench(write(tmp_path, ITEM, {**ITEM, "kimlik": "a2", "celdirici": {"uyum": "kalbi"}}))
    assert [item.id for item in data.items] == ["a1"]
    assert [(finding.kind, finding.count) for finding in data.findings] == [("items-without-distractors", 1)]


@pytest.mark.parametrize(
    ("item", "message"),
    [
        ({**ITEM, "govde": ""}, "core.json: item 1: key 'govde' is empty"),
        ({**ITEM, "celdirici": []}, "core.json: item 1, key 'celdirici': expected an object, found list"),
        ("kalp", "core.json: item 1: expected an object, found str"),
    ],
)
def test_a_wrong_file_is_refused_with_its_place(tmp_path: Path, item: object, message: str) -> None:
    with pytest.raises(DatasetError, match=message):
        load_turkmorfbench(write(tmp_path, item))


def test_without_the_package_the_extra_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("pytest_embedeval.datasets.turkmorfbench.find_spec", lambda name: None)
    with pytest.raises(MissingExtraError, match=r"pip install 'pytest-embedeval\[turkmorfbench\]'"):
        load_turkmorfbench()


@pytest.mark.skipif(importlib.util.find_spec("turkmorfbench") is None, reason="turkmorfbench is not installed")
def test_the_package_is_read_as_data_and_none_of_its_code_runs() -> None:
    data = load_turkmorfbench()
    assert (data.name, data.language) == ("turkmorfbench", "tr")
    assert len(data.items) + sum(finding.count for finding in data.findings) == 1836
    assert len(Counter(item.category for item in data.items)) >= 10
    assert "uyum" in {kind for item in data.items for kind in item.kinds}
    assert "turkmorfbench" not in sys.modules
