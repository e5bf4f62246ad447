"""Which model is recommended for what: the sums, their bounds, and when nobody wins."""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
import pytest

from pytest_embedeval.gate import Measurement, Result, Verdict, bounded_mean_interval
from pytest_embedeval.gate.results import JudgedData, JudgedModel, KeptMetric, KeptQuery
from pytest_embedeval.models import ModelInfo
from pytest_embedeval.report import Part, Report, SpeedRow, assemble
from pytest_embedeval.report.decision import Decision, decide
from pytest_embedeval.settings import SCENARIOS, Scenario
from tests.report.test_gather import RUN

QUALITY = Scenario("quality", {"retrieval": 1.0})
Each = dict[tuple[str, str], dict[str, list[float]]]  # (suite, data set) -> alias -> scores

_METRICS = {
    "retrieval": "mrr@10",
    "robustness": "robustness.score",
    "morphology": "morphology.auc",
    "similarity": "similarity.spearman",
}


def run(each: Each, *, failed: tuple[str, ...] = (), kinds: dict[str, str] | None = None, **rates: float) -> Report:
    aliases = list(dict.fromkeys(alias for scores in each.values() for alias in scores))
    rows = [
        Measurement(alias, suite, data, _METRICS[suite], float(np.mean(scores)), len(scores))
        for (suite, data), by_model in each.items()
        for alias, scores in by_model.items()
    ]
    part = Part(
        models=[ModelInfo(alias, "x", kind=(kinds or {}).get(alias, "dense"), bytes_per_vector=4) for alias in aliases],
        measurements=rows,
        verdicts=[Verdict(alias, "retrieval", "d", "mrr@10", "min", 0.1, 0.5, "fail", "") for alias in failed],
        speed=[
            SpeedRow(model=alias, task=task, texts_per_s=rate, p50_ms=1000 / rate, rounds=1)
            for alias, rate in rates.items()
            for task in ("encode", "query")
        ],
    )
    return assemble(RUN, [part], aliases)


def results(each: Each) -> dict[tuple[str, str], Result]:
    found = {}
    for (suite, data), by_model in each.items():
        for alias, scores in by_model.items():
            kept = {f"q{n:03}": KeptQuery(scores=[score]) for n, score in enumerate(scores)}
            metric = KeptMetric(value=float(np.mean(scores)), n=len(scores))
            found[alias, f"{suite}/{data}"] = Result(
                model=JudgedModel(source="x"),
                dataset=JudgedData(fingerprint="f"),
                metrics={_METRICS[suite]: metric},
                columns=[_METRICS[suite]],
                queries=kept,
            )
    return found


def decided(each: Each, scenario: Scenario = QUALITY, **more: object) -> Decision:
    (decision,) = decide(run(each, **more), results(each), {"s": scenario})  # type: ignore[arg-type]
    return decision


GOOD, POOR = [1.0, 0.5] * 100, [0.5, 0.0] * 100
NEAR = [1.0, 0.5] * 99 + [0.5, 0.5]  # one query of 200 is worse


def test_a_model_that_is_shown_to_be_better_wins() -> None:
    found = decided({("retrieval", "d"): {"poor": POOR, "good": GOOD}}, good=10.0, poor=90.0)
    assert (found.outcome, found.best, found.cheapest) == ("clear", "good", "good")
    assert [choice.model for choice in found.choices] == ["good", "poor"]
    low, high = bounded_mean_interval(np.array(POOR) - np.array(GOOD), -1.0, 1.0)
    other = found.choices[1]
    assert (other.delta, other.low, other.high) == pytest.approx((-0.5, low, high))
    assert found.reason == (
        f"good has 0.750 and is shown to be better than the others: poor −0.500 [−{-low:.3f}, −{-high:.3f}]"
    )


def test_there_is_no_clear_winner_where_the_bounds_reach_zero_and_the_cheapest_of_those_is_named() -> None:
    each = {("retrieval", "d"): {"good": GOOD, "near": NEAR, "poor": POOR}}
    found = decided(each, good=10.0, near=30.0, poor=90.0)
    assert (found.outcome, found.best, found.cheapest) == ("unclear", "good", "near")
    assert "no clear winner: good has 0.750, and is not told apart from near −0.002 [" in found.reason
    assert found.reason.endswith("the cheapest of them is near, which encodes 30 texts per second")
    assert "poor" not in found.reason


