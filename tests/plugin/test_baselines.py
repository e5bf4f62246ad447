"""Stored baselines: written on request, compared with ever after, never made worse in passing."""

from __future__ import annotations

import json
import re
import shlex
import shutil
from pathlib import Path

import pytest

from tests.plugin.conftest import RETRIEVAL, configure, read_baseline, read_report, read_verdicts, store

UPDATE, NEW, WORSE = "--embedeval-update", "--embedeval-update-new", "--embedeval-accept-worse"


def test_with_nothing_stored_a_run_passes_and_does_not_speak_of_it(project: pytest.Pytester) -> None:
    result = project.runpytest_inprocess("suites/test_retrieval.py", "--models=letters,blind")
    result.assert_outcomes(passed=4)
    result.stdout.no_fnmatch_line("*baseline*")
    assert not (project.path / "baselines").exists()
    assert read_report(project)["verdicts"] == []


def test_what_was_stored_is_what_the_same_run_finds_again(upgrades: pytest.Pytester) -> None:
    first = upgrades.runpytest_inprocess(RETRIEVAL, "--models=prod=perfect", UPDATE)
    first.assert_outcomes(passed=1)
    first.stdout.fnmatch_lines(["stored      prod retrieval/medical: mrr@10 1.0000", "baselines: *baselines"])
    stored = read_baseline(upgrades, "prod")
    assert set(stored["results"]) == {"retrieval/medical"}
    kept = stored["results"]["retrieval/medical"]
    assert (kept["model"]["source"], kept["tests"], len(kept["queries"])) == ("perfect", [RETRIEVAL], 144)
    assert kept["dataset"]["fingerprint"] == read_report(upgrades)["datasets"][0]["fingerprint"]
    text = _text(upgrades, "prod")
    again = upgrades.runpytest_inprocess(RETRIEVAL, "--models=prod=perfect")
    again.assert_outcomes(passed=1)
    again.stdout.no_fnmatch_line("*lost*")
    (verdict,) = read_verdicts(upgrades, "baseline")
    (comparison,) = read_report(upgrades)["comparisons"]
    assert (verdict["delta"], verdict["differ"], verdict["reference"]) == (0, 0, "prod")
    assert (comparison["lost"], comparison["won"], comparison["n"]) == (0, 0, 144)
    upgrades.runpytest_inprocess(RETRIEVAL, "--models=prod=perfect", UPDATE).stdout.fnmatch_lines(
        ["unchanged   prod retrieval/medical: *"]
    )
    assert _text(upgrades, "prod") == text


def test_a_worse_model_under_the_same_alias_fails_and_says_what_it_lost(upgrades: pytest.Pytester) -> None:
    store(upgrades, "prod=perfect")
    text = _text(upgrades, "prod")
    result = upgrades.runpytest_inprocess(RETRIEVAL, "--models=prod=hasty")
    result.assert_outcomes(failed=1)
    assert result.ret == pytest.ExitCode.TESTS_FAILED
    questions, passages = _texts(upgrades)
    changes = read_report(upgrades)["comparisons"][0]["queries"]
    assert len(changes) == 8
    for change in changes:
        assert (change["rank_before"], change["rank_after"], change["before"], change["after"]) == (1, 2, 1.0, 0.5)
        assert change["text"] == questions[change["id"]]
        assert passages[change["above"]].startswith(change["above_text"])
        assert change["above"] != change["gold"]
    worst = changes[0]
    result.stdout.fnmatch_lines(
        [
            "prod does not pass retrieval/medical:",
            "  fail: mrr@10 1.000 → 0.972 (−0.028), one-sided 95 % * on these 144 queries (8 differ)*",
            "mrr@10 against its baseline:",
            "  before: perfect, 48 dimensions",
            "  after:  hasty, 48 dimensions",
            "  8 lost, 0 won of 144; *",
            f"  lost (rank 1 → 2) {worst['text'][:40]}*",
            f"      now first: {worst['above']}: {worst['above_text'][:40]}*",
            "metric * value * bound *",
            "mrr@10 * 0.9722 * baseline 1 * -0.0278 * 144 * fail",
            f"To accept these scores as the baseline of prod: pytest * {UPDATE} {WORSE}",
            "fail        prod retrieval/medical: mrr@10 1.000 → 0.972 *",
        ]
    )
    assert _text(upgrades, "prod") == text


