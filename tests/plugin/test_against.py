"""`--against=ALIAS`: every model beside another one, of this run or stored."""

from __future__ import annotations

from typing import Any
from xml.etree import ElementTree

import pytest

from tests.plugin.conftest import RETRIEVAL, configure, read_baseline, read_report, read_verdicts, store

SUITE = "suites/test_retrieval.py"
AGAINST = "--against=base"


def test_the_reference_runs_first_and_the_others_are_compared_with_it(upgrades: pytest.Pytester) -> None:
    models = "--models=next=hasty,same=perfect,base=perfect"
    result = upgrades.runpytest_inprocess(RETRIEVAL, models, AGAINST, "-v")
    result.assert_outcomes(passed=2, failed=1)
    assert [line.split()[0].partition("[")[2] for line in result.outlines if "::test_retrieval[" in line][:3] == [
        "base-medical]",
        "next-medical]",
        "same-medical]",
    ]
    report = read_report(upgrades)
    assert [row["alias"] for row in report["models"]] == ["next", "same", "base"]
    assert [(row["model"], row["reference"], row["state"]) for row in read_verdicts(upgrades, "against")] == [
        ("next", "base", "fail"),
        ("same", "base", "inconclusive"),
    ]
    assert {row["rule"] for row in report["verdicts"]} == {"against"}
    found = {row["model"]: row for row in report["comparisons"]}
    assert set(found) == {"next", "same"}
    assert {key: found["next"][key] for key in ("reference", "rule", "metric", "before", "after", "lost", "won")} == {
        "reference": "base",
        "rule": "against",
        "metric": "mrr@10",
        "before": "perfect, 48 dimensions",
        "after": "hasty, 48 dimensions",
        "lost": 8,
        "won": 0,
    }
    result.stdout.fnmatch_lines(
        [
            "  fail: mrr@10 1.000 → 0.972 (−0.028), *",
            "mrr@10 against base:",
            "mrr@10 * 0.9722 * against 1 * -0.0278 * fail",
            "A larger drop is accepted with --embedeval-tolerance=DROP.",
            "fail        next retrieval/medical against base: mrr@10 1.000 → 0.972 *",
        ]
    )
    result.stdout.no_fnmatch_line("*baseline*")


def test_a_stored_reference_needs_no_place_in_the_matrix(upgrades: pytest.Pytester) -> None:
    store(upgrades, "base=careless")
    result = upgrades.runpytest_inprocess(RETRIEVAL, "--models=next=perfect", AGAINST)
    result.assert_outcomes(passed=1)
    assert result.ret == pytest.ExitCode.OK
    assert [(row["model"], row["bound"], row["change"]) for row in read_verdicts(upgrades, "against")] == [
        ("next", 0.75, "improved")
    ]
    result.stdout.fnmatch_lines(["improved    next retrieval/medical against base: mrr@10 0.750 → 1.000 *"])


def test_a_reference_of_this_run_goes_before_its_stored_scores(upgrades: pytest.Pytester) -> None:
    store(upgrades, "base=careless")
    result = upgrades.runpytest_inprocess(RETRIEVAL, "--models=base=perfect,next=hasty", AGAINST)
    result.assert_outcomes(passed=1, failed=1)
    assert [row["bound"] for row in read_verdicts(upgrades, "against")] == [1.0]


def test_the_own_baseline_of_a_model_is_judged_beside_the_reference(upgrades: pytest.Pytester) -> None:
    store(upgrades, "base=careless,next=perfect")
    result = upgrades.runpytest_inprocess(RETRIEVAL, "--models=next=hasty", AGAINST)
    result.assert_outcomes(failed=1)
    states = {row["rule"]: row["state"] for row in read_report(upgrades)["verdicts"] if not row["advisory"]}
    assert states == {"baseline": "fail", "against": "pass"}


