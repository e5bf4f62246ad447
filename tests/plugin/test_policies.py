"""What a comparison makes of a drop: policy, tolerance, fewest queries, slices, clusters, primary metrics.

`careful`, `hasty`, `hurried` and `careless` slip on 2, 8, 24 and 72 of 144 questions, half a reciprocal rank each.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import pytest

from tests.plugin.conftest import RETRIEVAL, configure, read_report, read_verdicts

GATE = '[gates."retrieval/medical"]\n'


@pytest.mark.parametrize(
    ("source", "flags", "state", "change"),
    [
        ("perfect", (), "inconclusive", "inconclusive"),  # 149 equal queries would show it
        ("careful", (), "inconclusive", "inconclusive"),
        ("hasty", (), "fail", "inconclusive"),  # an observed drop
        ("careless", (), "fail", "regressed"),
        ("perfect", ("--embedeval-policy=strict",), "fail", "inconclusive"),
        ("careful", ("--embedeval-policy=strict", "--embedeval-tolerance=0.05"), "pass", "non-inferior"),
        ("hasty", ("--embedeval-policy=proven",), "inconclusive", "inconclusive"),
        ("careless", ("--embedeval-policy=proven",), "fail", "regressed"),
        ("careless", ("--embedeval-policy=proven", "--embedeval-tolerance=0.25"), "inconclusive", "inconclusive"),
    ],
)
def test_a_drop_is_judged_by_policy_and_tolerance(
    upgrades: pytest.Pytester, source: str, flags: Sequence[str], state: str, change: str
) -> None:
    result = _compare(upgrades, source, *flags)
    assert result.ret == (pytest.ExitCode.TESTS_FAILED if state == "fail" else pytest.ExitCode.OK)
    verdict = _verdict(upgrades)
    assert (verdict["state"], verdict["change"]) == (state, change)
    if state == "inconclusive":
        ends = "it takes 149 such to show that it is not worse" if source == "perfect" else "would settle it"
        result.stdout.fnmatch_lines([f"warning     next retrieval/medical against base: mrr@10 * {ends}"])
    settings = read_report(upgrades)["run"]["settings"]
    given = {f"--embedeval-{key}={settings[key]}" for key in ("policy", "tolerance")}
    assert set(flags) <= given


@pytest.mark.parametrize(
    ("head", "flags", "state"),
    [
        ('policy = "proven"', (), "inconclusive"),
        ("tolerance = 0.03", (), "inconclusive"),
        ("tolerance = 0.03", ("--embedeval-tolerance=0.02",), "fail"),
        ('policy = "proven"', ("--embedeval-policy=strict",), "fail"),
    ],
)
def test_the_configuration_says_the_same_and_the_command_line_wins(
    upgrades: pytest.Pytester, head: str, flags: Sequence[str], state: str
) -> None:
    _head(upgrades, head)
    _compare(upgrades, "hasty", *flags)
    assert _verdict(upgrades)["state"] == state


@pytest.mark.parametrize(
    ("gate", "state"),
    [
        (f'{GATE}"mrr@10" = {{ tolerance = 0.03 }}', "inconclusive"),
        (f'{GATE}"recall@3" = {{ tolerance = 0.03 }}', "fail"),
        ('[gates."retrieval/medical".next]\n"mrr@10" = { tolerance = 0.03 }', "inconclusive"),
        ('[gates."retrieval/medical".base]\n"mrr@10" = { tolerance = 0.03 }', "fail"),
    ],
    ids=["its metric", "another metric", "its alias", "another alias"],
)
def test_a_gate_has_a_tolerance_of_its_own(upgrades: pytest.Pytester, gate: str, state: str) -> None:
    configure(upgrades, gate)
    _compare(upgrades, "hasty")
    assert _verdict(upgrades)["state"] == state


def test_the_primary_metrics_decide_and_the_others_inform(upgrades: pytest.Pytester) -> None:
    configure(upgrades, f'{GATE}"recall@3" = {{ primary = true }}\n"recall@5" = {{ primary = true }}\n')
    result = _compare(upgrades, "careless")
    assert result.ret == pytest.ExitCode.OK
    assert [row["metric"] for row in read_verdicts(upgrades, "against")] == ["recall@3", "recall@5"]
    assert [row["metric"] for row in read_report(upgrades)["comparisons"]] == ["recall@3", "recall@5"]
    result.stdout.fnmatch_lines(["advisory    next retrieval/medical against base: REGRESSED too: *mrr@10 −0.250*"])


def test_a_primary_metric_that_was_not_measured_is_an_error(upgrades: pytest.Pytester) -> None:
    configure(upgrades, f'{GATE}"recall@4" = {{ primary = true }}\n')
    result = _compare(upgrades, "perfect")
    assert result.ret == pytest.ExitCode.TESTS_FAILED
    result.stdout.fnmatch_lines(["  error: recall@4 was not measured for next, or is not a finite number"])


def test_few_questions_are_compared_without_an_interval(project: pytest.Pytester) -> None:
    result = project.runpytest_inprocess(RETRIEVAL, "--models=base=letters,next=blind", "--against=base")
    result.assert_outcomes(passed=1, failed=1)
    result.stdout.fnmatch_lines(
        ["  fail: mrr@10 *: a drop of more than 0.02 on these 12 queries (9 differ); an interval needs at least 30"]
    )
    verdict = _verdict(project)
    assert (verdict["low"], verdict["high"], verdict["n"]) == (None, None, 12)


@pytest.mark.parametrize(("least", "has_interval"), [(144, True), (145, False)])
def test_the_fewest_questions_of_an_interval_are_configured(
    upgrades: pytest.Pytester, least: int, has_interval: bool
) -> None:
    _head(upgrades, f"min_queries = {least}")
    _compare(upgrades, "careless")
    assert (_verdict(upgrades)["low"] is not None) == has_interval


def test_a_slice_that_regressed_fails_although_the_whole_passes(upgrades: pytest.Pytester) -> None:
    _of_medical(upgrades, 'slices = ["phrasing", "title"]')
    result = _compare(upgrades, "hurried", "--embedeval-tolerance=0.1")
    result.assert_outcomes(passed=1, failed=1)
    result.stdout.fnmatch_lines(
        [
            "  fail: mrr@10 −0.293 in phrasing=clinical: REGRESSED by more than 0.1 on 41 queries (Holm)",
            "  24 lost, 0 won of 144; *",
            "  regressed in phrasing=clinical (?0.293, n = 41)",
            "mrr@10 * against 1 * inconclusive",
        ]
    )
    assert [(row["slice"], row["state"]) for row in read_verdicts(upgrades, "against")] == [
        (None, "inconclusive"),
        ("phrasing=clinical", "fail"),
    ]
    (comparison,) = read_report(upgrades)["comparisons"]
    parts = {f"{part['field']}={part['value']}": part["n"] for part in comparison["slices"]}
    assert {name: n for name, n in parts.items() if name.startswith("phrasing")} == {
        "phrasing=clinical": 41,
        "phrasing=lay": 82,
        "phrasing=synonym": 21,
    }
    assert sum(parts.values()) == 2 * 144


@pytest.mark.parametrize(("by", "n"), [("document", 48), ("title", 24)])
def test_clusters_count_instead_of_questions(upgrades: pytest.Pytester, by: str, n: int) -> None:
    _of_medical(upgrades, f'clusters = "{by}"')
    _compare(upgrades, "careless")
    verdict = _verdict(upgrades)
    assert verdict["n"] == n
    assert verdict["delta"] == pytest.approx(-0.25)  # each passage has three questions, each title two passages
    assert f"{n} clusters by {by}" in verdict["reason"]
    assert (verdict["low"] is None) == (n < 30)


@pytest.mark.parametrize("line", ['slices = ["phrase"]', 'clusters = "phrase"'])
def test_an_unknown_field_is_named_beside_the_known(upgrades: pytest.Pytester, line: str) -> None:
    _of_medical(upgrades, line)
    result = _compare(upgrades, "perfect")
    assert result.ret == pytest.ExitCode.TESTS_FAILED
    result.stdout.fnmatch_lines(
        ["data set 'medical' has no field 'phrase' (slices, clusters); did you mean 'phrasing'? Known: category, *"]
    )
    result.stdout.no_fnmatch_line("*def test_retrieval*")


@pytest.mark.parametrize(
    ("flag", "problem"),
    [
        ("--embedeval-policy=loose", "--embedeval-policy: must be one of observed, strict, proven, not 'loose'"),
        ("--embedeval-tolerance=0", "--embedeval-tolerance: must lie between 0 and 1, for example 0.02, not 0"),
        ("--embedeval-tolerance=1", "--embedeval-tolerance: must lie between 0 and 1, for example 0.02, not 1"),
        ("--embedeval-tolerance=nan", "--embedeval-tolerance: must lie between 0 and 1, for example 0.02, not nan"),
        ("--embedeval-tolerance=2%", "argument --embedeval-tolerance: invalid float value: '2%'"),
    ],
)
def test_a_wrong_value_of_a_flag_is_a_usage_error(pytester: pytest.Pytester, flag: str, problem: str) -> None:
    result = pytester.runpytest_inprocess(flag)
    assert result.ret == pytest.ExitCode.USAGE_ERROR
    assert problem in result.stderr.str()


@pytest.mark.parametrize(
    ("head", "tables", "problem"),
    [
        ('policy = "loose"', "", "policy: must be one of observed, strict, proven, not 'loose'"),
        ("tolerance = -0.1", "", "tolerance: must lie between 0 and 1, for example 0.02, not -0.1"),
        ('tolerance = "2%"', "", "tolerance: must be of type float, not '2%'"),
        ("min_queries = 1", "", "min_queries: must be at least 2, and is 1"),
        ("min_queries = 30.5", "", "min_queries: must be of type int, not 30.5"),
        ("baseline = true", "", "baseline: must be of type str, not True"),
        ("accept_worse = true", "", "accept_worse: unknown key"),
        ("", f'{GATE}"mrr@10" = {{ tolerance = 2 }}', "mrr@10.tolerance: must lie between 0 and 1"),
        ("", f'{GATE}"mrr@10" = {{ primary = 1 }}', "mrr@10.primary: must be of type bool, not 1"),
    ],
)
def test_a_wrong_value_of_the_configuration_is_a_usage_error(
    project: pytest.Pytester, head: str, tables: str, problem: str
) -> None:
    _head(project, head)
    configure(project, tables)
    result = project.runpytest_inprocess("suites", "--models=letters")
    assert result.ret == pytest.ExitCode.USAGE_ERROR
    assert problem in result.stderr.str()
    assert str(project.path / "embedeval.toml") in result.stderr.str()


@pytest.mark.parametrize("line", ['slices = "phrasing"', "slices = [1]", 'clusters = ["title"]'])
def test_slices_are_a_list_of_names_and_clusters_one_name(project: pytest.Pytester, line: str) -> None:
    _of_medical(project, line)
    result = project.runpytest_inprocess(RETRIEVAL, "--models=letters")
    assert result.ret == pytest.ExitCode.USAGE_ERROR
    assert f"datasets.medical.{line.split()[0]}: must be " in result.stderr.str()


def _compare(project: pytest.Pytester, source: str, *flags: str) -> pytest.RunResult:
    return project.runpytest_inprocess(RETRIEVAL, f"--models=base=perfect,next={source}", "--against=base", *flags)


def _verdict(project: pytest.Pytester) -> dict[str, Any]:
    (verdict,) = read_verdicts(project, "against")
    return verdict


def _head(project: pytest.Pytester, line: str) -> None:
    """Put a line before all tables of the configuration."""
    path = project.path / "embedeval.toml"
    path.write_text(f"{line}\n{path.read_text(encoding='utf-8')}", encoding="utf-8")


def _of_medical(project: pytest.Pytester, line: str) -> None:
    """Put a line into the table of the data set."""
    path = project.path / "embedeval.toml"
    text = path.read_text(encoding="utf-8")
    path.write_text(text.replace("[datasets.medical]\n", f"[datasets.medical]\n{line}\n"), encoding="utf-8")
