"""Quality in pytest-benchmark's saved runs: saved beside the timings, compared with what was saved."""

from __future__ import annotations

import copy
import json
import subprocess
import sys
from dataclasses import replace
from typing import Any

import pytest

from pytest_embedeval.errors import UsageError
from pytest_embedeval.gate import Measurement
from pytest_embedeval.models import ModelInfo
from pytest_embedeval.plugin.bench import (
    SavedDataset,
    SavedModel,
    SavedQuality,
    SavedScore,
    compared_lines,
    pytest_benchmark_group_stats,
    pytest_benchmark_update_json,
    quality_info,
    read_quality,
)
from pytest_embedeval.plugin.state import KEY
from pytest_embedeval.report import DatasetRow, Part
from pytest_embedeval.settings import Gate, Rule
from tests.plugin.conftest import read_report

_MACHINE = """

def pytest_benchmark_generate_machine_info(config):
    return {"node": "test"}
"""

_FAILING = """
def test_too_slow(model, dataset, throughput):
    assert throughput(model, dataset).texts_per_s < 0


def test_own(benchmark):
    benchmark.extra_info["model"] = ["a", "list"]
    benchmark.pedantic(len, args=("",), rounds=2)
"""

_PLAIN = """
def test_own(benchmark):
    benchmark.extra_info["model"] = "mine"
    benchmark.pedantic(len, args=("",), rounds=2)
"""

QUALITY = SavedQuality(
    schema_version=1,
    measurements=[
        SavedScore("m", "retrieval", "medical", "mrr@10", 0.25, 12),
        SavedScore("m", "retrieval", "medical", "recall@1", 0.125, 12),
        SavedScore("m", "retrieval", "medical", "encode_s", 1.5, 24),
    ],
    models={"m": SavedModel("acme/m", "main", "0123456789abcdef")},
    datasets={"medical": SavedDataset("sha256:00112233445566")},
)
BLOCK: dict[str, Any] = {
    "schema_version": 1,
    "measurements": [
        {"model": "letters", "suite": "retrieval", "dataset": "medical", "metric": "mrr@10", "value": 0.25, "n": 12}
    ],
    "models": {"letters": {"source": "letters", "revision": None, "fingerprint": None}},
    "datasets": {},
}


@pytest.fixture
def timed(project: pytest.Pytester, uncalibrated: None, monkeypatch: pytest.MonkeyPatch) -> pytest.Pytester:
    """The project on a machine that pytest-benchmark need not look at, with as few rounds as there can be."""
    with (project.path / "conftest.py").open("a", encoding="utf-8") as conftest:
        conftest.write(_MACHINE)
    monkeypatch.setattr("pytest_embedeval.plugin.speed._BUDGET_S", 0.0)
    return project


def test_quality_is_saved_beside_the_timings(timed: pytest.Pytester) -> None:
    suites = "suites/test_speed.py", "suites/test_retrieval.py", "suites/test_morphology.py"
    timed.runpytest_inprocess(*suites, "--models=letters", "--benchmark-save=one", "--benchmark-json=two.json")
    report = read_report(timed)
    values = {(row["suite"], row["metric"]): row["value"] for row in report["measurements"]}
    for saved in (_saved(timed, "0001_one"), json.loads((timed.path / "two.json").read_text(encoding="utf-8"))):
        assert [benchmark["extra_info"]["task"] for benchmark in saved["benchmarks"]] == ["encode", "query"]
        for benchmark in saved["benchmarks"]:
            info = benchmark["extra_info"]
            assert info["quality.mrr@10"] == values["retrieval", "mrr@10"]
            assert info["quality.morphology.auc"] == values["morphology", "morphology.auc"]
            assert info["calibration"] == 50.0
            assert not {"quality.encode_s", "quality.triplet.accuracy"} & set(info)
        block = saved["embedeval"]
        assert block["schema_version"] == 1
        names = "model", "suite", "dataset", "metric", "value", "n"
        expected = [{name: row[name] for name in names} for row in report["measurements"]]
        assert sorted(block["measurements"], key=str) == sorted(expected, key=str)
        assert block["models"] == {"letters": {"source": "letters", "revision": None, "fingerprint": None}}
        assert block["datasets"] == {row["name"]: {"fingerprint": row["fingerprint"]} for row in report["datasets"]}