def test_words_are_cheaper_than_vectors_and_small_vectors_than_unknown_speed() -> None:
    each = {("retrieval", "d"): {"good": GOOD, "words": NEAR}}
    assert decided(each, kinds={"words": "lexical"}, good=10.0).cheapest == "words"
    assert decided(each).reason.endswith("whose vectors take 4 bytes each; speed was not measured")


def test_only_models_that_pass_are_recommended() -> None:
    each = {("retrieval", "d"): {"good": GOOD, "poor": POOR}}
    found = decided(each, failed=("good",))
    assert (found.outcome, found.best) == ("clear", "poor")
    assert found.reason == "poor has 0.250 and is the only model that passes; good has 0.750 and fails its gates"
    none = decided(each, failed=("good", "poor"))
    assert (none.outcome, none.best, none.cheapest) == ("none", None, None)
    assert none.reason == "no model passes its gates; good has the highest score, 0.750"
    assert all(choice.delta is None for choice in none.choices)


def test_scores_are_weighted_from_chance_to_perfect() -> None:
    each = {
        ("retrieval", "d"): {"a": [0.4] * 50, "b": [0.1] * 50},
        ("morphology", "w"): {"a": [0.9] * 50, "b": [0.4] * 50},
    }
    scenario = Scenario("both", {"retrieval": 3, "morphology": 1})
    found = decided(each, scenario)
    assert found.weights == {"retrieval": 0.75, "morphology": 0.25}
    assert found.choices[0].aspects == pytest.approx({"retrieval": 0.4, "morphology": 0.8})
    assert found.choices[0].score == pytest.approx(0.75 * 0.4 + 0.25 * 0.8)
    assert found.choices[1].aspects == pytest.approx({"retrieval": 0.1, "morphology": -0.2}), "worse than chance"


def test_a_suite_is_told_by_what_decides_in_the_run_where_its_chance_is_known() -> None:
    suites = (("retrieval", "d"), ("retrieval", "e"), ("morphology", "w"))
    each: Each = {place: {"a": [0.75], "b": [0.75]} for place in suites}
    report = run(each)
    for suite, data, metric in (("retrieval", "e", "ndcg@10"), ("morphology", "w", "morphology.accuracy")):
        for alias in ("a", "b"):
            report.measurements.append(Measurement(alias, suite, data, metric, 0.25, 1, primary=True))
    (found,) = decide(report, results(each), {"s": Scenario("both", {"retrieval": 1, "morphology": 1})})
    assert found.metrics == {"retrieval": ["mrr@10", "ndcg@10"], "morphology": ["morphology.auc"]}
    assert found.choices[0].aspects == {"retrieval": (0.75 + 0.25) / 2, "morphology": 0.5}


def test_speed_is_full_within_its_limit_and_half_at_twice() -> None:
    scenario = Scenario("fast", {"retrieval": 1, "latency": 1, "throughput": 1}, latency_ms=50, texts_per_s=40)
    found = decided({("retrieval", "d"): {"a": GOOD, "b": GOOD}}, scenario, a=10.0, b=80.0)
    aspects = {choice.model: choice.aspects for choice in found.choices}
    assert (aspects["a"]["latency"], aspects["a"]["throughput"]) == pytest.approx((0.5, 0.25))
    assert (aspects["b"]["latency"], aspects["b"]["throughput"]) == (1.0, 1.0)


def test_bounds_add_in_squares_across_data_sets_and_plainly_within_one() -> None:
    sides = {"good": GOOD, "poor": POOR}
    low, high = bounded_mean_interval(np.array(POOR) - np.array(GOOD), -1.0, 1.0)
    down, up = -0.5 - low, high + 0.5

    def bounds(each: Each, scenario: Scenario = QUALITY) -> tuple[float | None, float | None]:
        other = decided(each, scenario).choices[1]
        return other.low, other.high

    apart = {("retrieval", "d"): sides, ("retrieval", "e"): sides}
    assert bounds(apart) == pytest.approx((-0.5 - down / math.sqrt(2), -0.5 + up / math.sqrt(2)))
    same = {("retrieval", "d"): sides, ("robustness", "d"): sides}
    assert bounds(same, Scenario("s", {"retrieval": 1, "robustness": 1})) == pytest.approx((low, high))
    words = {("morphology", "d"): {"good": [1.0] * 40 + [0.9] * 10, "poor": [0.8] * 40 + [0.9] * 10}}
    part = bounded_mean_interval(np.array([-0.2] * 40 + [0.0] * 10), -1.0, 1.0)
    scaled = bounds(words, Scenario("s", {"morphology": 1}))
    assert scaled == pytest.approx((2 * part[0], 2 * part[1])), "0.5 is chance: a difference counts twice"


