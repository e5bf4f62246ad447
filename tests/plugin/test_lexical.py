"""Words, vectors and hybrids in one matrix: which suites apply, what stands in the report, and `beats`."""

from __future__ import annotations

from typing import Any

import pytest

from pytest_embedeval.gate.fusion import ALPHAS
from tests.plugin.conftest import RETRIEVAL, configure, read_report, read_scores, read_verdicts

LEXICAL = "suites/test_lexical.py"
MATRIX = "letters,letters+bm25,bm25,bm25:rerank=letters"
ALIASES = ["letters", "letters+bm25", "bm25", "bm25-rerankletters"]


def beat(project: pytest.Pytester, *names: str) -> None:
    """Say what the embedding models have to beat."""
    path = project.path / "embedeval.toml"
    text = path.read_text(encoding="utf-8")
    entry = 'path = "medical.json"\n'
    assert entry in text
    path.write_text(text.replace(entry, f"{entry}beats = {list(names)}\n"), encoding="utf-8")


def settled(report: dict[str, Any]) -> dict[str, Any]:
    """Return what must not depend on the processes that ran."""
    rows = {name: report[name] for name in ("models", "beside", "fusion", "stages")}
    for row in rows["stages"]:
        row.pop("p50_ms")
    for row in rows["models"]:
        row.pop("load_s")
    return rows


def mrr(project: pytest.Pytester, alias: str) -> list[float]:
    rows = (row for row in read_scores(project) if (row["model"], row["metric"]) == (alias, "mrr@10"))
    return [float(row["score"]) for row in rows]


def test_every_way_of_searching_is_scored_and_only_vectors_are_looked_at(project: pytest.Pytester) -> None:
    result = project.runpytest_inprocess(
        "suites", f"--models={MATRIX}", "-k", "retrieval or lexical or stage or cluster"
    )
    outcomes = result.parseoutcomes()
    assert "failed" not in outcomes
    assert "errors" not in outcomes
    report = read_report(project)
    assert [row["alias"] for row in report["models"]] == ALIASES
    assert [row["kind"] for row in report["models"]] == ["dense", "hybrid", "lexical", "two-stage"]
    searched = [row["model"] for row in report["measurements"] if (row["suite"], row["metric"]) == ("retrieval", "mrr")]
    assert searched == ALIASES
    assert {row["model"] for row in report["measurements"] if row["suite"] != "retrieval"} == {"letters"}
    assert [row["model"] for row in report["beside"]][:1] == ["letters"]
    assert {row["model"] for row in report["stages"]} == {"bm25-rerankletters"}
    assert len({tuple(mrr(project, alias)) for alias in ALIASES}) == 4


@pytest.mark.parametrize(
    ("suite", "passed", "deselected", "said"),
    [
        (LEXICAL, 1, 3, "not applicable to letters+bm25, bm25, bm25-rerankletters: 3 tests"),
        ("suites/test_two_stage.py", 1, 3, ""),
        (RETRIEVAL, 4, 0, ""),
    ],
    ids=["lexical", "two stages", "retrieval"],
)
def test_suites_that_do_not_apply_are_deselected(
    project: pytest.Pytester, suite: str, passed: int, deselected: int, said: str
) -> None:
    result = project.runpytest_inprocess(suite, f"--models={MATRIX}")
    result.assert_outcomes(passed=passed, deselected=deselected)
    (header,) = (line for line in result.outlines if line.startswith("embedeval: ") and "--models" not in line)
    assert header.partition("; ")[2] == said


def test_a_matrix_without_vectors_leaves_nothing_of_the_suite(project: pytest.Pytester) -> None:
    result = project.runpytest_inprocess(LEXICAL, "--models=bm25,letters+bm25")
    assert result.parseoutcomes()["deselected"] == 2
    assert result.ret != pytest.ExitCode.OK