def test_a_saved_run_is_compared_in_timings_and_in_quality(timed: pytest.Pytester) -> None:
    suites = "suites/test_speed.py", "suites/test_retrieval.py::test_retrieval"
    timed.runpytest_inprocess(*suites, "--models=m=blind", "--benchmark-autosave", "--embedeval-out=old")
    result = timed.runpytest_inprocess(*suites, "--models=m=letters", "--benchmark-compare=0001", "--benchmark-save=b")
    result.assert_outcomes(passed=3)
    old, new = (_mrr(read_report(timed, folder)) for folder in ("old", ".embedeval"))
    result.stdout.fnmatch_lines(
        [
            "Quality, 0001_*.json → now:",
            f"m  retrieval/medical  mrr@10  {old:.4f} → {new:.4f} ({new - old:+.4f})",
            "m is another model: blind → letters",
            "*benchmark 'encode/medical': 2 tests*",
        ]
    )
    for run in "NOW", "0001_":
        assert result.stdout.str().count(f"test_throughput[m-medical] ({run}") == 1
    command = [sys.executable, "-m", "pytest_benchmark", "compare", "0001", "0002", "--columns=mean", "--csv=both.csv"]
    compared = subprocess.run(command, cwd=timed.path, capture_output=True, text=True, check=True).stdout
    assert compared.count("test_latency[m-medical] (0001_") == compared.count("test_latency[m-medical] (0002_") == 1
    assert len((timed.path / "both.csv").read_text(encoding="utf-8").splitlines()) == 5


@pytest.mark.parametrize("arguments", [(), ("--benchmark-disable",)], ids=" ".join)
def test_quality_is_compared_where_nothing_is_timed(timed: pytest.Pytester, arguments: tuple[str, ...]) -> None:
    _save(timed, "0001_old", BLOCK)
    result = _compare(timed, *arguments)
    assert f"letters  retrieval/medical  mrr@10  0.2500 → {_mrr(read_report(timed)):.4f} (" in result.stdout.str()


def test_several_saved_runs_are_compared_one_by_one(timed: pytest.Pytester) -> None:
    _save(timed, "0001_old", BLOCK)
    _save(timed, "0002_older", None)
    result = _compare(timed, "--benchmark-compare=000")
    result.stdout.fnmatch_lines(
        [
            "Quality, 0001_old.json → now:",
            "letters *0.2500 → *",
            "quality is not compared: 0002_older.json holds none;*",
        ]
    )


def test_a_damaged_block_is_one_line_and_no_failure(timed: pytest.Pytester) -> None:
    _save(timed, "0001_old", {**BLOCK, "measurements": [{**BLOCK["measurements"][0], "value": "high"}]})
    result = _compare(timed)
    lines = [line for line in result.outlines if "quality" in line.lower()]
    assert lines == [
        "quality is not compared: 0001_old.json is damaged: embedeval.measurements.0.value: Input should be a valid "
        "number, unable to parse string as a number; compare with another run"
    ]


def test_benchmarks_can_be_grouped_by_model(timed: pytest.Pytester) -> None:
    timed.makepyfile(test_own=_PLAIN.replace('["model"] = "mine"', '["kind"] = "own"'))
    result = timed.runpytest_inprocess(
        "test_own.py", "suites/test_speed.py", "--models=b=blind,a=blind", "--benchmark-group-by=model"
    )
    result.assert_outcomes(passed=5)
    result.stdout.fnmatch_lines(
        ["-* benchmark: 1 tests *", "-* benchmark 'b': 2 tests *", "-* benchmark 'a': 2 tests *"], consecutive=False
    )


def test_other_groups_are_left_to_pytest_benchmark() -> None:
    timed = [{"name": "test_b", "extra_info": {"model": "b"}}, {"name": "test_a", "extra_info": {"model": {"a": 1}}}]
    assert pytest_benchmark_group_stats(timed, "group") is None
    assert pytest_benchmark_group_stats(iter(timed), "model") == [("b", timed[:1]), (None, timed[1:])]


def test_a_run_whose_assertion_failed_is_saved_all_the_same(timed: pytest.Pytester) -> None:
    timed.makepyfile(test_failing=_FAILING)
    suites = "test_failing.py", "suites/test_retrieval.py::test_retrieval"
    result = timed.runpytest_inprocess(*suites, "--models=letters", "--benchmark-save=failed")
    result.assert_outcomes(failed=1, passed=2)
    saved = _saved(timed, "0001_failed")
    infos = {benchmark["name"]: benchmark["extra_info"] for benchmark in saved["benchmarks"]}
    assert infos["test_own"] == {"model": ["a", "list"]}
    assert infos["test_too_slow[letters-medical]"]["quality.mrr@10"] == _mrr(read_report(timed))


