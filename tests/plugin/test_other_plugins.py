"""Beside xdist, pytest's cache, and a pytest that loads only the plugins it is told to."""

from __future__ import annotations

from typing import Any

import pytest

from tests.plugin.conftest import configure, read_report, read_scores


def test_two_workers_give_the_report_of_one_process(project: pytest.Pytester) -> None:
    pytest.importorskip("xdist")
    configure(project, '[gates."retrieval/medical"]\n"mrr@10" = { min = 0.3 }\n')
    arguments = "suites/test_retrieval.py", "--models=letters,blind,own=acme/own,gone=./gone"
    alone = project.runpytest_inprocess(*arguments, "--embedeval-out=alone")
    together = project.runpytest_inprocess(
        *arguments, "--embedeval-out=together", "-n", "2", "--dist", "loadgroup", "-p", "no:benchmark"
    )
    for result in (alone, together):
        assert result.parseoutcomes()["passed"] == 5
        assert result.parseoutcomes()["errors"] == 2
        assert result.parseoutcomes()["failed"] == 1
    assert _comparable(read_report(project, "together")) == _comparable(read_report(project, "alone"))
    assert _sorted(read_scores(project, "together")) == _sorted(read_scores(project, "alone"))
    loads = (project.path / "loads.txt").read_text(encoding="utf-8").splitlines()
    assert loads == ["own alive=0"] * 2  # once alone, and once by the one worker that has its tests
    assert together.outlines.count("report: " + str(project.path / "together" / "report.json")) == 1


def test_last_failed_judges_only_the_model_that_failed(project: pytest.Pytester) -> None:
    configure(project, '[gates."retrieval/medical"]\n"mrr@10" = { min = 0.3 }\n')
    arguments = "suites/test_retrieval.py::test_retrieval", "--models=letters,blind"
    project.runpytest_inprocess(*arguments).assert_outcomes(passed=1, failed=1)
    result = project.runpytest_inprocess(*arguments, "--last-failed")
    result.assert_outcomes(failed=1, deselected=1)
    result.stdout.fnmatch_lines(["embedeval: 1 model* (blind)"])
    assert [row["alias"] for row in read_report(project)["models"]] == ["blind"]


@pytest.mark.parametrize(
    ("plugin", "outcomes"),
    [
        ("benchmark", {"passed": 2}),
        pytest.param("pytest_benchmark.plugin", {"passed": 2}),
        ("no:benchmark", {"skipped": 2}),
    ],
)
def test_plugins_may_be_loaded_one_by_one(
    project: pytest.Pytester, monkeypatch: pytest.MonkeyPatch, plugin: str, outcomes: dict[str, int]
) -> None:
    """In a process of its own: pytest warns of a plugin that this process has imported before it could rewrite it."""
    monkeypatch.setenv("PYTEST_DISABLE_PLUGIN_AUTOLOAD", "1")
    result = project.runpytest_subprocess(
        "-p", "pytest_embedeval.plugin", "-p", plugin, "suites/test_speed.py", "--models=blind"
    )
    result.assert_outcomes(**outcomes)


def _comparable(report: dict[str, Any]) -> dict[str, Any]:
    """Return a report without what differs from run to run: times, and the order of what is no model."""
    for key in ("started", "duration_s", "command"):
        del report["run"][key]
    for model in report["models"]:
        del model["load_s"]
    for row in report["vectors"]:
        del row["seconds"], row["spent"]
    measurements = [row for row in report["measurements"] if row["metric"] != "encode_s"]
    return {**report, "measurements": _sorted(measurements), "datasets": _sorted(report["datasets"])}


def _sorted(rows: list[Any]) -> list[Any]:
    return sorted(rows, key=str)
