"""Vectors kept between runs: computed once, never lost, and never a reason to fail."""

from __future__ import annotations

import json
import sqlite3
from pathlib import Path
from typing import Any

import pytest

from tests.plugin.conftest import RETRIEVAL, read_report, read_scores

SUITES = "suites/test_retrieval.py", "suites/test_clustering.py", "suites/test_morphology.py"

_COUNTED = '''

import json
import os
import signal
from pathlib import Path


class Counted:
    """Writes down every text that it encodes, and dies in the call that it is told to."""

    def __init__(self, fingerprint):
        self.fingerprint = fingerprint
        self.calls = 0

    def encode_queries(self, texts):
        if texts == ["a"]:  # asked for the dimension
            return letters(texts)
        self.calls += 1
        if os.environ.get("DIES_IN_CALL") == str(self.calls):
            os.kill(os.getpid(), signal.SIGKILL)
        with Path(__file__).with_name("encoded.txt").open("a", encoding="utf-8") as log:
            log.write("".join(json.dumps(text) + "\\n" for text in texts))
        return letters(texts)

    encode_documents = encode_queries


_without_counted = pytest_embedeval_models


def pytest_embedeval_models(config):
    counted = {"counted": Counted("trigrams"), "upgraded": Counted("other trigrams")}
    return {**_without_counted(config), **counted}
'''


def add_counted(project: pytest.Pytester) -> None:
    """Give the project encoders with fingerprints, whose vectors can be kept."""
    with (project.path / "conftest.py").open("a", encoding="utf-8") as conftest:
        conftest.write(_COUNTED)


def encoded(project: pytest.Pytester) -> list[str]:
    """Return the texts that were encoded since this was last asked for."""
    path = project.path / "encoded.txt"
    texts = [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()] if path.exists() else []
    path.unlink(missing_ok=True)
    return texts


def counts(report: dict[str, Any]) -> list[tuple[int, int, int]]:
    """Return of each list of texts: how many there are, were encoded, were reused."""
    return [(row["texts"], row["encoded"], row["reused"]) for row in report["vectors"]]


def lasting(report: dict[str, Any]) -> dict[str, Any]:
    """Return a report without what differs from run to run: times, and what was encoded or reused."""
    run = {key: value for key, value in report["run"].items() if key not in ("started", "duration_s", "command")}
    models = [{**model, "load_s": None} for model in report["models"]]
    measurements = [row for row in report["measurements"] if row["metric"] != "encode_s"]
    passing = dict.fromkeys(("encoded", "reused", "seconds", "spent"))
    vectors = [{**row, **passing} for row in report["vectors"]]
    costs = [{**row, "texts_per_s": None, "whole_texts_per_s": None} for row in report["costs"]]
    kept = {"run": run, "models": models, "measurements": measurements, "vectors": vectors, "costs": costs}
    return {**report, **kept}


def files(folder: Path) -> set[str]:
    """Return what lies in a folder, but for what Python, pytest and every run of ours leave there."""
    others = {".benchmarks", ".embedeval", ".pytest_cache", "__pycache__", "encoded.txt"}
    found = (path.relative_to(folder) for path in folder.rglob("*"))
    return {str(path) for path in found if others.isdisjoint(path.parts)}


def keys(cache: Path) -> Path:
    """Return the file that says where each vector lies."""
    return cache / "vectors" / "keys.sqlite3"


@pytest.fixture
def counted(project: pytest.Pytester) -> pytest.Pytester:
    add_counted(project)
    return project


@pytest.fixture
def cache(tmp_path: Path) -> Path:
    return tmp_path / "vectors of mine"


def test_a_second_run_encodes_nothing_and_reports_the_same(counted: pytest.Pytester, cache: Path) -> None:
    arguments = *SUITES, "--models=counted", f"--embedeval-cache={cache}"
    counted.runpytest_inprocess(*arguments).assert_outcomes(passed=4)
    first, texts = read_report(counted), encoded(counted)
    scores = read_scores(counted)
    counted.runpytest_inprocess(*arguments).assert_outcomes(passed=4)
    second = read_report(counted)
    assert encoded(counted) == []
    assert len(texts) == len(set(texts)) == sum(new for _, new, _ in counts(first))
    assert [(row["suite"], row["role"]) for row in first["vectors"]] == [
        ("morphology", "query"),
        ("retrieval", "document"),
        ("retrieval", "query"),
    ]
    assert [(new, old) for _, new, old in counts(first)[1:]] == [(12, 0), (12, 0)]
    assert counts(second) == [(n, 0, new) for n, new, _ in counts(first)]
    assert lasting(second) == lasting(first)
    assert read_scores(counted) == scores