def test_the_command_in_the_message_accepts_the_worse_scores(upgrades: pytest.Pytester) -> None:
    store(upgrades, "prod=perfect")
    failed = upgrades.runpytest_inprocess(RETRIEVAL, "--models=prod=careless", "-k", "medical or nothing")
    accepted = upgrades.runpytest_inprocess(*_command(failed))
    accepted.assert_outcomes(passed=1)
    accepted.stdout.fnmatch_lines(["updated     prod retrieval/medical: mrr@10 1.0000 → 0.7500"])
    upgrades.runpytest_inprocess(RETRIEVAL, "--models=prod=careless").assert_outcomes(passed=1)


@pytest.mark.parametrize("worse", ["careful", "careless"])  # the first is within the tolerance
def test_an_update_refuses_a_score_that_fell(upgrades: pytest.Pytester, worse: str) -> None:
    store(upgrades, "prod=perfect")
    text = _text(upgrades, "prod")
    result = upgrades.runpytest_inprocess(RETRIEVAL, f"--models=prod={worse}", UPDATE)
    result.assert_outcomes(failed=1)
    result.stdout.fnmatch_lines(
        [
            f"  error: mrr@10 1.0000 → 0.*: the score fell, and is not written without {WORSE}",
            "  2 lost, 0 won of 144; *" if worse == "careful" else "  72 lost, 0 won of 144; *",
            f"not written prod retrieval/medical: mrr@10 1.0000 → 0.*; it fell: {WORSE} writes it",
        ]
    )
    assert _text(upgrades, "prod") == text
    assert _command(result)[-2:] == [UPDATE, WORSE]


def test_of_two_models_the_one_that_improved_is_updated(upgrades: pytest.Pytester) -> None:
    store(upgrades, "prod=perfect,next=careless")
    text = _text(upgrades, "prod")
    result = upgrades.runpytest_inprocess(RETRIEVAL, "--models=prod=careless,next=perfect", UPDATE)
    result.assert_outcomes(passed=1, failed=1)
    assert _text(upgrades, "prod") == text
    assert _stored_value(upgrades, "next") == 1.0


def test_an_improvement_passes_and_is_reported(upgrades: pytest.Pytester) -> None:
    store(upgrades, "prod=careless")
    text = _text(upgrades, "prod")
    result = upgrades.runpytest_inprocess(RETRIEVAL, "--models=prod=perfect")
    result.assert_outcomes(passed=1)
    result.stdout.fnmatch_lines(["improved    prod retrieval/medical: mrr@10 0.750 → 1.000 *IMPROVED*(72 differ)"])
    assert [verdict["change"] for verdict in read_verdicts(upgrades, "baseline")] == ["improved"]
    assert _text(upgrades, "prod") == text
    result = upgrades.runpytest_inprocess(RETRIEVAL, "--models=prod=perfect", UPDATE)
    result.stdout.fnmatch_lines(["updated     prod retrieval/medical: mrr@10 0.7500 → 1.0000"])
    assert _stored_value(upgrades, "prod") == 1.0


def test_a_model_without_a_baseline_fails_where_others_have_one(upgrades: pytest.Pytester) -> None:
    store(upgrades, "prod=perfect")
    text = _text(upgrades, "prod")
    models = "--models=prod=careless,next=careful"
    result = upgrades.runpytest_inprocess(RETRIEVAL, models, "-k", "next")
    result.assert_outcomes(failed=1, deselected=1)
    result.stdout.fnmatch_lines(
        [f"  error: no baseline of next for retrieval/medical in *baselines; store these scores with {NEW}, or *"]
    )
    assert _command(result)[-1] == NEW
    result = upgrades.runpytest_inprocess(RETRIEVAL, models, NEW)
    result.assert_outcomes(passed=1, failed=1)  # what is stored is compared as ever
    result.stdout.fnmatch_lines(["stored      next retrieval/medical: mrr@10 0.9931"])
    result.stdout.no_fnmatch_line("*updated *")
    assert _text(upgrades, "prod") == text
    assert _command(result)[-2:] == [UPDATE, WORSE]
    assert NEW not in _command(result)
    upgrades.runpytest_inprocess(RETRIEVAL, "--models=prod=perfect,next=careful").assert_outcomes(passed=2)


