from __future__ import annotations

import math

import pytest

from pytest_embedeval.gate import POLICIES, Measurement, Policy, Verdict, judge_thresholds
from pytest_embedeval.gate.verdicts import State
from pytest_embedeval.settings import Rule

MRR = Measurement("prod", "retrieval", "medical", "mrr@10", 0.5, 12, 0.25, 0.75)


def judge(rules: dict[str, Rule], *measurements: Measurement) -> list[Verdict]:
    return judge_thresholds(measurements, rules, model="prod", suite="retrieval", dataset="medical")


@pytest.mark.parametrize(
    ("rule", "state"),
    [
        (Rule(min=0.4), "pass"),
        (Rule(min=0.5), "pass"),
        (Rule(min=0.5 + 1e-12), "fail"),
        (Rule(max=0.6), "pass"),
        (Rule(max=0.5), "pass"),
        (Rule(max=0.5 - 1e-12), "fail"),
    ],
    ids=["above min", "at min", "below min", "below max", "at max", "above max"],
)
def test_a_bound_itself_is_allowed(rule: Rule, state: str) -> None:
    (verdict,) = judge({"mrr@10": rule}, MRR)
    assert verdict.state == state


def test_a_verdict_carries_all_that_was_measured() -> None:
    (verdict,) = judge({"mrr@10": Rule(min=0.75)}, MRR)
    assert verdict == Verdict(
        model="prod",
        suite="retrieval",
        dataset="medical",
        metric="mrr@10",
        rule="min",
        value=0.5,
        bound=0.75,
        state="fail",
        reason="mrr@10 0.5000 is below the minimum 0.75",
        delta=-0.25,
        low=0.25,
        high=0.75,
        n=12,
    )


def test_both_bounds_of_a_rule_are_judged() -> None:
    verdicts = judge({"mrr@10": Rule(min=0.6, max=0.4)}, MRR)
    assert [(verdict.rule, verdict.state, verdict.reason) for verdict in verdicts] == [
        ("min", "fail", "mrr@10 0.5000 is below the minimum 0.6"),
        ("max", "fail", "mrr@10 0.5000 is above the maximum 0.4"),
    ]
    assert [verdict.delta for verdict in verdicts] == pytest.approx([-0.1, 0.1])


def test_a_bound_of_zero_is_a_bound() -> None:
    silhouette = Measurement("prod", "clustering", "medical", "silhouette.kmeans", -0.1, 12)
    (verdict,) = judge({"silhouette.kmeans": Rule(min=0)}, silhouette)
    assert verdict.state == "fail"


def test_a_metric_that_was_not_measured_is_an_error_that_names_the_nearest() -> None:
    (verdict,) = judge({"mrr@1O": Rule(min=0.1)}, MRR)
    assert (verdict.state, verdict.value, verdict.delta, verdict.n) == ("error", None, None, None)
    assert verdict.reason == "mrr@1O was not measured; did you mean 'mrr@10'? Known: mrr@10"


@pytest.mark.parametrize("value", [None, math.nan, math.inf, -math.inf])
@pytest.mark.parametrize("rule", [Rule(min=-1.0), Rule(max=1.0)], ids=["min", "max"])
def test_a_value_that_is_not_finite_is_an_error(value: float | None, rule: Rule) -> None:
    (verdict,) = judge({"v_measure": rule}, Measurement("prod", "clustering", "medical", "v_measure", value, 12))
    assert (verdict.state, verdict.reason) == ("error", "v_measure is not a finite number")


@pytest.mark.parametrize("rule", [Rule(min=math.nan), Rule(max=math.nan)], ids=["min", "max"])
def test_a_bound_that_is_no_number_is_never_a_pass(rule: Rule) -> None:
    """TOML has the literal `nan`."""
    (verdict,) = judge({"mrr@10": rule}, MRR)
    assert verdict.state == "error"


def test_a_value_that_misses_by_little_does_not_look_equal_to_the_bound() -> None:
    (verdict,) = judge({"mrr@10": Rule(min=0.5)}, Measurement("prod", "retrieval", "medical", "mrr@10", 0.49999, 12))
    words = verdict.reason.split()
    assert float(words[1]) < float(words[-1])


def test_only_metrics_with_rules_are_judged() -> None:
    recall = Measurement("prod", "retrieval", "medical", "recall@10", 0.1, 12)
    assert [verdict.metric for verdict in judge({"mrr@10": Rule(min=0.1)}, recall, MRR)] == ["mrr@10"]
    assert judge({}, MRR) == []


TIED = Measurement("prod", "retrieval", "medical", "mrr@10", 0.5, 12, worst=0.4, best=0.7)
TIES: list[tuple[Rule, State, State, State]] = [
    (Rule(min=0.39), "pass", "pass", "pass"),
    (Rule(min=0.4), "pass", "pass", "pass"),
    (Rule(min=0.45), "inconclusive", "fail", "inconclusive"),
    (Rule(min=0.5), "inconclusive", "fail", "inconclusive"),
    (Rule(min=0.55), "fail", "fail", "inconclusive"),
    (Rule(min=0.7), "fail", "fail", "inconclusive"),
    (Rule(min=0.71), "fail", "fail", "fail"),
    (Rule(max=0.71), "pass", "pass", "pass"),
    (Rule(max=0.7), "pass", "pass", "pass"),
    (Rule(max=0.55), "inconclusive", "fail", "inconclusive"),
    (Rule(max=0.45), "fail", "fail", "inconclusive"),
    (Rule(max=0.4), "fail", "fail", "inconclusive"),
    (Rule(max=0.39), "fail", "fail", "fail"),
]


@pytest.mark.parametrize(
    ("rule", "observed", "strict", "proven"), TIES, ids=[f"min {r.min}" if r.min else f"max {r.max}" for r, *_ in TIES]
)
def test_a_bound_between_the_worst_and_the_best_order_of_ties_is_inconclusive(
    rule: Rule, observed: State, strict: State, proven: State
) -> None:
    states = {}
    for policy in POLICIES:
        (verdict,) = judge_thresholds(
            [TIED], {"mrr@10": rule}, model="prod", suite="retrieval", dataset="medical", policy=policy
        )
        states[policy] = verdict.state
        inside = 0.4 < (rule.min or 0) <= 0.7 or 0.4 <= (rule.max or 0) < 0.7
        assert verdict.reason.endswith("inconclusive (ties)") == inside
        assert verdict.blocks == (verdict.state == "fail")
    assert states == {"observed": observed, "strict": strict, "proven": proven}


def test_the_message_of_ties_has_both_ends() -> None:
    (verdict,) = judge({"mrr@10": Rule(min=0.45)}, TIED)
    assert verdict.reason == (
        "mrr@10 0.5000 is between 0.4000 and 0.7000, by the order of tied documents; "
        "the minimum 0.45 lies there too: inconclusive (ties)"
    )


@pytest.mark.parametrize("policy", POLICIES)
def test_without_ties_every_policy_keeps_the_bound(policy: Policy) -> None:
    for rule, state in ((Rule(min=0.6), "fail"), (Rule(min=0.5), "pass")):
        (verdict,) = judge_thresholds(
            [MRR], {"mrr@10": rule}, model="prod", suite="retrieval", dataset="medical", policy=policy
        )
        assert verdict.state == state


def test_a_rule_without_a_bound_judges_nothing() -> None:
    assert judge({"mrr@10": Rule(tolerance=0.1, primary=True)}, MRR) == []