@pytest.mark.parametrize("by", ["flag", "configuration"])
def test_an_unknown_reference_is_a_usage_error_with_a_hint(project: pytest.Pytester, by: str) -> None:
    store(project, "letters")
    given = ["--against=lettres"]
    if by == "configuration":
        given = []
        path = project.path / "embedeval.toml"
        path.write_text('against = "lettres"\n' + path.read_text(encoding="utf-8"), encoding="utf-8")
    result = project.runpytest_inprocess(RETRIEVAL, "--models=blind", *given)
    assert result.ret == pytest.ExitCode.USAGE_ERROR
    result.stderr.fnmatch_lines(
        [
            "ERROR: --against=lettres: no model of the matrix and no baseline in *baselines has that alias; "
            "did you mean 'letters'? Known: blind, letters"
        ]
    )


def test_without_baselines_the_matrix_alone_is_known(project: pytest.Pytester) -> None:
    store(project, "letters")
    result = project.runpytest_inprocess(RETRIEVAL, "--models=blind", "--against=letters", "--embedeval-baseline=off")
    assert result.ret == pytest.ExitCode.USAGE_ERROR
    result.stderr.fnmatch_lines(["*: no model of the matrix (baselines are off) has that alias; Known: blind"])


def test_the_command_line_names_another_reference_than_the_configuration(upgrades: pytest.Pytester) -> None:
    path = upgrades.path / "embedeval.toml"
    path.write_text('against = "first"\n' + path.read_text(encoding="utf-8"), encoding="utf-8")
    models = "--models=first=perfect,second=careless,next=hasty"
    for given, bound in ((), 1.0), (("--against=second",), 0.75):
        upgrades.runpytest_inprocess(RETRIEVAL, models, *given, "-k", "next or first or second")
        bounds = {row["model"]: row["bound"] for row in read_verdicts(upgrades, "against")}
        assert bounds["next"] == bound


def test_a_reference_that_was_not_loaded_fails_those_that_need_it(upgrades: pytest.Pytester) -> None:
    result = upgrades.runpytest_inprocess(RETRIEVAL, "--models=base=./gone,next=perfect", AGAINST)
    result.assert_outcomes(errors=1, failed=1)
    result.stdout.fnmatch_lines(
        ["  error: base has no scores for retrieval/medical, neither in this run nor in *baselines"]
    )
    result.stdout.no_fnmatch_line("*--embedeval-tolerance*")  # which would not mend it
    assert [row["state"] for row in read_verdicts(upgrades, "against")] == ["error"]


def test_a_candidate_that_was_not_loaded_is_told_once(upgrades: pytest.Pytester) -> None:
    result = upgrades.runpytest_inprocess(RETRIEVAL, "--models=base=perfect,next=./gone", AGAINST)
    result.assert_outcomes(errors=1, passed=1)
    result.stdout.no_fnmatch_line("failed *")


@pytest.mark.parametrize("reference", ["live", "stored"])
def test_bm25_is_no_reference_for_tests_that_need_vectors(upgrades: pytest.Pytester, reference: str) -> None:
    """It has no scores there and never will; the rest of the suite is compared."""
    if reference == "stored":
        store(upgrades, "bm25")
    models = "bm25,next=perfect" if reference == "live" else "next=perfect"
    result = upgrades.runpytest_inprocess(SUITE, f"--models={models}", "--against=bm25")
    assert result.ret == pytest.ExitCode.OK
    verdicts = read_verdicts(upgrades, "against")
    assert [(row["suite"], row["change"]) for row in verdicts] == [("retrieval", "improved")]


@pytest.mark.parametrize(
    ("test", "models"),
    [
        ("suites/test_morphology.py", "bm25,next=letters"),
        ("suites/test_contract.py", "base=letters,next=letters"),
    ],
    ids=["nothing applies", "nothing is gated"],
)
def test_a_candidate_that_was_compared_on_nothing_fails_the_run(
    project: pytest.Pytester, test: str, models: str
) -> None:
    reference = models.partition(",")[0].partition("=")[0]
    result = project.runpytest_inprocess(test, f"--models={models}", f"--against={reference}", "-k", "not decomposed")
    assert "failed" not in result.parseoutcomes()
    assert result.ret == pytest.ExitCode.TESTS_FAILED
    result.stdout.fnmatch_lines([f"failed      next was compared with {reference} on nothing; *"])


def test_a_part_without_the_reference_says_what_is_missing(upgrades: pytest.Pytester) -> None:
    result = upgrades.runpytest_inprocess(RETRIEVAL, "--models=base=perfect,next=perfect", AGAINST, "-k", "next")
    result.assert_outcomes(failed=1, deselected=1)
    result.stdout.fnmatch_lines(["  error: base has no scores for retrieval/medical, neither in this run nor in *"])