def test_an_update_keeps_what_did_not_run(upgrades: pytest.Pytester) -> None:
    suite = "suites/test_retrieval.py"
    upgrades.runpytest_inprocess(suite, "--models=prod=careless", UPDATE).assert_outcomes(passed=2)
    before = read_baseline(upgrades, "prod")["results"]
    upgrades.runpytest_inprocess(RETRIEVAL, "--models=prod=perfect", UPDATE).assert_outcomes(passed=1)
    after = read_baseline(upgrades, "prod")["results"]
    assert set(after) == set(before) == {"retrieval/medical", "triplets/medical"}
    assert after["triplets/medical"] == before["triplets/medical"]
    assert after["retrieval/medical"] != before["retrieval/medical"]


def test_the_candidate_baseline_can_be_committed(upgrades: pytest.Pytester) -> None:
    """So that a baseline can be made in CI, also by the run that fails."""
    candidate, stored = (upgrades.path / folder / "prod.json" for folder in (".embedeval/baselines", "baselines"))
    stored.parent.mkdir()
    for source, failed in (("perfect", 0), ("careless", 1)):
        result = upgrades.runpytest_inprocess(RETRIEVAL, f"--models=prod={source}")
        result.assert_outcomes(passed=1 - failed, failed=failed)
        shutil.copy(candidate, stored)
        upgrades.runpytest_inprocess(RETRIEVAL, f"--models=prod={source}").assert_outcomes(passed=1)
        assert [verdict["differ"] for verdict in read_verdicts(upgrades, "baseline")] == [0]


def test_other_data_is_refused_and_both_fingerprints_are_named(upgrades: pytest.Pytester) -> None:
    store(upgrades, "prod=perfect")
    old = read_baseline(upgrades, "prod")["results"]["retrieval/medical"]["dataset"]["fingerprint"]
    path = upgrades.path / "medical.json"
    data = json.loads(path.read_text(encoding="utf-8"))
    data["data"][0]["paragraphs"][0]["qas"].pop()
    path.write_text(json.dumps(data), encoding="utf-8")
    result = upgrades.runpytest_inprocess(RETRIEVAL, "--models=prod=careless")
    result.assert_outcomes(failed=1)
    report = read_report(upgrades)
    new = report["datasets"][0]["fingerprint"]
    result.stdout.fnmatch_lines(
        [f"  error: the data has changed: {new[:19]} now, {old[:19]} in the reference; *cannot be compared"]
    )
    assert report["comparisons"] == []
    assert [row["delta"] for row in report["verdicts"]] == [None]
    upgrades.runpytest_inprocess(*_command(result)).assert_outcomes(passed=1)
    upgrades.runpytest_inprocess(RETRIEVAL, "--models=prod=careless").assert_outcomes(passed=1)


def test_the_order_of_the_questions_changes_no_verdict(upgrades: pytest.Pytester) -> None:
    store(upgrades, "prod=perfect")
    verdicts = []
    path = upgrades.path / "medical.json"
    for _ in range(2):
        upgrades.runpytest_inprocess(RETRIEVAL, "--models=prod=hasty").assert_outcomes(failed=1)
        verdicts.append(read_report(upgrades)["verdicts"])
        data = json.loads(path.read_text(encoding="utf-8"))["data"][::-1]
        for article in data:
            for passage in article["paragraphs"]:
                passage["qas"].reverse()
        path.write_text(json.dumps({"data": data}), encoding="utf-8")
    assert verdicts[0] == verdicts[1]


def test_another_seed_of_k_means_is_refused(project: pytest.Pytester) -> None:
    suite = "suites/test_clustering.py"
    project.runpytest_inprocess(suite, "--models=letters", UPDATE).assert_outcomes(passed=1)
    result = project.runpytest_inprocess(suite, "--models=letters", "--embedeval-seed=7")
    result.assert_outcomes(failed=1)
    result.stdout.fnmatch_lines(["  error: the parameter seed has changed: 7 now, 42 in the reference"])
    project.runpytest_inprocess(suite, "--models=letters").assert_outcomes(passed=1)