def test_rows_stand_in_the_report(project: pytest.Pytester) -> None:
    project.runpytest_inprocess(LEXICAL, RETRIEVAL, f"--models={MATRIX},blind").assert_outcomes(passed=7, deselected=3)
    report = read_report(project)
    found: dict[str, list[dict[str, Any]]] = {"letters": [], "blind": []}
    for row in report["beside"]:
        found[row["model"].partition("+bm25:")[0]].append(row)
    for alias, (of_model, *of_hybrid) in found.items():
        now, then = mrr(project, alias), mrr(project, "bm25")
        assert (of_model["model"], of_model["reference"], of_model["dataset"]) == (alias, "bm25", "medical")
        assert of_model["won"] == sum(a > b for a, b in zip(now, then, strict=True))
        assert of_model["lost"] == sum(a < b for a, b in zip(now, then, strict=True))
        assert of_model["won"] + of_model["lost"] + of_model["tied"] == of_model["n"] == 12
        assert of_model["delta"] == pytest.approx((sum(now) - sum(then)) / 12)
        largest = [change["after"] - change["before"] for change in of_model["largest"]]
        lost = sorted(change for change in largest if change < 0)
        won = sorted((change for change in largest if change > 0), reverse=True)
        assert largest == lost + won
        assert max(len(lost), len(won)) <= 5
        curve = [row for row in report["fusion"] if row["model"] == alias]
        assert [(row["alpha"], row["queries"]) for row in curve[:22]] == [*((a, "all") for a in ALPHAS), (None, "all")]
        chosen, ranks = curve[22:]
        assert (chosen["queries"], chosen["chosen"], ranks["fusion"], ranks["chosen"]) == (
            "held out",
            True,
            "rrf",
            False,
        )
        assert (curve[0]["value"], curve[20]["value"]) == pytest.approx((sum(then) / 12, sum(now) / 12))
        assert [row["model"] for row in of_hybrid] == [f"{alias}+bm25:alpha={chosen['alpha']:g}"] * 2
        assert [row["reference"] for row in of_hybrid] == ["bm25", alias]
        assert [row["n"] for row in of_hybrid] == [chosen["n"]] * 2


def test_each_model_has_a_line_beside_words_and_one_for_its_hybrid(project: pytest.Pytester) -> None:
    result = project.runpytest_inprocess(LEXICAL, "--models=letters,bm25")
    report = read_report(project)
    (row,) = (row for row in report["beside"] if row["model"] == "letters")
    (chosen,) = (row for row in report["fusion"] if row["chosen"])
    counts = f"{row['won']} won, {row['lost']} lost, {row['tied']} tied"
    result.stdout.fnmatch_lines(
        [
            f"beside      letters beside bm25 on medical: mrr@10 {row['reference_value']:.3f} → {row['value']:.3f} (*, "
            f"one-sided 95 % [[]*]); {counts}",
            f"hybrid      letters+bm25 on medical: alpha={chosen['alpha']:g} * mrr@10 {chosen['value']:.3f} *",
        ]
    )
    assert len([line for line in result.outlines if line.startswith(("beside ", "hybrid "))]) == 2


def test_what_the_data_set_says_must_be_beaten_fails_the_suite(project: pytest.Pytester) -> None:
    beat(project, "bm25")
    result = project.runpytest_inprocess(LEXICAL, "--models=letters,blind,bm25")
    result.assert_outcomes(failed=2, deselected=1)
    assert result.ret == pytest.ExitCode.TESTS_FAILED
    found = {row["model"]: row for row in read_report(project)["beside"] if row["reference"] == "bm25"}
    for alias in ("letters", "blind"):
        row = found[alias]
        assert row["low"] <= 0
        shown = "is worse than" if row["high"] < 0 else "is not shown to be better than"
        result.stdout.fnmatch_lines(
            [
                f"*{alias} {shown} bm25: the mean difference must be above 0",
                f"*{alias} beside bm25 on medical: mrr@10 {row['reference_value']:.3f} → {row['value']:.3f} *",
                "*lost *?*",
            ]
        )


@pytest.mark.parametrize(("slips", "outcome"), [("perfect", "passed"), ("blind", "failed")])
def test_a_model_that_beats_what_it_must_passes(upgrades: pytest.Pytester, slips: str, outcome: str) -> None:
    """An encoder that finds every passage of 144 questions first, and one that finds none."""
    beat(upgrades, "bm25")
    result = upgrades.runpytest_inprocess(LEXICAL, f"--models={slips},bm25")
    result.assert_outcomes(**{outcome: 1}, deselected=1)


def test_a_hybrid_may_have_to_beat_both_parts(upgrades: pytest.Pytester) -> None:
    """No hybrid is better than vectors that make no mistake."""
    beat(upgrades, "bm25", "hybrid:bm25", "hybrid:vectors")
    result = upgrades.runpytest_inprocess(LEXICAL, "--models=perfect,bm25")
    result.assert_outcomes(failed=1, deselected=1)
    result.stdout.fnmatch_lines(["*perfect+bm25:alpha=* is not shown to be better than perfect: *"])
    result.stdout.no_fnmatch_line("*is not shown to be better than bm25*")


