"""Data sets in the hub's form, from folders on disk; the hub itself is out of reach here."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from pytest_embedeval.datasets import RetrievalData, load_dataset
from pytest_embedeval.errors import DatasetError, MissingExtraError
from tests.datasets.test_collection import findings, grades

Rows = list[dict[str, Any]]
PAIRS: Rows = [
    {"query": "Ne pompalar?", "document": "Kalp kanı pompalar.", "grade": 2, "topic": "heart"},
    {"query": "Ne süzer?", "document": "Böbrek kanı süzer.", "grade": None, "topic": "kidney"},
]


@pytest.fixture(autouse=True)
def library(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Any]:
    """The library `datasets` with an empty cache, and a hub that refuses connections."""
    datasets = pytest.importorskip("datasets")
    monkeypatch.setattr(datasets.config, "HF_DATASETS_CACHE", str(tmp_path / "cache"))
    monkeypatch.setattr(datasets.config, "HF_ENDPOINT", "http://127.0.0.1:1")
    monkeypatch.setattr(datasets.config, "HF_HUB_OFFLINE", False)
    yield datasets
    assert datasets.config.HF_HUB_OFFLINE is False


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    folder = tmp_path / "organs"
    folder.mkdir()
    return folder


def write_parquet(path: Path, rows: Rows) -> None:
    pyarrow, parquet = pytest.importorskip("pyarrow"), pytest.importorskip("pyarrow.parquet")
    path.parent.mkdir(parents=True, exist_ok=True)
    parquet.write_table(pyarrow.Table.from_pylist(rows), path)


def write_jsonl(path: Path, rows: Rows) -> None:
    path.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")


def read(folder: Path | str, **options: Any) -> RetrievalData:
    return load_dataset(folder, format="hub", **options)


def refused(folder: Path | str, **options: Any) -> str:
    with pytest.raises(DatasetError) as caught:
        read(folder, **options)
    return str(caught.value)


@pytest.mark.parametrize("write", [write_parquet, write_jsonl])
def test_a_folder_of_pairs_is_read(folder: Path, write: Any, capfd: pytest.CaptureFixture[str]) -> None:
    write(folder / f"test.{write.__name__.removeprefix('write_')}", PAIRS)
    data = read(folder, language="tr")
    assert (data.queries, data.documents) == (
        ["Ne pompalar?", "Ne süzer?"],
        ["Kalp kanı pompalar.", "Böbrek kanı süzer."],
    )
    assert grades(data) == [("q1", "d1", 2), ("q2", "d2", 1)]
    assert data.query_fields == {"topic": ["heart", "kidney"]}
    assert (data.name, data.language, data.findings) == ("organs", "tr", ())
    assert capfd.readouterr() == ("", "")


def test_columns_and_splits_are_chosen_by_name(folder: Path) -> None:
    rows: Rows = [{"soru": "Ne?", "metin": "Kalp", "puan": 3}]
    write_parquet(folder / "train.parquet", PAIRS)
    write_parquet(folder / "validation.parquet", PAIRS[:1])
    assert 'several splits and no "test"; choose split = one of train, validation' in refused(folder)
    assert len(read(folder, split="validation").queries) == 1
    assert f"{folder}, configuration default: no split 'dev'; its splits: train, validation" == refused(
        folder, split="dev"
    )
    other = folder.parent / "other"
    write_parquet(other / "test.parquet", rows)
    assert grades(read(other, query="soru", document="metin", grade="puan")) == [("q1", "d1", 3)]


def test_a_malformed_row_is_named(folder: Path) -> None:
    write_parquet(folder / "test.parquet", [*PAIRS, {**PAIRS[0], "query": ""}])
    assert refused(folder) == f"{folder}, configuration default, split test, row 3: key 'query' is empty"


@pytest.mark.parametrize("qrels", ["qrels", "default"])
def test_the_three_configurations_of_beir_are_one_data_set(folder: Path, qrels: str) -> None:
    write_parquet(
        folder / "c" / "corpus.parquet",
        [{"_id": "d1", "title": "Kalp", "text": "Pompalar."}, {"_id": "d2", "title": "", "text": "Süzer."}],
    )
    write_parquet(folder / "q" / "queries.parquet", [{"_id": f"q{i}", "text": f"Ne {i}?"} for i in range(3)])
    judged: Rows = [
        {"query-id": "q1", "corpus-id": "d1", "score": 2.0},
        {"query-id": "q1", "corpus-id": "d9", "score": 1.0},
    ]
    write_parquet(folder / "r" / "test.parquet", judged)
    write_parquet(folder / "r" / "train.parquet", [{"query-id": "q2", "corpus-id": "d2", "score": 1.0}])
    (folder / "README.md").write_text(
        "---\nconfigs:\n"
        "- config_name: corpus\n  data_files:\n  - split: corpus\n    path: c/*\n"
        "- config_name: queries\n  data_files:\n  - split: queries\n    path: q/*\n"
        f"- config_name: {qrels}\n  data_files:\n"
        "  - split: test\n    path: r/test*\n  - split: train\n    path: r/train*\n"
        "---\n"
    )
    data = read(folder)
    assert (data.documents, data.queries, grades(data)) == (["Kalp Pompalar.", "Süzer."], ["Ne 1?"], [("q1", "d1", 2)])
    assert findings(data) == {"unknown-judgements": 1}
    assert read(folder, split="train").queries == ["Ne 2?"]


def test_configurations_of_another_kind_are_named(folder: Path) -> None:
    write_parquet(folder / "tr.parquet", PAIRS)
    configurations = "".join(f"- config_name: {name}\n  data_files: tr.parquet\n" for name in ("tr", "en"))
    (folder / "README.md").write_text(f"---\nconfigs:\n{configurations}---\n")
    assert refused(folder) == f"{folder}: neither one table of pairs nor BEIR's; its configurations: tr, en"


def test_an_id_out_of_reach_is_one_clear_error(library: Any) -> None:
    message = refused("org/organs", revision="abc")
    assert message == (
        "org/organs@abc: not in the local cache, and the hub is out of reach. Without a network: a folder of its "
        "parquet files as path"
    )


def test_the_switch_for_no_network_is_named(library: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    with monkeypatch.context() as patch:
        patch.setattr(library.config, "HF_HUB_OFFLINE", True)
        assert "the hub is out of reach (HF_HUB_OFFLINE is set)." in refused("org/organs")


@pytest.mark.parametrize("path", ["csv", "organs", "a/b/c", "./organs"])
def test_what_is_neither_a_folder_nor_an_id_is_refused(path: str) -> None:
    assert refused(path) == f"{path}: neither a folder nor a data set of the hub, owner/name"


def test_no_code_of_a_repository_is_run(folder: Path) -> None:
    write_parquet(folder / "test.parquet", PAIRS)
    (folder / "organs.py").write_text(f"from pathlib import Path\nPath({str(folder / 'ran')!r}).touch()\n")
    assert refused(folder).startswith(
        f"{folder}: cannot be read: RuntimeError: Dataset scripts are no longer supported"
    )
    assert not (folder / "ran").exists()


def test_a_version_that_could_run_code_is_refused(library: Any, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(library, "__version__", "3.6.0")
    assert refused(folder).startswith("datasets 3.6.0 may run code of a repository")


def test_without_the_library_the_extra_is_named(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "datasets", None)
    with pytest.raises(MissingExtraError, match=r"datasets is not installed; .*pytest-embedeval\[hub\]"):
        read(folder)


def test_the_bars_of_the_library_are_left_as_they_were(library: Any, folder: Path) -> None:
    write_parquet(folder / "test.parquet", PAIRS)
    library.enable_progress_bars()
    read(folder)
    assert not library.utils.are_progress_bars_disabled()


def test_what_is_in_the_cache_is_read_without_the_hub(library: Any, folder: Path, tmp_path: Path) -> None:
    write_parquet(folder / "test.parquet", PAIRS)
    read(folder)
    (kept,) = (tmp_path / "cache" / "organs" / "default" / "0.0.0").glob("*/organs-test.arrow")
    as_of_the_hub = tmp_path / "cache" / "org___name" / "default" / "0.0.0"
    as_of_the_hub.mkdir(parents=True)
    kept.rename(kept.with_name("name-test.arrow"))
    kept.parent.rename(as_of_the_hub / kept.parent.name)
    assert read("org/name").queries == ["Ne pompalar?", "Ne süzer?"]