def test_the_time_of_encoding_is_that_of_the_run_that_encoded(counted: pytest.Pytester, cache: Path) -> None:
    """A table of models must not show a slow one as fast because its vectors were there."""
    for out in ("cold", "warm"):
        out = f"--embedeval-out={out}"
        counted.runpytest_inprocess(RETRIEVAL, "--models=counted", f"--embedeval-cache={cache}", out)
    cold, warm = (read_report(counted, out) for out in ("cold", "warm"))
    times = [next(m["value"] for m in each["measurements"] if m["metric"] == "encode_s") for each in (cold, warm)]
    assert times[0] > 0
    assert times[1] == pytest.approx(times[0])
    assert sum(row["seconds"] for row in warm["vectors"]) == pytest.approx(times[0])


def test_vectors_are_kept_in_the_users_cache_folder_unless_told_otherwise(
    counted: pytest.Pytester, tmp_path: Path
) -> None:
    counted.runpytest_inprocess(RETRIEVAL, "--models=counted")
    assert keys(tmp_path / "cache" / "pytest-embedeval").is_file()
    assert read_report(counted)["run"]["settings"]["cache"] == str(tmp_path / "cache" / "pytest-embedeval")


@pytest.mark.parametrize("by", ["flag", "TOML"])
def test_without_a_cache_nothing_is_kept_anywhere(counted: pytest.Pytester, tmp_path: Path, by: str) -> None:
    if by == "TOML":
        head(counted, 'cache = "off"')
    before = files(counted.path), files(tmp_path)
    arguments = RETRIEVAL, "--models=counted", *(["--embedeval-cache=off"] if by == "flag" else [])
    for _ in range(2):
        counted.runpytest_inprocess(*arguments).assert_outcomes(passed=1)
        assert len(encoded(counted)) == 24
    assert (files(counted.path), files(tmp_path)) == before
    assert read_report(counted)["run"]["settings"]["cache"] is None


@pytest.mark.parametrize("models", ["letters", "bm25"])
def test_a_run_without_a_fingerprint_keeps_nothing_and_opens_no_store(
    counted: pytest.Pytester, cache: Path, models: str
) -> None:
    """Whoever changes such an encoder would get the vectors of the old one."""
    for _ in range(2):
        counted.runpytest_inprocess(RETRIEVAL, f"--models={models}", f"--embedeval-cache={cache}")
        rows = [] if models == "bm25" else [(12, 12, 0), (12, 12, 0)]
        assert counts(read_report(counted)) == rows
    assert not cache.exists()


@pytest.mark.parametrize("arguments", [("test_plain.py",), ("suites", "--collect-only")], ids=["plain", "collect"])
def test_a_run_that_encodes_nothing_touches_no_cache(
    counted: pytest.Pytester, tmp_path: Path, cache: Path, arguments: tuple[str, ...]
) -> None:
    counted.makepyfile(test_plain="def test_plain(): pass")
    result = counted.runpytest_inprocess(*arguments, "--models=counted", f"--embedeval-cache={cache}")
    assert result.ret == pytest.ExitCode.OK
    assert files(tmp_path) == set()


def test_a_folder_in_the_configuration_is_relative_to_the_project(
    counted: pytest.Pytester, monkeypatch: pytest.MonkeyPatch
) -> None:
    head(counted, 'cache = "kept/here"')
    monkeypatch.chdir(counted.path / "suites")
    counted.runpytest_inprocess("test_retrieval.py", "--models=counted", "--rootdir", counted.path)
    assert keys(counted.path / "kept" / "here").is_file()


def test_a_folder_on_the_command_line_is_relative_to_where_pytest_is_called(
    counted: pytest.Pytester, monkeypatch: pytest.MonkeyPatch
) -> None:
    head(counted, 'cache = "kept/here"')
    monkeypatch.chdir(counted.path / "suites")
    arguments = "test_retrieval.py", "--models=counted", "--embedeval-cache=mine", "--rootdir", counted.path
    counted.runpytest_inprocess(*arguments)
    assert keys(counted.path / "suites" / "mine").is_file()
    assert not (counted.path / "kept").exists()


def test_another_model_under_the_same_alias_gets_its_own_vectors(counted: pytest.Pytester, cache: Path) -> None:
    for source, texts in (("counted", 24), ("upgraded", 24), ("counted", 0)):
        counted.runpytest_inprocess(RETRIEVAL, f"--models=prod={source}", f"--embedeval-cache={cache}")
        assert len(encoded(counted)) == texts


