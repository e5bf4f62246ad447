"""All rules of a configuration on one result: thresholds, the stored baseline, another model."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from pytest_embedeval.gate import Baseline, Excerpts, Judge, Measurement, Result, Update, baseline_path
from pytest_embedeval.settings import DatasetTable, Gate, Rule, Settings
from tests.gate.test_results import kept

PLACE = "retrieval/medical"
ONES, ZEROS = [1.0] * 200, [0.0] * 200
GOOD = kept({"mrr@10": ONES, "recall@10": ONES})
BAD = kept({"mrr@10": ZEROS, "recall@10": ONES})


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    return Settings(root=tmp_path, baseline=tmp_path / "baselines")


def store(settings: Settings, **results: Result) -> None:
    """Store scores of aliases for retrieval/medical."""
    assert settings.baseline is not None
    settings.baseline.mkdir(exist_ok=True)
    for alias, result in results.items():
        text = Baseline(alias=alias, results={PLACE: result}).text()
        baseline_path(settings.baseline, alias).write_text(text, encoding="utf-8")


def test_with_no_baseline_at_all_none_is_missing(settings: Settings) -> None:
    assert Judge(settings, Update()).by_baseline("prod", PLACE, GOOD) == ([], [])


def test_with_baselines_off_none_is_read(settings: Settings) -> None:
    store(settings, prod=BAD)
    assert Judge(replace(settings, baseline=None), Update()).by_baseline("prod", PLACE, GOOD) == ([], [])


@pytest.mark.parametrize("alias", ["prod", "next"], ids=["another place", "another alias"])
def test_a_missing_baseline_is_an_error_that_names_the_command(settings: Settings, alias: str) -> None:
    store(settings, prod=GOOD)
    ((verdict,), _) = Judge(settings, Update()).by_baseline(alias, "triplets/medical", kept({"triplet.accuracy": ONES}))
    assert (verdict.state, verdict.blocks, verdict.metric, verdict.value) == ("error", True, "triplet.accuracy", 1.0)
    assert verdict.reason == (
        f"no baseline of {alias} for triplets/medical in {settings.baseline}; "
        "store these scores with --embedeval-update-new, or look at them without one with --embedeval-baseline=off"
    )


@pytest.mark.parametrize(
    "update", [Update(rewrite=True), Update(only_new=True), Update(rewrite=True, accept_worse=True)]
)
def test_a_missing_baseline_that_will_be_written_is_no_error(settings: Settings, update: Update) -> None:
    store(settings, prod=GOOD)
    assert Judge(settings, update).by_baseline("next", PLACE, GOOD) == ([], [])


def test_a_model_that_is_compared_with_another_needs_no_baseline(settings: Settings) -> None:
    store(settings, prod=GOOD)
    assert Judge(replace(settings, against="prod"), Update()).by_baseline("next", PLACE, GOOD) == ([], [])


def test_the_stored_scores_are_what_a_run_is_compared_with(settings: Settings) -> None:
    store(settings, prod=GOOD)
    verdicts, comparisons = Judge(settings, Update()).by_baseline("prod", PLACE, BAD)
    assert [(v.metric, v.rule, v.reference, v.state, v.blocks) for v in verdicts] == [
        ("mrr@10", "baseline", "prod", "fail", True),
        ("recall@10", "baseline", "prod", "pass", False),
    ]
    assert [(c.lost, c.won, c.n) for c in comparisons] == [(200, 0, 200)]


def test_tolerance_policy_and_least_number_are_those_of_the_settings(settings: Settings) -> None:
    store(settings, prod=kept({"mrr@10": [1.0] * 20}))
    after = kept({"mrr@10": [0.9] * 20})
    for changes, state in (
        ({}, "fail"),
        ({"policy": "proven"}, "inconclusive"),
        ({"policy": "proven", "min_queries": 2}, "inconclusive"),
        ({"policy": "proven", "min_queries": 2, "tolerance": 0.001}, "inconclusive"),
        ({"tolerance": 0.2}, "inconclusive"),
        ({"tolerance": 0.4, "min_queries": 2}, "pass"),
    ):
        ((verdict,), _) = Judge(replace(settings, **changes), Update()).by_baseline("prod", PLACE, after)
        assert verdict.state == state, changes


def test_rules_slices_and_clusters_are_those_of_the_settings(settings: Settings) -> None:
    fields = {f"q{number:03}": {"topic": f"t{number % 2}", "document": f"d{number % 100}"} for number in range(200)}
    store(settings, prod=kept({"mrr@10": ONES, "recall@10": ONES}))
    after = kept({"mrr@10": ZEROS, "recall@10": ONES}, fields=fields)
    configured = replace(
        settings,
        datasets={"medical": DatasetTable("", "squad", slices=("topic",), clusters="document")},
        gates={PLACE: Gate({"recall@10": Rule(primary=True)}, {"prod": {"mrr@10": Rule(tolerance=0.5)}})},
    )
    verdicts, (comparison,) = Judge(configured, Update()).by_baseline("prod", PLACE, after)
    assert [(v.metric, v.advisory, v.n) for v in verdicts] == [("mrr@10", True, 100), ("recall@10", False, 100)]
    assert "more than 0.5" in verdicts[0].reason
    assert [(part.field, part.value, part.n) for part in comparison.slices] == [
        ("topic", "t0", 50),
        ("topic", "t1", 50),
    ]


def test_an_explanation_quotes_the_texts(settings: Settings) -> None:
    store(settings, prod=GOOD)
    texts = Excerpts("medical", {"q000": "Ağrı?"})
    _, (comparison,) = Judge(settings, Update()).by_baseline("prod", PLACE, BAD, texts)
    assert comparison.queries[0].text == "Ağrı?"


@pytest.mark.parametrize("update", [Update(), Update(rewrite=True)], ids=["judge", "update"])
def test_a_damaged_baseline_is_an_error_of_its_own_model_only(settings: Settings, update: Update) -> None:
    store(settings, prod=GOOD, next=GOOD)
    assert settings.baseline is not None
    baseline_path(settings.baseline, "prod").write_text("{", encoding="utf-8")
    judge = Judge(settings, update)
    ((verdict,), _) = judge.by_baseline("prod", PLACE, GOOD)
    assert (verdict.state, verdict.blocks) == ("error", True)
    assert "prod.json: line 1: not valid JSON" in verdict.reason
    assert [v.state for v in judge.by_baseline("next", PLACE, GOOD)[0]] == ["pass", "pass"]


def test_a_baseline_is_read_once(settings: Settings) -> None:
    store(settings, prod=GOOD)
    judge = Judge(settings, Update())
    first = judge.by_baseline("prod", PLACE, BAD)
    store(settings, prod=BAD)
    assert judge.by_baseline("prod", PLACE, BAD) == first


def test_an_update_informs_and_does_not_fail(settings: Settings) -> None:
    store(settings, prod=BAD)
    verdicts, _ = Judge(settings, Update(rewrite=True)).by_baseline("prod", PLACE, GOOD)
    assert [(v.metric, v.change, v.advisory) for v in verdicts] == [
        ("mrr@10", "improved", True),
        ("recall@10", "non-inferior", True),
    ]


def test_an_update_refuses_a_score_that_fell(settings: Settings) -> None:
    store(settings, prod=GOOD)
    verdicts, comparisons = Judge(settings, Update(rewrite=True)).by_baseline("prod", PLACE, BAD)
    refused, other = verdicts
    assert (refused.metric, refused.state, refused.blocks, refused.value, refused.bound) == (
        "mrr@10",
        "error",
        True,
        0,
        1,
    )
    assert "mrr@10 1.0000 → 0.0000" in refused.reason
    assert "--embedeval-accept-worse" in refused.reason
    assert (other.metric, other.blocks) == ("recall@10", False)
    assert comparisons[0].lost == 200


def test_a_worse_score_that_is_accepted_does_not_fail(settings: Settings) -> None:
    store(settings, prod=GOOD)
    verdicts, _ = Judge(settings, Update(rewrite=True, accept_worse=True)).by_baseline("prod", PLACE, BAD)
    assert [v.blocks for v in verdicts] == [False, False]
    assert verdicts[0].change == "regressed"


def test_an_update_after_the_data_changed_does_not_fail(settings: Settings) -> None:
    store(settings, prod=GOOD)
    verdicts, _ = Judge(settings, Update(rewrite=True)).by_baseline("prod", PLACE, kept({"mrr@10": ONES}, data="other"))
    assert [(v.state, v.blocks) for v in verdicts] == [("error", False)]


def test_an_update_of_missing_ones_still_judges_the_stored(settings: Settings) -> None:
    store(settings, prod=GOOD)
    verdicts, _ = Judge(settings, Update(only_new=True)).by_baseline("prod", PLACE, BAD)
    assert [(v.state, v.blocks) for v in verdicts] == [("fail", True), ("pass", False)]


def test_nothing_is_compared_unless_asked(settings: Settings) -> None:
    assert Judge(settings, Update()).against("next", PLACE, GOOD, BAD) == ([], [])


def test_a_model_is_not_compared_with_itself(settings: Settings) -> None:
    assert Judge(replace(settings, against="prod"), Update()).against("prod", PLACE, GOOD, GOOD) == ([], [])


def test_scores_of_this_run_come_before_stored_ones(settings: Settings) -> None:
    store(settings, prod=BAD)
    judge = Judge(replace(settings, against="prod"), Update())
    live, _ = judge.against("next", PLACE, BAD, GOOD)
    kept_ones, _ = judge.against("next", PLACE, BAD, None)
    assert [(v.rule, v.model, v.reference) for v in live] == [("against", "next", "prod")] * 2
    assert (live[0].change, kept_ones[0].change) == ("regressed", "non-inferior")


@pytest.mark.parametrize("off", [False, True], ids=["folder", "off"])
def test_a_reference_without_scores_is_an_error(settings: Settings, off: bool) -> None:
    configured = replace(settings, against="prod", baseline=None if off else settings.baseline)
    ((verdict,), _) = Judge(configured, Update()).against("next", PLACE, GOOD, None)
    where = "baselines, which are off" if off else str(settings.baseline)
    assert (verdict.state, verdict.blocks) == ("error", True)
    assert verdict.reason == f"prod has no scores for {PLACE}, neither in this run nor in {where}"


def test_a_reference_with_a_damaged_baseline_is_an_error(settings: Settings) -> None:
    store(settings, prod=GOOD)
    assert settings.baseline is not None
    baseline_path(settings.baseline, "prod").write_bytes(b"\xff")
    ((verdict,), _) = Judge(replace(settings, against="prod"), Update()).against("next", PLACE, GOOD, None)
    assert (verdict.state, verdict.rule) == ("error", "against")
    assert "prod.json: cannot be read" in verdict.reason


def test_an_update_is_no_excuse_against_another_model(settings: Settings) -> None:
    judge = Judge(replace(settings, against="prod"), Update(rewrite=True, accept_worse=True))
    verdicts, _ = judge.against("next", PLACE, BAD, GOOD)
    assert verdicts[0].blocks


def test_thresholds_are_those_of_the_gate_and_its_model(settings: Settings) -> None:
    gate = Gate({"mrr@10": Rule(min=0.5)}, {"small": {"mrr@10": Rule(min=0.1)}})
    judge = Judge(replace(settings, gates={PLACE: gate}, policy="strict"), Update())
    row = Measurement("prod", "retrieval", "medical", "mrr@10", 0.3, 12)
    tied = replace(row, worst=0.05, best=0.4)
    assert [v.state for v in judge.thresholds("prod", PLACE, [row])] == ["fail"]
    assert [v.state for v in judge.thresholds("small", PLACE, [row])] == ["pass"]
    assert [v.state for v in judge.thresholds("small", PLACE, [tied])] == ["fail"]
    assert judge.thresholds("prod", "retrieval/other", [row]) == []


def test_an_update_is_wanted_by_either_flag() -> None:
    assert [Update(*flags).wanted for flags in ((False, False), (True, False), (False, True), (True, True))] == [
        False,
        True,
        True,
        True,
    ]