def test_a_run_without_our_fixtures_is_saved_and_compared_as_without_the_plugin(timed: pytest.Pytester) -> None:
    _save(timed, "0001_old", BLOCK)
    timed.makepyfile(test_own=_PLAIN)
    result = timed.runpytest_inprocess("test_own.py", "--benchmark-save=plain", "--benchmark-compare=0001")
    result.assert_outcomes(passed=1)
    assert "quality" not in result.stdout.str().lower()
    saved = _saved(timed, "0002_plain")
    assert list(saved) == ["machine_info", "commit_info", "benchmarks", "datetime", "version"]
    assert saved["benchmarks"][0]["extra_info"] == {"model": "mine"}


def test_saving_only_adds_and_may_be_repeated(pytester: pytest.Pytester) -> None:
    config = pytester.parseconfigure()
    row = Measurement("m", "retrieval", "medical", "mrr@10", 0.25, 12)
    state = config.stash[KEY]
    state.record(Part(models=[ModelInfo("m", "acme/m")], measurements=[replace(row, value=0.125)]))
    state.record(Part(datasets=[_dataset_row("medical")], measurements=[row]))
    kept = {"model": "m", "dataset": "medical", "task": "encode", "quality.mrr@10": "mine"}
    ours = {"model": "m", "dataset": "medical", "task": "query"}
    output: dict[str, Any] = {"benchmarks": [{"extra_info": kept}, {"extra_info": ours}, {"extra_info": {}}, {}]}
    pytest_benchmark_update_json(config, output)
    once = copy.deepcopy(output)
    pytest_benchmark_update_json(config, output)
    assert output == once
    assert once["benchmarks"] == [
        {"extra_info": kept},
        {"extra_info": {**ours, "quality.mrr@10": 0.25}},
        {"extra_info": {}},
        {},
    ]
    assert "quality.mrr@10" not in ours  # the benchmark itself, which the tables of this run are made from
    users = {"benchmarks": [], "embedeval": "mine"}
    pytest_benchmark_update_json(config, users)
    assert users == {"benchmarks": [], "embedeval": "mine"}
    state.parts.discard()


def test_a_saved_block_is_read_as_it_was_written() -> None:
    assert read_quality("0001.json", BLOCK).measurements[0] == SavedScore(
        "letters", "retrieval", "medical", "mrr@10", 0.25, 12
    )
    assert read_quality("0001.json", {**BLOCK, "a later": "addition"}) == read_quality("0001.json", BLOCK)


@pytest.mark.parametrize(
    ("block", "message"),
    [
        (None, "0001.json holds none; runs saved from now on do, as far as they score models"),
        ({**BLOCK, "schema_version": 2}, r"newer .* \(embedeval.schema_version is 2, this version reads 1\); update"),
        ({**BLOCK, "schema_version": 0}, "damaged: embedeval.schema_version: "),
        ({"measurements": []}, "damaged: embedeval.schema_version: Field required"),
        ({**BLOCK, "measurements": 3}, "damaged: embedeval.measurements: "),
        ({**BLOCK, "models": {"m": None}}, "damaged: embedeval.models.m: "),
        ({**BLOCK, "measurements": [{**BLOCK["measurements"][0], "value": float("nan")}]}, "measurements.0.value: "),
        ([], "0001.json is damaged: embedeval: "),
        ("", "0001.json is damaged: embedeval: "),
    ],
    ids=["none", "newer", "zero", "missing", "number", "null", "nan", "list", "text"],
)
def test_an_unreadable_block_says_what_is_wrong(block: object, message: str) -> None:
    with pytest.raises(UsageError, match=message):
        read_quality("0001.json", block)


@pytest.mark.parametrize(
    ("now", "change"),
    [
        ({"value": 0.5}, "0.2500 → 0.5000 (+0.2500)"),
        ({"value": 0.25}, "0.2500 → 0.2500 (+0.0000)"),
        ({"value": 0.25 - 1e-17}, "0.2500 → 0.2500 (+0.0000)"),
        ({"value": 0.24999}, "0.2500 → 0.2500 (-1e-05)"),
        ({"value": None}, "0.2500 → -"),
        ({"value": 0.5, "n": 10}, "0.2500 → 0.5000 (n 12 → 10)"),
        ({"value": 0.5, "dataset": "legal"}, "- → 0.5000 (not in that run)"),
    ],
    ids=["better", "equal", "noise", "hardly worse", "no number", "other n", "new"],
)
def test_a_change_is_shown_with_what_limits_it(now: dict[str, Any], change: str) -> None:
    new = replace(QUALITY, measurements=[replace(QUALITY.measurements[0], **now)])
    lines = list(compared_lines("0001.json", QUALITY, new, {}))
    assert lines[0] == "Quality, 0001.json → now:"
    assert lines[1].split("mrr@10")[1].strip() == change
    assert len(lines) == 2