def test_only_new_texts_are_encoded(counted: pytest.Pytester, cache: Path) -> None:
    arguments = RETRIEVAL, "--models=counted", f"--embedeval-cache={cache}"
    counted.runpytest_inprocess(*arguments)
    encoded(counted)
    text = (counted.path / "medical.json").read_text(encoding="utf-8")
    data = json.loads(text)
    passage = data["data"][0]["paragraphs"][0]
    passage["context"] = "Önce: " + passage["context"]
    (counted.path / "medical.json").write_text(json.dumps(data, ensure_ascii=False), encoding="utf-8")
    counted.runpytest_inprocess(*arguments).assert_outcomes(passed=1)
    assert encoded(counted) == [passage["context"]]
    assert counts(read_report(counted)) == [(12, 1, 11), (12, 0, 12)]


def test_a_killed_run_is_taken_up_where_it_stopped(
    counted: pytest.Pytester, cache: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    many(counted, 150)
    arguments = "suites/test_retrieval.py", "--models=counted"
    counted.runpytest_inprocess(*arguments, "--embedeval-cache=off", "--embedeval-out=undisturbed")
    assert len(encoded(counted)) == 300
    monkeypatch.setenv("DIES_IN_CALL", "4")  # the second for the documents, after two for the queries
    killed = counted.runpytest_subprocess(*arguments, f"--embedeval-cache={cache}")
    assert killed.ret == -9
    before = encoded(counted)
    assert 0 < len(before) == len(set(before)) < 300
    monkeypatch.delenv("DIES_IN_CALL")
    result = counted.runpytest_inprocess(*arguments, f"--embedeval-cache={cache}")
    result.assert_outcomes(passed=2)
    after = encoded(counted)
    assert len(after) == 300 - len(before)
    assert not set(before) & set(after)
    report, undisturbed = read_report(counted), read_report(counted, "undisturbed")
    assert sum(new for _, new, _ in counts(report)) == len(after)
    assert lasting(report)["measurements"] == lasting(undisturbed)["measurements"]
    assert read_scores(counted) == read_scores(counted, "undisturbed")
    assert report["warnings"] == []


def test_workers_share_a_cache(counted: pytest.Pytester, tmp_path: Path) -> None:
    pytest.importorskip("xdist")
    arguments = "suites/test_retrieval.py", "--models=counted,other=upgraded", "-p", "no:benchmark"
    counted.runpytest_inprocess(*arguments, "--embedeval-cache=off").assert_outcomes(passed=4)
    alone = read_report(counted)
    assert len(encoded(counted)) == 48
    for workers in (("-n", "2"), ("-n", "2", "--dist", "loadgroup")):
        here = *arguments, f"--embedeval-cache={tmp_path / workers[-1]}"
        counted.runpytest_inprocess(*here, *workers).assert_outcomes(passed=4)
        assert same(read_report(counted), alone)
        texts = encoded(counted)
        assert len(set(texts)) == 24
        assert len(texts) == 48 or "loadgroup" not in workers  # else two workers may take a model's first batch at once
        counted.runpytest_inprocess(*here).assert_outcomes(passed=4)
        assert same(read_report(counted), alone)
        assert encoded(counted) == []


def same(report: dict[str, Any], other: dict[str, Any]) -> bool:
    """Whether two reports say the same, wherever vectors were kept."""
    return all(lasting(report)[key] == lasting(other)[key] for key in report if key != "run")


@pytest.mark.parametrize("workers", [(), ("-n", "2")], ids=["alone", "-n 2"])
def test_damaged_keys_cost_a_line_and_time_but_no_score(
    counted: pytest.Pytester, cache: Path, workers: tuple[str, ...]
) -> None:
    if workers:
        pytest.importorskip("xdist")
    arguments = "suites/test_retrieval.py", "--models=counted", f"--embedeval-cache={cache}", "-p", "no:benchmark"
    counted.runpytest_inprocess(*arguments).assert_outcomes(passed=2)
    sound = read_report(counted)
    keys(cache).write_bytes(b"no database" * 500)
    result = counted.runpytest_inprocess(*arguments, *workers)
    result.assert_outcomes(passed=2)
    (warning,) = read_report(counted)["warnings"]
    assert warning.startswith(f"vector store {cache / 'vectors'}: keys.sqlite3 is damaged (file is not a database)")
    assert "5.4 KiB are kept as keys.sqlite3.damaged" in warning
    assert [line for line in result.outlines if line.startswith("warning ")] == [f"warning     {warning}"]
    assert {**lasting(read_report(counted)), "warnings": []} == lasting(sound)
    counted.runpytest_inprocess(*arguments).assert_outcomes(passed=2)
    assert read_report(counted)["warnings"] == []


@pytest.mark.parametrize("workers", [(), ("-n", "2")], ids=["alone", "-n 2"])
def test_damaged_vectors_are_computed_anew(counted: pytest.Pytester, cache: Path, workers: tuple[str, ...]) -> None:
    if workers:
        pytest.importorskip("xdist")
    arguments = "suites/test_retrieval.py", "--models=counted", f"--embedeval-cache={cache}", "-p", "no:benchmark"
    counted.runpytest_inprocess(*arguments).assert_outcomes(passed=2)
    sound = read_report(counted)
    encoded(counted)
    documents = max((cache / "vectors" / "segments").iterdir())
    content = bytearray(documents.read_bytes())
    content[3] ^= 0x40  # an exponent: a huge first number of the first vector
    documents.write_bytes(content)
    result = counted.runpytest_inprocess(*arguments, *workers)
    result.assert_outcomes(passed=2)
    (warning,) = read_report(counted)["warnings"]
    assert warning.startswith(f"vector store {cache / 'vectors'}: {documents.name}")
    assert warning.endswith(f"kept as {documents.name}.damaged")
    assert {**lasting(read_report(counted)), "warnings": []} == lasting(sound)
    assert result.outlines.count(f"warning     {warning}") == 1


def test_a_cache_of_a_newer_version_is_left_as_it_is(counted: pytest.Pytester, cache: Path) -> None:
    keys(cache).parent.mkdir(parents=True)
    database = sqlite3.connect(keys(cache))
    database.execute("PRAGMA user_version = 99")
    database.close()
    before = keys(cache).read_bytes()
    result = counted.runpytest_inprocess(RETRIEVAL, "--models=counted", f"--embedeval-cache={cache}")
    result.assert_outcomes(passed=1)
    assert "written by a newer pytest-embedeval (schema 99" in read_report(counted)["warnings"][0]
    assert keys(cache).read_bytes() == before


def test_a_cache_that_cannot_be_made_costs_a_line_alone(counted: pytest.Pytester, tmp_path: Path) -> None:
    (tmp_path / "a file").write_text("in the way")
    arguments = RETRIEVAL, "--models=counted,other=upgraded", f"--embedeval-cache={tmp_path / 'a file'}"
    result = counted.runpytest_inprocess(*arguments)
    result.assert_outcomes(passed=2)
    assert result.ret == pytest.ExitCode.OK
    (warning,) = read_report(counted)["warnings"]
    assert warning.endswith("cannot be opened (Not a directory); vectors are computed anew and not kept")


def test_a_bound_on_memory_changes_no_score(counted: pytest.Pytester, cache: Path) -> None:
    """With a kibibyte, vectors lie in files and are searched block by block."""
    models = "--models=counted,small=counted:dim=64,codes=counted:precision=int8,bits=counted:precision=binary"
    counted.runpytest_inprocess(*SUITES, models, f"--embedeval-cache={cache}", "--embedeval-out=free")
    bound = f"--embedeval-cache={cache}", "--embedeval-memory=1KiB"
    for out, kept in (("cold", ("--embedeval-cache=off", "--embedeval-memory=1KiB")), ("warm", bound)):
        counted.runpytest_inprocess(*SUITES, models, *kept, f"--embedeval-out={out}").assert_outcomes(passed=16)
        assert read_report(counted, out)["run"]["settings"]["memory"] == 1024
        assert same(read_report(counted, out), read_report(counted, "free"))


def head(project: pytest.Pytester, line: str) -> None:
    """Put a setting before the tables of the configuration."""
    path = project.path / "embedeval.toml"
    path.write_text(f"{line}\n{path.read_text(encoding='utf-8')}", encoding="utf-8")


def many(project: pytest.Pytester, number: int) -> None:
    """Give the project so many short passages with a question each."""
    passages = [
        {"context": f"Passage {n}.", "qas": [{"id": str(n), "question": f"Which {n}?", "answers": [{"text": "Pass"}]}]}
        for n in range(number)
    ]
    data = {"data": [{"title": "Many", "paragraphs": passages}]}
    (project.path / "medical.json").write_text(json.dumps(data), encoding="utf-8")