def test_what_was_not_measured_is_said_and_never_guessed() -> None:
    each = {("retrieval", "d"): {"a": GOOD, "b": GOOD}, ("robustness", "d"): {"a": GOOD}}
    found = decided(each, Scenario("s", {"retrieval": 0.6, "robustness": 0.3, "crosslingual": 0.1}))
    assert found.left_out == ["crosslingual"]
    assert found.weights == pytest.approx({"retrieval": 2 / 3, "robustness": 1 / 3})
    assert found.unmeasured == ["b"]
    assert found.reason == "a has 0.750 and is the only model measured on it"
    little = decided(
        {("retrieval", "d"): {"a": GOOD, "b": POOR}}, Scenario("s", {"crosslingual": 0.6, "retrieval": 0.4})
    )
    assert (little.outcome, little.reason) == ("none", "not judged: crosslingual was not measured")


def test_a_data_set_that_only_some_models_have_does_not_shift_the_mean() -> None:
    each = {("retrieval", "d"): {"a": GOOD, "b": GOOD}, ("retrieval", "extra"): {"a": POOR}}
    found = decided(each)
    assert {choice.model: choice.score for choice in found.choices} == pytest.approx({"a": 0.75, "b": 0.75})


def test_queries_of_one_cluster_count_as_one() -> None:
    each = {("retrieval", "d"): {"good": GOOD, "poor": POOR}}
    found = results(each)
    clustered = {
        key: result.model_copy(
            update={
                "queries": {
                    identity: query.model_copy(update={"fields": {"passage": str(number // 5)}})
                    for number, (identity, query) in enumerate(result.queries.items())
                }
            }
        )
        for key, result in found.items()
    }
    (apart,) = decide(run(each), clustered, {"s": QUALITY})
    (together,) = decide(run(each), clustered, {"s": QUALITY}, {"d": "passage"})
    low, high = bounded_mean_interval(np.full(40, -0.5), -1.0, 1.0)
    assert (together.choices[1].low, together.choices[1].high) == pytest.approx((low, high))
    assert low < (apart.choices[1].low or 0.0)


def test_a_correlation_has_the_bounds_of_both_values() -> None:
    report = run({("similarity", "s"): {"a": [0.6], "b": [0.5]}})
    scenario = {"s": Scenario("s", {"similarity": 1})}
    (unknown,) = decide(report, {}, scenario)
    assert unknown.outcome == "unclear", "neither value has bounds"
    bounds = {"a": (0.57, 0.63), "b": (0.46, 0.54)}
    report.measurements = [
        replace(row, low=bounds[row.model][0], high=bounds[row.model][1]) for row in report.measurements
    ]
    (found,) = decide(report, {}, scenario)
    assert (found.choices[1].low, found.choices[1].high) == pytest.approx((-0.15, -0.05))


def test_few_queries_show_nothing() -> None:
    found = decided({("retrieval", "d"): {"good": GOOD[:20], "poor": POOR[:20]}})
    assert found.outcome == "unclear"


def test_a_small_lead_in_speed_is_no_lead() -> None:
    scenario = Scenario("fast", {"latency": 1}, latency_ms=1)
    each = {("retrieval", "d"): {"a": GOOD, "b": GOOD}}
    assert decided(each, scenario, a=100.0, b=110.0).outcome == "unclear"
    found = decided(each, scenario, a=100.0, b=200.0)
    assert (found.outcome, found.best) == ("clear", "b")
    reach = 0.1 * math.hypot(0.1, 0.2)
    assert (found.choices[1].low, found.choices[1].high) == pytest.approx((-0.1 - reach, -0.1 + reach))


def test_one_model_leaves_nothing_to_choose() -> None:
    each = {("retrieval", "d"): {"a": GOOD}}
    assert decide(run(each), results(each), SCENARIOS) == []


def test_every_default_scenario_finds_what_a_whole_run_measures() -> None:
    each = {("retrieval", "d"): {"a": GOOD, "b": POOR}}
    found = decide(run(each, a=100.0, b=50.0), results(each), SCENARIOS)
    assert [decision.scenario for decision in found] == ["real-time", "offline", "typed", "languages"]
    assert [decision.best for decision in found] == ["a", "a", None, None]
