"""Thresholds: what passes, what fails, and what the failure says."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest

from tests.plugin.conftest import configure, read_report

TEST = "suites/test_retrieval.py::test_retrieval"


def test_without_rules_every_score_passes_and_no_verdict_is_given(project: pytest.Pytester) -> None:
    project.runpytest_inprocess(TEST, "--models=blind").assert_outcomes(passed=1)
    assert read_report(project)["verdicts"] == []


def test_scores_within_the_bounds_pass(project: pytest.Pytester) -> None:
    configure(project, '[gates."retrieval/medical"]\n"mrr@10" = { min = 0.2, max = 0.9 }\n')
    project.runpytest_inprocess(TEST, "--models=letters").assert_outcomes(passed=1)
    measured = _measured(project, "mrr@10")
    verdicts = read_report(project)["verdicts"]
    assert [(row["rule"], row["bound"], row["state"]) for row in verdicts] == [
        ("min", 0.2, "pass"),
        ("max", 0.9, "pass"),
    ]
    assert verdicts[0]["delta"] == pytest.approx(measured["value"] - 0.2)


def test_a_failed_threshold_says_all_there_is_to_know(project: pytest.Pytester) -> None:
    configure(project, '[gates."retrieval/medical"]\n"mrr@10" = { min = 0.9 }\n"recall@10" = { min = 0.5 }\n')
    result = project.runpytest_inprocess(TEST, "--models=letters")
    result.assert_outcomes(failed=1)
    assert result.ret == pytest.ExitCode.TESTS_FAILED
    mrr, recall = _measured(project, "mrr@10"), _measured(project, "recall@10")
    result.stdout.fnmatch_lines(
        [
            "letters does not pass retrieval/medical:",
            f"  fail: mrr@10 {mrr['value']:.4f} is below the minimum 0.9",
            "metric * value * bound * delta * one-sided 95 % * n*",
            _row(mrr, "min 0.9", mrr["value"] - 0.9, "fail"),
            _row(recall, "min 0.5", recall["value"] - 0.5, "pass"),
            'The bounds stand in *gates."retrieval/medical"*for this model alone:*letters*',
            f"fail        letters retrieval/medical: mrr@10 {mrr['value']:.4f} is below the minimum 0.9",
        ]
    )
    result.stdout.no_fnmatch_line("*def test_retrieval*")
    failed, passed = read_report(project)["verdicts"]
    assert (failed["state"], passed["state"]) == ("fail", "pass")
    assert {key: failed[key] for key in ("value", "low", "high", "n")} == {
        key: mrr[key] for key in ("value", "low", "high", "n")
    }


def test_a_value_above_the_maximum_fails(project: pytest.Pytester) -> None:
    configure(project, '[gates."retrieval/medical"]\n"mrr@10" = { max = 0.1 }\n')
    result = project.runpytest_inprocess(TEST, "--models=letters")
    result.assert_outcomes(failed=1)
    result.stdout.fnmatch_lines(["  fail: mrr@10 0.* is above the maximum 0.1"])


def test_rules_of_an_alias_replace_the_common_ones(project: pytest.Pytester) -> None:
    configure(
        project,
        """
        [gates."retrieval/medical"]
        "mrr@10" = { min = 0.9 }
        "recall@10" = { min = 0.5 }

        [gates."retrieval/medical".letters]
        "mrr@10" = { min = 0.2 }
        """,
    )
    result = project.runpytest_inprocess(TEST, "--models=letters,same=letters", "-v")
    result.stdout.fnmatch_lines(["*[[]letters-medical] PASSED*", "*[[]same-medical] FAILED*"])
    assert [(row["model"], row["metric"], row["bound"]) for row in read_report(project)["verdicts"]] == [
        ("letters", "mrr@10", 0.2),
        ("letters", "recall@10", 0.5),
        ("same", "mrr@10", 0.9),
        ("same", "recall@10", 0.5),
    ]


def test_a_metric_that_was_not_measured_is_an_error_not_a_pass(project: pytest.Pytester) -> None:
    configure(project, '[gates."retrieval/medical"]\n"mrr@1O" = { min = 0 }\n')
    result = project.runpytest_inprocess(TEST, "--models=letters")
    result.assert_outcomes(failed=1)
    result.stdout.fnmatch_lines(["  error: mrr@1O was not measured; did you mean 'mrr@10'?*"])
    (verdict,) = read_report(project)["verdicts"]
    assert (verdict["state"], verdict["value"], verdict["n"]) == ("error", None, None)


@pytest.mark.parametrize(
    ("suite", "test", "rule"),
    [
        ("morphology/forms", "test_morphology.py", '"morphology.auc" = { min = 0.51 }'),
        ("clustering/medical", "test_clustering.py", '"silhouette.label" = { min = -0.05 }'),
        ("triplets/medical", "test_retrieval.py::test_negatives", '"triplet.accuracy" = { min = 0.51 }'),
    ],
    ids=["morphology", "clustering", "triplets"],
)
def test_every_suite_has_its_gate(project: pytest.Pytester, suite: str, test: str, rule: str) -> None:
    configure(project, f'[gates."{suite}"]\n{rule}\n')
    project.runpytest_inprocess(f"suites/{test}", "--models=letters,blind").assert_outcomes(passed=1, failed=1)
    assert [(row["model"], row["state"]) for row in read_report(project)["verdicts"]] == [
        ("letters", "pass"),
        ("blind", "fail"),
    ]


@pytest.mark.parametrize(
    "file",
    [
        "pyproject.toml",
        pytest.param("embedeval.toml"),
    ],
)
@pytest.mark.parametrize(
    "alias",
    [
        "letters",
        pytest.param("v1.5+tr"),
    ],
)
def test_the_place_that_the_message_names_can_be_pasted(project: pytest.Pytester, file: str, alias: str) -> None:
    prefix = "tool.embedeval." if file == "pyproject.toml" else ""
    configure(project, '[gates."retrieval/medical"]\n"mrr@10" = { min = 0.9 }\n')
    configuration = _moved(project, file, prefix)
    result = project.runpytest_inprocess(TEST, f"--models={alias}=letters")
    result.assert_outcomes(failed=1)
    found = re.search(r"for this model alone: (\[.*\])", result.stdout.str())
    assert found
    with configuration.open("a", encoding="utf-8") as stream:
        stream.write(f'{found[1]}\n"mrr@10" = {{ min = 0.2 }}\n')
    project.runpytest_inprocess(TEST, f"--models={alias}=letters").assert_outcomes(passed=1)


def _moved(project: pytest.Pytester, file: str, prefix: str) -> Path:
    text = (project.path / "embedeval.toml").read_text(encoding="utf-8")
    (project.path / "embedeval.toml").unlink()
    path = project.path / file
    path.write_text(re.sub(r"^\[", f"[{prefix}", text, flags=re.MULTILINE), encoding="utf-8")
    return path


def _measured(project: pytest.Pytester, metric: str) -> dict[str, Any]:
    row: dict[str, Any]
    (row,) = (row for row in read_report(project)["measurements"] if row["metric"] == metric)
    return row


def _row(row: dict[str, Any], bound: str, delta: float, state: str) -> str:
    interval = f"[[]{row['low']:.3f}, {row['high']:.3f}]"
    return f"{row['metric']} *{row['value']:.4f} *{bound} *{delta:+.4f} *{interval} *{row['n']} *{state}"