def test_another_model_and_other_data_are_named() -> None:
    new = replace(
        QUALITY,
        models={"m": SavedModel("acme/m", "main", "fedcba9876543210")},
        datasets={"medical": SavedDataset("sha256:ff112233445566"), "unseen": SavedDataset("sha256:1")},
    )
    assert list(compared_lines("0001.json", QUALITY, new, {}))[1:] == [
        "m  retrieval/medical  mrr@10  0.2500 → 0.2500 (other data)",
        "m is another model: acme/m@main (0123456789ab) → acme/m@main (fedcba987654)",
        "medical holds other data: 001122334455 → ff1122334455; its scores cannot be compared",
    ]


def test_a_model_is_the_same_by_what_was_loaded() -> None:
    renamed = replace(QUALITY, models={"m": SavedModel("./copy", None, "0123456789abcdef")})
    assert len(list(compared_lines("0001.json", QUALITY, renamed, {}))) == 2


def test_gates_say_which_metrics_are_primary() -> None:
    common = {"mrr@10": Rule(min=0.1), "recall@1": Rule(min=0.1, primary=True)}
    gates = {"retrieval/medical": Gate(common, {"n": {"mrr@10": Rule(min=0.1, primary=True)}})}
    of_n = [replace(row, model="n") for row in QUALITY.measurements]
    new = replace(QUALITY, measurements=[*QUALITY.measurements, *of_n])
    shown = [line.split()[:3] for line in compared_lines("0001.json", QUALITY, new, gates)][1:]
    assert shown == [
        ["m", "retrieval/medical", "recall@1"],
        ["n", "retrieval/medical", "mrr@10"],
        ["n", "retrieval/medical", "recall@1"],
    ]


def test_where_no_primary_metric_was_measured_the_first_is_shown() -> None:
    new = replace(QUALITY, measurements=[QUALITY.measurements[2], QUALITY.measurements[1]])
    assert "recall@1" in list(compared_lines("0001.json", QUALITY, new, {}))[1]


def test_scores_of_several_sets_of_words_keep_their_names() -> None:
    forms, verbs = (SavedScore("m", "morphology", name, "morphology.auc", 0.75, 9) for name in ("forms", "verbs"))
    of_others = [
        SavedScore("n", "morphology", "nouns", "morphology.auc", 0.5, 9),
        SavedScore("m", "retrieval", "legal", "mrr@10", 0.5, 9),
        SavedScore("m", "clustering", "medical", "v_measure", 0.5, 9),
        SavedScore("m", "retrieval", "medical", "ndcg@10", None, 9),
    ]
    found = {"quality.mrr@10": 0.25, "quality.recall@1": 0.125}
    one = replace(QUALITY, measurements=[*QUALITY.measurements, forms, *of_others])
    assert quality_info(one, "m", "medical") == {**found, "quality.morphology.auc": 0.75}
    two = replace(one, measurements=[*one.measurements, verbs])
    assert quality_info(two, "m", "medical") == {
        **found,
        "quality.morphology.auc.forms": 0.75,
        "quality.morphology.auc.verbs": 0.75,
    }


def _compare(timed: pytest.Pytester, *arguments: str) -> pytest.RunResult:
    result = timed.runpytest_inprocess(
        "suites/test_retrieval.py::test_retrieval", "--models=letters", "--benchmark-compare=0001", *arguments
    )
    result.assert_outcomes(passed=1)
    return result


def _save(timed: pytest.Pytester, name: str, block: object) -> None:
    """Write what pytest-benchmark would have saved, with `block` as our part of it."""
    folder = timed.path / ".benchmarks"
    folder.mkdir(exist_ok=True)
    saved = {"machine_info": {"node": "test"}, "commit_info": {}, "benchmarks": [], "embedeval": block}
    (folder / f"{name}.json").write_text(json.dumps(saved), encoding="utf-8")


def _saved(timed: pytest.Pytester, name: str) -> dict[str, Any]:
    (path,) = (timed.path / ".benchmarks").rglob(f"{name}.json")
    found: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
    return found


def _mrr(report: dict[str, Any]) -> float:
    (value,) = (row["value"] for row in report["measurements"] if row["metric"] == "mrr@10")
    return float(value)


def _dataset_row(name: str) -> DatasetRow:
    return DatasetRow(name=name, fingerprint="sha256:1", language=None, queries=12, documents=12, judgements=12)