def test_other_data_under_the_reference_is_refused(upgrades: pytest.Pytester) -> None:
    store(upgrades, "base=perfect")
    configured = (upgrades.path / "embedeval.toml").read_text(encoding="utf-8")
    changed = configured.replace('language = "tr"', 'language = "tr"\ntarget = "answer"\nduplicates = "keep"', 1)
    (upgrades.path / "embedeval.toml").write_text(changed, encoding="utf-8")
    old = read_baseline(upgrades, "base")["results"]["retrieval/medical"]["dataset"]["fingerprint"]
    result = upgrades.runpytest_inprocess(RETRIEVAL, "--models=next=letters", AGAINST)
    result.assert_outcomes(failed=1)
    new = read_report(upgrades)["datasets"][0]["fingerprint"]
    result.stdout.fnmatch_lines([f"  error: the data has changed: {new[:19]} now, {old[:19]} in the reference; *"])


def test_an_update_stores_beside_the_comparison(upgrades: pytest.Pytester) -> None:
    """A candidate that fails against its reference is stored when asked for: `--against` is no baseline."""
    models = "--models=base=perfect,next=careless"
    result = upgrades.runpytest_inprocess(RETRIEVAL, models, AGAINST, "--embedeval-update")
    result.assert_outcomes(passed=1, failed=1)
    result.stdout.fnmatch_lines(["stored      base retrieval/medical: *", "stored      next retrieval/medical: *"])


def test_two_workers_find_what_one_process_finds(upgrades: pytest.Pytester) -> None:
    pytest.importorskip("xdist")
    configure(upgrades, '[gates."retrieval/medical"]\n"mrr@10" = { min = 0.8 }\n')
    models = "--models=next=hasty,base=perfect,third=careless,same=perfect"
    alone = upgrades.runpytest_inprocess(SUITE, models, AGAINST, "--embedeval-out=alone")
    together = upgrades.runpytest_inprocess(
        SUITE, models, AGAINST, "--embedeval-out=together", "-n", "2", "-p", "no:benchmark"
    )
    assert alone.ret == together.ret == pytest.ExitCode.TESTS_FAILED
    reports = read_report(upgrades, "alone"), read_report(upgrades, "together")
    assert len(reports[0]["comparisons"]) == 6
    for key in ("models", "verdicts", "comparisons"):
        assert _settled(reports[0][key]) == _settled(reports[1][key])
    reasons = [line for line in alone.outlines if line.startswith("fail  ")]
    assert len(reasons) == 4
    assert [line for line in together.outlines if line.startswith("fail  ")] == reasons
    together.stdout.fnmatch_lines(
        [
            "failed      next retrieval/medical against base, compared after its test had passed:",
            "  8 lost, 0 won of 144; *",
            "  lost (rank 1 → 2) *",
        ]
    )


def test_junit_xml_has_the_message_and_plain_properties(upgrades: pytest.Pytester) -> None:
    store(upgrades, "next=perfect")
    upgrades.runpytest_inprocess(
        RETRIEVAL, "--models=base=perfect,next=hasty", AGAINST, "--junit-xml=junit.xml"
    ).assert_outcomes(passed=1, failed=1)
    (case,) = (
        case
        for case in ElementTree.parse(upgrades.path / "junit.xml").iter("testcase")
        if case.get("name") == "test_retrieval[next-medical]"
    )
    properties = {found.get("name"): found.get("value") for found in case.iter("property")}
    measured = {row["metric"]: row["value"] for row in read_report(upgrades)["measurements"] if row["model"] == "next"}
    assert properties == {f"embedeval.retrieval.medical.{metric}": str(value) for metric, value in measured.items()}
    failure = case.find("failure")
    assert failure is not None
    assert "mrr@10 against its baseline:" in (failure.text or "")
    assert "mrr@10 against base:" in (failure.text or "")


def _settled(rows: list[dict[str, Any]]) -> list[dict[str, Any]]:
    return [{key: value for key, value in row.items() if key != "load_s"} for row in rows]