@pytest.mark.parametrize(("name", "now", "then"), [("level", 1, 2), ("ties", "expected", "trec")])
def test_other_parameters_are_refused(project: pytest.Pytester, name: str, now: object, then: object) -> None:
    store(project, "letters")
    stored = read_baseline(project, "letters")
    stored["results"]["retrieval/medical"]["parameters"][name] = then
    (project.path / "baselines" / "letters.json").write_text(json.dumps(stored), encoding="utf-8")
    result = project.runpytest_inprocess(RETRIEVAL, "--models=letters")
    result.assert_outcomes(failed=1)
    result.stdout.fnmatch_lines([f"  error: the parameter {name} has changed: {now} now, {then} in the reference"])


def test_thresholds_and_baseline_speak_in_one_message(upgrades: pytest.Pytester) -> None:
    store(upgrades, "prod=perfect")
    configure(upgrades, '[gates."retrieval/medical"]\n"mrr@10" = { min = 0.99 }\n"recall@3" = { min = 0.5 }\n')
    result = upgrades.runpytest_inprocess(RETRIEVAL, "--models=prod=hasty")
    result.assert_outcomes(failed=1)
    result.stdout.fnmatch_lines(
        [
            "prod does not pass retrieval/medical:",
            "  fail: mrr@10 0.9722 is below the minimum 0.99",
            "  fail: mrr@10 1.000 → 0.972 (−0.028)*",
            "metric * value * bound *",
            "mrr@10 * 0.9722 * min 0.99 * -0.0178 * fail",
            "mrr@10 * 0.9722 * baseline 1 * -0.0278 * fail",
            "recall@1 * baseline 1 * (fail)",
            "recall@3 * min 0.5 * pass",
            "recall@3 * baseline 1 * (inconclusive)",
            "(state) informs and decides nothing.",
            'The bounds stand in [[]gates."retrieval/medical"] of embedeval.toml;*',
        ]
    )
    assert result.stdout.str().count("does not pass") == 1
    result.stdout.no_fnmatch_line("To accept these scores*")  # stored or not, the bound is broken


def _text(project: pytest.Pytester, alias: str) -> bytes:
    return Path(project.path / "baselines" / f"{alias}.json").read_bytes()


def _stored_value(project: pytest.Pytester, alias: str) -> float:
    value: float = read_baseline(project, alias)["results"]["retrieval/medical"]["metrics"]["mrr@10"]["value"]
    return value


def _texts(project: pytest.Pytester) -> tuple[dict[str, str], dict[str, str]]:
    """Return the questions and the passages of the project by id."""
    questions: dict[str, str] = {}
    passages: dict[str, str] = {}
    for article in json.loads((project.path / "medical.json").read_text(encoding="utf-8"))["data"]:
        for number, passage in enumerate(article["paragraphs"], start=1):
            passages[f"{article['title']}#{number}"] = passage["context"]
            questions |= {entry["id"]: entry["question"] for entry in passage["qas"]}
    return questions, passages


def _command(result: pytest.RunResult) -> list[str]:
    """Return the arguments of the command that the message offers."""
    found = re.search(r"as the baseline of \S+: (pytest .*)", result.stdout.str())
    assert found
    return shlex.split(found[1])[1:]


def test_two_tests_may_gate_a_data_set_by_metrics_of_their_own(upgrades: pytest.Pytester) -> None:
    upgrades.makepyfile(
        test_own="""
        def test_order(model, retrieval, gate):
            gate(retrieval(model, "medical", metrics=["mrr@10"]))


        def test_share(model, retrieval, gate):
            gate(retrieval(model, "medical", metrics=["recall@5"]))
        """
    )
    run = "test_own.py", "--models=prod=careless"
    upgrades.runpytest_inprocess(*run, UPDATE).assert_outcomes(passed=2)
    assert set(read_baseline(upgrades, "prod")["results"]["retrieval/medical"]["metrics"]) == {"mrr@10", "recall@5"}
    upgrades.runpytest_inprocess(*run).assert_outcomes(passed=2)


def test_a_data_set_gated_twice_under_other_parameters_is_refused(upgrades: pytest.Pytester) -> None:
    upgrades.makepyfile(
        test_own="""
        def test_twice(model, retrieval, gate):
            gate(retrieval(model, "medical"))
            gate(retrieval(model, "medical", ties="trec"))
        """
    )
    result = upgrades.runpytest_inprocess("test_own.py", "--models=prod=careless")
    result.assert_outcomes(failed=1)
    result.stdout.fnmatch_lines(["retrieval/medical is gated twice with other data or parameters *"])
