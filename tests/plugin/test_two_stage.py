"""Two stages in the matrix: by depth in the report, and what a second model may be."""

from __future__ import annotations

import pytest

from tests.models.test_cross import save
from tests.plugin.conftest import RETRIEVAL, configure, read_report

TWO_STAGE = "suites/test_two_stage.py"


def test_depths_stand_in_the_report_and_in_a_line(project: pytest.Pytester) -> None:
    result = project.runpytest_inprocess(TWO_STAGE, RETRIEVAL, "--models=bm25,two=bm25:rerank=letters:depth=10")
    result.assert_outcomes(passed=3, deselected=1)
    report = read_report(project)
    rows = report["stages"]
    assert [(row["model"], row["second"], row["depth"], row["n"]) for row in rows] == [
        ("two", "letters", depth, 12) for depth in (0, 10, 12)
    ]
    values = {row["model"]: row["value"] for row in report["measurements"] if row["metric"] == "mrr@10"}
    assert rows[0]["value"] == pytest.approx(values["bm25"])
    assert rows[1]["value"] == pytest.approx(values["two"])
    assert [row["timed"] for row in rows] == [0, 12, 12]
    assert rows[0]["p50_ms"] is None
    assert rows[1]["delta"] == pytest.approx(rows[1]["value"] - rows[0]["value"])
    assert rows[1]["delta_low"] <= rows[1]["delta"] <= rows[1]["delta_high"]
    said = f"mrr@10 {rows[0]['value']:.3f} without, {rows[1]['value']:.3f} at 10 (* ms), {rows[2]['value']:.3f} at 12"
    result.stdout.fnmatch_lines([f"stages      two on medical: {said} (* ms)"])
    (info,) = (row for row in report["models"] if row["alias"] == "two")
    assert (info["kind"], info["source"]) == ("two-stage", "bm25")
    assert info["search"].endswith("; the first 10 put in order by letters")


def test_without_a_second_model_nothing_of_the_suite_is_left(project: pytest.Pytester) -> None:
    result = project.runpytest_inprocess(TWO_STAGE, "--models=letters,bm25,letters+bm25")
    assert result.parseoutcomes()["deselected"] == 3
    assert "passed" not in result.parseoutcomes()


def test_a_cross_encoder_may_be_the_second_model(project: pytest.Pytester) -> None:
    save(project.path / "ce")
    result = project.runpytest_inprocess(TWO_STAGE, RETRIEVAL, "--models=letters:rerank=./ce")
    result.assert_outcomes(passed=2)
    report = read_report(project)
    assert [row["alias"] for row in report["models"]] == ["letters-rerankce"]
    assert [(row["second"], row["depth"]) for row in report["stages"]] == [("./ce", depth) for depth in (0, 10, 12)]
    assert len({row["value"] for row in report["stages"]}) > 1


def test_a_cross_encoder_alone_is_an_error_of_that_model_with_the_fix(project: pytest.Pytester) -> None:
    save(project.path / "ce")
    result = project.runpytest_inprocess(RETRIEVAL, "--models=letters,./ce")
    result.assert_outcomes(passed=1, errors=1)
    message = (
        "model 'ce': ./ce is a cross-encoder, which only puts in order what another model finds; "
        "write MODEL:rerank=./ce"
    )
    assert f"not loaded  ce: {message}" in result.outlines
    assert [row["error"] for row in read_report(project)["models"]] == [None, message]


def test_a_second_model_that_cannot_be_loaded_is_an_error_of_its_entry_alone(project: pytest.Pytester) -> None:
    result = project.runpytest_inprocess(RETRIEVAL, "--models=letters,two=bm25:rerank=./gone")
    result.assert_outcomes(passed=1, errors=1)
    message = f"model 'two: gone': there is no folder {project.path / 'gone'}"
    assert f"not loaded  two: {message}" in result.outlines


@pytest.mark.parametrize(
    ("entry", "message"),
    [
        ("letters:rerank=bm25", "rerank names an embedding model or a cross-encoder, not bm25"),
        ("letters:rerank=lettres", "unknown model 'lettres'; did you mean 'letters'?"),
        ("letters:depth=3", "depth says how many documents rerank puts in order; add rerank, or remove it"),
        ("letters:rerank=blind:depth=0", "depth must be a whole number from 1 to 1,000,000, not 0"),
    ],
)
def test_a_wrong_second_stage_is_a_usage_error(project: pytest.Pytester, entry: str, message: str) -> None:
    result = project.runpytest_inprocess(TWO_STAGE, f"--models={entry}")
    assert result.ret == pytest.ExitCode.USAGE_ERROR
    result.stderr.fnmatch_lines([f"*{message}*"])


def test_a_table_describes_both_stages(project: pytest.Pytester) -> None:
    configure(project, '\n[models.two]\nsource = "letters+bm25"\nalpha = 0.3\nrerank = "blind"\ndepth = 5\n')
    project.runpytest_inprocess(RETRIEVAL, "--models=two").assert_outcomes(passed=1)
    (info,) = read_report(project)["models"]
    assert (info["kind"], info["dimension"]) == ("two-stage", 256)
    assert info["search"].endswith("weighted alpha=0.3; the first 5 put in order by blind")


_OWN = """
def test_own(model, two_stage):
    rows = two_stage(model, "medical", depths=(1, 3), metric="recall@3")
    assert [row.depth for row in rows] == [0, 1, 3]
    assert {row.metric for row in rows} == {"recall@3"}


def test_one_stage_alone(model, two_stage):
    two_stage(model.second, "medical")
"""


def test_a_test_of_ones_own_chooses_depths_and_metric(project: pytest.Pytester) -> None:
    project.makepyfile(test_own=_OWN)
    result = project.runpytest_inprocess("test_own.py", "--models=blind:rerank=letters")
    result.assert_outcomes(passed=1, failed=1)
    result.stdout.fnmatch_lines(
        ["model 'blind-rerankletters: letters' has one stage; name a second one with rerank=MODEL"]
    )
    assert [row["metric"] for row in read_report(project)["stages"]] == ["recall@3"] * 3
