"""Timings through pytest-benchmark, and runs in which nothing is timed."""

from __future__ import annotations

import json
from typing import Any

import pytest

from tests.plugin.conftest import read_report

_COUNTING = """
from tests.conftest import blind

calls = []


def counting(texts):
    calls.append(len(texts))
    return blind(texts)


def pytest_embedeval_models(config):
    return {"counting": counting}


def pytest_unconfigure(config):
    print("calls", calls[1:])  # the first asks for the dimension
"""


@pytest.mark.usefixtures("uncalibrated")
@pytest.mark.parametrize(
    ("arguments", "outcomes", "timed", "scored"),
    [
        ((), {"passed": 3}, True, True),
        (("--benchmark-only",), {"passed": 2, "skipped": 1}, True, False),
        (("--benchmark-skip",), {"passed": 1, "skipped": 2}, False, True),
        (("--benchmark-disable",), {"passed": 3}, False, True),
        (("-p", "no:benchmark"), {"passed": 1, "skipped": 2}, False, True),
    ],
    ids=["timed", "only", "skip", "disable", "no plugin"],
)
def test_what_is_not_timed_is_not_measured_and_no_failure(
    project: pytest.Pytester, arguments: tuple[str, ...], outcomes: dict[str, int], timed: bool, scored: bool
) -> None:
    suites = "suites/test_speed.py", "suites/test_retrieval.py::test_retrieval"
    result = project.runpytest_inprocess(*suites, "--models=blind", "-rs", *arguments)
    result.assert_outcomes(**outcomes)
    assert result.ret == pytest.ExitCode.OK
    report = read_report(project)
    assert [row["task"] for row in report["speed"]] == (["encode", "query"] if timed else [])
    assert bool(report["measurements"]) == scored
    if "-p" in arguments:
        result.stdout.fnmatch_lines(["SKIPPED * not measured: pytest-benchmark is switched off"])
    if scored and not timed:
        texts_per_s = next(line for line in result.outlines if line.startswith("blind ")).split()[3]
        assert texts_per_s == "-"


def test_a_timing_has_its_numbers(project: pytest.Pytester) -> None:
    project.runpytest_inprocess("suites/test_speed.py", "--models=blind").assert_outcomes(passed=2)
    encode, query = read_report(project)["speed"]
    assert encode["dataset"] == query["dataset"] == "medical"
    assert encode["texts_per_s"] > 0
    assert 3 <= encode["rounds"] <= 30
    assert query["rounds"] == 100
    assert 0 < query["p50_ms"] <= query["p95_ms"]
    for row in (encode, query):
        assert row["tokens_per_s"] is None  # an encoder of a conftest has no tokenizer
        assert row["calibration"] > 0
        assert row["peak_memory_mib"] is None or row["peak_memory_mib"] > 10


@pytest.mark.usefixtures("uncalibrated")
def test_each_round_is_one_call_after_one_warm_up(project: pytest.Pytester) -> None:
    project.makeconftest(_COUNTING)
    result = project.runpytest_inprocess("suites/test_speed.py::test_throughput", "-s", "--benchmark-json=timed.json")
    (timed,) = _benchmarks(project)
    rounds = timed["stats"]["rounds"]
    estimate, warm_up = 8, 12
    assert f"calls {[estimate, warm_up, *[12] * rounds]}" in result.stdout.str()
    assert timed["stats"]["iterations"] == 1


@pytest.mark.usefixtures("uncalibrated")
def test_latency_asks_one_query_at_a_time(project: pytest.Pytester) -> None:
    project.makeconftest(_COUNTING)
    result = project.runpytest_inprocess("suites/test_speed.py::test_latency", "-s")
    assert f"calls {[1] * 101}" in result.stdout.str()


@pytest.mark.usefixtures("uncalibrated")
def test_words_have_a_latency_too_and_are_judged_by_it(project: pytest.Pytester) -> None:
    suites = "suites/test_speed.py", "suites/test_retrieval.py::test_retrieval"
    project.runpytest_inprocess(*suites, "--models=letters,bm25").assert_outcomes(passed=5)
    report = read_report(project)
    timed = {(row["model"], row["task"]): row["p50_ms"] for row in report["speed"]}
    assert timed.keys() == {("letters", "encode"), ("letters", "query"), ("bm25", "query")}
    (waited,) = (row for row in report["decisions"] if row["scenario"] == "real-time")
    latency = {choice["model"]: choice["aspects"]["latency"] for choice in waited["choices"]}
    assert latency == {alias: pytest.approx(min(1, 50 / timed[alias, "query"])) for alias in ("letters", "bm25")}


@pytest.mark.usefixtures("uncalibrated")
def test_a_slow_model_is_timed_in_few_rounds(project: pytest.Pytester, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("pytest_embedeval.plugin.speed._BUDGET_S", 0.0)
    project.runpytest_inprocess("suites/test_speed.py::test_throughput", "--models=letters").assert_outcomes(passed=1)
    assert [row["rounds"] for row in read_report(project)["speed"]] == [3]


@pytest.mark.usefixtures("uncalibrated")
def test_benchmarks_are_grouped_by_task_and_say_what_they_timed(project: pytest.Pytester) -> None:
    project.runpytest_inprocess("suites/test_speed.py", "--models=a=blind,b=blind", "--benchmark-json=timed.json")
    benchmarks = _benchmarks(project)
    assert sorted((timed["group"], timed["extra_info"]["model"]) for timed in benchmarks) == [
        ("encode/medical", "a"),
        ("encode/medical", "b"),
        ("query/medical", "a"),
        ("query/medical", "b"),
    ]
    encode = next(timed for timed in benchmarks if timed["group"] == "encode/medical")
    assert 12 / encode["stats"]["max"] <= encode["extra_info"]["texts_per_s"] <= 12 / encode["stats"]["min"]
    assert encode["extra_info"]["calibration"] == 50.0


def test_without_pytest_benchmark_a_benchmark_of_the_users_own_is_still_an_error(pytester: pytest.Pytester) -> None:
    """As without our plugin: a test that silently stops running is worse than one that says why."""
    pytester.makepyfile("def test_own(benchmark): benchmark(len, [])")
    result = pytester.runpytest_inprocess("-p", "no:benchmark")
    result.assert_outcomes(errors=1)
    result.stdout.fnmatch_lines(["*fixture 'benchmark' not found*"])


def _benchmarks(project: pytest.Pytester) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = json.loads((project.path / "timed.json").read_text(encoding="utf-8"))["benchmarks"]
    return found