@pytest.mark.parametrize(
    ("beats", "problem"),
    [
        ("['bm52']", "'bm52' is unknown; did you mean 'bm25'?"),
        ("['minilm-en']", "'minilm-en' is unknown; Known: bm25, hybrid:bm25, hybrid:vectors"),
        ("'bm25'", "must be of type list, not 'bm25'"),
        ("[1]", 'must be a list of names such as [[]"bm25"], not [[]1]'),
    ],
)
def test_a_wrong_name_of_what_must_be_beaten_is_a_usage_error(
    project: pytest.Pytester, beats: str, problem: str
) -> None:
    configure(project, f'\n[datasets.more]\npath = "medical.json"\nformat = "squad"\nbeats = {beats}\n')
    result = project.runpytest_inprocess(LEXICAL, "--models=letters")
    assert result.ret == pytest.ExitCode.USAGE_ERROR
    result.stderr.fnmatch_lines([f"*embedeval.toml: datasets.more.beats: {problem}*"])


def test_queries_are_clustered_as_the_data_set_says(project: pytest.Pytester) -> None:
    path = project.path / "embedeval.toml"
    text = path.read_text(encoding="utf-8").replace('format = "squad"\n', 'format = "squad"\nclusters = "title"\n')
    path.write_text(text, encoding="utf-8")
    project.runpytest_inprocess(LEXICAL, "--models=letters").assert_outcomes(passed=1)
    row = read_report(project)["beside"][0]
    assert (row["n"], row["won"] + row["lost"] + row["tied"]) == (4, 12)


def test_a_hybrid_may_be_what_the_others_are_compared_with(project: pytest.Pytester) -> None:
    gated = "def test_gated(model, retrieval, gate): gate(retrieval(model, 'medical'))"
    project.makepyfile(test_own=gated)
    result = project.runpytest_inprocess(
        "test_own.py", f"--models={MATRIX}", "--against=letters+bm25", "--embedeval-baseline=off", "-v"
    )
    order = [line.split()[0].partition("[")[2] for line in result.outlines if "::test_gated" in line and "%" in line]
    assert order[0] == "letters+bm25]"
    rows = read_verdicts(project, "against")
    assert {(row["model"], row["reference"]) for row in rows} == {
        (alias, "letters+bm25") for alias in ALIASES if alias != "letters+bm25"
    }
    own = {alias: mrr(project, alias) for alias in ALIASES}
    for row in rows:
        difference = (sum(own[row["model"]]) - sum(own["letters+bm25"])) / 12
        assert row["delta"] == pytest.approx(difference, abs=1e-6)  # stored scores are rounded


def test_workers_share_one_report(project: pytest.Pytester) -> None:
    pytest.importorskip("xdist")
    suites = LEXICAL, "suites/test_two_stage.py"
    matrix = "letters,blind,letters+bm25,bm25:rerank=letters"
    reports = []
    for options in ((), ("-n", "2", "--dist", "loadgroup")):
        result = project.runpytest_inprocess(*suites, f"--models={matrix}", "-p", "no:benchmark", *options)
        assert result.ret == pytest.ExitCode.OK
        assert result.parseoutcomes()["passed"] == 3
        reports.append(settled(read_report(project)))
    assert [len(reports[0][name]) for name in ("beside", "fusion", "stages")] == [6, 48, 3]
    assert reports[0] == reports[1]


_OWN = """
import pytest


def test_by_name(model, lexical):
    found = lexical(model, "medical", metric="recall@3")
    assert found.metric == "recall@3"
    assert len(list(found.lines())) == 3


def test_unknown_data(model, lexical):
    lexical(model, "medcal")


def test_unknown_metric(model, lexical):
    lexical(model, "medical", metric="recal@3")


def test_gate(model, lexical):
    lexical(model, "medical").assert_beats("bm25")
"""


def test_a_test_of_ones_own_asks_by_name(project: pytest.Pytester) -> None:
    project.makepyfile(test_own=_OWN)
    result = project.runpytest_inprocess("test_own.py", "--models=blind")
    result.assert_outcomes(passed=1, failed=3)
    result.stdout.fnmatch_lines(
        ["unknown data set 'medcal'; did you mean 'medical'*", "*recal@3*", "*blind is* bm25: the mean difference *"]
    )
    assert {row["metric"] for row in read_report(project)["beside"]} == {"recall@3", "mrr@10"}


def test_a_search_that_has_words_is_no_model_to_compare_with_words(project: pytest.Pytester) -> None:
    project.makepyfile(test_own="def test_own(model, lexical): lexical(model, 'medical')")
    result = project.runpytest_inprocess("test_own.py", "--models=letters+bm25,bm25")
    result.assert_outcomes(failed=2)
    result.stdout.fnmatch_lines(
        [
            "model 'letters+bm25' (hybrid) does not search by vectors alone",
            "model 'bm25' (lexical) does not search by vectors alone",
        ]
    )
